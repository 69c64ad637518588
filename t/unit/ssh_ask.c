/* Asking ssh, with scripts in its place. */
#include "conf/ssh_ask.h"

#include "base/mem.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* The one directory in PATH. */
static char directory[] = "/tmp/adit-ssh-ask-XXXXXX";
static char *program;

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    program = mem_printf("%s/ssh", directory);
    return setenv("PATH", directory, 1);
}

static int tear_down(void **state)
{
    (void)state;
    unlink(program);
    free(program);
    return rmdir(directory);
}

static void write_program(const char *text, mode_t mode)
{
    FILE *out = fopen(program, "w");

    assert_non_null(out);
    fputs(text, out);
    fclose(out);
    assert_int_equal(chmod(program, mode), 0);
}

static void what_ssh_does_is_what_is_reported(void **state)
{
    (void)state;
    static const struct {
        const char *script; /* NULL: there is no ssh */
        mode_t mode;
        enum ssh_ask_outcome outcome;
        const char *text, *said;
    } cases[] = {
        {"#!/bin/sh\nfor word; do echo \"<$word>\"; done", 0700, SSH_ANSWERED,
         "<-G>\n<-T>\n<-o>\n<Port 1>\n<>\n<-->\n<host; echo x>", ""},
        {"#!/bin/sh\necho port 22; echo Warning: x >&2", 0700, SSH_ANSWERED, "port 22",
         "Warning: x"},
        {"#!/bin/sh\necho 'Bad port' >&2; exit 255", 0700, SSH_REFUSED, "", "Bad port"},
        {"#!/bin/sh\nexit 1", 0700, SSH_REFUSED, "", "ssh -G exited with status 1"},
        {"#!/bin/sh\nkill -9 $$", 0700, SSH_REFUSED, "", "ssh -G was killed by signal 9 (Killed)"},
        {"#!/bin/sh\nread x || echo nothing to read", 0700, SSH_ANSWERED, "nothing to read", ""},
        {"#!/bin/sh\n", 0600, SSH_REFUSED, "", "ssh -G cannot be run: Permission denied"},
        {NULL, 0, SSH_ABSENT, "", ""},
    };
    static const char *const words[] = {"-o", "Port 1", ""};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ssh_reply reply;
        unlink(program);
        if (cases[i].script)
            write_program(cases[i].script, cases[i].mode);
        assert_int_equal(ssh_ask(&(struct ssh_question){words, 3, "host; echo x", -1}, &reply),
                         cases[i].outcome);
        assert_string_equal(reply.text, cases[i].text);
        assert_string_equal(reply.said, cases[i].said);
        ssh_reply_clear(&reply);
    }
}

static int open_descriptors(void)
{
    int count = 0;

    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void an_answer_longer_than_a_pipe_comes_whole_and_too_long_a_one_ends(void **state)
{
    (void)state;
    struct ssh_reply reply;
    int before = open_descriptors();

    write_program("#!/bin/sh\ni=0\nwhile [ $i -lt 5000 ]; do\n"
                  "echo 'a line of about fifty bytes, which is neither long'\n"
                  "echo 'and another one' >&2\ni=$((i + 1)); done\n",
                  0700);
    assert_int_equal(ssh_ask(&(struct ssh_question){NULL, 0, "host", -1}, &reply), SSH_ANSWERED);
    assert_int_equal(strlen(reply.text), 5000 * 51 - 1);
    assert_int_equal(strlen(reply.said), 5000 * 16 - 1);
    ssh_reply_clear(&reply);

    write_program("#!/bin/sh\nwhile :; do echo 'a line of about fifty bytes, which is'; done\n",
                  0700);
    assert_int_equal(ssh_ask(&(struct ssh_question){NULL, 0, "host", -1}, &reply), SSH_REFUSED);
    ssh_reply_clear(&reply);
    assert_int_equal(open_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_ssh_does_is_what_is_reported),
        cmocka_unit_test(an_answer_longer_than_a_pipe_comes_whole_and_too_long_a_one_ends),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
