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

static void page_add(struct exposition *x, const char *text)
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
    page_add(x, what);
    page_add(x, x->family->name);
    page_add(x, x->open_metrics ? "" : total_suffix(x));
    page_add(x, " ");
    page_add(x, text);
    page_add(x, "\n");
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
        page_add(x, "\\");
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
    page_add(x, family->name);
    page_add(x, suffix);
    for (size_t i = 0; family->labels[i] != NULL; i++) {
        page_add(x, before);
        page_add(x, family->labels[i]);
        page_add(x, "=\"");
        put_label_value(x, labels[i]);
        page_add(x, "\"");
        before = ",";
    }
    if (bound != NULL) {
        page_add(x, before);
        page_add(x, "le=\"");
        page_add(x, bound);
        page_add(x, "\"");
        before = ",";
    }
    page_add(x, before[0] == ',' ? "} " : " ");
}

static void put_count(struct exposition *x, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64 "\n", value);
    page_add(x, text);
}

void exposition_count(struct exposition *x, const char *const *labels, uint64_t value)
{
    put_sample_name(x, total_suffix(x), labels, NULL);
    put_count(x, value);
}

void exposition_real(struct exposition *x, const char *const *labels, double value)
{
    char text[40];

    snprintf(text, sizeof(text), "%.3f\n", value);
    put_sample_name(x, total_suffix(x), labels, NULL);
    page_add(x, text);
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
    snprintf(text, sizeof(text), "%" PRIu64 ".%03u\n", histogram->sum_ms / 1000,
             (unsigned)(histogram->sum_ms % 1000));
    put_sample_name(x, "_sum", labels, NULL);
    page_add(x, text);
    put_sample_name(x, "_count", labels, NULL);
    put_count(x, count);
}

void exposition_end(struct exposition *x)
{
    if (x->open_metrics)
        page_add(x, "# EOF\n");
}
