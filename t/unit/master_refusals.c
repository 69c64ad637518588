/* Tests of keeper/master_refusals, by the lines that ssh(1) prints. */
#include "keeper/master_stderr.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PORT_UNIX 0xfffffffe

#define FWD "debug2: mux.c:mux_master_process_stdio_fwd():"
#define V92 FWD "977 (pid=7): "
#define V10 FWD "985 (bin=ssh, pid=7): "
#define F92 "channels.c:channel_input_open_failure():3563 (pid=7): "
#define F10 "channels.c:channel_input_open_failure():3643 (bin=ssh, pid=7): "

static void no_line(void *arg, const char *line)
{
    (void)arg;
    (void)line;
}

static void take(struct master_stderr *kept, const char *text, size_t step)
{
    size_t length = strlen(text);

    for (size_t at = 0; at < length; at += step) {
        size_t n = length - at < step ? length - at : step;
        char *part = malloc(n); /* (a sanitiser sees what is read behind it) */
        memcpy(part, text + at, n);
        master_stderr_take(kept, (struct span){(const uint8_t *)part, n}, no_line, NULL);
        free(part);
    }
}

struct expected_refusal {
    const char *host;
    uint32_t port;
    uint32_t reason; /* 0: it is not known */
    const char *words;
};

static void check_refusal(const struct master_stderr *kept, const struct expected_refusal *e)
{
    const struct master_refusal *found = master_refusals_find(&kept->refusals, e->host, e->port);

    assert_int_equal(found != NULL ? found->reason : 0, e->reason);
    if (found != NULL)
        assert_string_equal(found->words, e->words);
}

static const struct refusal_case {
    const char *text;
    struct expected_refusal expected[4]; /* NULL ends them */
} cases[] = {
    {"", {{"h", 80, 0, NULL}}},
    /* As 9.2 prints it, and as 10.0 does. */
    {V92 "channel 1: stdio fwd to h:80\r\n" V92 "got fds stdin 8, stdout 9\r\n" V92
         "channel_new: 2 control 1\r\n" F92
         "channel 2: open failed: connect failed: Connection refused\r\n",
     {{"h", 80, 2, "Connection refused"}, {"h", 81, 0, NULL}, {"g", 80, 0, NULL}}},
    {V10 "channel 1: stdio fwd to ::1:443\r\n" V10 "got fds stdin 8, stdout 9\r\n" V10
         "channel_new: 2 control 1\r\n" F10
         "channel 2: open failed: administratively prohibited: open failed\r\n",
     {{"::1", 443, 1, "open failed"}}},
    /* A path, as both print it. */
    {V92 "channel 1: stdio fwd to /s:4294967294\r\n" V92 "channel_new: 2 control 1\r\n" F92
         "channel 2: open failed: unknown channel type: \r\n" V10
         "channel 1: stdio fwd to /t:-2\n" V10 "channel_new: 3 control 1\n" F10
         "channel 3: open failed: resource shortage\n",
     {{"/s", PORT_UNIX, 3, ""}, {"/t", PORT_UNIX, 4, ""}}},
    /* The server answers in any order; the last refusal of a target counts. */
    {V92 "channel 1: stdio fwd to a:1\n" V92 "channel_new: 2 control 1\n" V92
         "channel 3: stdio fwd to b:2\n" V92 "channel_new: 4 control 3\n" V92
         "channel 5: stdio fwd to a:1\n" V92 "channel_new: 6 control 5\n" F92
         "channel 4: open failed: connect failed: two\n" F92
         "channel 6: open failed: connect failed: three\n" F92
         "channel 2: open failed: administratively prohibited: one\n",
     {{"a", 1, 1, "one"}, {"b", 2, 2, "two"}}},
    /* A number that is used again leads elsewhere. */
    {V92 "channel 1: stdio fwd to a:1\n" V92 "channel_new: 2 control 1\n" V92
         "channel 1: stdio fwd to b:2\n" V92 "channel_new: 2 control 1\n" F92
         "channel 2: open failed: unknown reason: odd\n",
     {{"a", 1, 0, NULL}, {"b", 2, 2, "odd"}}},
    /* A channel fails once: what the server's words pretend later is nothing. */
    {V92 "channel 1: stdio fwd to a:1\n" V92 "channel_new: 2 control 1\n" F92
         "channel 2: open failed: connect failed: x\x1b[2J\n" F92
         "channel 2: open failed: administratively prohibited: y\n",
     {{"a", 1, 2, "x\\x1b[2J"}}},
    /* What is not ssh's is none of its lines: another process, another function, no function. */
    {FWD "977 (pid=8): channel 1: stdio fwd to a:1\n" FWD "977 (pid=8): channel_new: 2 control 1\n"
         "debug2: mux.c:mux_master_process_stdio_fw():9 (pid=7): channel_new: 2 control 1\n" F92
         "channel_new: 2 control 1\n"
         "channel 1: stdio fwd to a:1\nchannel_new: 2 control 1\n" F92
         "channel 2: open failed: connect failed: x\n",
     {{"a", 1, 0, NULL}}},
    /* The server's words may have any lines in them. */
    {V92 "channel 1: stdio fwd to a:1\n" V92 "channel_new: 2 control 1\n" V92
         "channel 3: stdio fwd to b:2\n" V92 "channel_new: 4 control 3\n" F92
         "channel 2: open failed: connect failed: x\r\n"
         "channel 4: open failed: administratively prohibited: forged\r\n"
         "channels.c:channel_input_open_failure():3563 (pid=1): channel 4: open failed: "
         "administratively prohibited: forged\r\n",
     {{"a", 1, 2, "x"}, {"b", 2, 0, NULL}}},
    {V92 "channel 1: stdio fwd to a:1\n" V92 "channel_new: 2 control 1\n" F92
         "(channel 2: open failed: connect failed: x\n" F92
         "channel 2: open failed: connect failedx\n" F92 "channel 2: open failed: \n" F92
         "channel 2: open\n" F92 "channel : open failed: connect failed: x\n" F92
         "channel -1: open failed: connect failed: x\n" F92
         "channel 99999: open failed: connect failed: x\n" F92
         "channel 99999999999999999999: open failed: connect failed: x\n",
     {{"a", 1, 0, NULL}}},
    {V92 "channel 1: stdio fwd to a\n" V92 "channel_new: 2 control 1\n" V92
         "channel 1: stdio fwd to b:\n" V92 "channel_new: 3 control 1\n" V92
         "channel 1: stdio fwd to c:1x\n" V92 "channel_new: 4 control 1\n" V92
         "channel 1: stdio fwd to d:1\n" V92 "channel_new: -1 control 1\n" V92
         "channel 1: stdio fwd to d:1\n" V92 "channel_new: 10001 control 1\n" V92
         "channel 1: stdio fwd to d:1\n" V92 "channel_new: x\n" F92
         "channel 2: open failed: connect failed: x\n" F92
         "channel 3: open failed: connect failed: x\n" F92
         "channel 4: open failed: connect failed: x\n",
     {{"a", 0, 0, NULL}, {"b", 0, 0, NULL}, {"c", 1, 0, NULL}, {"d", 1, 0, NULL}}},
};

