/* The log's writing thread: a thread that logs never waits, dropped lines are counted, and nothing
 * is lost at an end. Each test runs in a process of its own, as there is one log to a process. */
#include "base/log.h"
#include "base/log_writer.h"

#include "base/mem.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define LOGGERS 4
#define LINES 8000 /* of each: together more than the queue and a pipe hold */

/* What became of the lines of one log. */
struct found {
    unsigned long next[LOGGERS]; /* lines of each logger must come in order */
    unsigned long lines;
    unsigned long missing;
    unsigned notices;
    unsigned long other;
};

static void take_line(struct found *found, const char *line)
{
    unsigned logger;
    unsigned long number, count;
    const char *at = strstr(line, "info: logger ");
    const char *missing = strstr(line, "warning: lines are missing here: ");

    if (at && sscanf(at, "info: logger %u line %lu", &logger, &number) == 2) {
        assert_true(logger < LOGGERS);
        assert_true(number >= found->next[logger]);
        found->next[logger] = number + 1;
        found->lines++;
    } else if (missing && sscanf(strrchr(line, '='), "=%lu", &count) == 1) {
        found->missing += count;
        found->notices++;
    } else {
        found->other++;
    }
}

/* Reads a log to its end. */
static struct found read_log(int fd)
{
    FILE *in = fdopen(fd, "r");
    struct found found = {0};
    char line[4096];

    assert_non_null(in);
    while (fgets(line, sizeof(line), in)) {
        assert_non_null(strchr(line, '\n'));
        take_line(&found, line);
    }
    fclose(in);
    return found;
}

static void *log_lines(void *arg)
{
    unsigned logger = (unsigned)(uintptr_t)arg;

    for (unsigned long i = 0; i < LINES; i++)
        log_info("logger %u line %lu, and some words that make it as long as lines are", logger, i);
    return NULL;
}

static void log_from_threads(void)
{
    pthread_t threads[LOGGERS];

    for (uintptr_t i = 0; i < LOGGERS; i++)
        if (pthread_create(&threads[i], NULL, log_lines, (void *)i) != 0)
            _exit(99);
    for (unsigned i = 0; i < LOGGERS; i++)
        pthread_join(threads[i], NULL);
}

typedef void scene_fn(int log);

/* Runs a scene in a child, whose log is the pipe's end. */
static pid_t start_scene(scene_fn *scene, const int pipe_ends[2])
{
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGPIPE, SIG_IGN);
        for (int i = 0; i < 32; i++)
            signal(i, i == SIGPIPE ? SIG_IGN : SIG_DFL); /* (cmocka catches crashes) */
        close(pipe_ends[0]);
        log_setup(pipe_ends[1], ADIT_LOG_INFO, ADIT_LOG_TEXT);
        if (!log_start())
            _exit(98);
        scene(pipe_ends[1]);
        _exit(0);
    }
    close(pipe_ends[1]);
    return child;
}

