/* Accepting on a worker's thread.
 *
 * Once a reload is said to be done nobody may come in by what was configured before, but an accept
 * duty may not have read his message yet. So the serial of the generation is published when all
 * have been sent theirs, and who comes while his accept duty's is older waits in the same mailbox:
 * behind the message. */
#include "worker/worker_parts.h"

#include "base/mem.h"
#include "io/acceptor.h"

#include <stdlib.h>
#include <unistd.h>

struct accept_duty {
    struct message beginning; /* the first that the worker gets, and the last */
    struct message end;
    struct worker *worker;
    struct listener *listener;
    /* The worker's: */
    struct acceptor *acceptor;
    struct generation *generation;
    const struct config_listen *listen;
    unsigned next; /* for the turns the workers take when there is no session */
    unsigned late; /* who waits behind a message */
    bool ended;
};

/* On the worker's thread. */

/* To where the session is that would be chosen for him now, so that he need not move later. */
static void dispatch(struct accept_duty *duty, int fd, const struct ip *peer, uint16_t peer_port)
{
    struct worker *here = duty->worker;
    struct workers *workers = here->workers;
    struct session_table *table;
    int to;

    generation_upstream(duty->generation, duty->listen->via, &table);
    to = session_table_hint(session_table_current(table), (int)here->index);
    if (to < 0)
        to = (int)(duty->next++ % workers->count);
    if (to != (int)here->index)
        worker_send_client(workers->all[to], duty->generation, duty->listen, fd, peer, peer_port);
    else
        worker_accept(here, duty->generation, duty->listen, fd, peer, peer_port);
}

/* Whether another generation is on its way to him. */
static bool is_stale(const struct accept_duty *duty)
{
    return duty->generation->serial < atomic_load(&duty->worker->workers->serial);
}

static void accept_duty_free(struct accept_duty *duty)
{
    if (!duty->ended || duty->late > 0)
        return;
    generation_unref(duty->generation);
    free(duty);
}

/* Who came too early. */
struct deferred_client {
    struct message message;
    struct accept_duty *duty;
    int fd;
    bool from_ip;
    struct ip peer;
    uint16_t peer_port;
};

static void dismiss(struct deferred_client *deferred)
{
    struct accept_duty *duty = deferred->duty;

    free(deferred);
    duty->late--;
    accept_duty_free(duty);
}

static void drop_deferred_client(struct message *message)
{
    struct deferred_client *deferred = container_of(message, struct deferred_client, message);

    close(deferred->fd);
    dismiss(deferred);
}

static void accepted(void *arg, int fd, const struct ip *peer, uint16_t peer_port);

/* (Stale and ended: the listen socket was closed, and he with those who were not accepted yet.)
 */
static void take_deferred_client(struct message *message, void *owner)
{
    struct deferred_client *deferred = container_of(message, struct deferred_client, message);
    struct accept_duty *duty = deferred->duty;
    const struct worker *worker = owner;

    if (worker->stopping || (duty->ended && is_stale(duty))) {
        drop_deferred_client(message);
        return;
    }
    accepted(duty, deferred->fd, deferred->from_ip ? &deferred->peer : NULL, deferred->peer_port);
    dismiss(deferred);
}

static void keep_waiting(struct accept_duty *duty, int fd, const struct ip *peer,
                         uint16_t peer_port)
{
    struct deferred_client *deferred = mem_zalloc(sizeof(*deferred));

    *deferred = (struct deferred_client){
        .message = {.run = take_deferred_client, .drop = drop_deferred_client},
        .duty = duty,
        .fd = fd,
        .from_ip = peer != NULL,
        .peer_port = peer_port,
    };
    if (peer != NULL)
        deferred->peer = *peer;
    duty->late++;
    mailbox_post(duty->worker->mailbox, &deferred->message);
}

/* Somebody came in. */
static void accepted(void *arg, int fd, const struct ip *peer, uint16_t peer_port)
{
    struct accept_duty *duty = arg;

    if (is_stale(duty))
        keep_waiting(duty, fd, peer, peer_port);
    else
        dispatch(duty, fd, peer, peer_port);
}

static void run_beginning(struct message *message, void *owner)
{
    struct accept_duty *duty = container_of(message, struct accept_duty, beginning);
    struct worker *worker = owner;

    duty->acceptor = acceptor_new(worker->loop, duty->listener, false, accepted, duty);
}

static void drop_beginning(struct message *message)
{
    (void)message; /* (the departure, which is behind it, frees the accept duty) */
}

struct change {
    struct message message;
    struct accept_duty *duty;
    struct generation *generation;
    const struct config_listen *listen;
};

static void drop_change(struct message *message)
{
    struct change *change = container_of(message, struct change, message);

    generation_unref(change->generation);
    free(change);
}

/* (What it had before goes with the message.) */
static void take_change(struct message *message, void *owner)
{
    struct change *change = container_of(message, struct change, message);
    struct accept_duty *duty = change->duty;
    struct generation *before = duty->generation;

    (void)owner;
    duty->generation = change->generation;
    duty->listen = change->listen;
    change->generation = before;
    drop_change(message);
}

static void drop_end(struct message *message)
{
    struct accept_duty *duty = container_of(message, struct accept_duty, end);

    acceptor_free(duty->acceptor);
    listener_unref(duty->listener);
    duty->ended = true;
    accept_duty_free(duty);
}

static void run_end(struct message *message, void *owner)
{
    (void)owner;
    drop_end(message);
}

/* On the main thread. */

struct accept_duty *accept_duty_send(struct worker *worker, struct listener *listener,
                                     struct generation *generation,
                                     const struct config_listen *listen)
{
    struct accept_duty *duty = mem_zalloc(sizeof(*duty));

    *duty = (struct accept_duty){
        .beginning = {.run = run_beginning, .drop = drop_beginning},
        .end = {.run = run_end, .drop = drop_end},
        .worker = worker,
        .listener = listener_ref(listener),
        .generation = generation_ref(generation),
        .listen = listen,
    };
    mailbox_post(worker->mailbox, &duty->beginning);
    return duty;
}

void accept_duty_change(struct accept_duty *duty, struct generation *generation,
                        const struct config_listen *listen)
{
    struct change *change = mem_zalloc(sizeof(*change));

    *change = (struct change){
        .message = {.run = take_change, .drop = drop_change},
        .duty = duty,
        .generation = generation_ref(generation),
        .listen = listen,
    };
    mailbox_post(duty->worker->mailbox, &change->message);
}

void accept_duty_recall(struct accept_duty *duty)
{
    if (duty != NULL)
        mailbox_post(duty->worker->mailbox, &duty->end);
}
