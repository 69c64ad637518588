/* Which names of a command line are refused. */
#include "conf/command_names.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORDS_MAX 20

/* What is wrong with words between blanks; NULL: nothing. The caller frees. */
static char *wrong_of(const char *words)
{
    char *text = mem_printf("adit %s", words);
    char *argv[WORDS_MAX + 1] = {NULL};
    char error[COMMAND_LINE_ERROR_MAX];
    struct command_line line;
    int argc = 0;

    for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    if (!command_line_parse(argv, &line, error))
        fail_msg("%s: %s", words, error);
    char *wrong = command_names_wrong(&line);
    command_line_clear(&line);
    free(text);
    return wrong;
}

static void a_name_that_ssh_would_not_take_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *words, *said;
    } cases[] = {
        {"root@", "the destination 'root@' has no host"},
        {"@", "the destination '@' has no host"},
        {"@host", "the destination '@host' has no user before the @"},
        {"-W a:1 root@", "'root@' has no host"},
        {"ssh://", "the destination: 'ssh://' is not ssh://[USER@]HOST[:PORT]"},
        {"ssh://h:0", "the destination: 'ssh://h:0' is not ssh://[USER@]HOST[:PORT]"},
        {"ssh://h/x", "the destination: 'ssh://h/x' is not ssh://[USER@]HOST[:PORT]"},
        {"ssh://a%3bb@h", "'ssh://a%3bb@h': the name of the user is refused: "},
        {"-- -oProxyCommand=x", "'-oProxyCommand=x' is no host's name: it begins with '-'"},
        {"u@-h", "'-h' is no host's name: it begins with '-'"},
        {"$(touch${IFS}/tmp/x)", "'$(touch${IFS}/tmp/x)' is no host's name: it has a blank or "},
        {"h;x", "'h;x' is no host's name"},
        {"a;b@h", "'a;b' is no user's name"},
        {"h\033[31m", "the destination: 'h\033[31m' is no host's name: it has a control "},
        {"-l a;b h", "-l or -o User: 'a;b' is no user's name"},
        {"-l -x h", "-l or -o User: '-x' is no user's name"},
        {"-l a -l b|c h", "'b|c' is no user's name"},
        {"-o User=`x` h", "-l or -o User: '`x`' is no user's name"},
        {"-oUSER=`x` h", "-l or -o User: '`x`' is no user's name"},
        {"-o HostName=$(x) h", "-o HostName: '$(x)' is no host's name"},
        {"-o hostname=\"$(x)\" h", "-o HostName: '$(x)' is no host's name"},
        {"-o HostKeyAlias=a|b h", "-o HostKeyAlias: 'a|b' is no host's name"},
        {"-J a,b;c h", "-J or -o ProxyJump: 'b;c': the name of the host is refused: "},
        {"-J a;b@c h", "-J or -o ProxyJump: 'a;b@c': the name of the user is refused: "},
        {"-J ,b h", "-J or -o ProxyJump: '' is not [USER@]HOST[:PORT] or ssh://"},
        {"-o ProxyJump=$(x) h", "-J or -o ProxyJump: '$(x)': the name of the host "},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *wrong = wrong_of(cases[i].words);
        if (!wrong || !strstr(wrong, cases[i].said))
            fail_msg("'%s' says: %s", cases[i].words, wrong);
        free(wrong);
    }
}

static void what_ssh_takes_is_not_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "h",
        "u@v@h",
        "::1",
        "fe80::1%eth0",
        "ssh://u%40x@[::1]:22/",
        "DOMAIN\\joe@h",
        "-l machine$ h",
        "-J none h",
        "-J a,u@b:22,ssh://c h",
        "-o HostName=%h.example.com h",
        "-o HostName=\"h.example.com\" h",
        "-o ProxyCommand=a;b h",
        "-o User h",
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *wrong = wrong_of(cases[i]);
        if (wrong)
            fail_msg("'%s' says: %s", cases[i], wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_that_ssh_would_not_take_is_refused),
        cmocka_unit_test(what_ssh_takes_is_not_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
