/* An upstream's hosts. */
#include "gateway/places.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define SSH_PORT 22

/* The same name behind another jump host, or by another ProxyCommand, may be another host. */
static struct host_backoff *backoff_of(struct host_backoffs *hosts,
                                       const struct config_upstream *upstream,
                                       const struct place *place)
{
    const char *by = upstream->proxy_command != NULL ? upstream->proxy_command
                     : upstream->jump.count > 0      ? upstream->jump.items[0]
                                                     : NULL;
    char *name =
        by != NULL ? mem_printf("%s by %s", place->at.name, by) : mem_strdup(place->at.name);
    struct host_backoff *host = host_backoffs_get(hosts, name, place->at.port);

    free(name);
    return host;
}

static struct place *place_new(struct host_backoffs *hosts, const struct config_upstream *upstream,
                               size_t index)
{
    struct place *place = mem_zalloc(sizeof(*place));

    upstream_host_at(upstream, index, &place->at);
    place->index = index;
    if (place->at.port == SSH_PORT)
        snprintf(place->label, sizeof(place->label), "%s", place->at.name);
    else
        hostport_format(place->at.name, place->at.port, place->label);
    place->host = backoff_of(hosts, upstream, place);
    return place;
}

void places_init(struct places *places, struct host_backoffs *hosts,
                 const struct config_upstream *upstream)
{
    places->count = upstream->hosts.count;
    places->items = mem_zalloc(places->count * sizeof(*places->items));
    for (size_t i = 0; i < places->count; i++)
        places->items[i] = place_new(hosts, upstream, i);
}

void places_clear(struct places *places)
{
    for (size_t i = 0; i < places->count; i++)
        free(places->items[i]);
    free(places->items);
    *places = (struct places){0};
}

struct place *places_choose(const struct places *places, uint64_t now, bool wanted, uint64_t *wait)
{
    struct place *best = NULL;

    *wait = UINT64_MAX;
    for (size_t i = 0; i < places->count; i++) {
        struct place *place = places->items[i];
        uint64_t place_wait = host_backoff_wait(place->host, now, wanted);
        if (place_wait < *wait)
            *wait = place_wait;
        if (place_wait == 0 && (best == NULL || place->sessions < best->sessions))
            best = place;
    }
    return best;
}

bool places_need_person(const struct places *places)
{
    for (size_t i = 0; i < places->count; i++)
        if (!host_backoff_needs_person(places->items[i]->host))
            return false;
    return true;
}

bool places_are_asking(const struct places *places)
{
    for (size_t i = 0; i < places->count; i++)
        if (host_backoff_is_asking(places->items[i]->host))
            return true;
    return false;
}

void places_retry_now(const struct places *places)
{
    for (size_t i = 0; i < places->count; i++)
        host_backoff_retry_now(places->items[i]->host);
}

void places_forget_waits(const struct places *places)
{
    for (size_t i = 0; i < places->count; i++)
        host_backoff_forget(places->items[i]->host);
}
