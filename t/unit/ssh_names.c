/* Which names of hosts and users may stand in commands. */
#include "conf/ssh_names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_what_ssh_takes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
