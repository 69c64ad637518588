/* Tests of io/subprocess and io/wait, with small programs. */
#include "base/clock.h"
#include "io/subprocess.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* How long a program may take before a test fails. */
#define PATIENCE_MS 20000

/* A shell script as a program, with room for what it prints. */
struct script {
    const char *arguments[4];
    char output[64];
    char errors[64];
    struct subprocess program;
};

static void script_set(struct script *s, const char *text, int milliseconds)
{
    *s = (struct script){.arguments = {"/bin/sh", "-c", text, NULL}};
    s->program = (struct subprocess){
        .arguments = s->arguments,
        .output = {.text = s->output, .size = sizeof(s->output)},
        .errors = {.text = s->errors, .size = sizeof(s->errors)},
        .limit = wait_limit(-1, milliseconds),
    };
}

static size_t open_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    size_t count = 0;

    assert_non_null(directory);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

/* Each test leaves neither a descriptor nor a child behind. */
static int begin(void **state)
{
    *state = (void *)open_descriptors();
    return 0;
}

static int end(void **state)
{
    assert_int_equal(open_descriptors(), (size_t)*state);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    return 0;
}

static void streams_and_status_are_taken(void **state)
{
    static const struct {
        const char *text;
        const char *output;
        const char *errors;
        struct subprocess_end end;
        const char *words;
    } cases[] = {
        {"echo yes", "yes\n", "", {SUBPROCESS_EXITED, 0}, "exited with status 0"},
        {"echo no >&2; exit 3", "", "no\n", {SUBPROCESS_EXITED, 3}, "exited with status 3"},
        {"echo a; echo b >&2", "a\n", "b\n", {SUBPROCESS_EXITED, 0}, "exited with status 0"},
        {"cat", "", "", {SUBPROCESS_EXITED, 0}, "exited with status 0"}, /* not our input */
        {"kill -9 $$", "", "", {SUBPROCESS_KILLED, 9}, "was killed by signal 9 (Killed)"},
        {"exec >&- 2>&-; exit 4", "", "", {SUBPROCESS_EXITED, 4}, "exited with status 4"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char words[SUBPROCESS_END_MAX];
        struct script s;
        struct subprocess_end end;
        script_set(&s, cases[i].text, PATIENCE_MS);
        end = subprocess_run(&s.program);
        assert_int_equal(end.outcome, cases[i].end.outcome);
        assert_int_equal(end.number, cases[i].end.number);
        assert_string_equal(subprocess_describe(end, words), cases[i].words);
        assert_int_equal(subprocess_succeeded(end), strstr(words, "status 0") != NULL);
        assert_string_equal(s.output, cases[i].output);
        assert_string_equal(s.errors, cases[i].errors);
        assert_int_equal(s.program.output.length, strlen(cases[i].output));
        assert_false(s.program.output.cut);
    }
}

static void both_streams_can_be_one(void **state)
{
    struct script s;

    (void)state;
    script_set(&s, "echo a; echo b >&2; echo c", PATIENCE_MS);
    s.program.errors_to_output = true;
    assert_true(subprocess_succeeded(subprocess_run(&s.program)));
    assert_string_equal(s.output, "a\nb\nc\n");
    assert_string_equal(s.errors, "");
}

/* More than a pipe holds: a program that waits for a reader would not end. */
static void output_is_bounded_and_read_to_its_end(void **state)
{
    char expected[sizeof(((struct script *)NULL)->output)];
    struct script s;

    (void)state;
    script_set(&s, "head -c 1000000 /dev/zero | tr '\\0' x; echo end >&2", PATIENCE_MS);
    assert_true(subprocess_succeeded(subprocess_run(&s.program)));
    memset(expected, 'x', sizeof(expected) - 1);
    expected[sizeof(expected) - 1] = '\0';
    assert_string_equal(s.output, expected);
    assert_int_equal(s.program.output.length, sizeof(s.output) - 1);
    assert_true(s.program.output.cut);
    assert_string_equal(s.errors, "end\n");
    assert_false(s.program.errors.cut);
    /* As much as there is room for is not cut. */
    script_set(&s, "head -c 63 /dev/zero | tr '\\0' x", PATIENCE_MS);
    assert_true(subprocess_succeeded(subprocess_run(&s.program)));
    assert_string_equal(s.output, expected);
    assert_false(s.program.output.cut);
}

static void a_program_that_prints_too_much_is_ended(void **state)
{
    struct script s;
    struct subprocess_end end;
    char words[SUBPROCESS_END_MAX];

    (void)state;
    script_set(&s, "exec yes", -1);
    s.program.end_when_cut = true;
    end = subprocess_run(&s.program);
    assert_int_equal(end.outcome, SUBPROCESS_OVERFLOWED);
    assert_string_equal(subprocess_describe(end, words), "was ended, as it printed too much");
    assert_true(s.program.output.cut);
    /* As much as there is room for is not too much. */
    script_set(&s, "head -c 63 /dev/zero | tr '\\0' x", PATIENCE_MS);
    s.program.end_when_cut = true;
    assert_true(subprocess_succeeded(subprocess_run(&s.program)));
}

/* Input that is longer than a pipe holds, which the program reads only when it has printed. */
static void input_and_environment_are_given(void **state)
{
    static char input[200000];
    static const char *const environment[] = {"PATH=/usr/bin:/bin", "COLOUR=green", NULL};
    struct script s;

    (void)state;
    memset(input, 'x', sizeof(input));
    script_set(&s, "echo \"$COLOUR$HOME\"; wc -c </dev/stdin", PATIENCE_MS);
    s.program.input = input;
    s.program.input_length = sizeof(input);
    s.program.environment = environment;
    assert_true(subprocess_succeeded(subprocess_run(&s.program)));
    assert_string_equal(s.output, "green\n200000\n");
}

static void a_missing_program_is_not_started(void **state)
{
    const char *const arguments[] = {"adit-no-such-program", NULL};
    struct script s;
    char words[SUBPROCESS_END_MAX];
    struct subprocess_end end;

    (void)state;
    script_set(&s, "", PATIENCE_MS);
    s.program.arguments = arguments;
    end = subprocess_run(&s.program);
    assert_int_equal(end.outcome, SUBPROCESS_NOT_STARTED);
    assert_int_equal(end.number, ENOENT);
    assert_string_equal(subprocess_describe(end, words),
                        "cannot be run: No such file or directory");
}

/* Also one that has closed its streams, and one that ignores SIGTERM. */
static void a_program_that_takes_too_long_is_ended(void **state)
{
    static const char *const texts[] = {
        "echo begun; exec sleep 60",
        "echo begun; exec >&- 2>&-; exec sleep 60",
        "trap '' TERM; echo begun; exec sleep 60",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        uint64_t began = clock_now();
        struct script s;
        struct subprocess_end end;
        char words[SUBPROCESS_END_MAX];
        script_set(&s, texts[i], 1000);
        end = subprocess_run(&s.program);
        assert_int_equal(end.outcome, SUBPROCESS_TIMED_OUT);
        assert_string_equal(subprocess_describe(end, words), "did not end in time");
        assert_true(clock_now() - began >= 1000);
        assert_string_equal(s.output, "begun\n");
    }
}

static void *hang_up(void *arg)
{
    char byte;

    /* The program has begun when it writes to its end of the pipe. */
    if (read(((int *)arg)[0], &byte, 1) == 1)
        shutdown(((int *)arg)[1], SHUT_RDWR);
    return NULL;
}

static void a_connection_that_ends_ends_the_program(void **state)
{
    char directory[] = "/tmp/adit-subprocess.XXXXXX";
    char fifo[64];
    char text[128];
    struct script s;
    struct subprocess_end end;
    pthread_t thread;
    int connection[2];
    int begun[2];

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(fifo, sizeof(fifo), "%s/begun", directory);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, connection), 0);
    begun[0] = open(fifo, O_RDWR | O_CLOEXEC);
    begun[1] = connection[1];
    assert_true(begun[0] >= 0);
    assert_int_equal(pthread_create(&thread, NULL, hang_up, begun), 0);
    snprintf(text, sizeof(text), "echo x >%s; exec sleep 60", fifo);
    script_set(&s, text, -1);
    s.program.limit.connection = connection[0];
    end = subprocess_run(&s.program);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(end.outcome, SUBPROCESS_ABORTED);
    /* Nothing is begun any more: else that there is no such program would show. */
    s.arguments[0] = "/nonexistent/program";
    end = subprocess_run(&s.program);
    assert_int_equal(end.outcome, SUBPROCESS_ABORTED);
    close(connection[0]);
    close(connection[1]);
    close(begun[0]);
    unlink(fifo);
    rmdir(directory);
}

