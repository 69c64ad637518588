/* Tests of keeper/ask: what is asked where, and a program's answers. */
#include "base/mem.h"
#include "keeper/ask.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- where the question goes */

static const struct {
    const char *what;
    struct ask_scene scene;
    enum ask_way way;
    const char *program; /* NULL: any words will do, if there are some */
} scenes[] = {
    {"a daemon", {.terminal = true}, ASK_NOBODY, "there is no askpass program"},
    {"a daemon with an environment",
     {.ssh_askpass = "a", .ssh_askpass_require = "force", .display = ":0"},
     ASK_NOBODY,
     "there is no askpass program"},
    {"a daemon with a program of its own", {.askpass = "own"}, ASK_PROGRAM, "own"},
    {"an empty program is none", {.askpass = ""}, ASK_NOBODY, NULL},
    {"its own comes before the person",
     {.askpass = "own", .may_ask = true, .terminal = true},
     ASK_PROGRAM,
     "own"},
    {"BatchMode", {.batch_mode = true, .may_ask = true, .terminal = true}, ASK_NOBODY, NULL},
    {"BatchMode with a program",
     {.batch_mode = true, .askpass = "own"},
     ASK_NOBODY,
     "BatchMode is set"},
    {"a terminal", {.may_ask = true, .terminal = true}, ASK_TERMINAL, NULL},
    {"no terminal", {.may_ask = true}, ASK_NOBODY, NULL},
    {"a terminal comes before SSH_ASKPASS",
     {.may_ask = true, .terminal = true, .ssh_askpass = "a", .display = ":0"},
     ASK_TERMINAL,
     NULL},
    {"no terminal, but a display",
     {.may_ask = true, .ssh_askpass = "a", .display = ":0"},
     ASK_PROGRAM,
     "a"},
    {"no terminal, but Wayland",
     {.may_ask = true, .ssh_askpass = "a", .wayland_display = "wayland-0"},
     ASK_PROGRAM,
     "a"},
    {"a display without SSH_ASKPASS",
     {.may_ask = true, .display = ":0"},
     ASK_PROGRAM,
     "/usr/bin/ssh-askpass"},
    {"an empty display is none",
     {.may_ask = true, .ssh_askpass = "a", .display = ""},
     ASK_NOBODY,
     NULL},
    {"no terminal and no display", {.may_ask = true, .ssh_askpass = "a"}, ASK_NOBODY, NULL},
    {"never",
     {.may_ask = true, .ssh_askpass = "a", .ssh_askpass_require = "never", .display = ":0"},
     ASK_NOBODY,
     NULL},
    {"never, but a terminal",
     {.may_ask = true,
      .terminal = true,
      .ssh_askpass = "a",
      .ssh_askpass_require = "NEVER",
      .display = ":0"},
     ASK_TERMINAL,
     NULL},
    {"force needs no display",
     {.may_ask = true, .terminal = true, .ssh_askpass = "a", .ssh_askpass_require = "force"},
     ASK_PROGRAM,
     "a"},
    {"force in capitals",
     {.may_ask = true, .terminal = true, .ssh_askpass = "a", .ssh_askpass_require = "FORCE"},
     ASK_PROGRAM,
     "a"},
    {"prefer",
     {.may_ask = true,
      .terminal = true,
      .ssh_askpass = "a",
      .ssh_askpass_require = "prefer",
      .display = ":0"},
     ASK_PROGRAM,
     "a"},
    {"prefer without a display",
     {.may_ask = true, .terminal = true, .ssh_askpass = "a", .ssh_askpass_require = "prefer"},
     ASK_TERMINAL,
     NULL},
    {"another word means nothing",
     {.may_ask = true,
      .terminal = true,
      .ssh_askpass = "a",
      .ssh_askpass_require = "please",
      .display = ":0"},
     ASK_TERMINAL,
     NULL},
};

static void the_scene_decides_who_is_asked(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(scenes); i++) {
        const char *program = NULL;
        enum ask_way way = ask_way(&scenes[i].scene, &program);
        if (way != scenes[i].way)
            fail_msg("%s: way %d instead of %d", scenes[i].what, way, scenes[i].way);
        if (scenes[i].program != NULL && strcmp(program, scenes[i].program) != 0)
            fail_msg("%s: %s instead of %s", scenes[i].what, program, scenes[i].program);
        if (way == ASK_NOBODY)
            assert_true(strlen(program) > 10);
    }
}

/* ---- a program */

/* A connection, its other end, and a script. */
struct stage {
    int ends[2];
    char path[64];
};

static void stage_begin(struct stage *s, const char *script)
{
    FILE *out;
    int fd;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s->ends), 0);
    strcpy(s->path, "/tmp/adit-askpass.XXXXXX");
    fd = mkstemp(s->path);
    assert_true(fd >= 0);
    out = fdopen(fd, "w");
    fprintf(out, "#!/bin/sh\n%s\n", script);
    assert_int_equal(fchmod(fd, 0700), 0);
    fclose(out);
}

static void stage_end(struct stage *s)
{
    unlink(s->path);
    close(s->ends[0]);
    close(s->ends[1]);
}

static char *ask_at(const struct stage *s, const char *program, const char *prompt)
{
    const struct asker asker = {.upstream = "office", .host = "vault.example", .line = s->ends[0]};

    return program_ask(&asker, program, prompt);
}

static void a_programs_first_line_is_the_answer(void **state)
{
    static const struct {
        const char *script;
        const char *answer; /* NULL: none */
    } cases[] = {
        {"echo secret", "secret"},
        {"printf secret", "secret"},
        {"printf 'secret\\r\\nmore\\n'", "secret"},
        {"echo \"[$1] $#\"", "[Say it: ] 1"},
        {"true", ""},
        {"echo", ""},
        {"echo secret; exit 1", NULL},
        {"exit 3", NULL},
        {"kill -9 $$", NULL},
        {"echo $ADIT_UPSTREAM@$ADIT_HOST $ADIT_TEST_MORE", "office@vault.example and more"},
        {"env | grep -c '^ADIT_UPSTREAM='", "1"},
        {"echo ${SSH_ASKPASS_PROMPT-unset}", "unset"},
        {"cat", ""}, /* standard input is empty, not ours */
    };

    (void)state;
    setenv("ADIT_UPSTREAM", "of who started this", 1);
    setenv("ADIT_TEST_MORE", "and more", 1);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct stage s;
        char *answer;
        stage_begin(&s, cases[i].script);
        answer = ask_at(&s, s.path, "Say it: ");
        if (cases[i].answer == NULL) {
            assert_null(answer);
        } else {
            assert_non_null(answer);
            assert_string_equal(answer, cases[i].answer);
        }
        free(answer);
        stage_end(&s);
    }
}

static void a_program_that_is_not_there_gives_no_answer(void **state)
{
    struct stage s;

    (void)state;
    stage_begin(&s, "");
    assert_null(ask_at(&s, "/nonexistent/askpass", "?"));
    stage_end(&s);
}

static void who_waits_for_a_program_hears_that_the_connection_ended(void **state)
{
    struct stage s;

    (void)state;
    stage_begin(&s, "exec sleep 60");
    close(s.ends[1]);
    assert_null(ask_at(&s, s.path, "?"));
    s.ends[1] = dup(s.ends[0]);
    stage_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_scene_decides_who_is_asked),
        cmocka_unit_test(a_programs_first_line_is_the_answer),
        cmocka_unit_test(a_program_that_is_not_there_gives_no_answer),
        cmocka_unit_test(who_waits_for_a_program_hears_that_the_connection_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
