/* A client's channel: the session's server is asked to connect to the target, and after a while it
 * is asked again beside that: for the next address of the target (RFC 8305 section 5), or, if it
 * has been silent for long, on another session. The first channel that opens is the client's. */
#include "worker/client_parts.h"

#include "shared/main_messages.h"
#include "worker/client_shell.h"

#include <stdio.h>
#include <string.h>
#include <sys/param.h>

/* A server that connects sooner was not long at the name. */
#define QUICK_MS 1000

/* RFC 8305's Connection Attempt Delay: this long, or two round trips to the server if these take
 * longer, in steps of DELAY_STEP_MS (deadlines are cheap for few different durations). */
#define DELAY_MS 250
#define DELAY_STEP_MS 50

#define LIMIT_STEP_MS 100

/* How long the older of two attempts lasts at least before a third address takes its place. */
#define ATTEMPT_MS 2000

/* Attempts that one client gives up for others. (An open cannot be taken back from a server.) */
#define ABANDONED_MAX 2

/* After this long a name that the server is slow to resolve is asked for on another session, too.
 */
#define RESOLVING_MS 1250

static void note_name(const struct client *c)
{
    uint64_t now = loop_now(c->worker->loop);

    if (client_opens_name(c) && now - c->request->asked_at < QUICK_MS)
        fast_names_add(c->session.table->fast_names, c->request->way.opening, now);
}

/* The attempt beside the first one. */

/* It has ended, or takes the first one's place. */
static void release_beside(struct client *c)
{
    struct client_beside *beside = &c->request->beside;

    if (beside->under_way)
        session_table_release(c->session.table, beside->slot);
    beside->under_way = false;
}

/* The first attempt has ended: the other one is the only one. */
static void promote_beside(struct client *c)
{
    struct client_request *r = c->request;

    client_release_slot(c);
    c->session.slot = r->beside.slot;
    r->attempt = r->beside.attempt;
    r->beside.under_way = false;
}

static bool has_more_addresses(const struct client *c)
{
    return c->request->way.address_next < c->request->way.address_count;
}

/* The address of the attempt on client_session's slot got no answer, while the next one is tried,
 * or was. */
static void note_silent_address(struct client *c)
{
    const struct client_way *way = &c->request->way;

    if (way->address_next >= 2)
        client_note_silent(c, &way->addresses[way->address_next - 2]);
}

/* Events of the race. */

static void on_race_opened(void *arg, unsigned attempt, struct endpoint *channel)
{
    struct client *c = arg;
    struct client_request *r = c->request;

    metric_add(&c->worker->metrics.channels, 1);
    label_counts_time(c->worker->label_counts, c->session.table->label, UPSTREAM_TIME_OPEN,
                      loop_now(c->worker->loop) - r->asked_at);
    client_open_answered(c);
    deadline_cancel(&r->beside.delay);
    if (r->beside.under_way && attempt == r->beside.attempt) {
        if (r->beside.slot == c->session.slot) /* (else it is the same address elsewhere) */
            note_silent_address(c);
        promote_beside(c);
    } else {
        release_beside(c);
    }
    note_name(c);
    r->opened = channel;
    client_event(c, CLIENT_OPENED, NULL);
}

static void on_race_failed(void *arg, unsigned attempt)
{
    struct client *c = arg;

    if (attempt == c->request->beside.attempt)
        release_beside(c);
    else
        promote_beside(c);
    client_event(c, CLIENT_DELAYED, NULL);
}

static void on_race_refused(void *arg, const struct open_failure *failure)
{
    struct client *c = arg;
    enum outcome outcome = outcome_from_open_failure(failure->reason, failure->text);
    bool full; /* another session may have a shell */

    deadline_cancel(&c->request->beside.delay);
    full = client_shell_refused(c, failure);
    client_release_slot(c);
    client_open_answered(c);
    if (full) {
        client_event(c, CLIENT_LOST, NULL);
    } else if (failure->lost) {
        /* Nothing was confirmed, so nothing can have been carried: another session may do. */
        metric_add(&c->worker->metrics.retries, 1);
        c->request->way.address_next = 0;
        client_event(c, has_more_addresses(c) ? CLIENT_NEXT : CLIENT_LOST, NULL);
    } else if (client_has_next(c, outcome)) {
        client_event(c, CLIENT_NEXT, failure->text);
    } else {
        client_refuse(c, outcome, failure->text);
    }
}

static const struct open_race_events race_events = {
    .opened = on_race_opened,
    .failed = on_race_failed,
    .refused = on_race_refused,
};

/* Attempts. */

