/* Tests of base/visible, text_lines: what of a server's text a terminal or a log gets. */
#include "base/visible.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_shown(const char *text, const char *shown)
{
    char *words = text_lines(text);

    assert_string_equal(words, shown);
    free(words);
}

static const struct {
    const char *text, *shown;
} cases[] = {
    {"", ""},
    {"one\ntwo\tthree", "one\ntwo three"},
    {"\033[31mred\007\r\n", "[31mred\n"},
    {"a\177b", "ab"},
    {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
    /* Controls of C1, plain, and such as are left when others are taken out. */
    {"a\xc2\x9b"
     "31m",
     "a31m"},
    {"a\xc2\xa0z", "a\xc2\xa0z"},
    {"\xc2\xc2\x9b\x9b"
     "31m",
     "31m"},
    {"\xc2\007\x9b", ""},
    {"\xc2\xc2\x80\xc2\x9b\x9b", ""},
    /* Bytes that are no characters, on which terminals act that are not set to UTF-8. */
    {"\x9b"
     "31m",
     "31m"},
    {"\xe9t\xe9", "t"},
    {"\xc0\x9b", ""},
    {"\xe0\x82\x9b", ""},
    {"\xf0\x80\x82\x9b", ""},
    {"\xf4\x90\x80\x80", ""},
    {"\xed\xa0\x80", ""},
    {"\xf8\x88\x80\x80\x80", ""},
    {"\xff\xfe", ""},
};

static void a_text_is_shown_without_what_a_terminal_acts_on(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char behind[64], shown[64];
        assert_shown(cases[i].text, cases[i].shown);
        snprintf(behind, sizeof(behind), "x%sy", cases[i].text);
        snprintf(shown, sizeof(shown), "x%sy", cases[i].shown);
        assert_shown(behind, shown);
    }
    assert_shown(NULL, "");
}

/* Each text that is cut off, as libssh cuts it off at a NUL. */
static void a_text_that_ends_early_is_shown(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t length = 0; length < strlen(cases[i].text); length++) {
            char *part = strndup(cases[i].text, length);
            char *words = text_lines(part);
            for (const char *at = words; *at != '\0'; at++)
                assert_true(*at == '\n' || (unsigned char)*at >= ' ');
            assert_true(strlen(words) <= length);
            free(words);
            free(part);
        }
    }
    assert_shown("\xe2\x82", "");
    assert_shown("\xf0\x9f\x98", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_shown_without_what_a_terminal_acts_on),
        cmocka_unit_test(a_text_that_ends_early_is_shown),
    };

    return cmocka_run_group_tests_name("server_words", tests, NULL, NULL);
}
