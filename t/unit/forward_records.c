/* Records of remote forwards (keeper/forward_records.h): what one process locks is left to it, and
 * what nobody has locked is handed out once. */
#include "keeper/forward_records.h"

#include "base/mem.h"

#include <errno.h>
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

static char directory[64];
static char path[80];

static char master[] = "/run/cm", every[] = "*", other_master[] = "/m", socket_path[] = "/run/x";

static const struct forward_record sample = {.master = master, .bind = every, .port = 8080};

struct taken {
    unsigned count;
    bool remove;
    char text[200];
};

static bool on_record(void *arg, const struct forward_record *record, const char *at)
{
    struct taken *taken = arg;

    taken->count++;
    snprintf(taken->text, sizeof(taken->text), "%s %s %u %s", record->master, record->bind,
             (unsigned)record->port, strrchr(at, '/') + 1);
    return taken->remove;
}

static struct taken take(bool remove)
{
    struct taken taken = {.remove = remove};

    forward_records_take(directory, on_record, &taken);
    return taken;
}

static bool is_there(const char *suffix)
{
    char *name = mem_printf("%s%s", path, suffix);
    bool there = access(name, F_OK) == 0;

    free(name);
    return there;
}

static void put(const char *suffix, const char *text)
{
    char *name = mem_printf("%s%s", path, suffix);
    FILE *file = fopen(name, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    free(name);
}

static int make_directory_for_records(void **state)
{
    (void)state;
    snprintf(directory, sizeof(directory), "/tmp/adit-records-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/forward-1", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(directory);
}

static void test_locked(void **state)
{
    int lock = forward_record_write(&sample, path);

    (void)state;
    assert_true(lock >= 0);
    assert_true(is_there(".of"));
    assert_false(is_there(".new"));
    assert_int_equal(take(true).count, 0);
    assert_int_equal(forward_record_write(&sample, path), -1);
    assert_int_equal(errno, EADDRINUSE);
    assert_false(is_there(".new"));
    assert_true(is_there(".of"));
    forward_record_remove(path);
    close(lock);
    assert_false(is_there(".of"));
}

static void test_left(void **state)
{
    struct taken taken;

    (void)state;
    close(forward_record_write(&sample, path));
    put("", "the socket");
    taken = take(false);
    assert_int_equal(taken.count, 1);
    assert_string_equal(taken.text, "/run/cm * 8080 forward-1");
    assert_true(is_there(".of") && is_there(""));
    assert_int_equal(take(true).count, 1);
    assert_false(is_there(".of") || is_there(""));
    assert_int_equal(take(true).count, 0);
}

/* One that was left is written again by the next who needs it. */
static void test_again(void **state)
{
    const struct forward_record other = {
        .master = other_master, .bind = socket_path, .port = UINT32_MAX - 1};
    int lock;

    (void)state;
    close(forward_record_write(&sample, path));
    lock = forward_record_write(&other, path);
    assert_true(lock >= 0);
    assert_int_equal(take(true).count, 0);
    close(lock);
    assert_string_equal(take(true).text, "/m /run/x 4294967294 forward-1");
}

static void test_broken(void **state)
{
    static const char *const texts[] = {"", "\n", "/run/cm\n*\n8080", "/run/cm\n"};
    char longer[5000];

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        put(".of", texts[i]);
        assert_int_equal(take(true).count, 0);
        assert_false(is_there(".of"));
    }
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    put(".of", longer);
    assert_int_equal(take(true).count, 0);
    assert_false(is_there(".of"));
    assert_int_equal(forward_record_write(&(struct forward_record){longer, every, 1}, path), -1);
    assert_int_equal(errno, ENAMETOOLONG);
    assert_false(is_there(".of") || is_there(".new"));
}

/* What is no record stays as it is, and holds nobody up. */
static void test_others(void **state)
{
    char *fifo = mem_printf("%s.of", path);

    (void)state;
    put(".other", "");
    assert_int_equal(take(true).count, 0);
    assert_true(is_there(".other"));
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(take(true).count, 0);
    unlink(fifo);
    free(fifo);
    fifo = mem_printf("%s.other", path);
    unlink(fifo);
    free(fifo);
    forward_records_take("/nowhere/at/all", on_record, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_locked, make_directory_for_records, remove_directory),
        cmocka_unit_test_setup_teardown(test_left, make_directory_for_records, remove_directory),
        cmocka_unit_test_setup_teardown(test_again, make_directory_for_records, remove_directory),
        cmocka_unit_test_setup_teardown(test_broken, make_directory_for_records, remove_directory),
        cmocka_unit_test_setup_teardown(test_others, make_directory_for_records, remove_directory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