static int wait_scene(pid_t child)
{
    int status;

    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void log_and_stop(int log)
{
    (void)log;
    log_from_threads();
    log_stop();
}

/* Nothing is read before the child has ended: it did not wait. */
static void nobody_waits_for_a_log_that_is_not_read(void **state)
{
    (void)state;
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    int status = wait_scene(start_scene(log_and_stop, ends));
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    struct found found = read_log(ends[0]);
    assert_true(found.lines > 0);
    assert_int_equal(found.other, 0);
}

static int ready[2]; /* the scene has logged its lines, and the pipe is not read */
static int go[2];    /* the scene goes on when the other end is closed */

static void log_more_after_reading(int log)
{
    char byte;

    close(go[1]);
    log_from_threads();
    if (fcntl(log, F_GETFL) & O_NONBLOCK)
        _exit(97);
    if (write(ready[1], "", 1) != 1 || read(go[0], &byte, 1) != 0)
        _exit(96);
    for (int i = 0; i < 20; i++)
        log_flush();
    log_info("logger 0 line %d", LINES);
    log_stop();
}

static void what_is_missing_is_told_when_the_log_is_read_again(void **state)
{
    (void)state;
    int ends[2];
    char byte;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(go, O_CLOEXEC), 0);
    pid_t child = start_scene(log_more_after_reading, ends);
    close(go[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(go[1]);
    struct found found = read_log(ends[0]);
    int status = wait_scene(child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(found.lines + found.missing, LOGGERS * LINES + 1);
    assert_int_equal(found.other, 0);
    assert_true(found.missing > 0);
    assert_int_equal(found.notices, 1);
    assert_int_equal(found.next[0], LINES + 1);
    close(ready[0]);
    close(ready[1]);
}

static void abort_at_once(int log)
{
    (void)log;
    for (unsigned long i = 0; i < 500; i++)
        log_info("logger 1 line %lu", i);
    abort();
}

static void crash_at_once(int log)
{
    (void)log;
    for (unsigned long i = 0; i < 500; i++)
        log_info("logger 1 line %lu", i);
    raise(SIGSEGV);
}

static void flush_and_leave(int log)
{
    (void)log;
    for (unsigned long i = 0; i < 500; i++)
        log_info("logger 1 line %lu", i);
    log_flush();
}

static void a_crash_or_an_end_loses_no_line(void **state)
{
    (void)state;
    static const struct {
        scene_fn *scene;
        int signal;
    } ends_of_it[] = {{abort_at_once, SIGABRT}, {crash_at_once, SIGSEGV}, {flush_and_leave, 0}};

    for (unsigned i = 0; i < 3; i++) {
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        pid_t child = start_scene(ends_of_it[i].scene, ends);
        struct found found = read_log(ends[0]);
        int status = wait_scene(child);
        assert_int_equal(WIFSIGNALED(status) ? WTERMSIG(status) : 0, ends_of_it[i].signal);
        assert_int_equal(found.lines, 500);
        assert_int_equal(found.missing, 0);
    }
}

/* Another process may have set O_NONBLOCK on the description that is shared with it. */
static void log_without_blocking(int log)
{
    fcntl(log, F_SETFL, O_NONBLOCK | O_WRONLY);
    for (unsigned long i = 0; i < 3000; i++)
        log_info("logger 2 line %lu, and some words that make it as long as lines are", i);
    log_stop();
}

static void a_descriptor_that_does_not_block_loses_nothing(void **state)
{
    (void)state;
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = start_scene(log_without_blocking, ends);
    struct found found = read_log(ends[0]);
    assert_int_equal(wait_scene(child), 0);
    assert_int_equal(found.lines, 3000);
}

/* Each write is of whole lines, and no longer than a pipe takes in one piece unless one line is. */
static void log_one_long(int log)
{
    char *text = mem_zalloc(9001);

    (void)log;
    memset(text, 'x', 9000);
    log_event(ADIT_LOG_INFO, text, NULL, 0);
    for (unsigned long i = 0; i < 2000; i++)
        log_info("logger 3 line %lu", i);
    free(text);
    log_stop();
}

static void each_write_is_of_whole_lines(void **state)
{
    (void)state;
    int ends[2];
    static char packet[4 * PIPE_BUF];
    ssize_t n;
    size_t lines = 0;

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    pid_t child = start_scene(log_one_long, ends);
    while ((n = read(ends[0], packet, sizeof(packet))) > 0) {
        size_t here = 0;
        for (ssize_t i = 0; i < n; i++)
            here += packet[i] == '\n';
        assert_int_equal(packet[n - 1], '\n');
        assert_true(n <= PIPE_BUF || here == 1);
        lines += here;
    }
    close(ends[0]);
    assert_int_equal(wait_scene(child), 0);
    assert_int_equal(lines, 2001);
}

/* What is logged is there when the call is over, as long as it is read: a test, or a person at a
 * terminal, sees lines in the order of what happens. */
static void log_one_by_one(int log)
{
    char byte;

    (void)log;
    close(go[1]);
    for (unsigned i = 0; i < 100; i++) {
        log_info("logger 0 line %u", i);
        if (write(ready[1], "", 1) != 1 || read(go[0], &byte, 1) != 1)
            _exit(95);
    }
}

static void a_line_is_out_at_once_while_nothing_waits(void **state)
{
    (void)state;
    int ends[2];
    char byte, line[1000];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(go, O_CLOEXEC), 0);
    pid_t child = start_scene(log_one_by_one, ends);
    close(go[0]);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(read(ready[0], &byte, 1), 1);
        assert_true(read(ends[0], line, sizeof(line)) > 0);
        assert_int_equal(write(go[1], "", 1), 1);
    }
    assert_int_equal(wait_scene(child), 0);
    close(ends[0]);
    close(ready[0]);
    close(ready[1]);
    close(go[1]);
}

/* Each line has 49 bytes: the limit cuts one after its date. */
static void log_beyond_a_limit(int log)
{
    struct rlimit limit;

    (void)log;
    signal(SIGXFSZ, SIG_IGN);
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0)
        _exit(94);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){50 * 49 + 10, limit.rlim_max});
    for (unsigned long i = 100; i < 1000; i++)
        log_info("logger 0 line %lu", i);
    log_flush();
    setrlimit(RLIMIT_FSIZE, &limit);
    log_info("logger 0 line 1000");
    log_stop();
}

static void what_a_full_disk_did_not_take_is_told(void **state)
{
    (void)state;
    char path[] = "/tmp/adit-log-XXXXXX";
    int ends[2] = {-1, mkostemp(path, O_APPEND | O_CLOEXEC)};

    assert_true(ends[1] >= 0);
    ends[0] = open(path, O_RDONLY | O_CLOEXEC);
    unlink(path);
    assert_int_equal(wait_scene(start_scene(log_beyond_a_limit, ends)), 0);
    struct found found = read_log(ends[0]);
    assert_int_equal(found.lines, 50 + 1);
    assert_int_equal(found.missing, 850);
    assert_int_equal(found.notices, 1);
    assert_int_equal(found.other, 1); /* the line that was cut */
    assert_int_equal(found.next[0], 1001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_waits_for_a_log_that_is_not_read),
        cmocka_unit_test(what_is_missing_is_told_when_the_log_is_read_again),
        cmocka_unit_test(a_crash_or_an_end_loses_no_line),
        cmocka_unit_test(a_descriptor_that_does_not_block_loses_nothing),
        cmocka_unit_test(each_write_is_of_whole_lines),
        cmocka_unit_test(a_line_is_out_at_once_while_nothing_waits),
        cmocka_unit_test(what_a_full_disk_did_not_take_is_told),
    };

    return cmocka_run_group_tests_name("log_writer", tests, NULL, NULL);
}
