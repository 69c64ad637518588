/* Any bytes as what an ssh(1) prints that carries sessions: a server has it print its banner and
 * its words. The first byte is the size of the parts in which they come. */
#include "keeper/master_stderr.h"

#include "base/mem.h"
#include "base/visible.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(void *arg, const char *line)
{
    (void)arg;
    assert(visible_length(line) == strlen(line) && line[0] != '\0');
}

static void take_parts(struct master_stderr *text, const uint8_t *data, size_t size, size_t step)
{
    for (size_t at = 0; at < size; at += step) {
        size_t n = size - at < step ? size - at : step;
        uint8_t *part = malloc(n);
        memcpy(part, data + at, n);
        master_stderr_take(text, (struct span){part, n}, check_line, NULL);
        free(part);
    }
}

/* Each refusal is one of RFC 4254's, and is found by its target unless a later one has the same. */
static void check_refusals(const struct master_refusals *refusals)
{
    assert(refusals->channel_count < 2 * MASTER_CHANNELS_MAX);
    for (size_t i = 0; i < MASTER_REFUSALS_MAX; i++) {
        const struct master_refusal *r = refusals->kept[i];
        if (r == NULL)
            continue;
        assert(r->reason >= 1 && r->reason <= 4);
        assert(visible_length(r->words) == strlen(r->words));
        r = master_refusals_find(refusals, r->target.host, r->target.port);
        assert(r != NULL && strcmp(r->target.host, refusals->kept[i]->target.host) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct master_stderr whole = {0}, parts = {0};
    char *one, *other;

    if (size == 0)
        return 0;
    master_stderr_begin(&whole, 7, false);
    master_stderr_begin(&parts, 7, false);
    take_parts(&whole, data + 1, size - 1, SIZE_MAX / 2);
    take_parts(&parts, data + 1, size - 1, (size_t)data[0] + 1);
    one = master_stderr_about(&whole);
    other = master_stderr_about(&parts);
    assert(strcmp(one, other) == 0 && "how it comes means nothing");
    assert(whole.refusals.next == parts.refusals.next);
    check_refusals(&whole.refusals);
    check_refusals(&parts.refusals);
    free(one);
    free(other);
    master_stderr_clear(&whole);
    master_stderr_clear(&parts);
    return 0;
}
