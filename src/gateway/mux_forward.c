/* From fields of a frame to the words of -L, -R and -D. */
#include "gateway/mux_forward.h"

#include "base/mem.h"
#include "conf/forward_spec.h"

#include <stdlib.h>
#include <string.h>

static char *text_of_span(struct span span)
{
    return mem_strndup((const char *)span.bytes, span.length);
}

/* What a forward leads from or to: a path, or a host and a port; the caller clears it. */
static struct config_place mux_place_of(struct span host, uint32_t port)
{
    struct config_place place = {0};

    if (port == MUX_PORT_UNIX) {
        place.path = text_of_span(host);
    } else {
        place.host = text_of_span(host);
        place.port = (uint16_t)port;
    }
    return place;
}

static bool is_path(const struct config_place *place)
{
    return place->path == NULL || strchr(place->path, '/') != NULL;
}

/* (ssh names the target of one that serves SOCKS "socks", with port 0.) */
static bool has_target(const struct mux_forward *forward)
{
    return forward->kind != MUX_FORWARD_DYNAMIC && forward->connect.length > 0 &&
           forward->connect_port != 0;
}

static bool is_forward(const struct mux_forward *forward)
{
    bool local = forward->kind == MUX_FORWARD_LOCAL;
    bool dynamic = forward->kind == MUX_FORWARD_DYNAMIC;

    if (!local && !dynamic && forward->kind != MUX_FORWARD_REMOTE)
        return false;
    if (local && (forward->connect.length == 0 || forward->connect_port == 0))
        return false;
    return !(dynamic && forward->port == MUX_PORT_UNIX && forward->listen.length == 0);
}

bool mux_forward_words(const struct mux_forward *forward, const char *via,
                       struct forward_words *words)
{
    static const enum forward_kind kinds[] = {[MUX_FORWARD_LOCAL] = FORWARD_LOCAL,
                                              [MUX_FORWARD_REMOTE] = FORWARD_REMOTE,
                                              [MUX_FORWARD_DYNAMIC] = FORWARD_DYNAMIC};
    struct config_forward made = {0};
    bool ok = false;

    if (!is_forward(forward))
        return false;
    made.kind = kinds[forward->kind];
    made.bind = mux_place_of(forward->listen, forward->port);
    if (has_target(forward))
        made.target = mux_place_of(forward->connect, forward->connect_port);
    if (is_path(&made.bind) && is_path(&made.target)) {
        *words = (struct forward_words){.kind = mem_strdup(forward_kinds[made.kind]),
                                        .spec = forward_spec_print(&made),
                                        .via = mem_strdup(via)};
        ok = true;
    }
    place_clear(&made.bind);
    place_clear(&made.target);
    return ok;
}