/* What the program started ignores SIGTERM, and holds the fifo open for as long as it lives. */
static void a_group_ends_with_its_leader(void **state)
{
    char directory[] = "/tmp/adit-subprocess.XXXXXX";
    char fifo[64];
    char text[200];
    char byte;
    struct script s;
    struct pollfd closed = {.events = POLLIN};

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(fifo, sizeof(fifo), "%s/held", directory);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    closed.fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(closed.fd >= 0);
    snprintf(text, sizeof(text),
             "exec 3>%s; (trap '' TERM; echo x >&3; exec sleep 60) & while :; do printf x; done",
             fifo);
    script_set(&s, text, PATIENCE_MS);
    s.program.own_group = true;
    s.program.end_when_cut = true;
    assert_int_equal(subprocess_run(&s.program).outcome, SUBPROCESS_OVERFLOWED);
    do
        assert_int_equal(poll(&closed, 1, PATIENCE_MS), 1);
    while (read(closed.fd, &byte, 1) > 0);
    close(closed.fd);
    unlink(fifo);
    rmdir(directory);
}

static void what_the_peer_sends_ends_no_wait(void **state)
{
    struct wait_limit limit;
    int connection[2];
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, connection), 0);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(connection[1], "x", 1), 1);
    limit = wait_limit(connection[0], 10);
    assert_int_equal(wait_for(ends[0], POLLIN, &limit), ETIMEDOUT);
    assert_int_equal(write(ends[1], "x", 1), 1);
    limit = wait_limit(connection[0], -1);
    assert_int_equal(wait_for(ends[0], POLLIN, &limit), 0);
    shutdown(connection[1], SHUT_RDWR);
    assert_int_equal(wait_for(ends[0], POLLIN, &limit), ECONNABORTED);
    for (int i = 0; i < 2; i++) {
        close(connection[i]);
        close(ends[i]);
    }
}

