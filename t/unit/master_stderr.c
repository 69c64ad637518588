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
    {"debug1: kex: algorithm: none\n"
     "debug1: kex.c:choose_kex():929 (pid=8): kex: algorithm: none\n"
     "debug1: other.c:choose_kex():929 (pid=7): kex: algorithm: none\n"
     "debug1: kex.c:choose_kex():929 (pid=7\n"
     "debug1: kex.c:choose_kex():929 (bin=ssh,\n"
     "debug1: kex.c:choose_kex():929\n"
     "debug1: kex.c:choose_kex():929 (pid=7): kex: algorithms: none\n"
     "debug\n",
     "debug", "", SERVICE_MASTER_LOST, false},
    /* Nor is what a server says before its version, or what that version has in it. */
    {"debug1: kex.c:kex_exchange_identification():1 (pid=7): banner line 0: kex: algorithm: "
     "none\r\n"
     "debug1: kex.c:kex_exchange_identification():1 (pid=7): Remote protocol version 2.0, remote "
     "software version X kex: algorithm: none\r\n",
     NULL, "server X kex: algorithm: none\n", SERVICE_MASTER_LOST, false},
    /* A banner that has all of a line of ssh's, even the process: ssh's own was there before. */
    {"debug1: kex.c:choose_kex():929 (bin=ssh, pid=7): kex: algorithm: curve25519-sha256\r\n"
     "Authenticated to h ([127.0.0.1]:22) using \"gssapi-with-mic\".\n"
     "debug1: kex.c:choose_kex():929 (bin=ssh, pid=7): kex: algorithm: mlkem768x25519-sha256\n"
     "Authenticated to h (via proxy) using \"none\".\r\n",
     NULL, "kex curve25519-sha256\nlogin none\n", SERVICE_MASTER_LOST, true},
    {"kex.c:kex_exchange_identification():1383 (pid=5035): Connection closed by remote host\r\n"
     "Connection closed by ::1 port 2\n",
     "Connection closed by remote host; Connection closed by ::1 port 2", "", SERVICE_MASTER_LOST,
     false},
    {"kex.c:kex_exchange_identification():1404 (bin=ssh, pid=5035): Connection closed by remote "
     "host\r\nx.c:y():1 (bin=ssh,\nx.c:y():1 (bin=\n",
     "Connection closed by remote host; x.c:y():1 (bin=ssh,; x.c:y():1 (bin=", "",
     SERVICE_MASTER_LOST, false},
    {"a.c:b(): c\nx.c:y():1 (pid=): z\nx.c:y():1 (pid=2)\nx:y():1 (pid=2): z\n",
     "a.c:b(): c; x.c:y():1 (pid=): z; x.c:y():1 (pid=2); x:y():1 (pid=2): z", "",
     SERVICE_MASTER_LOST, false},
    {"\x1b[2Jred\x07\n", "\\x1b[2Jred\\x07", "", SERVICE_MASTER_LOST, false},
    {"Authenticated to h\n", NULL, "", SERVICE_MASTER_LOST, true},
    {"Timeout, server h not responding.\r\n", "Timeout, server h not responding.", "",
     SERVICE_MASTER_LOST, false},
};

static void check(const struct said_case *c, size_t step)
{
    struct master_stderr kept = {0};
    char *why, *about;

    master_stderr_begin(&kept, 7, false);
    take(&kept, c->text, step);
    why = master_stderr_why(&kept);
    about = master_stderr_about(&kept);
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

static void what_is_kept_is_bounded(void **state)
{
    struct master_stderr kept = {0};
    char *why, *about;

    (void)state;
    master_stderr_begin(&kept, 7, false);
    for (unsigned i = 0; i < 100000; i++)
        take(&kept, "x", 1);
    take(&kept, "\n", 1);
    why = master_stderr_why(&kept);
    assert_int_equal(strlen(why), MASTER_STDERR_LINE_MAX);
    free(why);
    told = 0;
    for (unsigned i = 0; i < 10000; i++)
        take(&kept,
             "debug1: kex.c:choose_kex():9 (pid=7): kex: algorithm: aaaaaaaaaaaaaaaaaaaaaaaa\n"
             "Authenticated to h using \"none\".\nline\n",
             SIZE_MAX / 2);
    assert_int_equal(told, 10000);
    about = master_stderr_about(&kept);
    assert_string_equal(about, "kex aaaaaaaaaaaaaaaaaaaaaaaa\nlogin none\n");
    free(about);
    why = master_stderr_why(&kept);
    assert_string_equal(why, "line; line; line; line");
    free(why);
    master_stderr_clear(&kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_text_is_read_whole_and_byte_by_byte),
        cmocka_unit_test(what_is_kept_is_bounded),
    };

    return cmocka_run_group_tests_name("tests", tests, NULL, NULL);
}
