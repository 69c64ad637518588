/* What a client counts for: its source, its user, all (policy/limits), and what happens when there
 * are too many. */
#include "worker/client_parts.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

/* How long a client that is refused has to ask, and how many of them one worker waits for, so that
 * they are told; others are cut at once. */
#define REFUSED_MS 1000
#define REFUSING_MAX 64

/* How long an open counts at most that was given up before the server answered. (It cannot be taken
 * back from the server.) */
#define ABANDONED_MS 10000

/* How often a worker logs that there are max_connections. */
#define FULL_TELL_MS 60000

static struct limit_counts *counts_of(const struct client *c)
{
    return c->worker->workers->limits;
}

/* Whether limits are for such a client. (The source of one that came by a remote forward is only
 * what the SSH server says.) */
static bool is_limited(const struct client *c)
{
    return c->listen != NULL && !c->origin.via_remote_forward && counts_of(c) != NULL;
}

static struct limit_client facts_of(const struct client *c)
{
    return (struct limit_client){
        .ip = c->origin.is_ip ? &c->origin.ip : NULL,
        .user = c->wish.user,
        .listen = c->listen->name,
    };
}

static struct limit_key key_of(const struct config_limit *limit, const struct limit_client *facts)
{
    switch (limit->bounds.per) {
    case LIMIT_PER_SOURCE: return limit_key_source(limit->name, facts->ip);
    case LIMIT_PER_USER: return limit_key_user(limit->name, facts->user);
    case LIMIT_PER_ALL: break;
    }
    return limit_key_all(limit->name);
}

uint64_t client_source_hash(const struct client *c)
{
    return limit_source_hash(c->origin.is_ip ? &c->origin.ip : NULL);
}

/* Refusing. */

/* What there are too many of. */
static const char *const too_many[LABEL_BOUNDS_OF_LIMIT] = {
    [LIMIT_CONNECTIONS] = "too many connections",
    [LIMIT_BEFORE_LOGIN] = "too many connections that have not logged in or asked yet",
    [LIMIT_OPENS] = "too many requests that the SSH server has not answered yet",
    [LABEL_BOUND_NEW] = "too many new connections a second",
};

/* `text` has room for a user's name, too. */
static void name_counted(const struct client *c, enum limit_per per, char *text, size_t size)
{
    char ip[IP_TEXT_MAX];

    switch (per) {
    case LIMIT_PER_SOURCE:
        if (!c->origin.is_ip)
            snprintf(text, size, "unix sockets");
        else
            snprintf(text, size, "%s%s", ip_format(&c->origin.ip, ip),
                     ip_is_v4(&c->origin.ip) ? "" : " and the rest of its /64");
        return;
    case LIMIT_PER_USER: snprintf(text, size, "user %s", c->wish.user); return;
    case LIMIT_PER_ALL: snprintf(text, size, "all clients"); return;
    }
}

static void count_refused(struct client *c, uint16_t limit, enum label_bound bound)
{
    metric_add(&c->worker->metrics.limited, 1);
    metric_add(&c->worker->label_counts->refused[limit][bound], 1);
}

/* Notes that the client is refused, and logs that unless it was logged lately. */
static void refuse_by(struct client *c, struct client_claim *claim, unsigned what)
{
    enum limit_per per = claim->limit->bounds.per;
    unsigned times = limit_claim_refused(counts_of(c), &claim->claim, loop_now(c->worker->loop));
    char name[300], again[48] = "";

    c->limits.outcome = per == LIMIT_PER_ALL ? OUTCOME_FULL : OUTCOME_LIMITED;
    c->limits.words = too_many[what];
    count_refused(c, generation_limit_label(c->generation, claim->limit), what);
    if (times == 0)
        return;
    name_counted(c, per, name, sizeof(name));
    if (times > 1)
        snprintf(again, sizeof(again), " (%u times since that was logged last)", times);
    log_warning("limit %s: %s: refused, %s%s", claim->limit->name, name, too_many[what], again);
}

/* Claims. */

static void give_counted(const struct client *c, struct client_claim *claim, unsigned which)
{
    for (int what = 0; what < LIMIT_WHATS; what++)
        if (claim->counted & which & 1u << what)
            limit_claim_give(counts_of(c), &claim->claim, (enum limit_what)what);
    claim->counted &= ~which;
}

static void end_claim(const struct client *c, struct client_claim *claim)
{
    give_counted(c, claim, ~0u);
    limit_claim_end(counts_of(c), &claim->claim, loop_now(c->worker->loop));
    claim->limit = NULL;
}

