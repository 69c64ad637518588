/* Tests of keeper/master_stderr: what an ssh(1) says, in every form that it comes in. */
#include "keeper/master_stderr.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static unsigned told;

static void count_line(void *arg, const char *line)
{
    (void)arg;
    (void)line;
    told++;
}

/* Takes the text so many bytes at a time. */
static void take(struct master_stderr *kept, const char *text, size_t step)
{
    size_t length = strlen(text);

    for (size_t at = 0; at < length; at += step) {
        size_t part = length - at < step ? length - at : step;
        master_stderr_take(kept, (struct span){(const uint8_t *)text + at, part}, count_line, NULL);
    }
}

static const struct said_case {
    const char *text;
    const char *why; /* NULL: nothing */
    const char *about;
    enum service_master_end kind;
    bool logged_in;
} cases[] = {
    {"", NULL, "", SERVICE_MASTER_LOST, false},
    {"no end of the line", NULL, "", SERVICE_MASTER_LOST, false},
    {"\n\r\n \t\n", NULL, "", SERVICE_MASTER_LOST, false},
    {"a@h: Permission denied (publickey,password).\r\n",
     "a@h: Permission denied (publickey,password).", "", SERVICE_MASTER_DENIED, false},
    {"@@@@@@@@@@@@@@@@@@@@\r\n"
     "Host key for [127.0.0.1]:22 has changed and you have requested strict checking.\r\n"
     "Host key verification failed.\r\n",
     "Host key for [127.0.0.1]:22 has changed and you have requested strict checking.; Host key "
     "verification failed.",
     "", SERVICE_MASTER_HOST_KEY, false},
    {"one\ntwo\nthree\nfour\nfive\n", "two; three; four; five", "", SERVICE_MASTER_LOST, false},
    {"debug1: kex.c:choose_kex():929 (pid=7): kex: algorithm: sntrup761x25519-sha512\n"
     "debug1: kex.c:kex_choose_conf():1091 (pid=7): kex: server->client cipher: aes128-ctr MAC: x "
     "compression: none\n"
     "debug1: sshconnect.c:verify_host_key():1477 (pid=7): Server host key: ssh-ed25519 SHA256:a\n"
     "Authenticated to h ([127.0.0.1]:22) using \"publickey\".\n"
     "debug1: kex.c:choose_kex():929 (pid=7): kex: algorithm: later\n"
     "channel 2: open failed: connect failed: Connection refused\n",
     NULL,
     "kex sntrup761x25519-sha512\nin aes128-ctr MAC: x compression: none\nhost_key ssh-ed25519 "
     "SHA256:a\nlogin publickey\n",
     SERVICE_MASTER_LOST, true},
    /* A server's banner is no line of ssh's own, and nothing agreed. */
    {"kex: algorithm: none\nServer host key: none\n", "kex: algorithm: none; Server host key: none",
     "", SERVICE_MASTER_LOST, false},
    {"kex.c:kex_exchange_identification():1383 (pid=5035): Connection closed by remote host\r\n"
     "Connection closed by ::1 port 2\n",
     "Connection closed by remote host; Connection closed by ::1 port 2", "", SERVICE_MASTER_LOST,
     false},
    {"a.c:b(): c\nx.c:y():1 (pid=): z\nx.c:y():1 (pid=2)\nx:y():1 (pid=2): z\n",
     "a.c:b(): c; z; x.c:y():1 (pid=2); x:y():1 (pid=2): z", "", SERVICE_MASTER_LOST, false},
    {"\x1b[2Jred\x07\n", "\\x1b[2Jred\\x07", "", SERVICE_MASTER_LOST, false},
    {"Authenticated to h\n", NULL, "", SERVICE_MASTER_LOST, true},
    {"Timeout, server h not responding.\r\n", "Timeout, server h not responding.", "",
     SERVICE_MASTER_LOST, false},
};

static void check(const struct said_case *c, size_t step)
{
    struct master_stderr kept = {0};
    char *why, *about;

    take(&kept, c->text, step);
    why = master_stderr_why(&kept);
    about = mem_strndup((const char *)buffer_data(&kept.about), buffer_length(&kept.about));
    assert_int_equal(why == NULL, c->why == NULL);
    if (why != NULL)
        assert_string_equal(why, c->why);
    assert_string_equal(about, c->about);
    assert_int_equal(kept.kind, c->kind);
    assert_int_equal(kept.logged_in, c->logged_in);
    free(about);
    free(why);
    master_stderr_clear(&kept);
}

