/* Tests of io/whole: exact lengths over sockets, and files with a bound. */
#include "io/whole.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- sockets */

static void *send_large(void *arg)
{
    static char bytes[1 << 20];
    struct wait_limit limit = wait_limit(-1, -1);

    memset(bytes, 'x', sizeof(bytes));
    return (void *)(intptr_t)send_whole(*(int *)arg, bytes, sizeof(bytes), &limit);
}

/* More than a socket holds, by a blocking and by a non-blocking end. */
static void all_bytes_go_through(void **state)
{
    static char bytes[1 << 20];

    (void)state;
    for (int flags = 0; flags <= SOCK_NONBLOCK; flags += SOCK_NONBLOCK) {
        struct wait_limit limit = wait_limit(-1, -1);
        pthread_t thread;
        void *result;
        int ends[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | flags, 0, ends), 0);
        assert_int_equal(pthread_create(&thread, NULL, send_large, &ends[1]), 0);
        assert_int_equal(receive_whole(ends[0], bytes, sizeof(bytes), &limit), 0);
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_null(result);
        assert_int_equal(bytes[sizeof(bytes) - 1], 'x');
        memset(bytes, 0, sizeof(bytes));
        close(ends[0]);
        close(ends[1]);
    }
}

static void a_stream_that_ends_early_is_told_from_one_that_is_late(void **state)
{
    struct wait_limit limit = wait_limit(-1, 10);
    char bytes[4];
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(send(ends[1], "abc", 3, 0), 3);
    assert_int_equal(receive_whole(ends[0], bytes, sizeof(bytes), &limit), ETIMEDOUT);
    assert_int_equal(send(ends[1], "abc", 3, 0), 3);
    shutdown(ends[1], SHUT_WR);
    limit = wait_limit(-1, -1);
    assert_int_equal(receive_whole(ends[0], bytes, sizeof(bytes), &limit), ENODATA);
    close(ends[0]);
    close(ends[1]);
}

static void what_has_come_is_received(void **state)
{
    struct wait_limit limit = wait_limit(-1, 10);
    struct buffer bytes = {0};
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(receive_some(ends[0], &bytes, &limit), ETIMEDOUT);
    assert_int_equal(send(ends[1], "abc", 3, 0), 3);
    close(ends[1]);
    limit = wait_limit(-1, -1);
    assert_int_equal(receive_some(ends[0], &bytes, &limit), 0);
    assert_int_equal(buffer_length(&bytes), 3);
    assert_int_equal(receive_some(ends[0], &bytes, &limit), ENODATA);
    buffer_clear(&bytes);
    close(ends[0]);
}

/* A peer that is gone: an error and no SIGPIPE. One that reads nothing: the limit. */
static void a_send_ends(void **state)
{
    static const char bytes[1 << 20];
    struct wait_limit limit = wait_limit(-1, 10);
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(send_whole(ends[0], bytes, sizeof(bytes), &limit), ETIMEDOUT);
    close(ends[1]);
    assert_int_equal(send_whole(ends[0], bytes, sizeof(bytes), &limit), EPIPE);
    close(ends[0]);
}

/* ---- files */

static char directory[] = "/tmp/adit-whole.XXXXXX";

static const char *path_of(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

static void file_of(const char *name, size_t length)
{
    FILE *out = fopen(path_of(name), "w");

    assert_non_null(out);
    for (size_t i = 0; i < length; i++)
        fputc('a' + (int)(i % 26), out);
    fclose(out);
}

static int make_files(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(directory));
    file_of("empty", 0);
    file_of("page", 4096);
    file_of("large", 100000);
    assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
    return 0;
}

static int remove_files(void **state)
{
    static const char *const names[] = {"empty", "page", "large", "fifo"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++)
        unlink(path_of(names[i]));
    return rmdir(directory);
}

static void a_file_is_read_or_refused(void **state)
{
    static const struct {
        const char *name;
        enum file_kind kind;
        size_t max;
        size_t length;
        const char *wrong; /* NULL: it is read */
        int number;
    } cases[] = {
        {"empty", FILE_REGULAR, 10, 0, NULL, 0},
        {"page", FILE_REGULAR, 4096, 4096, NULL, 0},
        {"page", FILE_ANY, 4096, 4096, NULL, 0},
        {"page", FILE_REGULAR, 4095, 0, "The file is larger than 4095 bytes", EFBIG},
        {"large", FILE_REGULAR_OR_EMPTY, 1 << 20, 100000, NULL, 0},
        {"fifo", FILE_REGULAR, 10, 0, "Not a regular file", EINVAL},
        {"fifo", FILE_REGULAR_OR_EMPTY, 10, 0, "Neither a regular file nor a device", EINVAL},
        {".", FILE_ANY, 10, 0, "Is a directory", EISDIR},
        {".", FILE_REGULAR, 10, 0, "Is a directory", EISDIR},
        {"missing", FILE_ANY, 10, 0, "No such file or directory", ENOENT},
        {"/dev/null", FILE_REGULAR_OR_EMPTY, 10, 0, NULL, 0},
        {"/dev/null", FILE_ANY, 10, 0, NULL, 0},
        {"/dev/null", FILE_REGULAR, 10, 0, "Not a regular file", EINVAL},
        {"/dev/zero", FILE_ANY, 10000, 0, "The file is larger than 10000 bytes", EFBIG},
        {"/dev/zero", FILE_ANY, 2 << 20, 0, "The file is larger than 2 MiB", EFBIG},
        /* (Its size is 0.) */
        {"/proc/self/status", FILE_REGULAR, 10, 0, "The file is larger than 10 bytes", EFBIG},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *path = cases[i].name[0] == '/' ? cases[i].name : path_of(cases[i].name);
        struct buffer bytes = {0};
        const char *wrong = file_read(path, cases[i].max, cases[i].kind, &bytes);
        if (cases[i].wrong != NULL) {
            int number = errno;
            assert_non_null(wrong);
            assert_string_equal(wrong, cases[i].wrong);
            assert_int_equal(number, cases[i].number);
        } else {
            assert_null(wrong);
            assert_int_equal(buffer_length(&bytes), cases[i].length);
            for (size_t j = 0; j < cases[i].length; j++)
                assert_int_equal(buffer_data(&bytes)[j], 'a' + (int)(j % 26));
        }
        buffer_wipe(&bytes);
    }
}

static void written_bytes_are_all_there(void **state)
{
    struct buffer bytes = {0};
    int fd = open(path_of("page"), O_RDWR | O_TRUNC);

    (void)state;
    assert_int_equal(write_whole(fd, "abc", 3), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_null(descriptor_read(fd, 3, FILE_REGULAR, &bytes));
    assert_int_equal(buffer_length(&bytes), 3);
    assert_memory_equal(buffer_data(&bytes), "abc", 3);
    buffer_clear(&bytes);
    close(fd);
    assert_int_equal(write_whole(-1, "abc", 3), EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_bytes_go_through),
        cmocka_unit_test(a_stream_that_ends_early_is_told_from_one_that_is_late),
        cmocka_unit_test(what_has_come_is_received),
        cmocka_unit_test(a_send_ends),
        cmocka_unit_test(a_file_is_read_or_refused),
        cmocka_unit_test(written_bytes_are_all_there),
    };

    return cmocka_run_group_tests(tests, make_files, remove_files);
}
