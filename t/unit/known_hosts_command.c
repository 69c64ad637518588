/* Tests of conf/known_hosts_command: words as OpenSSH splits them, and tokens. */
#include "conf/known_hosts_command.h"
#include "load_text.h"

#include <stdlib.h>
#include <string.h>

/* The words with '|' between them, "-" for none; NULL: a quote has no end. The caller frees. */
static char *split(const char *text)
{
    char **words = command_words_split(text);
    char *all = words != NULL && words[0] == NULL ? mem_strdup("-") : NULL;

    for (size_t i = 0; words != NULL && words[i] != NULL; i++) {
        char *longer =
            mem_printf("%s%s%s", all != NULL ? all : "", all != NULL ? "|" : "", words[i]);
        free(all);
        all = longer;
    }
    command_words_free(words);
    return all;
}

static const struct {
    const char *text, *words;
} splits[] = {
    {"", "-"},
    {" \t ", "-"},
    {"/bin/x", "/bin/x"},
    {" /bin/x\ta  b ", "/bin/x|a|b"},
    {"'a b' \"c d\"", "a b|c d"},
    {"a'b c'd\"e f\"", "ab cde f"},
    {"'' \"\"", "|"},
    {"\"it's\" 'a \"b\"'", "it's|a \"b\""},
    {"\\' \\\" \\\\ a\\ b \\x", "'|\"|\\|a b|\\x"},
    {"\"a\\ b\" \"\\\"\" '\\''", "a\\ b|\"|'"},
    {"a\\", "a\\"},
    {"a #b ;c", "a|#b|;c"},
    {"'a", NULL},
    {"a \"b", NULL},
    {"\"a'", NULL},
};

static void words_are_split_as_ssh_splits_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(splits) / sizeof(splits[0]); i++) {
        char *words = split(splits[i].text);
        if (splits[i].words == NULL)
            assert_null(words);
        else
            assert_string_equal(words, splits[i].words);
        free(words);
    }
}

static void joined_words_are_split_into_the_same(void **state)
{
    static const char *const hard[] = {"a b",  "\\",  "a\\ b", "\"",   "'",      "",
                                       "a ;b", ";",   "#",     "a\t;", "\\\\\"", "%",
                                       "${",   "a;b", "\\'x",  " ; ;", NULL};
    char *joined = command_words_join((char *const *)hard);
    char **words = command_words_split(joined);

    (void)state;
    for (size_t i = 0; hard[i] != NULL; i++)
        assert_string_equal(words[i], hard[i]);
    /* A ';' behind a blank would begin a comment of the file. */
    assert_null(strstr(joined, " ;"));
    assert_null(strstr(joined, "\t;"));
    command_words_free(words);
    free(joined);
    for (size_t i = 0; i < sizeof(splits) / sizeof(splits[0]); i++) {
        words = command_words_split(splits[i].text);
        if (words == NULL)
            continue;
        joined = command_words_join(words);
        char *again = split(joined);
        assert_string_equal(again, splits[i].words);
        free(again);
        free(joined);
        command_words_free(words);
    }
}

static void what_cannot_be_run_is_refused(void **state)
{
    static const struct {
        const char *value, *wrong;
    } cases[] = {
        {"/bin/x", NULL},
        {"/bin/x %% %C %d %f %H %h %I %i %K %k %L %l %n %p %r %t %u %j", NULL},
        {"/bin/%x %h", NULL}, /* the program's own name has no tokens */
        {"bin/x", "does not begin with the absolute path of a program"},
        {"~/x", "does not begin with the absolute path of a program"},
        {"", "does not begin with the absolute path of a program"},
        {"''", "does not begin with the absolute path of a program"},
        {"/bin/x 'a", "has a quote without an end"},
        {"/bin/x %T", "has a '%' that begins no token that is known ('%%' is a '%')"},
        {"/bin/x 100%", "has a '%' that begins no token that is known ('%%' is a '%')"},
        {"/bin/x %Z", "has a '%' that begins no token that is known ('%%' is a '%')"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *wrong = known_hosts_command_wrong(cases[i].value);
        if (cases[i].wrong == NULL)
            assert_null(wrong);
        else
            assert_string_equal(wrong, cases[i].wrong);
    }
}

static char *prepared_and_run(const char *value)
{
    static const struct ssh_key_tokens key = {"HOSTNAME", "[h]:2", "ssh-ed25519", "SHA256:x",
                                              "AAAA"};
    const struct ssh_tokens before = {.host = "given", .name = "100%H", .port = "2", .user = "a b"};
    const struct ssh_tokens later = {.host = "other", .name = "other", .port = "3", .key = &key};
    char *prepared = known_hosts_command_prepare(value, &before);
    char *text = NULL;

    if (prepared == NULL)
        return NULL;
    char **words = known_hosts_command_arguments(prepared, &later);
    if (words != NULL)
        text = command_words_join(words);
    command_words_free(words);
    free(prepared);
    return text;
}

/* Each token is replaced once, in its own word: what it stands for is neither split nor replaced.
 */
static void tokens_are_replaced_in_two_steps(void **state)
{
    static const struct {
        const char *value, *words;
    } cases[] = {
        {"/x %n %p", "/x given 2"},
        {"/x %h", "/x 100%H"},
        {"/x %%H %%%H", "/x %H %[h]:2"},
        {"/x %r", "/x \"a b\""},
        {"/x %I %H %t %f %K", "/x HOSTNAME [h]:2 ssh-ed25519 SHA256:x AAAA"},
        {"/x${ADIT_TEST_VALUE}%h %h", "/x${ADIT_TEST_VALUE}%h 100%H"},
        {"/x ${ADIT_TEST_VALUE} $HOME", "/x \"%t ${HOME} 'q\" $HOME"},
        {"/x ${ADIT_TEST_NOT_SET}", NULL},
        {"/x %T", NULL},
        {"/x '", NULL},
    };

    (void)state;
    setenv("ADIT_TEST_VALUE", "%t ${HOME} 'q", 1);
    unsetenv("ADIT_TEST_NOT_SET");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *words = prepared_and_run(cases[i].value);
        if (cases[i].words == NULL)
            assert_null(words);
        else
            assert_string_equal(words, cases[i].words);
        free(words);
    }
}

static void the_key_holds_the_words(void **state)
{
    struct config *config =
        load_good(MINIMAL "[upstream b]\nhost = h\nknown_hosts_command = /bin/true"
                          "  'a b'\n  %I\n[upstream c]\nhost = h\n"
                          "known_hosts_command = none\n");

    (void)state;
    assert_string_equal(config->upstreams[1].known_hosts_command, "/bin/true \"a b\" %I");
    assert_null(config->upstreams[2].known_hosts_command);
    config_unref(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_split_as_ssh_splits_them),
        cmocka_unit_test(joined_words_are_split_into_the_same),
        cmocka_unit_test(what_cannot_be_run_is_refused),
        cmocka_unit_test(tokens_are_replaced_in_two_steps),
        cmocka_unit_test(the_key_holds_the_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