/* The bits of a field of /proc/self/status, without those of the C library's signals 32 and 33. */
static void no_signal_is_blocked_or_ignored(void **state)
{
    struct script s;
    sigset_t all;
    sigset_t before;

    (void)state;
    script_set(&s,
               "grep -E 'Sig(Blk|Ign)' /proc/self/status | sed 's/.*\\(.\\{7\\}\\)$/\\1/' | "
               "tr '\\n' ' '",
               PATIENCE_MS);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    signal(SIGPIPE, SIG_IGN);
    assert_true(subprocess_succeeded(subprocess_run(&s.program)));
    signal(SIGPIPE, SIG_DFL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    assert_string_equal(s.output, "0000000 0000000 ");
}

/* Also none that is kept open across exec(2), as a library may open one. */
static void no_other_descriptor_is_given(void **state)
{
    struct script s;

    (void)state;
    script_set(&s, "[ -e /proc/$$/fd/77 ] && echo given || echo none", PATIENCE_MS);
    assert_int_equal(dup2(STDIN_FILENO, 77), 77);
    assert_true(subprocess_succeeded(subprocess_run(&s.program)));
    close(77);
    assert_string_equal(s.output, "none\n");
}

static void *run_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        struct script s;
        script_set(&s, "read line; echo \"$line\"", PATIENCE_MS);
        s.program.input = "mine\n";
        s.program.input_length = 5;
        if (!subprocess_succeeded(subprocess_run(&s.program)) || strcmp(s.output, "mine\n") != 0)
            return (void *)"wrong";
    }
    return NULL;
}

static void threads_run_programs_at_once(void **state)
{
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_many, NULL), 0);
    for (size_t i = 0; i < COUNT(threads); i++) {
        void *result;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
}

static void an_ignored_sigchld_costs_the_status_only(void **state)
{
    struct script s;
    struct subprocess_end end;

    (void)state;
    signal(SIGCHLD, SIG_IGN);
    script_set(&s, "echo yes", PATIENCE_MS);
    end = subprocess_run(&s.program);
    signal(SIGCHLD, SIG_DFL);
    assert_int_equal(end.outcome, SUBPROCESS_FAILED);
    assert_int_equal(end.number, ECHILD);
    assert_string_equal(s.output, "yes\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(streams_and_status_are_taken),
        TEST(both_streams_can_be_one),
        TEST(output_is_bounded_and_read_to_its_end),
        TEST(a_program_that_prints_too_much_is_ended),
        TEST(input_and_environment_are_given),
        TEST(a_missing_program_is_not_started),
        TEST(a_program_that_takes_too_long_is_ended),
        TEST(a_connection_that_ends_ends_the_program),
        TEST(a_group_ends_with_its_leader),
        TEST(what_the_peer_sends_ends_no_wait),
        TEST(no_signal_is_blocked_or_ignored),
        TEST(no_other_descriptor_is_given),
        TEST(threads_run_programs_at_once),
        TEST(an_ignored_sigchld_costs_the_status_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