/* Starts one for what is being opened; its number, or -1. */
static int start_attempt(struct client *c, struct session *session)
{
    struct client_request *r = c->request;
    char origin[IP_TEXT_MAX] = "127.0.0.1"; /* OpenSSH says so too for a unix socket */
    struct shell_target shell = client_shell_target(c);
    struct race_target target = {
        .shell = client_is_shell(c) ? &shell : NULL,
        .path = r->way.to_path ? r->way.opening : NULL,
        .tcp = {.host = r->way.opening,
                .port = r->target.port,
                .origin = origin,
                .origin_port = c->origin.port},
    };

    if (c->origin.is_ip)
        ip_format(&c->origin.ip, origin);
    return open_race_start(&r->race, session, &target);
}

/* Starts one beside the first; `slot` has a reservation for it, which is given back if it cannot be
 * started. */
static bool start_beside(struct client *c, int slot)
{
    struct client_request *r = c->request;
    struct session *session = worker_session_at(c->worker, c->session.table, slot);
    int attempt = session != NULL ? start_attempt(c, session) : -1;

    r->beside.slot = slot;
    r->beside.under_way = true;
    if (attempt < 0) {
        release_beside(c);
        return false;
    }
    r->beside.attempt = (unsigned)attempt;
    return true;
}

static void open_expired(struct deadline *deadline)
{
    client_event(container_of(deadline, struct client, deadline), CLIENT_TIMED_OUT, NULL);
}

static void delay_expired(struct deadline *deadline)
{
    struct client_request *r = container_of(deadline, struct client_request, beside.delay);

    client_event(r->client, CLIENT_DELAYED, NULL);
}

/* RFC 8305 section 5. */
static uint64_t attempt_delay(const struct client *c)
{
    struct session *session = worker_session_at(c->worker, c->session.table, c->session.slot);
    struct session_state state = {0};
    uint64_t delay;

    if (session != NULL)
        session_state(session, &state);
    delay = 2 * state.round_trip_ms;
    return delay <= DELAY_MS ? DELAY_MS
                             : (delay + DELAY_STEP_MS - 1) / DELAY_STEP_MS * DELAY_STEP_MS;
}

/* What is left of open_timeout, which holds for the whole request: for each address, and for each
 * session, that is asked. Waiting for a session has a limit of its own. In steps of LIMIT_STEP_MS.
 */
static uint64_t time_left(struct client *c)
{
    struct client_request *r = c->request;
    uint64_t now = loop_now(c->worker->loop);
    uint64_t limit = c->session.upstream->open_timeout_ms;
    uint64_t used;

    if (r->limit.began == 0)
        r->limit = (struct client_limit){now, r->hold.waited_ms};
    /* (A client that has moved has another loop's clock, which may be a little behind.) */
    used = now > r->limit.began ? now - r->limit.began : 0;
    used -= MIN(used, r->hold.waited_ms - r->limit.waited_ms);
    if (used == 0)
        return limit;
    return used < limit ? (limit - used + LIMIT_STEP_MS - 1) / LIMIT_STEP_MS * LIMIT_STEP_MS : 1;
}

enum client_event client_open(struct client *c)
{
    struct client_request *r = c->request;
    int attempt;

    r->client = c;
    r->asked_at = loop_now(c->worker->loop);
    deadline_arm(c->worker->loop, &c->deadline, time_left(c), open_expired);
    open_race_begin(&r->race, &race_events, c);
    attempt = start_attempt(c, r->chosen);
    r->attempt = (unsigned)attempt; /* (the first is always started) */
    if (has_more_addresses(c))
        deadline_arm(c->worker->loop, &r->beside.delay, attempt_delay(c), delay_expired);
    return CLIENT_NOTHING;
}

/* The next address. */

/* Whether the rules send the address where the first one went. (Else it is tried when all others
 * have failed.) */
static bool goes_the_same_way(const struct client *c, const struct ip *address)
{
    struct acl_verdict verdict = client_ask_rules(c, c->request->target.host, address);
    const char *via = verdict.via != NULL ? verdict.via : c->listen->via;

    return verdict.allow && strcmp(via, c->session.upstream->name) == 0;
}

/* Makes room for another attempt. False: there is none. */
static bool make_attempt_room(struct client *c)
{
    struct client_request *r = c->request;

    if (!r->beside.under_way)
        return true;
    if (r->beside.abandoned >= ABANDONED_MAX - 1) /* (the loser of the race is one more) */
        return false;
    r->beside.abandoned++;
    note_silent_address(c);
    open_race_abandon(&r->race, r->attempt);
    promote_beside(c);
    return true;
}

enum client_event client_open_next(struct client *c)
{
    struct client_way *way = &c->request->way;
    struct client_beside *beside = &c->request->beside;
    const struct ip *address = &way->addresses[way->address_next];

