/* Recognising the replies to opens, with libssh 0.10 and 0.11. */
#include "session_libssh/open_replies.h"

#include "base/log.h"
#include "session_libssh/breach.h"
#include "session_libssh/expectations.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void open_replies_init(struct open_replies *open_replies)
{
    TAILQ_INIT(&open_replies->waiting);
    open_replies->creating = NULL;
    open_replies->confirming = NULL;
}

void open_replies_forget(struct open_replies *open_replies, struct open_reply *reply)
{
    TAILQ_REMOVE(&open_replies->waiting, reply, link);
#if LIBSSH_VERSION_INT >= SSH_VERSION_INT(0, 11, 0)
    ssh_remove_channel_callbacks(reply->handle, &reply->callbacks);
#endif
}

/* Reads "... Channel opening failure: channel %u error (%u) text". */
static bool parse_refusal(const char *line, uint32_t *number, uint32_t *reason, char *text)
{
    const char *at = strstr(line, "Channel opening failure: channel ");
    int used = 0;

    if (at == NULL ||
        sscanf(at, "Channel opening failure: channel %u error (%u) %n", number, reason, &used) < 2)
        return false;
    text[0] = '\0';
    if (used > 0)
        snprintf(text, OPEN_REPLY_TEXT_MAX, "%s", at + used);
    return true;
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

/* Reads the line about the channel whose open call is on the stack. */
static void read_creation(struct open_replies *open_replies, const char *text)
{
    uint32_t number;

    if (open_replies->creating != NULL && find_number(text, "Creating a channel ", &number)) {
        open_replies->creating->number = number;
        open_replies->creating->numbered = true;
    }
}

static int open_forward(ssh_channel handle, const struct open_target *target)
{
    if (target->shell)
        return ssh_channel_open_session(handle);
    if (target->path != NULL)
        return ssh_channel_open_forward_unix(handle, target->path, "", 0);
    return ssh_channel_open_forward(handle, target->tcp->host, target->tcp->port,
                                    target->tcp->origin, target->tcp->origin_port);
}

#if LIBSSH_VERSION_INT >= SSH_VERSION_INT(0, 11, 0)

const char *open_replies_read_log(struct open_replies *open_replies, int priority,
                                  const char *function, const char *text)
{
    (void)priority;
    if (strcmp(function, "channel_open") == 0) /* (others' lines can have the server's words) */
        read_creation(open_replies, text);
    return NULL;
}

int open_replies_log_level(const struct open_replies *open_replies)
{
    (void)open_replies;
    return SSH_LOG_WARN;
}

bool open_replies_are_certain(const struct open_reply *reply)
{
    (void)reply;
    return true;
}

void open_replies_check_confirmed(const struct open_reply *reply)
{
    (void)reply;
}

enum open_replies_asking open_replies_asking(void)
{
    return OPEN_REPLIES_ARE_READ;
}

void open_replies_ask(ssh_session session, struct open_reply *reply)
{
    (void)session;
    (void)reply;
}

static void open_response(ssh_session session, ssh_channel handle, bool is_success, void *userdata)
{
    struct open_reply *reply = userdata;
    uint32_t number;

    (void)handle;
    reply->confirmed = is_success;
    if (is_success)
        return;
    reply->refused = true;
    if (!parse_refusal(ssh_get_error(session), &number, &reply->reason, reply->text))
        reply->reason = 2; /* SSH_OPEN_CONNECT_FAILED, without words */
}

/* The channel's number is for adit's log only. */
static int open_numbered(struct open_replies *open_replies, struct open_reply *reply,
                         ssh_channel handle, const struct open_target *target)
{
    int level = ssh_get_log_level();
    int rc;

    open_replies->creating = reply;
    ssh_set_log_level(SSH_LOG_PACKET);
    rc = open_forward(handle, target);
    ssh_set_log_level(level);
    open_replies->creating = NULL;
    return rc;
}

int open_replies_open_forward(struct open_replies *open_replies, struct open_reply *reply,
                              ssh_channel handle, const struct open_target *target)
{
    reply->handle = handle;
    TAILQ_INSERT_TAIL(&open_replies->waiting, reply, link);
    reply->callbacks.userdata = reply;
    reply->callbacks.channel_open_response_function = open_response;
    ssh_callbacks_init(&reply->callbacks);
    ssh_add_channel_callbacks(handle, &reply->callbacks);
    return log_wants(ADIT_LOG_DEBUG) ? open_numbered(open_replies, reply, handle, target)
                                     : open_forward(handle, target);
}

#else /* 0.10 */

static struct open_reply *reply_numbered(struct open_replies *open_replies, uint32_t number)
{
    struct open_reply *reply;

    TAILQ_FOREACH (reply, &open_replies->waiting, link)
        if (reply->numbered && reply->number == number)
            return reply;
    return NULL;
}

/* The two lines about a confirmation. */
static const char *read_confirmation(struct open_replies *open_replies, const char *text)
{
    uint32_t number;

    if (find_number(text, "Received a CHANNEL_OPEN_CONFIRMATION for channel ", &number)) {
        open_replies->confirming = reply_numbered(open_replies, number);
    } else if (open_replies->confirming != NULL && find_number(text, ", maxpacket : ", &number)) {
        open_replies->confirming->confirmed = true;
        open_replies->confirming->packet_max = number;
        expectation_met(EXPECT_CONFIRMATION);
        open_replies->confirming = NULL;
        return breach_of_packet_size(number);
    }
    return NULL;
}

static void read_refusal(struct open_replies *open_replies, const char *text)
{
    char words[OPEN_REPLY_TEXT_MAX];
    struct open_reply *reply;
    uint32_t number;
    uint32_t reason;

    if (!parse_refusal(text, &number, &reason, words))
        return;
    reply = reply_numbered(open_replies, number);
    if (reply == NULL)
        return;
    expectation_met(EXPECT_REFUSAL);
    reply->refused = true;
    reply->reason = reason;
    memcpy(reply->text, words, sizeof(words));
}

/* (The server's own words come as warnings, and not from the function that reads confirmations.) */
const char *open_replies_read_log(struct open_replies *open_replies, int priority,
                                  const char *function, const char *text)
{
    if (priority == SSH_LOG_WARN) {
        read_refusal(open_replies, text);
    } else if (priority == SSH_LOG_PROTOCOL) {
        if (strcmp(function, "ssh_packet_channel_open_conf") == 0)
            return read_confirmation(open_replies, text);
        read_creation(open_replies, text);
    }
    return NULL;
}

int open_replies_log_level(const struct open_replies *open_replies)
{
    return TAILQ_EMPTY(&open_replies->waiting) ? SSH_LOG_WARN : SSH_LOG_PROTOCOL;
}

bool open_replies_are_certain(const struct open_reply *reply)
{
    return reply->numbered && expectation_is_met(EXPECT_CONFIRMATION);
}

void open_replies_check_confirmed(const struct open_reply *reply)
{
    if (reply->numbered && !reply->confirmed)
        expectation_failed(EXPECT_CONFIRMATION);
}

enum open_replies_asking open_replies_asking(void)
{
    if (expectation_has_failed(EXPECT_CREATION) || expectation_has_failed(EXPECT_REFUSAL))
        return OPEN_REPLIES_ARE_ASKED;
    return expectation_is_met(EXPECT_REFUSAL) ? OPEN_REPLIES_ARE_READ : OPEN_REPLIES_UNTRIED;
}

/* Asked again, libssh sends nothing: it says "again" while it waits, and "error" once the channel
 * was refused. The error's text is that of the last channel that was. */
void open_replies_ask(ssh_session session, struct open_reply *reply)
{
    uint32_t number;

    if (reply->refused || reply->confirmed ||
        ssh_channel_open_forward(reply->handle, "", 0, "", 0) != SSH_ERROR || reply->refused)
        return;
    if (reply->numbered)
        expectation_failed(EXPECT_REFUSAL);
    reply->refused = true;
    if (!parse_refusal(ssh_get_error(session), &number, &reply->reason, reply->text))
        reply->reason = 2; /* SSH_OPEN_CONNECT_FAILED */
}

int open_replies_open_forward(struct open_replies *open_replies, struct open_reply *reply,
                              ssh_channel handle, const struct open_target *target)
{
    int rc;

    reply->handle = handle;
    TAILQ_INSERT_TAIL(&open_replies->waiting, reply, link);
    open_replies->creating = reply;
    if (ssh_get_log_level() < SSH_LOG_PROTOCOL)
        ssh_set_log_level(SSH_LOG_PROTOCOL); /* until the session is entered or left again */
    rc = open_forward(handle, target);
    open_replies->creating = NULL;
    if (reply->numbered)
        expectation_met(EXPECT_CREATION);
    else if (rc == SSH_AGAIN)
        expectation_failed(EXPECT_CREATION);
    return rc;
}

#endif
