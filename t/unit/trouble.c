/* What the log says while an upstream fails, and when that is over. */
#include "gateway/trouble.h"

#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define START 5000
#define MINUTE ((uint64_t)60000)

static int file;
static struct trouble *trouble;

static int set_up(void **state)
{
    (void)state;
    file = memfd_create("log", MFD_CLOEXEC);
    log_setup(file, ADIT_LOG_INFO, ADIT_LOG_TEXT);
    trouble = trouble_new("office");
    return file < 0;
}

static int tear_down(void **state)
{
    (void)state;
    trouble_free(trouble);
    log_setup(STDERR_FILENO, ADIT_LOG_INFO, ADIT_LOG_TEXT);
    return close(file);
}

/* The lines that came since the last call, without their times, one behind the other. */
static const char *lines(void)
{
    static char text[4096];
    char read[4096];
    ssize_t length = pread(file, read, sizeof(read) - 1, 0);
    size_t used = 0;

    assert_true(length >= 0);
    read[length] = text[0] = '\0';
    for (const char *line = strtok(read, "\n"); line != NULL; line = strtok(NULL, "\n"))
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s\n", strchr(line, ' ') + 1);
    assert_int_equal(ftruncate(file, 0), 0);
    assert_int_equal(lseek(file, 0, SEEK_SET), 0);
    return text;
}

static void the_end_says_how_long_and_who_waited(void **state)
{
    (void)state;
    trouble_over(trouble, START, 0, 1); /* the first session, without trouble */
    assert_string_equal(lines(), "");
    trouble_lost(trouble, START, 7);
    assert_string_equal(lines(), ""); /* (the pool has said it) */
    trouble_over(trouble, START + 3249, 11, 1);
    assert_string_equal(lines(), "warning: upstream office: up again after 3.2 s: 1 session, 0 "
                                 "failed dials, 4 clients waited\n");
    trouble_over(trouble, START + 4000, 11, 2);
    assert_string_equal(lines(), "");
}

static void a_start_that_fails_ends_in_the_same_way(void **state)
{
    (void)state;
    assert_true(trouble_dial_failed(trouble, START, 0, "h:22", "refused"));
    assert_string_equal(lines(), "warning: upstream office: h:22: refused\n");
    trouble_over(trouble, START + 50, 1, 2);
    assert_string_equal(lines(), "warning: upstream office: up after 0.1 s: 2 sessions, 1 failed "
                                 "dial, 1 client waited\n");
}

static void repeats_are_counted_once_a_minute(void **state)
{
    uint64_t now = START;

    (void)state;
    assert_true(trouble_dial_failed(trouble, now, 0, "h:22", "refused"));
    assert_string_equal(lines(), "warning: upstream office: h:22: refused\n");
    for (unsigned i = 1; i < 60; i++)
        assert_false(trouble_dial_failed(trouble, now += 1000, 0, "h:22", "refused"));
    assert_string_equal(lines(), "");
    assert_false(trouble_dial_failed(trouble, now += 1000, 0, "h:22", "refused"));
    assert_string_equal(lines(), "warning: upstream office: h:22: refused (60 times in 60 s)\n");
    assert_false(trouble_dial_failed(trouble, now += MINUTE + 30000, 0, "h:22", "refused"));
    assert_string_equal(lines(), "warning: upstream office: h:22: refused (1 times in 90 s)\n");
    trouble_over(trouble, now += 1000, 0, 1);
    assert_non_null(strstr(lines(), "up after 151.0 s: 1 session, 62 failed dials"));
    /* The next trouble is told from its beginning. */
    assert_true(trouble_dial_failed(trouble, now + 1000, 0, "h:22", "refused"));
    assert_string_equal(lines(), "warning: upstream office: h:22: refused\n");
}

/* Hosts by turns, and errors by turns: each is told once. */
static void kinds_are_told_apart(void **state)
{
    static const char *const places[] = {"a:22", "b:22"};
    static const char *const errors[] = {"refused", "no route", "timed out"};

    (void)state;
    for (unsigned i = 0; i < 36; i++)
        assert_int_equal(trouble_dial_failed(trouble, START + i, 0, places[i % 2], errors[i % 3]),
                         i < 6);
    assert_string_equal(lines(), "warning: upstream office: a:22: refused\n"
                                 "warning: upstream office: b:22: no route\n"
                                 "warning: upstream office: a:22: timed out\n"
                                 "warning: upstream office: b:22: refused\n"
                                 "warning: upstream office: a:22: no route\n"
                                 "warning: upstream office: b:22: timed out\n");
}

/* More kinds than are known: the one that was told longest ago is told again. */
static void many_kinds_are_forgotten_by_age(void **state)
{
    char place[16];

    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        snprintf(place, sizeof(place), "h%u", i);
        assert_true(trouble_dial_failed(trouble, START + i, 0, place, "refused"));
    }
    assert_false(trouble_dial_failed(trouble, START + 20, 0, "h8", "refused"));
    assert_true(trouble_dial_failed(trouble, START + 21, 0, "h0", "refused"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_end_says_how_long_and_who_waited, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_start_that_fails_ends_in_the_same_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(repeats_are_counted_once_a_minute, set_up, tear_down),
        cmocka_unit_test_setup_teardown(kinds_are_told_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_kinds_are_forgotten_by_age, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