static void each_text_is_read_whole_and_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (size_t step = 1; step <= 4096; step *= 4) {
            struct master_stderr kept = {0};
            master_stderr_begin(&kept, 7, true);
            take(&kept, cases[i].text, step);
            take(&kept, F92 "channel 2: open failed: connect fai", step); /* (has not ended) */
            for (size_t e = 0; e < 4 && cases[i].expected[e].host != NULL; e++)
                check_refusal(&kept, &cases[i].expected[e]);
            master_stderr_clear(&kept);
        }
}

/* (ssh prints up to a thousand characters.) */
static void a_target_that_was_cut_off_is_not_known(void **state)
{
    struct master_stderr kept = {0};
    char host[MASTER_STDERR_LINE_MAX + 1];
    char *line;
    int fits = MASTER_STDERR_LINE_MAX - (int)strlen(V92 "channel 1: stdio fwd to :443\r");

    (void)state;
    master_stderr_begin(&kept, 7, true);
    for (int length = fits - 5; length < fits + 5; length++) {
        memset(host, 'a', sizeof(host));
        host[length] = '\0';
        line = mem_printf(V92 "channel 1: stdio fwd to %s:443\r\n" V92
                              "channel_new: 2 control 1\r\n" F92
                              "channel 2: open failed: connect failed: x\r\n",
                          host);
        take(&kept, line, SIZE_MAX / 2);
        free(line);
        assert_int_equal(master_refusals_find(&kept.refusals, host, 443) != NULL, length < fits);
        for (uint32_t port = 0; port < 443; port++)
            assert_null(master_refusals_find(&kept.refusals, host, port));
    }
    master_stderr_clear(&kept);
}

static void nothing_is_taken_before_the_login(void **state)
{
    struct master_stderr kept = {0};

    (void)state;
    master_stderr_begin(&kept, 7, false);
    take(&kept, cases[1].text, SIZE_MAX / 2);
    assert_null(master_refusals_find(&kept.refusals, "h", 80));
    master_stderr_clear(&kept);
}

static void what_is_kept_of_refusals_is_bounded(void **state)
{
    struct master_stderr kept = {0};

    (void)state;
    master_stderr_begin(&kept, 7, true);
    for (unsigned i = 0; i < 3 * MASTER_REFUSALS_MAX; i++) {
        char *text =
            mem_printf(V92 "channel 1: stdio fwd to h:%u\n" V92 "channel_new: %u control 1\n" F92
                           "channel %u: open failed: connect failed: %u\n",
                       i, i, i, i);
        take(&kept, text, SIZE_MAX / 2);
        free(text);
    }
    for (unsigned i = 0; i < 3 * MASTER_REFUSALS_MAX; i++)
        assert_int_equal(master_refusals_find(&kept.refusals, "h", i) != NULL,
                         i >= 2 * MASTER_REFUSALS_MAX);
    for (unsigned i = 0; i < 2 * MASTER_CHANNELS_MAX; i++) {
        char *text = mem_printf(
            V92 "channel 1: stdio fwd to h:%u\n" V92 "channel_new: %u control 1\n", i, i);
        take(&kept, text, SIZE_MAX / 2);
        free(text);
    }
    assert_true(kept.refusals.channel_count < 2 * MASTER_CHANNELS_MAX);
    master_stderr_clear(&kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_text_is_read_whole_and_byte_by_byte),
        cmocka_unit_test(a_target_that_was_cut_off_is_not_known),
        cmocka_unit_test(nothing_is_taken_before_the_login),
        cmocka_unit_test(what_is_kept_of_refusals_is_bounded),
    };

    return cmocka_run_group_tests_name("tests", tests, NULL, NULL);
}
