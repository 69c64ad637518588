/* What is told of trouble: once, as a count, and when it is over. */
#include "gateway/trouble.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* How many kinds of failure are known as repeats: an upstream may have several hosts. */
#define KINDS_MAX 8

struct failure_kind {
    char *text;       /* "PLACE: ERROR"; NULL: none */
    unsigned repeats; /* since it was told last */
    uint64_t told_at;
};

struct trouble {
    char *name;
    bool there;
    bool was_up; /* a session was up before */
    uint64_t since;
    unsigned waited; /* when it began */
    unsigned failed; /* dials */
    struct failure_kind kinds[KINDS_MAX];
};

struct trouble *trouble_new(const char *name)
{
    struct trouble *trouble = mem_zalloc(sizeof(*trouble));

    trouble->name = mem_strdup(name);
    return trouble;
}

static void forget_kinds(struct trouble *trouble)
{
    for (size_t i = 0; i < KINDS_MAX; i++) {
        free(trouble->kinds[i].text);
        trouble->kinds[i] = (struct failure_kind){0};
    }
}

void trouble_free(struct trouble *trouble)
{
    if (trouble == NULL)
        return;
    forget_kinds(trouble);
    free(trouble->name);
    free(trouble);
}

static void trouble_begin(struct trouble *trouble, uint64_t now, unsigned waited)
{
    if (trouble->there)
        return;
    trouble->there = true;
    trouble->since = now;
    trouble->waited = waited;
    trouble->failed = 0;
}

void trouble_lost(struct trouble *trouble, uint64_t now, unsigned waited)
{
    trouble_begin(trouble, now, waited);
}

/* The record of such a failure: the one there is, or the least recently told one, without text. */
static struct failure_kind *kind_of(struct trouble *trouble, const char *text)
{
    struct failure_kind *oldest = &trouble->kinds[0];

    for (size_t i = 0; i < KINDS_MAX; i++) {
        struct failure_kind *kind = &trouble->kinds[i];
        if (kind->text != NULL && strcmp(kind->text, text) == 0)
            return kind;
        if (kind->told_at < oldest->told_at)
            oldest = kind;
    }
    free(oldest->text);
    *oldest = (struct failure_kind){0};
    return oldest;
}

bool trouble_dial_failed(struct trouble *trouble, uint64_t now, unsigned waited, const char *place,
                         const char *error)
{
    char *text = mem_printf("%s: %s", place, error);
    struct failure_kind *kind;
    bool first;

    trouble_begin(trouble, now, waited);
    trouble->failed++;
    kind = kind_of(trouble, text);
    first = kind->text == NULL;
    if (first || now - kind->told_at >= TROUBLE_REPEATS_MS) {
        if (first)
            log_warning("upstream %s: %s", trouble->name, text);
        else
            log_warning("upstream %s: %s (%u times in %llu s)", trouble->name, text,
                        kind->repeats + 1, (unsigned long long)(now - kind->told_at) / 1000);
        kind->told_at = now;
        kind->repeats = 0;
    } else {
        log_debug("upstream %s: %s (again)", trouble->name, text);
        kind->repeats++;
    }
    if (first)
        kind->text = text;
    else
        free(text);
    return first;
}

void trouble_over(struct trouble *trouble, uint64_t now, unsigned waited, unsigned up)
{
    uint64_t tenths = (now - trouble->since + 50) / 100;

    if (trouble->there)
        log_warning("upstream %s: up%s after %llu.%llu s: %u session%s, %u failed dial%s, %u "
                    "client%s waited",
                    trouble->name, trouble->was_up ? " again" : "", (unsigned long long)tenths / 10,
                    (unsigned long long)tenths % 10, up, up == 1 ? "" : "s", trouble->failed,
                    trouble->failed == 1 ? "" : "s", waited - trouble->waited,
                    waited - trouble->waited == 1 ? "" : "s");
    trouble->there = false;
    trouble->was_up = true;
    forget_kinds(trouble);
}
