/* An upstream's hosts. */
#include "gateway/places.h"

#include "base/backoff.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SSH_PORT 22

/* A host's luck is a part of a session, in thousandths. */
#define LUCK_WHOLE 1000

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

/* Its host is in `at` already. */
static struct place *place_new(struct places *places, const struct config_upstream *upstream,
                               const struct upstream_host *at, const char *entry)
{
    struct place *place = mem_zalloc(sizeof(*place));

    place->at = *at;
    place->entry = mem_strdup(entry);
    if (place->at.port == SSH_PORT)
        snprintf(place->label, sizeof(place->label), "%s", place->at.name);
    else
        hostport_format(place->at.name, place->at.port, place->label);
    place->host = backoff_of(places->hosts, upstream, place);
    return place;
}

static void place_free(struct places *places, struct place *place)
{
    host_backoff_put(places->hosts, place->host);
    free(place->entry);
    free(place);
}

static void free_if_unused(struct places *places, struct place *place)
{
    if (place->gone && place->sessions == 0 && place->retiring == 0)
        place_free(places, place);
}

void places_init(struct places *places, struct host_backoffs *hosts,
                 const struct config_upstream *upstream)
{
    *places = (struct places){.hosts = hosts};
    if (upstream_service(upstream) != NULL)
        return;
    places->count = upstream->hosts.count;
    places->items = mem_zalloc(places->count * sizeof(*places->items));
    for (size_t i = 0; i < places->count; i++) {
        struct upstream_host at;
        upstream_host_at(upstream, i, &at);
        places->items[i] = place_new(places, upstream, &at, upstream->hosts.items[i]);
    }
}

void places_clear(struct places *places)
{
    for (size_t i = 0; i < places->count; i++)
        place_free(places, places->items[i]);
    free(places->items);
    *places = (struct places){0};
}

void places_release(struct places *places, struct place *place, bool retiring)
{
    if (retiring)
        place->retiring--;
    else
        place->sessions--;
    free_if_unused(places, place);
}

/* What SRV records say. */

/* The place of that target, taken out of the list; NULL: there is none. */
static struct place *take_out_place(struct places *places, const struct target *target)
{
    for (size_t i = 0; i < places->count; i++) {
        struct place *place = places->items[i];
        if (place == NULL || place->at.port != target->port ||
            strcmp(place->at.name, target->name) != 0)
            continue;
        places->items[i] = NULL;
        return place;
    }
    return NULL;
}

static struct place *place_of_target(struct places *places, const struct config_upstream *upstream,
                                     const struct target *target)
{
    struct upstream_host at = {.port = target->port};
    char entry[HOSTPORT_TEXT_MAX];
    struct place *place;

    snprintf(at.name, sizeof(at.name), "%s", target->name);
    snprintf(at.alias, sizeof(at.alias), "%s", target->name);
    hostport_format(target->name, target->port, entry);
    place = place_new(places, upstream, &at, entry);
    /* (RFC 2782: those that want one session do not all go to the same host. Not 0, which would be
     * no load, whatever the weight.) */
    place->luck = 1 + backoff_random() % LUCK_WHOLE;
    if (!places->quiet)
        log_info("upstream %s: host %s joins (priority %u, weight %u)", upstream->name,
                 place->label, target->priority, target->weight);
    return place;
}

void places_change(struct places *places, const struct config_upstream *upstream,
                   const struct target *targets, size_t count)
{
    struct place **items = mem_zalloc(count * sizeof(*items));

    for (size_t i = 0; i < count; i++) {
        items[i] = take_out_place(places, &targets[i]);
        if (items[i] == NULL)
            items[i] = place_of_target(places, upstream, &targets[i]);
        items[i]->priority = targets[i].priority;
        items[i]->weight = targets[i].weight;
    }
    for (size_t i = 0; i < places->count; i++) {
        struct place *place = places->items[i];
        if (place == NULL)
            continue;
        log_info("upstream %s: host %s leaves", upstream->name, place->label);
        place->gone = true;
        free_if_unused(places, place);
    }
    free(places->items);
    places->items = items;
    places->count = count;
}

/* Which is dialled. */

/* Whether one more session at `a` is less for its weight than one more at `b`. */
static bool bears_less(const struct place *a, const struct place *b)
{
    uint64_t load_a = (uint64_t)a->sessions * LUCK_WHOLE + a->luck;
    uint64_t load_b = (uint64_t)b->sessions * LUCK_WHOLE + b->luck;

    return load_a * target_share(b->weight) < load_b * target_share(a->weight);
}

/* Of those of the lowest priority that are down, or of those that are not. `*busy`: there is such a
 * priority, and it is only to be waited for. */
static struct place *choose_among_places(const struct places *places, uint64_t now, bool wanted,
                                         bool down)
{
    struct place *best = NULL;
    bool busy = false; /* (the rest of) its priority is only to be waited for */

    for (size_t i = 0; i < places->count; i++) {
        struct place *place = places->items[i];
        if ((best != NULL || busy) && place->priority != places->items[i - 1]->priority)
            break;
        if (host_backoff_is_down(place->host) != down)
            continue;
        if (host_backoff_wait(place->host, now, wanted) > 0)
            busy = busy || !down;
        else if (best == NULL || bears_less(place, best))
            best = place;
    }
    return best;
}

struct place *places_choose(const struct places *places, uint64_t now, bool wanted, uint64_t *wait)
{
    struct place *best = NULL;

    *wait = UINT64_MAX;
    for (size_t i = 0; i < places->count; i++) {
        uint64_t place_wait = host_backoff_wait(places->items[i]->host, now, wanted);
        if (place_wait < *wait)
            *wait = place_wait;
    }
    best = choose_among_places(places, now, wanted, false);
    if (best == NULL && places_are_down(places))
        best = choose_among_places(places, now, wanted, true);
    return best;
}

/* Whether a session at `from` would be better at `to`. */
static bool is_better_at(const struct place *to, const struct place *from)
{
    if (to->priority != from->priority)
        return to->priority < from->priority;
    return (uint64_t)(to->sessions + 1) * target_share(from->weight) <
           (uint64_t)from->sessions * target_share(to->weight);
}

struct place *places_improve(const struct places *places, uint64_t now)
{
    struct place *best = NULL;

    for (size_t i = 0; i < places->count; i++) {
        struct place *to = places->items[i];
        if (best != NULL && to->priority != best->priority)
            break;
        if (host_backoff_wait(to->host, now, false) == 0 && places_worst(places, to) != NULL &&
            (best == NULL || bears_less(to, best)))
            best = to;
    }
    return best;
}

struct place *places_worst(const struct places *places, const struct place *to)
{
    struct place *worst = NULL;

    for (size_t i = 0; i < places->count; i++) {
        struct place *from = places->items[i];
        if (from != to && from->sessions > 0 && is_better_at(to, from) &&
            (worst == NULL || from->priority > worst->priority ||
             (from->priority == worst->priority && bears_less(worst, from))))
            worst = from;
    }
    return worst;
}

bool places_are_down(const struct places *places)
{
    for (size_t i = 0; i < places->count; i++)
        if (!host_backoff_is_down(places->items[i]->host))
            return false;
    return true;
}

bool places_need_person(const struct places *places)
{
    for (size_t i = 0; i < places->count; i++)
        if (!host_backoff_needs_person(places->items[i]->host))
            return false;
    return places->count > 0;
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
