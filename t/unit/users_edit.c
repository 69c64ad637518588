/* Tests of policy/users_edit: a users file with another user or another hash. */
#include "policy/users.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HASH "$2y$04$fwYM0UQ5XF5ZLXJd9kQXje7fSDMQJz20WV7mrz2bJ6Zvwq.1OnmpG"

static void only_the_line_of_the_user_changes(void **state)
{
    static const struct {
        const char *before;
        const char *name;
        const char *after;
        bool known;
    } cases[] = {
        {"", "alice", "alice:NEW\n", false},
        {"bob:OLD\n", "alice", "bob:OLD\nalice:NEW\n", false},
        {"bob:OLD", "alice", "bob:OLD\nalice:NEW\n", false},
        {"# alice:\nalice:OLD\n", "alice", "# alice:\nalice:NEW\n", true},
        {"alice:OLD", "alice", "alice:NEW", true},
        {"alice:OLD\r\nbob:B\r\n", "alice", "alice:NEW\r\nbob:B\r\n", true},
        {"a:A\n \talice:OLD:the boss: 1\nb:B\n", "alice", "a:A\n \talice:NEW:the boss: 1\nb:B\n",
         true},
        {"alice smith:A\nalic:B\nalicee:C\n", "alice",
         "alice smith:A\nalic:B\nalicee:C\nalice:NEW\n", false},
        {"bob:alice:x\n", "alice", "bob:alice:x\nalice:NEW\n", false},
        {"alice:\n", "alice", "alice:NEW\n", true},
        {"alice\n", "alice", "alice\nalice:NEW\n", false},
        {"\n\n", "alice", "\n\nalice:NEW\n", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool known = !cases[i].known;
        char *after = users_text_with(cases[i].before, cases[i].name, "NEW", &known);
        assert_string_equal(after, cases[i].after);
        assert_int_equal(known, cases[i].known);
        free(after);
    }
}

static void no_report(void *arg, unsigned line, const char *message)
{
    (void)arg;
    fail_msg("line %u: %s", line, message);
}

static void a_hash_verifies_its_password_and_has_its_own_salt(void **state)
{
    char *first = users_hash("open sesame"), *second = users_hash("open sesame");
    bool known;

    (void)state;
    assert_non_null(first);
    assert_non_null(second);
    assert_string_not_equal(first, second);

    char *text = users_text_with("bob:" HASH "\n", "alice", first, &known);
    struct users *users = users_new(text, strlen(text), no_report, NULL);
    assert_non_null(users);
    assert_true(users_verify(users, "alice", "open sesame"));
    assert_false(users_verify(users, "alice", "open sesame "));
    assert_false(users_verify(users, "bob", "open sesame"));
    users_free(users);
    free(text);
    free(first);
    free(second);
}

static void names_and_passwords_that_no_file_can_have(void **state)
{
    static const struct {
        const char *name;
        const char *wrong;
    } names[] = {
        {"", "it is empty"},
        {"a:b", "a colon ends the name in a users file"},
        {"#a", "a line that begins with # is a comment"},
        {" a", "blanks around a name are not part of it"},
        {"a ", "blanks around a name are not part of it"},
        {"a\tb", "it has a control character"},
        {"a\nb", "it has a control character"},
        {"a\r", "it has a control character"},
        {"\x7f", "it has a control character"},
        {"a", NULL},
        {"alice smith", NULL},
        {"a#", NULL},
        {"al\xc3\xad", NULL},
        {"a=b", NULL},
    };
    char long_text[257];

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *wrong = users_name_wrong(names[i].name);
        if (names[i].wrong)
            assert_string_equal(wrong, names[i].wrong);
        else
            assert_null(wrong);
    }
    memset(long_text, 'x', sizeof(long_text));
    long_text[256] = '\0';
    assert_string_equal(users_name_wrong(long_text),
                        "it has more than 255 bytes, which is what SOCKS5 can carry");
    assert_string_equal(users_password_wrong(long_text),
                        "the password has more than 255 bytes, which is what SOCKS5 can carry");
    long_text[255] = '\0';
    assert_null(users_name_wrong(long_text));
    assert_null(users_password_wrong(long_text));
    assert_non_null(users_password_wrong(""));
    assert_null(users_password_wrong(" "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_line_of_the_user_changes),
        cmocka_unit_test(a_hash_verifies_its_password_and_has_its_own_salt),
        cmocka_unit_test(names_and_passwords_that_no_file_can_have),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