static void each_text_is_read_whole_and_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (size_t step = 1; step <= 64; step *= 2)
            check(&cases[i], step);
}

#define IN "Authenticated to h ([::1]:22) using \"publickey\".\n"
#define FAILED(reason) "channel 12: open failed: " reason "\r\n"

/* What the first questions get. */
static const struct refusal_case {
    const char *text;
    struct {
        uint32_t code;
        const char *words; /* NULL: nothing is known */
    } told[4];
} refusals[] = {
    {IN, {{0, NULL}}},
    {FAILED("connect failed: Connection refused"), {{0, NULL}}}, /* before the login */
    {IN FAILED("connect failed: Connection refused"), {{2, "Connection refused"}, {0, NULL}}},
    {IN FAILED("administratively prohibited: open failed"), {{1, "open failed"}}},
    {IN FAILED("unknown channel type: "), {{3, ""}}},
    {IN FAILED("resource shortage"), {{4, ""}}},
    {IN FAILED("unknown reason: what"), {{0, "what"}}},
    {IN FAILED("connect failed: a: b"), {{2, "a: b"}}},
    {IN FAILED("connect failed: a") FAILED("connect failed: a"), {{2, "a"}, {2, "a"}, {0, NULL}}},
    {IN FAILED("connect failed: a") FAILED("connect failed: b") FAILED("connect failed: a"),
     {{0, NULL}, {0, NULL}, {0, NULL}, {0, NULL}}},
    {IN "channel 2: closed\nchannel : open failed\nchannel x: open failed: y\nchannel 2: open "
        "failed:\n",
     {{0, NULL}}},
};

static void check_refusals(const struct refusal_case *c, size_t step)
{
    struct master_stderr kept = {0};

    take(&kept, c->text, step);
    for (size_t i = 0; i < sizeof(c->told) / sizeof(c->told[0]); i++) {
        char *words;
        assert_int_equal(master_stderr_refusal(&kept, &words), c->told[i].code);
        assert_int_equal(words == NULL, c->told[i].words == NULL);
        if (words != NULL)
            assert_string_equal(words, c->told[i].words);
        free(words);
    }
    master_stderr_clear(&kept);
}

static void each_refusal_is_told_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        for (size_t step = 1; step <= 256; step *= 2)
            check_refusals(&refusals[i], step);
}

/* (Of those that differ none is known until all were asked about.) */
static void a_refusal_is_known_again_behind_those_that_differ(void **state)
{
    struct master_stderr kept = {0};
    char *words;

    (void)state;
    take(&kept, IN FAILED("connect failed: a") FAILED("resource shortage: b"), 7);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(master_stderr_refusal(&kept, &words), 0);
        assert_null(words);
        if (i == 0)
            take(&kept, FAILED("resource shortage: b"), 7);
    }
    assert_int_equal(master_stderr_refusal(&kept, &words), 0);
    assert_null(words);
    take(&kept, FAILED("resource shortage: b"), 7);
    assert_int_equal(master_stderr_refusal(&kept, &words), 4);
    assert_string_equal(words, "b");
    free(words);
    take(&kept, FAILED("resource shortage: never asked about"), 7);
    master_stderr_clear(&kept);
}

static void what_is_kept_is_bounded(void **state)
{
    struct master_stderr kept = {0};
    char *why;

    (void)state;
    for (unsigned i = 0; i < 100000; i++)
        take(&kept, "x", 1);
    take(&kept, "\n", 1);
    why = master_stderr_why(&kept);
    assert_int_equal(strlen(why), MASTER_STDERR_LINE_MAX);
    free(why);
    told = 0;
    for (unsigned i = 0; i < 10000; i++)
        take(&kept, "debug1: kex: algorithm: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nline\n",
             SIZE_MAX / 2);
    assert_int_equal(told, 10000);
    assert_true(buffer_length(&kept.about) <= 2048);
    why = master_stderr_why(&kept);
    assert_string_equal(why, "line; line; line; line");
    free(why);
    master_stderr_clear(&kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_text_is_read_whole_and_byte_by_byte),
        cmocka_unit_test(each_refusal_is_told_once),
        cmocka_unit_test(a_refusal_is_known_again_behind_those_that_differ),
        cmocka_unit_test(what_is_kept_is_bounded),
    };

    return cmocka_run_group_tests_name("tests", tests, NULL, NULL);
}
