/* Name, connection, handshake: each step starts the next, and any may fail. */
#include "gateway/attempt.h"

#include "base/mem.h"
#include "io/connect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How many connect_timeouts a handshake and login may take. */
#define LOGIN_TIMEOUTS 2

#define SSH_PORT 22

struct attempt {
    struct pool_room *room;
    struct config *config;
    const struct config_upstream *upstream;
    struct place *place;
    int slot;
    void (*done)(void *arg, int slot, enum dial_status status, struct dialled *dialled,
                 const char *error);
    void *arg;
    /* The step under way; the others are NULL. */
    struct resolve *resolve;
    struct connect *connect;
    struct dial *dial;
    struct deadline login; /* the dial's */
    unsigned prompts;      /* the dial's, when the deadline last looked */
    bool timed_out;        /* it was, and its thread has still to end */
    uint64_t began;
};

void place_init(struct place *place, struct hosts *hosts, const char *entry, uint16_t port)
{
    /* conf/check saw to it that it can be split. */
    hostport_split(entry, strlen(entry), port, place->name, &place->port);
    if (place->port == SSH_PORT)
        snprintf(place->label, sizeof(place->label), "%s", place->name);
    else
        hostport_format(place->name, place->port, place->label);
    place->host = hosts_get(hosts, place->name, place->port);
    place->sessions = 0;
}

static void attempt_free(struct attempt *a)
{
    config_unref(a->config);
    free(a);
}

static void finish(struct attempt *a, bool reached, enum dial_status status,
                   struct dialled *dialled, const char *error)
{
    void (*done)(void *, int, enum dial_status, struct dialled *, const char *) = a->done;
    void *arg = a->arg;
    int slot = a->slot;

    deadline_cancel(&a->login);
    if (dialled != NULL)
        host_asks(a->place->host, dialled_info(dialled)->asks_anew);
    host_end(a->place->host, a->began, loop_now(a->room->loop), dialled != NULL, reached, status);
    metric_add(reached ? &a->room->metrics.dials[status] : &a->room->metrics.dials_unreachable, 1);
    attempt_free(a);
    done(arg, slot, status, dialled, error);
}

static void dialled_or_not(void *arg, enum dial_status status, struct dialled *dialled,
                           const char *error)
{
    struct attempt *a = arg;

    a->dial = NULL;
    if (a->timed_out) {
        dialled_free(dialled);
        finish(a, true, DIAL_TRANSPORT, NULL, "timed out while logging in");
    } else {
        finish(a, true, status, dialled, error);
    }
}

static void login_timed_out(struct deadline *deadline);

/* libssh bounds each step with connect_timeout; this bounds them all. */
static void arm_login(struct attempt *a)
{
    a->prompts = dial_prompts(a->dial);
    deadline_arm(a->room->loop, &a->login, LOGIN_TIMEOUTS * a->upstream->connect_timeout_ms,
                 login_timed_out);
}

static void login_timed_out(struct deadline *deadline)
{
    struct attempt *a = container_of(deadline, struct attempt, login);

    /* A person takes their time; the server says how long that may be. */
    if (dial_is_asking(a->dial) || dial_prompts(a->dial) != a->prompts) {
        arm_login(a);
        return;
    }
    /* Until its thread has ended (an agent that asks somebody may keep it), the host is not dialled
     * again: threads would pile up. */
    a->timed_out = true;
    dial_shutdown(a->dial);
}

static void connected(void *arg, int fd, const struct ip *address, const char *error)
{
    struct attempt *a = arg;

    (void)address;
    a->connect = NULL;
    if (fd < 0) {
        finish(a, false, DIAL_TRANSPORT, NULL, error);
        return;
    }
    a->dial = dial_start(&(struct dial_request){
        .fd = fd,
        .config = a->config,
        .upstream = a->upstream,
        .host = a->place->name,
        .port = a->place->port,
        .may_ask = a->room->may_ask,
        .reply = a->room->crew->keeper,
        .done = dialled_or_not,
        .arg = a,
    });
    arm_login(a);
}

static void connect_to(struct attempt *a, const struct ip *addresses, size_t count)
{
    a->connect = connect_start(a->room->loop, addresses, count, a->place->port,
                               a->upstream->connect_timeout_ms, connected, a);
}

static void resolved(void *arg, enum resolve_status status, const struct ip *addresses,
                     size_t count, const char *error)
{
    struct attempt *a = arg;

    a->resolve = NULL;
    if (status == RESOLVE_FOUND)
        connect_to(a, addresses, count);
    else
        finish(a, false, DIAL_TRANSPORT, NULL, error);
}

struct attempt *attempt_start(struct pool_room *room, struct config *config,
                              const struct config_upstream *upstream, struct place *place, int slot,
                              void (*done)(void *arg, int slot, enum dial_status status,
                                           struct dialled *dialled, const char *error),
                              void *arg)
{
    struct attempt *a = mem_zalloc(sizeof(*a));
    struct ip ip;

    *a = (struct attempt){
        .room = room,
        .config = config_ref(config),
        .upstream = upstream,
        .place = place,
        .slot = slot,
        .done = done,
        .arg = arg,
        .began = loop_now(room->loop),
    };
    host_begin(place->host);
    if (ip_parse(place->name, &ip)) {
        connect_to(a, &ip, 1);
    } else {
        char name[HOST_MAX + 1];
        memcpy(name, place->name, sizeof(name));
        host_normalise(name);
        a->resolve = resolver_lookup(room->resolver, name, resolved, a);
    }
    return a;
}

bool attempt_is_asking(const struct attempt *a)
{
    return a->dial != NULL && dial_is_asking(a->dial);
}

void attempt_cancel(struct attempt *a)
{
    resolve_cancel(a->resolve);
    connect_cancel(a->connect);
    deadline_cancel(&a->login);
    if (a->dial != NULL)
        dial_cancel(a->dial);
    host_abandon(a->place->host);
    attempt_free(a);
}
