/* Metrics as text. https://prometheus.io/docs/instrumenting/exposition_formats/, and
 * https://prometheus.io/docs/specs/om/open_metrics_spec/ */
#include "status/exposition.h"

#include "base/mem.h"
#include "base/visible.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_words(struct exposition *x, const char *text)
{
    buffer_append(&x->text, text, strlen(text));
}

void exposition_family(struct exposition *x, enum metric_family family)
{
    assert(x->family == NULL || x->family < metric_family_row(family));
    x->family = metric_family_row(family);
    x->begun = false;
}

static const char *total_suffix(const struct exposition *x)
{
    return x->family->type == METRIC_COUNTER ? "_total" : "";
}

/* (OpenMetrics names the family without the suffix of its samples.) */
static void put_family_line(struct exposition *x, const char *what, const char *text)
{
    add_words(x, what);
    add_words(x, x->family->name);
    add_words(x, x->open_metrics ? "" : total_suffix(x));
    add_words(x, " ");
    add_words(x, text);
    add_words(x, "\n");
}

static void put_label_value(struct exposition *x, const char *value)
{
    char *copy = mem_strdup(value);

    text_mark_invisible(copy, '?');
    for (const char *at = copy; *at != '\0'; at++) {
        size_t plain = strcspn(at, "\\\"");
        buffer_append(&x->text, at, plain);
        at += plain;
        if (*at == '\0')
            break;
        add_words(x, "\\");
        buffer_append(&x->text, at, 1);
    }
    free(copy);
}

/* The name and the labels of a sample; `bound` NULL: there is no label "le". */
static void put_sample_name(struct exposition *x, const char *suffix, const char *const *labels,
                            const char *bound)
{
    const struct metric_family_row *family = x->family;
    const char *before = "{";

    if (!x->begun) {
        put_family_line(x, "# HELP ", family->help);
        put_family_line(x, "# TYPE ", metric_type_name(family->type));
        x->begun = true;
    }
    add_words(x, family->name);
    add_words(x, suffix);
    for (size_t i = 0; family->labels[i] != NULL; i++) {
        add_words(x, before);
        add_words(x, family->labels[i]);
        add_words(x, "=\"");
        put_label_value(x, labels[i]);
        add_words(x, "\"");
        before = ",";
    }
    if (bound != NULL) {
        add_words(x, before);
        add_words(x, "le=\"");
        add_words(x, bound);
        add_words(x, "\"");
        before = ",";
    }
    add_words(x, before[0] == ',' ? "} " : " ");
}

static void put_count(struct exposition *x, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRIu64 "\n", value);
    add_words(x, text);
}

void exposition_count(struct exposition *x, const char *const *labels, uint64_t value)
{
    put_sample_name(x, total_suffix(x), labels, NULL);
    put_count(x, value);
}

void exposition_real(struct exposition *x, const char *const *labels, double value)
{
    char text[40];

    snprintf(text, sizeof text, "%.3f\n", value);
    put_sample_name(x, total_suffix(x), labels, NULL);
    add_words(x, text);
}

/* "0.25", "1.0": as OpenMetrics writes floating-point numbers. */
static void format_bound(uint64_t milliseconds, char text[static 32])
{
    size_t length = (size_t)snprintf(text, 32, "%" PRIu64 ".%03u", milliseconds / 1000,
                                     (unsigned)(milliseconds % 1000));

    while (text[length - 1] == '0' && text[length - 2] != '.')
        text[--length] = '\0';
}

void exposition_histogram(struct exposition *x, const char *const *labels,
                          const struct exposed_histogram *histogram)
{
    uint64_t count = 0;
    char text[40];

    for (size_t i = 0; i < histogram->bounds; i++) {
        format_bound(histogram->bounds_ms[i], text);
        count += histogram->counts[i];
        put_sample_name(x, "_bucket", labels, text);
        put_count(x, count);
    }
    count += histogram->counts[histogram->bounds];
    put_sample_name(x, "_bucket", labels, "+Inf");
    put_count(x, count);
    snprintf(text, sizeof text, "%" PRIu64 ".%03u\n", histogram->sum_ms / 1000,
             (unsigned)(histogram->sum_ms % 1000));
    put_sample_name(x, "_sum", labels, NULL);
    add_words(x, text);
    put_sample_name(x, "_count", labels, NULL);
    put_count(x, count);
}

void exposition_end(struct exposition *x)
{
    if (x->open_metrics)
        add_words(x, "# EOF\n");
}
