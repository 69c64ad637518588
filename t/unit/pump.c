/* Tests of io/pump: copies between descriptors of several kinds, and how they end. */
#include "io/pump.h"

#include "io_test.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>

static int pair[2];   /* pair[0] is the pump's end */
static int source[2]; /* a pipe */
static int done;

static int set_up(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) || pipe2(source, O_CLOEXEC);
}

static void wait_readable(int fd)
{
    assert_int_equal(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, PATIENCE_MS), 1);
}

/* How the pump has ended. */
static int result(void)
{
    int error = -1;

    wait_readable(done);
    assert_int_equal(read(done, &error, sizeof error), sizeof error);
    close(done);
    return error;
}

static void assert_read(int fd, const char *text)
{
    char bytes[100];
    size_t length = 0;

    while (length < strlen(text)) {
        wait_readable(fd);
        ssize_t n = read(fd, bytes + length, sizeof bytes - length);
        assert_true(n > 0);
        length += (size_t)n;
    }
    assert_int_equal(length, strlen(text));
    assert_memory_equal(bytes, text, length);
}

static void say(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void the_end_of_data_is_passed_on(void **state)
{
    char byte;

    (void)state;
    assert_true(pump_start(source[0], pair[0], &done));
    say(source[1], "hello");
    assert_read(pair[1], "hello");
    close(source[1]);
    wait_readable(pair[1]);
    assert_int_equal(read(pair[1], &byte, 1), 0);
    assert_int_equal(result(), 0);
    close(pair[1]);
}

/* While it waits for input that never comes, it notices that nobody wants it. */
static void it_ends_with_the_other_side(void **state)
{
    (void)state;
    assert_true(
        pump_start_with(source[0], pair[0], &done, &(struct pump_options){.ends_with_to = true}));
    say(source[1], "hello");
    assert_read(pair[1], "hello");
    close(pair[1]);
    assert_int_equal(result(), 0);
    /* Its descriptor of the pipe is closed next. */
    assert_int_equal(poll(&(struct pollfd){.fd = source[1]}, 1, PATIENCE_MS), 1);
    close(source[1]);
}

/* The other direction of the socket may end before. */
static void half_a_close_is_none(void **state)
{
    (void)state;
    assert_true(
        pump_start_with(source[0], pair[0], &done, &(struct pump_options){.ends_with_to = true}));
    shutdown(pair[1], SHUT_WR);
    say(source[1], "hello");
    assert_read(pair[1], "hello");
    close(source[1]);
    assert_int_equal(result(), 0);
    close(pair[1]);
}

static int freed;

static void on_freed(void *arg)
{
    freed += *(int *)arg;
}

/* Doubles an x, and ends at a dot. */
static ssize_t filter(void *arg, uint8_t *bytes, size_t length)
{
    (void)arg;
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '.')
            return -1;
        if (bytes[i] == 'x') {
            memmove(bytes + i + 1, bytes + i, length - i);
            return (ssize_t)length + 1;
        }
    }
    return (ssize_t)length;
}

static void a_filter_changes_and_ends_it(void **state)
{
    int one = 1;

    (void)state;
    freed = 0;
    assert_true(pump_start_with(
        source[0], pair[0], &done,
        &(struct pump_options){
            .ends_with_to = true, .filter = filter, .arg = &one, .free_arg = on_freed}));
    say(source[1], "axb");
    assert_read(pair[1], "axxb");
    say(source[1], ".");
    assert_int_equal(result(), ECANCELED);
    close(source[1]);
    wait_readable(pair[1]); /* (closed by now) */
    close(pair[1]);
    for (int i = 0; i < PATIENCE_MS && !__atomic_load_n(&freed, __ATOMIC_SEQ_CST); i++)
        poll(NULL, 0, 1);
    assert_int_equal(freed, 1);
}

static void a_file_is_copied(void **state)
{
    FILE *file = tmpfile();

    (void)state;
    fputs("from a file", file);
    rewind(file);
    assert_true(pump_start_with(fcntl(fileno(file), F_DUPFD_CLOEXEC, 3), pair[0], &done,
                                &(struct pump_options){.ends_with_to = true}));
    assert_read(pair[1], "from a file");
    assert_int_equal(result(), 0);
    fclose(file);
    close(pair[1]);
    close(source[0]);
    close(source[1]);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_end_of_data_is_passed_on),
        TEST(it_ends_with_the_other_side),
        TEST(half_a_close_is_none),
        TEST(a_filter_changes_and_ends_it),
        TEST(a_file_is_copied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
