/* Fuzzes what is read of libssh's log, in which a server's words stand beside libssh's: the input
 * is lines, each a letter for its level, one for its function, and its text. Three opens wait for
 * their replies. */
#include "session_libssh/open_replies.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/visible.h"
#include "session_libssh/breach.h"
#include "session_libssh/handshake.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OPENS 3
#define FIRST_NUMBER 43

static const char *const functions[] = {
    "ssh_packet_channel_open_conf",   "ssh_packet_channel_open_fail",
    "ssh_packet_global_request",      "channel_rcv_data",
    "ssh_packet_disconnect_callback", "channel_open",
};

/* Whether a text is without what a terminal acts upon. */
static void check_words(const char *text)
{
    char *words = text_lines(text);
    char *again = text_lines(words);

    assert(strlen(words) <= strlen(text));
    assert(strcmp(words, again) == 0);
    for (char *at = words; *at != '\0'; at += *at == '\n' ? 1 : visible_character(at))
        assert(*at == '\n' || visible_character(at) > 0);
    free(again);
    free(words);
}

/* A reply comes only for an open that waits, and only from the right function and level. */
static void read_line(struct open_replies *replies, const struct open_reply *opens, int priority,
                      const char *function, const char *text)
{
    struct open_reply before[OPENS];
    const char *breach;

    memcpy(before, opens, sizeof(before));
    breach = open_replies_read_log(replies, priority, function, text);
    assert(breach == NULL || strcmp(function, functions[0]) == 0);
    breach = breach_of_log(priority, function, text);
    assert(breach == NULL || priority <= SSH_LOG_WARN);
    for (size_t i = 0; i < OPENS; i++) {
        assert(memchr(opens[i].text, '\0', sizeof(opens[i].text)) != NULL);
        assert(opens[i].number == before[i].number || replies->creating == &opens[i]);
        if (opens[i].confirmed != before[i].confirmed)
            assert(priority == SSH_LOG_PROTOCOL && strcmp(function, functions[0]) == 0);
        if (opens[i].refused != before[i].refused)
            assert(priority == SSH_LOG_WARN && strstr(text, "Channel opening failure") != NULL);
    }
}

static void hear(struct handshake *h, const char *function, const char *text)
{
    char before[sizeof(h->disconnection)];

    memcpy(before, h->disconnection, sizeof(before));
    handshake_heard(h, function, text);
    assert(memchr(h->disconnection, '\0', sizeof(h->disconnection)) != NULL);
    assert(strcmp(function, functions[4]) == 0 || strcmp(before, h->disconnection) == 0);
}

static void wait_for_replies(struct open_replies *replies, struct open_reply opens[OPENS])
{
    open_replies_init(replies);
    for (size_t i = 0; i < OPENS; i++) {
        opens[i] = (struct open_reply){.number = FIRST_NUMBER + (uint32_t)i, .numbered = i > 0};
        TAILQ_INSERT_TAIL(&replies->waiting, &opens[i], link);
    }
    replies->creating = &opens[0];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_strndup(size > 0 ? (const char *)data : "", size);
    struct open_reply opens[OPENS];
    struct open_replies replies;
    struct handshake h = {0};

    log_setup(-1, ADIT_LOG_ERROR, ADIT_LOG_TEXT);
    wait_for_replies(&replies, opens);
    check_words(text);
    for (char *line = text; *line != '\0';) {
        char *end = line + strcspn(line, "\n");
        bool more = *end != '\0';
        *end = '\0';
        if (end - line >= 2) {
            const char *function = functions[(uint8_t)line[1] % 6];
            read_line(&replies, opens, (uint8_t)line[0] % 5, function, line + 2);
            hear(&h, function, line + 2);
        }
        line = end + more;
    }
    assert(breach_of_error(text) == NULL || size > 5);
    free(text);
    return 0;
}