static bool count_for(struct client *c, struct client_claim *claim, enum limit_what what)
{
    if (claim->limit == NULL || claim->counted & 1u << what)
        return true;
    if (!limit_claim_take(counts_of(c), &claim->claim, &claim->limit->bounds, what)) {
        refuse_by(c, claim, what);
        return false;
    }
    claim->counted |= 1u << what;
    return true;
}

/* The client begins to count for a limit. */
static bool begin_claim(struct client *c, struct client_claim *claim,
                        const struct config_limit *limit, const struct limit_key *key)
{
    bool ok;

    claim->claim = limit_claim_begin(counts_of(c), key);
    claim->limit = limit;
    ok = limit_claim_take_fresh(counts_of(c), &claim->claim, &limit->bounds,
                                loop_now(c->worker->loop));
    if (!ok)
        refuse_by(c, claim, LABEL_BOUND_NEW);
    ok = ok && count_for(c, claim, LIMIT_CONNECTIONS) &&
         (c->limits.has_asked || count_for(c, claim, LIMIT_BEFORE_LOGIN));
    if (!ok)
        end_claim(c, claim);
    return ok;
}

/* The client counts for the limits that cover it now, and no more for others. False: it must not;
 * it counts for what it did before, or less. */
static bool cover_client(struct client *c)
{
    const struct config *config = c->generation->config;
    struct limit_client facts = facts_of(c);

    for (int per = 0; per < LIMIT_PERS; per++) {
        struct client_claim *claim = &c->limits.claims[per];
        const struct config_limit *limit = config_limit_for(config, (enum limit_per)per, &facts);
        struct limit_key key;
        if (limit == NULL) {
            end_claim(c, claim);
            continue;
        }
        key = key_of(limit, &facts);
        if (limit_claim_is(counts_of(c), &claim->claim, &key))
            continue;
        end_claim(c, claim);
        if (!begin_claim(c, claim, limit, &key))
            return false;
    }
    return true;
}

/* Whether there may be one more connection of all. */
static bool has_gateway_room(struct client *c)
{
    unsigned most = c->generation->config->gateway.max_connections;
    struct worker *worker = c->worker;
    uint64_t now = loop_now(worker->loop);

    if (most == 0 || atomic_load(&worker->workers->clients) <= most)
        return true;
    c->limits.outcome = OUTCOME_FULL;
    c->limits.words = too_many[LIMIT_CONNECTIONS];
    count_refused(c, LABEL_NONE, LABEL_BOUND_MAX_CONNECTIONS);
    worker->full_refused++;
    if (worker->full_told_at == 0 || now - worker->full_told_at >= FULL_TELL_MS) {
        log_warning("max_connections = %u: %u connection%s refused since that was logged last",
                    most, worker->full_refused, worker->full_refused == 1 ? "" : "s");
        worker->full_told_at = now;
        worker->full_refused = 0;
    }
    return false;
}

/* For the client's file. */

bool client_admit(struct client *c)
{
    if (!is_limited(c) || (has_gateway_room(c) && cover_client(c)))
        return true;
    if (c->worker->refusing >= REFUSING_MAX) {
        c->outcome = c->limits.outcome;
        return false;
    }
    c->worker->refusing++;
    c->limits.refused = true;
    return true;
}

uint64_t client_time_to_ask(const struct client *c)
{
    uint64_t limit = c->generation->config->gateway.handshake_timeout_ms;

    return c->limits.refused && limit > REFUSED_MS ? REFUSED_MS : limit;
}

bool client_may_ask(struct client *c)
{
    return !c->limits.refused;
}

bool client_may_route(struct client *c)
{
    if (c->limits.refused)
        return false;
    if (!is_limited(c))
        return true;
    c->limits.has_asked = true;
    for (int per = 0; per < LIMIT_PERS; per++)
        give_counted(c, &c->limits.claims[per], 1u << LIMIT_BEFORE_LOGIN);
    return c->generation->config->limit_count == 0 || cover_client(c);
}

enum client_event client_refuse_limited(struct client *c)
{
    return client_refused(c, c->limits.outcome, c->limits.words);
}

bool client_may_open(struct client *c)
{
    for (int per = 0; per < LIMIT_PERS; per++)
        if (!count_for(c, &c->limits.claims[per], LIMIT_OPENS)) {
            client_open_answered(c);
            return false;
        }
    return true;
}

void client_open_answered(struct client *c)
{
    for (int per = 0; per < LIMIT_PERS; per++)
        give_counted(c, &c->limits.claims[per], 1u << LIMIT_OPENS);
}

/* Paces. */

