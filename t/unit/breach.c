/* What of libssh's log tells of a server that breaks the protocol, and what became of an open. */
#include "session_libssh/open_replies.h"
#include "session_libssh/breach.h"
#include "session_libssh/expectations.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void the_lines_of_libssh_are_known(void **state)
{
    (void)state;
    assert_non_null(
        breach_of_log(SSH_LOG_WARN, "channel_rcv_data",
                      "channel_rcv_data: Data packet too big for our window(32768 vs 12)"));
    assert_non_null(breach_of_log(SSH_LOG_WARN, "ssh_packet_channel_open_conf",
                                  "ssh_packet_channel_open_conf: "
                                  "SSH2_MSG_CHANNEL_OPEN_CONFIRMATION received in incorrect "
                                  "channel state 3"));
    assert_non_null(breach_of_log(SSH_LOG_WARN, "ssh_packet_channel_open_conf",
                                  "ssh_packet_channel_open_conf: Unknown channel id 7"));
    assert_non_null(breach_of_log(SSH_LOG_WARN, "ssh_packet_channel_open_conf",
                                  "ssh_packet_channel_open_conf: Invalid packet"));
}

static void other_lines_are_none(void **state)
{
    (void)state;
    assert_null(breach_of_log(SSH_LOG_WARN, "channel_rcv_data", "channel_rcv_data: Invalid"));
    assert_null(breach_of_log(SSH_LOG_WARN, "channel_from_msg",
                              "channel_from_msg: Server specified invalid channel 5"));
    /* A server's own words. */
    assert_null(
        breach_of_log(SSH_LOG_WARN, "ssh_packet_channel_open_fail",
                      "Channel opening failure: channel 43 error (1) Unknown channel id 7"));
    assert_null(breach_of_log(SSH_LOG_PROTOCOL, "ssh_packet_channel_open_conf",
                              "Received a CHANNEL_OPEN_CONFIRMATION for channel 43:0"));
}

static void the_errors_of_libssh_are_known(void **state)
{
    (void)state;
    assert_non_null(breach_of_error("Window exceeded"));
    assert_non_null(breach_of_error("Unknown channel id 4711"));
    assert_non_null(breach_of_error("Invalid packet"));
    assert_null(breach_of_error(""));
    assert_null(breach_of_error("Server specified invalid channel 5"));
    /* A server's own words. */
    assert_null(breach_of_error("Channel opening failure: channel 43 error (1) Invalid packet"));
    assert_null(breach_of_error("Received SSH_MSG_DISCONNECT: 2:Invalid packet"));
}

/* Else a distribution or a new release has changed the words, and breach.c has to follow. */
static void this_libssh_has_these_texts(void **state)
{
    (void)state;
    assert_true(breach_texts_are_known());
    assert_true(object_has_text(ssh_new, "Unknown channel id"));
    assert_false(object_has_text(ssh_new, "Unknown channel idea"));
}

static void packets_of_1024_are_enough(void **state)
{
    (void)state;
    for (uint32_t size = 0; size < 1024; size++)
        assert_non_null(breach_of_packet_size(size));
    assert_null(breach_of_packet_size(1024));
    assert_null(breach_of_packet_size(32768));
    assert_null(breach_of_packet_size(UINT32_MAX));
}

#if LIBSSH_VERSION_INT < SSH_VERSION_INT(0, 11, 0)

struct scene {
    struct open_replies open_replies;
    struct open_reply first, second;
};

static struct scene scene_of_two(void)
{
    return (struct scene){.first = {.number = 43, .numbered = true},
                          .second = {.number = 44, .numbered = true}};
}

static void wait_for_both(struct scene *s)
{
    open_replies_init(&s->open_replies);
    TAILQ_INSERT_TAIL(&s->open_replies.waiting, &s->first, link);
    TAILQ_INSERT_TAIL(&s->open_replies.waiting, &s->second, link);
}

static const char *read_line(struct scene *s, const char *text)
{
    return open_replies_read_log(&s->open_replies, SSH_LOG_PROTOCOL, "ssh_packet_channel_open_conf",
                                 text);
}

static void a_confirmation_is_the_channel_s_that_it_names(void **state)
{
    struct scene s = scene_of_two();

    (void)state;
    wait_for_both(&s);
    assert_null(read_line(&s, "Received a CHANNEL_OPEN_CONFIRMATION for channel 44:7"));
    assert_false(s.second.confirmed);
    assert_null(read_line(&s, "Remote window : 2097152, maxpacket : 32768"));
    assert_true(s.second.confirmed);
    assert_false(s.first.confirmed);
}

static void a_small_packet_size_is_a_breach(void **state)
{
    struct scene s = scene_of_two();

    (void)state;
    wait_for_both(&s);
    assert_null(read_line(&s, "Received a CHANNEL_OPEN_CONFIRMATION for channel 43:0"));
    assert_non_null(read_line(&s, "Remote window : 2097152, maxpacket : 10"));
}

static void words_of_the_server_confirm_nothing(void **state)
{
    struct scene s = scene_of_two();

    (void)state;
    wait_for_both(&s);
    open_replies_read_log(&s.open_replies, SSH_LOG_PROTOCOL, "ssh_packet_global_request",
                          "Received a CHANNEL_OPEN_CONFIRMATION for channel 43:0");
    open_replies_read_log(&s.open_replies, SSH_LOG_PROTOCOL, "ssh_packet_global_request",
                          "Remote window : 1, maxpacket : 1");
    assert_null(read_line(&s, "Remote window : 1, maxpacket : 1")); /* of no channel */
    assert_false(s.first.confirmed);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lines_of_libssh_are_known),
        cmocka_unit_test(other_lines_are_none),
        cmocka_unit_test(the_errors_of_libssh_are_known),
        cmocka_unit_test(this_libssh_has_these_texts),
        cmocka_unit_test(packets_of_1024_are_enough),
#if LIBSSH_VERSION_INT < SSH_VERSION_INT(0, 11, 0)
        cmocka_unit_test(a_confirmation_is_the_channel_s_that_it_names),
        cmocka_unit_test(a_small_packet_size_is_a_breach),
        cmocka_unit_test(words_of_the_server_confirm_nothing),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
