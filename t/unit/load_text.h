/* Loading configurations from strings, for the tests of src/conf. */
#ifndef ADIT_T_LOAD_TEXT_H
#define ADIT_T_LOAD_TEXT_H

#include "base/mem.h"
#include "conf/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* The least that is a configuration; sections may follow. */
#define UPSTREAM "[upstream a]\nhost = h\n"
#define LISTEN "[listen x]\naddress = 1080\n"
#define MINIMAL UPSTREAM LISTEN

/* What loading the text reports, a line each; "" if nothing. `config` may be NULL. */
static inline char *load_problems(const char *text, struct config **config)
{
    struct config_problems problems = {0};
    struct config *loaded = config_load_text("f", text, strlen(text), &problems);
    char *all = mem_strdup("");

    for (size_t i = 0; i < problems.count; i++) {
        char *longer = mem_printf("%s%s\n", all, problems.lines[i]);
        free(all);
        all = longer;
    }
    assert_int_equal(loaded == NULL, problems.count > 0);
    config_problems_clear(&problems);
    if (config)
        *config = loaded;
    else
        config_unref(loaded);
    return all;
}

/* Loads what has no problem. */
static inline struct config *load_good(const char *text)
{
    struct config *config;
    char *problems = load_problems(text, &config);

    assert_string_equal(problems, "");
    free(problems);
    return config;
}

/* A file with that text; the caller removes it. */
static inline char *write_file(const char *text, mode_t mode)
{
    char name[] = "/tmp/adit-config-XXXXXX";
    int fd = mkstemp(name);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
    return mem_strdup(name);
}

static inline void remove_file(char *name)
{
    unlink(name);
    free(name);
}

/* Whether a list has these items: assert_list(list, LIST("a", "b")). */
static inline void assert_list(const struct string_list *list, const char *const *expected)
{
    size_t count = 0;

    for (; expected[count]; count++) {
        assert_true(count < list->count);
        assert_string_equal(list->items[count], expected[count]);
    }
    assert_int_equal(list->count, count);
}
#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

#endif
