/* Learning what became of an open, with libssh 0.10 and 0.11. */
#include "ssh/answers.h"

#include <stdio.h>
#include <string.h>

void answers_init(struct answers *answers)
{
    TAILQ_INIT(&answers->waiting);
    answers->creating = NULL;
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

void answers_read_log(struct answers *answers, int priority, const char *text)
{
    (void)answers;
    (void)priority;
    (void)text;
}

static void open_response(ssh_session session, ssh_channel handle, bool is_success, void *userdata)
{
    struct answer *answer = userdata;
    uint32_t number;

    (void)handle;
    if (is_success)
        return; /* seen by ssh_channel_is_open, as in 0.10 */
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

void answers_read_log(struct answers *answers, int priority, const char *text)
{
    struct answer *answer;
    const char *created;
    char words[ANSWER_TEXT_MAX];
    uint32_t number;
    uint32_t reason;

    created = answers->creating != NULL && priority == SSH_LOG_PROTOCOL
                  ? strstr(text, "Creating a channel ")
                  : NULL; /* (not in the server's own words, which come as warnings) */
    if (created != NULL && sscanf(created, "Creating a channel %u", &number) == 1) {
        answers->creating->number = number;
        answers->creating->numbered = true;
    } else if (priority == SSH_LOG_WARN && parse_refusal(text, &number, &reason, words)) {
        TAILQ_FOREACH (answer, &answers->waiting, link)
            if (answer->numbered && answer->number == number)
                break;
        if (answer != NULL) {
            answer->refused = true;
            answer->reason = reason;
            memcpy(answer->text, words, sizeof(words));
        }
    }
}

int answers_open_forward(struct answers *answers, struct answer *answer, ssh_channel handle,
                         const struct open_target *target)
{
    int level = ssh_get_log_level();
    int rc;

    answer->handle = handle;
    TAILQ_INSERT_TAIL(&answers->waiting, answer, link);
    answers->creating = answer;
    if (level < SSH_LOG_PROTOCOL)
        ssh_set_log_level(SSH_LOG_PROTOCOL);
    rc = open_forward(handle, target);
    ssh_set_log_level(level);
    answers->creating = NULL;
    return rc;
}

#endif
