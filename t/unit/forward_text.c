/* Tests of conf/forward_text: forwards with blanks in paths. */
#include "conf/forward_spec.h"
#include "load_text.h"

#include <stdlib.h>
#include <string.h>

static const struct forward_text_case {
    const char *text, *read;
} arguments[] =
    {
        {"", ""},
        {"8080:h:80", "8080:h:80"},
        {"/a b:h:80", "/a\\ b:h:80"},
        {"/a\\ b:h:80", "/a\\ b:h:80"},
        {"/a\\\\ b:/c\td", "/a\\\\\\ b:/c\\\td"},
        {"[/a b]:h:80", "[/a b]:h:80"},
        {"8080:[/a b]", "8080:[/a b]"},
        {"/a [b c]:h:1", "/a\\ [b\\ c]:h:1"},
        {"8080 h:80", "8080\\ h:80"},
        {"/a\\", "/a\\"},
},
  answers[] = {
      {"8080 [h]:80", "8080 [h]:80"},
      {"[::1]:8080 [fe80::1]:80", "[::1]:8080 [fe80::1]:80"},
      {"8080 /a", "8080 /a"},
      {"8080 /a b", "8080 /a\\ b"},
      {"8080 /a [b]:80", "8080 /a\\ [b]\\:80"},
      {"[*]:8080 /a b /c", "[*]:8080 /a\\ b\\ /c"},
      {"8080 a/b c", "8080 a/b\\ c"},
      {"/a b [h]:80", "/a\\ b [h]:80"},
      {"/a /b [h]:80", "/a\\ /b [h]:80"},
      {"a/b c [h]:80", "a/b\\ c [h]:80"},
      {"/a:b\\c [socks]:0", "/a\\:b\\\\c [socks]:0"},
      {"/a b /c d", "/a\\ b /c\\ d"},
      {"/a /b /c", "/a /b /c"}, /* it cannot be told */
      {"/a b", "/a b"},
      {"8080", "8080"},
      {"[", "["},
      {" ", " "},
      {"", ""},
      {"/a []:", "/a []:"},
      {"/a ]:1", "/a ]:1"},
};

static void blanks_of_an_argument_are_part_of_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++) {
        char *text = forward_text_of_argument(arguments[i].text);
        assert_string_equal(text, arguments[i].read);
        free(text);
    }
}

static void the_ends_of_an_answer_are_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        char *text = forward_text_of_answer(answers[i].text);
        assert_string_equal(text, answers[i].read);
        free(text);
    }
}

static void what_ssh_prints_is_read_back(void **state)
{
    static const char *const ends[] = {"/a b", "/a:b", "/a\\b c", "/x [y]:1z", "a/b"};

    (void)state;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        char *printed = mem_printf("%s [h]:80", ends[i]);
        char *text = forward_text_of_answer(printed);
        struct config_forward forward = {0};
        char error[FORWARD_ERROR_MAX];
        assert_true(forward_spec_parse(FORWARD_LOCAL, text, &forward, error, sizeof(error)));
        assert_string_equal(forward.bind.path, ends[i]);
        assert_string_equal(forward.target.host, "h");
        place_clear(&forward.bind);
        place_clear(&forward.target);
        free(text);
        free(printed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blanks_of_an_argument_are_part_of_it),
        cmocka_unit_test(the_ends_of_an_answer_are_found),
        cmocka_unit_test(what_ssh_prints_is_read_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
