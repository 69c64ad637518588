/* adit's own command line. */
#include "conf/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ARGV_MAX 10

/* Parses the words, with standard error going to `said`. */
static int parse(const char *const *words, struct options *options, char *said, size_t size)
{
    char name[] = "adit";
    char *argv[ARGV_MAX + 1] = {name};
    int argc = 1;
    FILE *out = tmpfile();
    int saved = dup(STDERR_FILENO);

    for (; *words; words++)
        argv[argc++] = (char *)*words;
    assert_non_null(out);
    dup2(fileno(out), STDERR_FILENO);
    int status = options_parse(argc, argv, options);
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(out);
    said[fread(said, 1, size - 1, out)] = '\0';
    fclose(out);
    return status;
}

static void every_option_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *words[ARGV_MAX];
        struct options expected;
    } cases[] = {
        {{"-vvE", "log", "--help"}, {.mode = MODE_HELP, .verbose = 2, .log_file = "log"}},
        {{"-V"}, {.mode = MODE_VERSION}},
        {{"--version"}, {.mode = MODE_VERSION}},
        {{"--help", "anything"}, {.mode = MODE_HELP}},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct options *expected = &cases[i].expected;
        struct options options;
        char said[500];
        assert_int_equal(parse(cases[i].words, &options, said, sizeof(said)), 0);
        assert_string_equal(said, "");
        assert_string_equal(options.log_file ? options.log_file : "",
                            expected->log_file ? expected->log_file : "");
        assert_int_equal(options.mode, expected->mode);
        assert_int_equal(options.verbose, expected->verbose);
        options_clear(&options);
    }
}

static void misuse_is_told_in_one_line_that_names_it(void **state)
{
    (void)state;
    static const struct {
        const char *words[ARGV_MAX];
        const char *named;
    } cases[] = {
        {{NULL}, "--config"},
        {{"--check"}, "--config"},
        {{"--config"}, "--config"},
        {{"--config", "f", "--chekc"}, "--chekc"},
        {{"--config", "f", "-x"}, "'x'"},
        {{"-E"}, "'E'"},
        {{"--config", "f", "host"}, "host"},
        {{"--config", "f", "--check", "--dump"}, "--dump"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct options options;
        char said[500];
        assert_int_equal(parse(cases[i].words, &options, said, sizeof(said)), 64);
        assert_memory_equal(said, "adit: ", 6);
        assert_non_null(strstr(said, cases[i].named));
        assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
    }
}

static void the_usage_speaks_of_every_option(void **state)
{
    (void)state;
    static const char *const options[] = {"--config FILE", "--check", "--dump",    "-v",
                                          "-E FILE",       "--help",  "--version", "-V"};
    FILE *out = tmpfile();
    char text[2000];

    assert_non_null(out);
    options_usage(out);
    rewind(out);
    text[fread(text, 1, sizeof(text) - 1, out)] = '\0';
    fclose(out);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        assert_non_null(strstr(text, options[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_option_is_read),
        cmocka_unit_test(misuse_is_told_in_one_line_that_names_it),
        cmocka_unit_test(the_usage_speaks_of_every_option),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
