/* The log's lines: whole, escaped, as text and as JSON. */
#include "base/log.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int file;
static char written[8192];

static int set_up(void **state)
{
    (void)state;
    file = memfd_create("log", MFD_CLOEXEC);
    return file < 0;
}

static int tear_down(void **state)
{
    (void)state;
    log_setup(STDERR_FILENO, ADIT_LOG_INFO, ADIT_LOG_TEXT);
    return close(file);
}

/* What was logged so far. */
static const char *log_text(void)
{
    ssize_t length = pread(file, written, sizeof(written) - 1, 0);

    assert_true(length >= 0);
    written[length] = '\0';
    return written;
}

/* What stands after the time of the only line, without its line end. */
static const char *only_line(void)
{
    char *text = (char *)log_text();
    char *end = strchr(text, '\n');

    assert_non_null(end);
    assert_string_equal(end, "\n");
    *end = '\0';
    assert_true(strlen(text) > 25);
    assert_int_equal(text[23], 'Z'); /* 2026-11-22T18:00:00.000Z */
    return text + 25;
}

static void a_line_has_its_level_and_its_words(void **state)
{
    (void)state;
    log_setup(file, ADIT_LOG_INFO, ADIT_LOG_TEXT);
    log_warning("%s has %d of %d", "pool", 1, 2);
    assert_string_equal(only_line(), "warning: pool has 1 of 2");
}

static void what_is_below_the_level_is_not_written(void **state)
{
    (void)state;
    log_setup(file, ADIT_LOG_WARNING, ADIT_LOG_TEXT);
    log_info("no");
    log_debug("no");
    assert_false(log_wants(ADIT_LOG_INFO));
    assert_string_equal(log_text(), "");
    log_error("yes");
    assert_string_equal(only_line(), "error: yes");
}

