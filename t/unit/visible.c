/* Which characters are shown, and how the others are written. */
#include "base/visible.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *text;
    const char *visible;
    const char *marked;
} cases[] = {
    {"", "", ""},
    {"plain ~", "plain ~", "plain ~"},
    {"a\tb\nc\x1b[31m\x7f", "a\\x09b\\x0ac\\x1b[31m\\x7f", "a?b?c?[31m?"},
    /* Shown: Latin, Greek, Han, an emoji, U+00A0, U+0600, U+200A, U+2010, U+2030, U+10FFFF. */
    {"b\xc3\xbc\xce\xb1\xe6\xbc\xa2\xf0\x9f\x98\x80",
     "b\xc3\xbc\xce\xb1\xe6\xbc\xa2\xf0\x9f\x98\x80",
     "b\xc3\xbc\xce\xb1\xe6\xbc\xa2\xf0\x9f\x98\x80"},
    {"\xc2\xa0\xd8\x80\xe2\x80\x8a\xe2\x80\x90\xe2\x80\xb0\xf4\x8f\xbf\xbf",
     "\xc2\xa0\xd8\x80\xe2\x80\x8a\xe2\x80\x90\xe2\x80\xb0\xf4\x8f\xbf\xbf",
     "\xc2\xa0\xd8\x80\xe2\x80\x8a\xe2\x80\x90\xe2\x80\xb0\xf4\x8f\xbf\xbf"},
    /* C1: U+009B is CSI; U+0080 and U+009F are the first and the last. */
    {"\xc2\x9b"
     "31m",
     "\\xc2\\x9b31m", "??31m"},
    {"\xc2\x80\xc2\x9f", "\\xc2\\x80\\xc2\\x9f", "????"},
    /* Separators, directions, no width: U+2028, U+2029, U+202E, U+2066, U+200B, U+200F, U+061C,
     * U+FEFF. */
    {"\xe2\x80\xa8\xe2\x80\xa9", "\\xe2\\x80\\xa8\\xe2\\x80\\xa9", "??????"},
    {"a\xe2\x80\xae"
     "b",
     "a\\xe2\\x80\\xaeb", "a???b"},
    {"\xe2\x81\xa6", "\\xe2\\x81\\xa6", "???"},
    {"\xe2\x80\x8b\xe2\x80\x8f", "\\xe2\\x80\\x8b\\xe2\\x80\\x8f", "??????"},
    {"\xd8\x9c\xef\xbb\xbf", "\\xd8\\x9c\\xef\\xbb\\xbf", "?????"},
    /* Soft hyphen, Mongolian vowel separator, interlinear annotations, tags. */
    {"\xc2\xad\xe1\xa0\x8e", "\\xc2\\xad\\xe1\\xa0\\x8e", "?????"},
    {"\xef\xbf\xb9\xef\xbf\xbb", "\\xef\\xbf\\xb9\\xef\\xbf\\xbb", "??????"},
    {"\xf3\xa0\x80\x80\xf3\xa0\x81\xbf", "\\xf3\\xa0\\x80\\x80\\xf3\\xa0\\x81\\xbf", "????????"},
    {"\xf3\xa0\x82\x80\xef\xbf\xbc", "\xf3\xa0\x82\x80\xef\xbf\xbc",
     "\xf3\xa0\x82\x80\xef\xbf\xbc"},
    /* No UTF-8: a continuation alone, a character cut short at the end and before another, longer
     * forms, a surrogate, beyond U+10FFFF, bytes that never occur. */
    {"\x80", "\\x80", "?"},
    {"\x9b", "\\x9b", "?"},
    {"\xc3", "\\xc3", "?"},
    {"\xe6\xbc", "\\xe6\\xbc", "??"},
    {"\xf0\x9f\x98", "\\xf0\\x9f\\x98", "???"},
    {"\xe6\xbcx", "\\xe6\\xbcx", "??x"},
    {"\xc3\xc3\xbc", "\\xc3\xc3\xbc", "?\xc3\xbc"},
    {"\xc0\xaf", "\\xc0\\xaf", "??"},
    {"\xc1\xbf", "\\xc1\\xbf", "??"},
    {"\xe0\x9f\xbf", "\\xe0\\x9f\\xbf", "???"},
    {"\xf0\x8f\xbf\xbf", "\\xf0\\x8f\\xbf\\xbf", "????"},
    {"\xed\xa0\x80", "\\xed\\xa0\\x80", "???"},
    {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", "????"},
    {"\xf5\xfe\xff", "\\xf5\\xfe\\xff", "???"},
};

static void each_case_is_written_so(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *visible = text_visible(cases[i].text);
        char *marked = strdup(cases[i].text);
        text_mark_invisible(marked, '?');
        assert_string_equal(visible, cases[i].visible);
        assert_string_equal(marked, cases[i].marked);
        free(visible);
        free(marked);
    }
}

/* What is written needs no further escape, and what is shown is shown wherever it stands. */
static void what_is_written_is_visible(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *once = text_visible(cases[i].text);
        char *behind = malloc(strlen(once) + strlen(cases[i].text) + 1);
        char *twice;

        assert_int_equal(visible_length(once), strlen(once));
        strcpy(behind, once);
        strcat(behind, cases[i].text);
        twice = text_visible(behind);
        assert_memory_equal(twice, once, strlen(once));
        assert_string_equal(twice + strlen(once), once);
        free(once);
        free(behind);
        free(twice);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_case_is_written_so),
        cmocka_unit_test(what_is_written_is_visible),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
