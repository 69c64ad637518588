/* Any text as a forward of each kind: what is one is printed as text that means the same, and what
 * is none has a reason. */
#include "conf/forward_spec.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The ends of a forward are what its kind allows. */
static void check_ends(const struct config_forward *forward)
{
    const struct config_place *bind = &forward->bind, *target = &forward->target;
    bool has_target = target->path || target->host;

    assert(!bind->path != !bind->host);
    assert(bind->path || bind->port > 0 || forward->kind == FORWARD_REMOTE);
    assert(!target->path || !target->host);
    assert(!target->host || (target->port > 0 && target->host[0]));
    assert(forward->kind == FORWARD_REMOTE || has_target == (forward->kind == FORWARD_LOCAL));
}

static char *print(enum forward_kind kind, const char *text)
{
    char error[FORWARD_ERROR_MAX] = "";
    struct config_forward forward = {0};

    if (!forward_spec_parse(kind, text, &forward, error, sizeof(error))) {
        assert(error[0] == '\'' && !forward.bind.host && !forward.bind.path);
        return NULL;
    }
    assert(error[0] == '\0');
    check_ends(&forward);
    char *printed = forward_spec_print(&forward);
    place_clear(&forward.bind);
    place_clear(&forward.target);
    return printed;
}

static void check_stdio(const char *text)
{
    char error[FORWARD_ERROR_MAX] = "";
    struct config_place place = {0}, again = {0};

    if (!forward_spec_parse_stdio(text, &place, error, sizeof(error))) {
        assert(error[0] == '\'');
        return;
    }
    char *printed = place_print(&place);
    assert(forward_spec_parse_stdio(printed, &again, error, sizeof(error)));
    assert(place.port == again.port);
    assert(strcmp(place.path ? place.path : place.host, again.path ? again.path : again.host) == 0);
    free(printed);
    place_clear(&again);
    place_clear(&place);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = calloc(size + 1, 1);

    assert(text);
    if (size > 0)
        memcpy(text, data, size);
    for (int kind = FORWARD_LOCAL; kind <= FORWARD_DYNAMIC; kind++) {
        char *printed = print((enum forward_kind)kind, text);
        if (!printed)
            continue;
        char *again = print((enum forward_kind)kind, printed);
        assert(again && strcmp(printed, again) == 0);
        free(again);
        free(printed);
    }
    check_stdio(text);
    free(text);
    return 0;
}