static void no_peer_can_forge_a_line_or_drive_a_terminal(void **state)
{
    static const struct {
        const char *value;
        const char *field;
    } cases[] = {
        {"plain", "k=plain"},
        {"", "k=\"\""},
        {"two words", "k=\"two words\""},
        {"a=b", "k=\"a=b\""},
        {"say \"hi\"", "k=\"say \\\"hi\\\"\""},
        {"back\\slash", "k=\"back\\\\slash\""},
        {"x\n2026 info: forged", "k=\"x\\x0a2026 info: forged\""},
        {"\x1b[31m\x7f", "k=\\x1b[31m\\x7f"},
        {"\xc3\xa9", "k=\xc3\xa9"},
        {"\xc2\x9b"
         "31m",
         "k=\\xc2\\x9b31m"},
        {"two \xe2\x80\xa8\"\xff", "k=\"two \\xe2\\x80\\xa8\\\"\\xff\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char expected[128];
        assert_int_equal(ftruncate(file, 0), 0);
        lseek(file, 0, SEEK_SET);
        log_setup(file, ADIT_LOG_INFO, ADIT_LOG_TEXT);
        log_event(ADIT_LOG_INFO, "e\nvent", &ADIT_LOG_TEXT_FIELD("k", cases[i].value), 1);
        snprintf(expected, sizeof(expected), "info: e\\x0avent %s", cases[i].field);
        assert_string_equal(only_line(), expected);
    }
}

static void a_field_without_a_value_is_left_out(void **state)
{
    struct log_field fields[] = {
        ADIT_LOG_TEXT_FIELD("none", NULL),
        ADIT_LOG_NUMBER_FIELD("zero", 0),
        ADIT_LOG_NUMBER_FIELD("most", UINT64_MAX),
    };

    (void)state;
    log_setup(file, ADIT_LOG_INFO, ADIT_LOG_TEXT);
    log_event(ADIT_LOG_INFO, "event", fields, 3);
    assert_string_equal(only_line(), "info: event zero=0 most=18446744073709551615");
}

static void a_long_line_is_whole(void **state)
{
    char words[1501];
    struct log_field fields[] = {
        ADIT_LOG_TEXT_FIELD("first", words),
        ADIT_LOG_TEXT_FIELD("second", words),
        ADIT_LOG_NUMBER_FIELD("last", 3),
    };
    char expected[4096];

    (void)state;
    memset(words, 'w', sizeof(words) - 1);
    words[sizeof(words) - 1] = '\0';
    log_setup(file, ADIT_LOG_INFO, ADIT_LOG_TEXT);
    log_event(ADIT_LOG_INFO, "event", fields, 3);
    snprintf(expected, sizeof(expected), "info: event first=%s second=%s last=3", words, words);
    assert_string_equal(only_line(), expected);
}

static void a_json_line_is_one_object(void **state)
{
    struct log_field fields[] = {
        ADIT_LOG_TEXT_FIELD("text", "\"quoted\"\n\x01"),
        ADIT_LOG_TEXT_FIELD("odd", "\xff\xfe!"), /* no UTF-8 */
        ADIT_LOG_NUMBER_FIELD("number", 42),
        ADIT_LOG_TEXT_FIELD("controls", "\xc2\x9b\xe2\x80\xae"),
    };
    json_t *line;

    (void)state;
    log_setup(file, ADIT_LOG_INFO, ADIT_LOG_JSON);
    log_event(ADIT_LOG_ERROR, "event", fields, 4);
    log_text();
    assert_ptr_equal(strchr(written, '\n'), written + strlen(written) - 1);
    line = json_loads(written, 0, NULL);
    assert_non_null(line);
    assert_string_equal(json_string_value(json_object_get(line, "level")), "error");
    assert_string_equal(json_string_value(json_object_get(line, "message")), "event");
    assert_string_equal(json_string_value(json_object_get(line, "text")), "\"quoted\"\n\x01");
    assert_string_equal(json_string_value(json_object_get(line, "odd")), "\\xff\\xfe!");
    assert_int_equal(json_integer_value(json_object_get(line, "number")), 42);
    assert_string_equal(json_string_value(json_object_get(line, "controls")),
                        "\xc2\x9b\xe2\x80\xae");
    assert_non_null(strstr(written, "\"controls\":\"\\u009B\\u202E\""));
    json_decref(line);
}

/* JOURNAL_STREAM names the descriptor's device and inode. */
static void set_journal(int fd, int more)
{
    struct stat status;
    char stream[64];

    assert_int_equal(fstat(fd, &status), 0);
    snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)status.st_dev,
             (uintmax_t)status.st_ino + (uintmax_t)more);
    assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
}

static void the_journal_gets_priorities_and_no_time(void **state)
{
    static const struct log_field field = ADIT_LOG_TEXT_FIELD("k", "v");

    (void)state;
    set_journal(file, 0);
    log_setup(file, ADIT_LOG_DEBUG, ADIT_LOG_TEXT);
    log_error("one");
    log_warning("two");
    log_event(ADIT_LOG_INFO, "three", &field, 1);
    log_debug("four");
    assert_string_equal(log_text(), "<3>error: one\n<4>warning: two\n<6>info: three k=v\n"
                                    "<7>debug: four\n");
    assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
}

static void the_journal_gets_json_behind_a_priority(void **state)
{
    (void)state;
    set_journal(file, 0);
    log_setup(file, ADIT_LOG_INFO, ADIT_LOG_JSON);
    log_warning("two");
    log_text();
    assert_memory_equal(written, "<4>{\"time\":\"", 12);
    assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
}

static void another_stream_is_not_the_journal(void **state)
{
    (void)state;
    set_journal(file, 1);
    log_setup(file, ADIT_LOG_INFO, ADIT_LOG_TEXT);
    log_warning("two");
    assert_string_equal(only_line(), "warning: two");
    assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_has_its_level_and_its_words, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_below_the_level_is_not_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_peer_can_forge_a_line_or_drive_a_terminal, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_field_without_a_value_is_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_line_is_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_json_line_is_one_object, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_journal_gets_priorities_and_no_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_journal_gets_json_behind_a_priority, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_stream_is_not_the_journal, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