static uint64_t wait_for_rate(void *arg, size_t bytes)
{
    struct client_pace *pace = arg;
    struct client *c = pace->client;
    uint64_t longest = 0;

    for (int per = 0; per < LIMIT_PERS; per++) {
        struct client_claim *claim = &c->limits.claims[per];
        uint64_t wait = 0;
        if (claim->limit != NULL && claim->limit->bounds.rate != 0)
            wait = limit_claim_reserve(counts_of(c), &claim->claim, &claim->limit->bounds,
                                       pace->direction, bytes, loop_now(c->worker->loop));
        longest = wait > longest ? wait : longest;
    }
    return longest;
}

static void return_rate(void *arg, size_t bytes)
{
    struct client_pace *pace = arg;
    struct client *c = pace->client;

    for (int per = 0; per < LIMIT_PERS; per++) {
        const struct client_claim *claim = &c->limits.claims[per];
        if (claim->limit != NULL && claim->limit->bounds.rate != 0)
            limit_claim_return(counts_of(c), &claim->claim, &claim->limit->bounds, pace->direction,
                               bytes);
    }
}

/* The portion of the slowest rate; 0: the client has no rate. */
static size_t rate_portion(const struct client *c)
{
    size_t least = 0;

    for (int per = 0; per < LIMIT_PERS; per++) {
        const struct config_limit *limit = c->limits.claims[per].limit;
        size_t portion =
            limit != NULL && limit->bounds.rate != 0 ? paced_portion(limit->bounds.rate) : 0;
        if (portion > 0 && (least == 0 || portion < least))
            least = portion;
    }
    return least;
}

static struct endpoint *pace_endpoint(struct client *c, struct endpoint *endpoint, int direction,
                                      size_t portion)
{
    c->limits.paces[direction] = (struct client_pace){.client = c, .direction = direction};
    return paced_new(c->worker->loop, endpoint,
                     &(struct paced_pace){.wait = wait_for_rate,
                                          .unused = return_rate,
                                          .arg = &c->limits.paces[direction],
                                          .portion = portion});
}

void client_pace_begin(struct client *c)
{
    size_t portion = rate_portion(c);

    if (portion == 0)
        return;
    c->endpoint = pace_endpoint(c, c->endpoint, 0, portion);
    c->request->opened = pace_endpoint(c, c->request->opened, 1, portion);
}

struct endpoint *client_pace_end(struct endpoint *endpoint, struct buffer *held)
{
    return endpoint_is_paced(endpoint) ? paced_end(endpoint, held) : endpoint;
}

void client_pace_count(struct client *c, size_t bytes)
{
    if (bytes > 0)
        wait_for_rate(&c->limits.paces[0], bytes);
}

/* Opens that were given up. */

struct abandoned_open {
    LIST_ENTRY(abandoned_open) link;
    struct worker *worker;
    struct limit_claim claims[LIMIT_PERS];
    struct deadline deadline;
};

static void abandoned_free(struct abandoned_open *open)
{
    struct limit_counts *counts = open->worker->workers->limits;

    deadline_cancel(&open->deadline);
    LIST_REMOVE(open, link);
    for (int per = 0; per < LIMIT_PERS; per++) {
        if (open->claims[per].entry != NULL)
            limit_claim_give(counts, &open->claims[per], LIMIT_OPENS);
        limit_claim_end(counts, &open->claims[per], loop_now(open->worker->loop));
    }
    free(open);
}

static void abandoned_expired(struct deadline *deadline)
{
    abandoned_free(container_of(deadline, struct abandoned_open, deadline));
}

void client_open_abandoned(struct client *c)
{
    struct abandoned_open *open = NULL;

    for (int per = 0; per < LIMIT_PERS; per++) {
        struct client_claim *claim = &c->limits.claims[per];
        if (!(claim->counted & 1u << LIMIT_OPENS))
            continue;
        if (open == NULL)
            open = mem_zalloc(sizeof(*open));
        open->claims[per] = limit_claim_again(counts_of(c), &claim->claim);
        claim->counted &= ~(1u << LIMIT_OPENS); /* (it counts there from here on) */
    }
    if (open == NULL)
        return;
    open->worker = c->worker;
    LIST_INSERT_HEAD(&c->worker->abandoned, open, link);
    deadline_arm(c->worker->loop, &open->deadline, ABANDONED_MS, abandoned_expired);
}

void clients_forget_abandoned(struct worker *worker)
{
    while (!LIST_EMPTY(&worker->abandoned))
        abandoned_free(LIST_FIRST(&worker->abandoned));
}

void client_forget_limits(struct client *c)
{
    for (int per = 0; per < LIMIT_PERS; per++)
        if (c->limits.claims[per].claim.entry != NULL)
            end_claim(c, &c->limits.claims[per]);
    if (c->limits.refused)
        c->worker->refusing--;
    c->limits.refused = false;
}
