/* Writes adit-metrics(5): copies mdoc from standard input to standard output, and puts the table of
 * metrics in place of the line `.\" METRICS`. */
#include "conf/mdoc.h"
#include "status/metric_families.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define METRICS_MARK ".\\\" METRICS\n"

static void put_family(const struct metric_family_row *row)
{
    printf(".It Cm %s%s", row->name, row->type == METRIC_COUNTER ? "_total" : "");
    for (size_t i = 0; row->labels[i] != NULL; i++)
        printf("%s Ar %s", i > 0 ? " ," : "", row->labels[i]);
    printf("\n(%s)\n", metric_type_name(row->type));
    mdoc_put_text(row->help);
}

int main(void)
{
    char line[1024];
    bool done = false;

    puts(".\\\" Made from adit-metrics.5.in and the table in src/status/metric_families.c.");
    while (fgets(line, sizeof(line), stdin) != NULL) {
        if (strcmp(line, METRICS_MARK) != 0) {
            fputs(line, stdout);
            continue;
        }
        puts(".Bl -tag -width Ds");
        for (enum metric_family f = 0; f < METRIC_FAMILIES; f++)
            put_family(metric_family_row(f));
        puts(".El");
        done = true;
    }
    if (!done) {
        fprintf(stderr, "metrics-mdoc: the table has no place\n");
        return EXIT_FAILURE;
    }
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
