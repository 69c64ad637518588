/* Learning what became of an open, with libssh 0.10 and 0.11. */
#include "session_libssh/open_replies.h"

#include "session_libssh/breach.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void answers_init(struct answers *answers)
{
    TAILQ_INIT(&answers->waiting);
    answers->creating = NULL;
    answers->confirming = NULL;
}

void answers_forget(struct answers *answers, struct answer *answer)
{
    TAILQ_REMOVE(&answers->waiting, answer, link);
#if LIBSSH_VERSION_INT >= SSH_VERSION_INT(0, 11, 0)
    ssh_remove_channel_callbacks(answer->handle, &answer->callbacks);
#endif
}

/* Reads "... Channel opening failure: channel %u error (%u) text" into the answer. */
static bool parse_refusal(const char *line, uint32_t *number, uint32_t *reason, char *text)
{
    const char *at = strstr(line, "Channel opening failure: channel ");
    int used = 0;

    if (at == NULL ||
        sscanf(at, "Channel opening failure: channel %u error (%u) %n", number, reason, &used) < 2)
        return false;
    text[0] = '\0';
    if (used > 0)
        snprintf(text, ANSWER_TEXT_MAX, "%s", at + used);
    return true;
}

static int open_forward(ssh_channel handle, const struct open_target *target)
{
    if (target->path != NULL)
        return ssh_channel_open_forward_unix(handle, target->path, "", 0);
    return ssh_channel_open_forward(handle, target->host, target->port, target->origin,
                                    target->origin_port);
}

#if LIBSSH_VERSION_INT >= SSH_VERSION_INT(0, 11, 0)

const char *answers_read_log(struct answers *answers, int priority, const char *function,
                             const char *text)
{
    (void)answers;
    (void)priority;
    (void)function;
    (void)text;
    return NULL;
}

int answers_log_level(const struct answers *answers)
{
    (void)answers;
    return SSH_LOG_WARN;
}

bool answers_are_certain(const struct answer *answer)
{
    (void)answer;
    return true;
}

static void open_response(ssh_session session, ssh_channel handle, bool is_success, void *userdata)
{
    struct answer *answer = userdata;
    uint32_t number;

    (void)handle;
    answer->confirmed = is_success;
    if (is_success)
        return;
    answer->refused = true;
    if (!parse_refusal(ssh_get_error(session), &number, &answer->reason, answer->text))
        answer->reason = 2; /* SSH_OPEN_CONNECT_FAILED, without words */
}

int answers_open_forward(struct answers *answers, struct answer *answer, ssh_channel handle,
                         const struct open_target *target)
{
    answer->handle = handle;
    TAILQ_INSERT_TAIL(&answers->waiting, answer, link);
    answer->callbacks.userdata = answer;
    answer->callbacks.channel_open_response_function = open_response;
    ssh_callbacks_init(&answer->callbacks);
    ssh_add_channel_callbacks(handle, &answer->callbacks);
    return open_forward(handle, target);
}

#else /* 0.10 */

static struct answer *find(struct answers *answers, uint32_t number)
{
    struct answer *answer;

    TAILQ_FOREACH (answer, &answers->waiting, link)
        if (answer->numbered && answer->number == number)
            return answer;
    return NULL;
}

/* The number that follows these words, if they are there. (sscanf costs ten times as much.) */
static bool find_number(const char *text, const char *words, uint32_t *number)
{
    const char *at = strstr(text, words);
    char *end;

    if (at == NULL)
        return false;
    at += strlen(words);
    *number = (uint32_t)strtoul(at, &end, 10);
    return end != at;
}

/* The two lines about a confirmation. */
static const char *read_confirmation(struct answers *answers, const char *text)
{
    uint32_t number;

    if (find_number(text, "Received a CHANNEL_OPEN_CONFIRMATION for channel ", &number)) {
        answers->confirming = find(answers, number);
    } else if (answers->confirming != NULL && find_number(text, ", maxpacket : ", &number)) {
        answers->confirming->confirmed = true;
        answers->confirming = NULL;
        return breach_of_packet_size(number);
    }
    return NULL;
}

static void read_refusal(struct answers *answers, const char *text)
{
    char words[ANSWER_TEXT_MAX];
    struct answer *answer;
    uint32_t number;
    uint32_t reason;

    if (!parse_refusal(text, &number, &reason, words))
        return;
    answer = find(answers, number);
    if (answer == NULL)
        return;
    answer->refused = true;
    answer->reason = reason;
    memcpy(answer->text, words, sizeof(words));
}

/* (The server's own words come as warnings, and not from the function that reads confirmations.) */
const char *answers_read_log(struct answers *answers, int priority, const char *function,
                             const char *text)
{
    uint32_t number;

    if (priority == SSH_LOG_WARN) {
        read_refusal(answers, text);
    } else if (priority == SSH_LOG_PROTOCOL) {
        if (strcmp(function, "ssh_packet_channel_open_conf") == 0)
            return read_confirmation(answers, text);
        if (answers->creating != NULL && find_number(text, "Creating a channel ", &number)) {
            answers->creating->number = number;
            answers->creating->numbered = true;
        }
    }
    return NULL;
}

int answers_log_level(const struct answers *answers)
{
    return TAILQ_EMPTY(&answers->waiting) ? SSH_LOG_WARN : SSH_LOG_PROTOCOL;
}

bool answers_are_certain(const struct answer *answer)
{
    return answer->numbered;
}

int answers_open_forward(struct answers *answers, struct answer *answer, ssh_channel handle,
                         const struct open_target *target)
{
    int rc;

    answer->handle = handle;
    TAILQ_INSERT_TAIL(&answers->waiting, answer, link);
    answers->creating = answer;
    if (ssh_get_log_level() < SSH_LOG_PROTOCOL)
        ssh_set_log_level(SSH_LOG_PROTOCOL); /* until the session is entered or left again */
    rc = open_forward(handle, target);
    answers->creating = NULL;
    return rc;
}

#endif
