/* Measured times, and their quantiles. */
#include "load.h"

#include <stdlib.h>

void samples_add(struct samples *s, double value)
{
    if (s->count == s->room) {
        s->room = s->room > 0 ? s->room * 2 : 1024;
        s->values = realloc(s->values, s->room * sizeof(double));
        if (s->values == NULL)
            die("realloc");
    }
    s->values[s->count++] = value;
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

double samples_quantile(struct samples *s, double q)
{
    size_t rank = (size_t)(q * (double)s->count + 0.999999); /* rounded up */

    if (s->count == 0)
        return 0;
    qsort(s->values, s->count, sizeof(double), by_value);
    return s->values[rank > 0 ? rank - 1 : 0];
}

void samples_free(struct samples *s)
{
    free(s->values);
    *s = (struct samples){0};
}
