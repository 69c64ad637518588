/* Writes adit-log(5): copies mdoc from standard input to standard output, and puts in place of the
 * line `.\" FIELDS` the fields of the access line, and in place of `.\" COUNTERS group` those of a
 * group of counters. A table that is missing in the input is an error. */
#include "conf/mdoc.h"
#include "shared/metrics.h"
#include "worker/access_fields.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MARK ".\\\" FIELDS\n"
#define COUNTERS_MARK ".\\\" COUNTERS "

static void put_item(const char *name, const char *help)
{
    printf(".It");
    mdoc_put_argument("Cm", name);
    putchar('\n');
    mdoc_put_text(help);
}

static void put_fields(void)
{
    puts(".Bl -tag -width connection -compact");
    for (size_t i = 0; i < ACCESS_FIELDS; i++)
        put_item(access_fields[i].key, access_fields[i].help);
    puts(".El");
}

struct counter_group {
    const char *name;
    size_t put;
};

/* (What an outcome means is the words that clients are told, which are no sentence.) */
static void put_counter(void *arg, const char *group, const char *name, const char *help)
{
    struct counter_group *wanted = arg;
    char sentence[512];

    if (strcmp(group, wanted->name) != 0)
        return;
    snprintf(sentence, sizeof(sentence), "%s%s", help, help[strlen(help) - 1] == '.' ? "" : ".");
    sentence[0] = (char)toupper((unsigned char)sentence[0]);
    put_item(name, sentence);
    wanted->put++;
}

static size_t put_counters(const char *group)
{
    struct counter_group wanted = {.name = group};

    puts(".Bl -tag -width network-unreachable -compact");
    metrics_describe(put_counter, &wanted);
    puts(".El");
    return wanted.put;
}

static void count_one(void *arg, const char *group, const char *name, const char *help)
{
    (void)group, (void)name, (void)help;
    (*(size_t *)arg)++;
}

int main(void)
{
    char line[1024];
    size_t counters = 0, all = 0;
    bool fields = false;

    puts(".\\\" Made from adit-log.5.in and the tables in src/worker/access_fields.c, "
         "src/shared/metrics.c and src/wire/outcome.c.");
    while (fgets(line, sizeof(line), stdin)) {
        if (strcmp(line, FIELDS_MARK) == 0) {
            put_fields();
            fields = true;
        } else if (strncmp(line, COUNTERS_MARK, strlen(COUNTERS_MARK)) == 0) {
            line[strcspn(line, "\n")] = '\0';
            counters += put_counters(line + strlen(COUNTERS_MARK));
        } else {
            fputs(line, stdout);
        }
    }
    metrics_describe(count_one, &all);
    if (!fields || counters != all) {
        fprintf(stderr, "log-mdoc: %zu of %zu counters are described\n", counters, all);
        return EXIT_FAILURE;
    }
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
