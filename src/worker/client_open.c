/* A client's channel: the session's server is asked to connect to the target. */
#include "worker/client_parts.h"

/* A server that connects sooner was not long at the name. */
#define QUICK_MS 1000

static void note_name(const struct client *c)
{
    uint64_t now = loop_now(c->worker->loop);

    if (client_opens_name(c) && now - c->request->asked_at < QUICK_MS)
        fast_names_add(c->session.table->fast_names, c->request->way.opening, now);
}

static void on_race_opened(void *arg, unsigned attempt, struct endpoint *channel)
{
    struct client *c = arg;

    (void)attempt;
    metric_add(&c->worker->metrics.channels, 1);
    note_name(c);
    c->request->opened = channel;
    client_event(c, CLIENT_OPENED, NULL);
}

static void on_race_refused(void *arg, const struct open_failure *failure)
{
    struct client *c = arg;
    enum outcome outcome = outcome_from_open_failure(failure->reason, failure->text);

    client_release_slot(c);
    if (failure->lost) {
        /* Nothing was confirmed, so nothing can have been carried: another session may do. */
        metric_add(&c->worker->metrics.retries, 1);
        client_event(c, CLIENT_LOST, NULL);
    } else if (client_has_next(c, outcome)) {
        client_event(c, CLIENT_NEXT, failure->text);
    } else {
        client_refuse(c, outcome, failure->text);
    }
}

static const struct open_race_events race_events = {
    .opened = on_race_opened,
    .refused = on_race_refused,
};

static void open_expired(struct deadline *deadline)
{
    client_event(container_of(deadline, struct client, deadline), CLIENT_TIMED_OUT, NULL);
}

/* (There is one attempt at a time: each address may have an upstream of its own.) */
enum client_event client_open(struct client *c)
{
    struct client_request *r = c->request;
    char origin[IP_TEXT_MAX] = "127.0.0.1"; /* OpenSSH says so too for a unix socket */
    struct race_target target = {
        .path = r->way.to_path ? r->way.opening : NULL,
        .tcp = {.host = r->way.opening,
                .port = r->target.port,
                .origin = origin,
                .origin_port = c->origin.port},
    };

    if (c->origin.is_ip)
        ip_format(&c->origin.ip, origin);
    r->asked_at = loop_now(c->worker->loop);
    deadline_arm(c->worker->loop, &c->deadline, c->session.upstream->open_timeout_ms, open_expired);
    open_race_begin(&r->race, &race_events, c);
    open_race_start(&r->race, r->chosen, &target);
    return CLIENT_NOTHING;
}

void client_unopen(struct client *c)
{
    if (c->request != NULL)
        open_race_cancel(&c->request->race);
}
