/* Every message about the lines, sections and keys of a configuration, with its line. */
#include "config_problems.h"

#include <stdio.h>

#define TOO_LONG "line too long (198 bytes at most; continue it on an indented line)\n"
#define NO_HEADER "expected [section], with a name not longer than 49 bytes\n"
#define NO_ENTRY "expected [section] or key = value\n"

static void lines_that_are_none(void **state)
{
    (void)state;
    static const struct error_case cases[] = {
        {MINIMAL "garbage\n", "f:5: " NO_ENTRY},
        {MINIMAL "one\ntwo\n\nthree\n", "f:5: " NO_ENTRY "f:6: " NO_ENTRY "f:8: " NO_ENTRY},
        {MINIMAL "garbage\n  port = 22\n", "f:5: " NO_ENTRY},
        {MINIMAL "= 1\n", "f:5: " NO_ENTRY},
        {MINIMAL "\xEF\xBB\xBF[gateway]\n", "f:5: " NO_ENTRY},
        {MINIMAL "[gateway\nwokers = 1\n", "f:5: " NO_HEADER},
        {MINIMAL "[gateway ;]\n", "f:5: " NO_HEADER},
        {MINIMAL "[gateway] foo\n", "f:5: " NO_HEADER},
        {MINIMAL "[upstream " X48 "]\n", "f:5: " NO_HEADER},
        {MINIMAL "[gateway]\nlog = \x1b[0m\n", "f:6: a control character in the line\n"},
        {MINIMAL "[gateway]\nlog = info # more\n",
         "f:6: a comment after a value is written ' ; comment'\n"},
        {MINIMAL "[upstream b]\nhost = x,#y\n",
         "f:5: [upstream b] has no host\nf:6: a comment after a value is written ' ; comment'\n"},
        {MINIMAL "[upstream b]\nhost = h\nproxy_command = a ; b\n",
         "f:7: proxy_command: ' ;' begins a comment here; for the shell write '; ' without a blank "
         "before it\n"},
        {MINIMAL "[upstream b]\nhost = h\nproxy_command = date +%s\n",
         "f:7: proxy_command: a '%' in it begins no token that is known ('%%' is a '%')\n"},
        {MINIMAL "[gateway]\nlog =;x\n", "f:6: a comment after a value is written ' ; comment'\n"},
        {"foo = 1\nbar = 2\n" MINIMAL, "f:1: 'foo' stands before the first [section]\n"
                                       "f:2: 'bar' stands before the first [section]\n"},
    };

    ASSERT_PROBLEMS(cases);
}

static void lines_that_do_not_fit(void **state)
{
    (void)state;
    static const struct error_case cases[] = {
        {LISTEN "[upstream a]\nhost=h,\n " X190 ".example\n", "f:3: [upstream a] has no host\n"
                                                              "f:5: " TOO_LONG},
        {MINIMAL "[gateway]\n" X190 "xx = info\n  more = 1\nlog = loud\n",
         "f:6: " TOO_LONG "f:8: log: 'loud' is not one of error, warning, info, debug\n"},
        {MINIMAL "[" X190 X10 "]\nfoo = 1\n", "f:5: " TOO_LONG},
        {"; " X190 X10 "\n" MINIMAL, ""},
        {MINIMAL "[gateway]\nlog = info           ; " X190 X10 "\n", ""},
    };

    ASSERT_PROBLEMS(cases);
}

static void the_longest_line_is_whole(void **state)
{
    (void)state;
    char *name = mem_strdup(X190 X10);
    struct config *config;

    name[198 - strlen("user=")] = '\0';
    char *text = mem_printf(MINIMAL "[upstream b]\nhost = h\nuser=%s\n", name);
    config = load_good(text);
    assert_string_equal(config->upstreams[1].user, name);
    config_unref(config);
    free(text);

    text = mem_printf(MINIMAL "[upstream b]\nhost = h\nuser=%sx\n", name);
    char *problems = load_problems(text, NULL);
    assert_string_equal(problems, "f:7: " TOO_LONG);
    free(problems);
    free(text);
    free(name);
}

static void a_nul_byte_ends_nothing(void **state)
{
    (void)state;
    static const char text[] = MINIMAL "\0garbage\nlog\0 = 1\n";
    struct config_problems problems = {0};

    assert_null(config_load_text("f", text, sizeof(text) - 1, &problems));
    assert_int_equal(problems.count, 2);
    assert_string_equal(problems.lines[0], "f:5: a control character in the line");
    assert_string_equal(problems.lines[1], "f:6: a control character in the line");
    config_problems_clear(&problems);
}

