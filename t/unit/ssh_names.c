/* Which names of hosts and users may stand in commands. */
#include "conf/ssh_names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *name;
    int host, user; /* whether it is one */
} names[] = {
    {"h", 1, 1},
    {"example.com", 1, 1},
    {"2001:db8::1", 1, 1},
    {"fe80::1%eth0", 1, 1},
    {"[h]:22", 1, 1},
    {"a_b-c+d~e", 1, 1},
    {"joe@example.com", 1, 1},
    {"b\xc3\xbc"
     "cher.example",
     1, 1},
    {"%h.example.com", 1, 1},
    {"*?#!=/", 1, 1},
    {"machine$", 0, 1},
    {"$HOME", 0, 1},
    {"DOMAIN\\joe", 0, 1},
    {"joe\\", 0, 0},
    {"joe smith", 0, 1},
    {"joe -oProxyCommand=x", 0, 0},
    {"joe ", 0, 1},
    {"", 0, 0},
    {"-", 0, 0},
    {"-oProxyCommand=x", 0, 0},
    {"$(touch${IFS}/tmp/x)", 0, 0},
    {"`x`", 0, 0},
    {"a;b", 0, 0},
    {"a|b", 0, 0},
    {"a&b", 0, 0},
    {"a<b", 0, 0},
    {"a>b", 0, 0},
    {"a(b", 0, 0},
    {"a)b", 0, 0},
    {"a{b", 0, 0},
    {"a}b", 0, 0},
    {"a,b", 0, 1},
    {"a'b", 0, 0},
    {"a\"b", 0, 0},
    {"a\nb", 0, 0},
    {"a\tb", 0, 0},
    {"a\x1b[31mb", 0, 0},
    {"a\x7f", 0, 0},
};

static void a_name_is_what_ssh_takes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((ssh_host_wrong(names[i].name) == NULL) != names[i].host)
            fail_msg("host '%s': %s", names[i].name, ssh_host_wrong(names[i].name));
        if ((ssh_user_wrong(names[i].name) == NULL) != names[i].user)
            fail_msg("user '%s': %s", names[i].name, ssh_user_wrong(names[i].name));
    }
}

static void what_a_terminal_would_obey_is_shown(void **state)
{
    (void)state;
    static const struct {
        const char *text, *visible;
    } cases[] = {
        {"", ""},
        {"plain 'text'", "plain 'text'"},
        {"a\x1b[31m\nb\x7f", "a\\x1b[31m\\x0ab\\x7f"},
        {"b\xc3\xbc\xc2\xa0", "b\xc3\xbc\xc2\xa0"},
        {"\xc2\x9b"
         "31m",
         "\\xc2\\x9b31m"},
        {"\xc2", "\xc2"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *visible = text_visible(cases[i].text);
        assert_string_equal(visible, cases[i].visible);
        free(visible);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_what_ssh_takes),
        cmocka_unit_test(what_a_terminal_would_obey_is_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