    deadline_cancel(&beside->delay);
    if (!has_more_addresses(c) || !goes_the_same_way(c, address) || !make_attempt_room(c))
        return CLIENT_NOTHING;
    ip_format(address, way->opening);
    session_table_reserve_at(c->session.table, c->session.slot);
    if (start_beside(c, c->session.slot))
        way->address_next++;
    if (has_more_addresses(c))
        deadline_arm(c->worker->loop, &beside->delay, ATTEMPT_MS, delay_expired);
    return CLIENT_NOTHING;
}

/* Another session. */

/* Whether every connection to the client's listener has the same target: a second connection there
 * may be noticed (a database counts them), so that it is made only when the first session is lost.
 */
static bool has_fixed_target(const struct client *c)
{
    return c->listen != NULL && config_listen_leads(c->listen);
}

/* Slow names: an overdue server was probably resolving them, as their opens were the oldest.
 * Another session would take as long, and stand still meanwhile, so that such a name is asked for
 * on one other session at most (the server may be standing still for another reason). Once a server
 * has answered for the name in time it is slow no more. */

#define RETRIED_MAX (sizeof "retried " + HOST_MAX)

static void retried_key(const struct client *c, char key[static RETRIED_MAX])
{
    snprintf(key, RETRIED_MAX, "retried %s", c->request->way.opening);
}

/* (The session may have ended by now.) */
static bool session_state_of(const struct client *c, struct session_state *state)
{
    struct session *session = worker_session_at(c->worker, c->session.table, c->session.slot);

    if (session != NULL)
        session_state(session, state);
    return session != NULL;
}

void client_note_slow_name(const struct client *c)
{
    struct session_state state;

    if (client_opens_name(c) && session_state_of(c, &state) &&
        open_race_has(&c->request->race, state.oldest))
        fast_names_add(c->session.table->slow_names, c->request->way.opening,
                       loop_now(c->worker->loop));
}

static bool has_slow_name(const struct client *c)
{
    return client_opens_name(c) && client_open_may_block(c) &&
           fast_names_has(c->session.table->slow_names, c->request->way.opening,
                          loop_now(c->worker->loop));
}

/* Whether the client stays where it is, as its name is slow. */
static bool is_held_by_its_name(const struct client *c)
{
    char key[RETRIED_MAX];
    struct session_state state;

    if (!has_slow_name(c))
        return false;
    retried_key(c, key);
    return !session_state_of(c, &state) || state.silent_ms < RESOLVING_MS ||
           fast_names_has(c->session.table->slow_names, key, loop_now(c->worker->loop));
}

static void note_retried(const struct client *c)
{
    char key[RETRIED_MAX];

    retried_key(c, key);
    if (has_slow_name(c))
        fast_names_add(c->session.table->slow_names, key, loop_now(c->worker->loop));
}

static bool is_overdue(const struct client *c, int slot)
{
    return atomic_load_explicit(&c->session.table->slots[slot].overdue, memory_order_relaxed);
}

/* Whether all that it has asked is overdue, and it may ask once more. */
static bool wants_elsewhere(const struct client *c)
{
    const struct client_beside *beside = &c->request->beside;

    return is_overdue(c, c->session.slot) && (!beside->under_way || is_overdue(c, beside->slot)) &&
           beside->abandoned < ABANDONED_MAX && !has_fixed_target(c) && !client_is_shell(c) &&
           !is_held_by_its_name(c);
}

bool client_may_open_elsewhere(const struct client *c)
{
    return wants_elsewhere(c) && session_table_has_other(c->session.table, c->session.slot);
}

/* The client asks there instead: its late answer here closes the channel. */
static enum client_event leave_for(struct client *c, int slot)
{
    c->request->beside.abandoned += 1 + c->request->beside.under_way;
    client_unopen(c);
    client_release_slot(c);
    c->session.slot = slot;
    return CLIENT_ELSEWHERE;
}

enum client_event client_open_elsewhere(struct client *c)
{
    struct client_session *s = &c->session;
    bool grow = false;
    int slot;

    if (!wants_elsewhere(c))
        return CLIENT_NOTHING;
    slot = session_table_reserve_other(s->table, (int)c->worker->index, client_open_may_block(c),
                                       s->slot, &grow);
    if (grow)
        main_send_grow(c->worker->workers, s->table);
    if (slot < 0)
        return CLIENT_NOTHING;
    metric_add(&c->worker->metrics.retries, 1);
    note_retried(c);
    if (atomic_load(&s->table->slots[slot].worker) != (int)c->worker->index)
        return leave_for(c, slot);
    if (make_attempt_room(c))
        start_beside(c, slot);
    else
        session_table_release(s->table, slot);
    return CLIENT_NOTHING;
}

void client_unopen(struct client *c)
{
    if (c->request == NULL)
        return;
    deadline_cancel(&c->request->beside.delay);
    open_race_cancel(&c->request->race);
    client_open_abandoned(c);
    release_beside(c);
}