static void sections(void **state)
{
    (void)state;
    static const struct error_case cases[] = {
        {MINIMAL "[gatway]\nfoo = 1\n", "f:5: unknown section [gatway]; did you mean [gateway]?\n"},
        {MINIMAL "[lisen y]\n", "f:5: unknown section [lisen]; did you mean [listen]?\n"},
        {MINIMAL "[something]\n", "f:5: unknown section [something]\n"},
        {MINIMAL "[]\n", "f:5: unknown section []\n"},
        {MINIMAL "[gateway x]\n", "f:5: [gateway] takes no name\n"},
        {MINIMAL "[upstream]\n", "f:5: [upstream] needs a name: [upstream NAME]\n"},
        {MINIMAL "[upstream b c]\n",
         "f:5: 'b c' is not a name of letters, digits, '.', '_' and '-'\n"},
        {MINIMAL "[upstream a]\nfoo = 1\n", "f:5: [upstream a] was given on line 1 already\n"},
        {MINIMAL "[gateway]\n[gateway]\n", "f:6: [gateway] was given on line 5 already\n"},
        {MINIMAL "[acl]\n[acl]\n", "f:6: [acl] was given on line 5 already\n"},
        {MINIMAL "[forwad y]\n", "f:5: unknown section [forwad]; did you mean [forward]?\n"},
        {LISTEN, "f:2: there is no [upstream NAME]: nowhere to go\n"},
        {UPSTREAM, "f:2: there is no [listen NAME] and no [forward NAME]: nothing to do\n"},
        {"", "f:1: there is no [upstream NAME]: nowhere to go\n"
             "f:1: there is no [listen NAME] and no [forward NAME]: nothing to do\n"},
    };

    ASSERT_PROBLEMS(cases);
}

static void keys(void **state)
{
    (void)state;
    static const struct error_case cases[] = {
        {MINIMAL "[gateway]\nwokers = 1\n",
         "f:6: unknown key 'wokers' in [gateway]; did you mean 'workers'?\n"},
        {MINIMAL "adress = 1\n",
         "f:5: unknown key 'adress' in [listen]; did you mean 'address'?\n"},
        {MINIMAL "vai = a\n", "f:5: unknown key 'vai' in [listen]; did you mean 'via'?\n"},
        {MINIMAL "port = 1\n",
         "f:5: unknown key 'port' in [listen]; it belongs in [upstream NAME]\n"},
        {MINIMAL "workers = 1\n",
         "f:5: unknown key 'workers' in [listen]; it belongs in [gateway]\n"},
        {MINIMAL X48 " = 1\n", "f:5: unknown key '" X48 "' in [listen]\n"},
        {MINIMAL "via = a\nvia = a\n", "f:6: via was given on line 5 already\n"},
        {MINIMAL "via =\n", "f:5: via: a value is missing\n"},
        {MINIMAL "via = ; a\n", "f:5: via: a value is missing\n"},
        {MINIMAL "via = a\n  b\n", "f:5: via: one value, on one line, is expected\n"},
        {"[upstream a]\n" LISTEN, "f:1: [upstream a] has no host\n"},
        {UPSTREAM "[listen x]\n", "f:3: [listen x] has no address\n"},
        {"[upstream a]\nhost = @\n" LISTEN, "f:2: host: '@': the login name goes into user =\n"},
    };

    ASSERT_PROBLEMS(cases);
}

static void problems_come_in_the_order_of_the_file(void **state)
{
    (void)state;
    static const struct error_case cases[] = {
        {"[listen x]\naddress = *:1\nvia = b\nfoo = 1\n[acl]\nallow = via=c\nbad\n[upstream a]\n",
         "f:3: via: there is no [upstream b]\n"
         "f:4: unknown key 'foo' in [listen]\n"
         "f:6: via=c: there is no [upstream c]\n"
         "f:7: " NO_ENTRY "f:8: [upstream a] has no host\n"},
    };
    char *problems = load_problems(cases[0].text, NULL);

    /* The bind rule speaks as well: line 2. */
    assert_memory_equal(problems, "f:2: ", 5);
    const char *after = strstr(problems, "f:3: ");
    assert_non_null(after);
    assert_string_equal(after, cases[0].problems);
    free(problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_that_are_none),
        cmocka_unit_test(lines_that_do_not_fit),
        cmocka_unit_test(the_longest_line_is_whole),
        cmocka_unit_test(a_nul_byte_ends_nothing),
        cmocka_unit_test(sections),
        cmocka_unit_test(keys),
        cmocka_unit_test(problems_come_in_the_order_of_the_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
