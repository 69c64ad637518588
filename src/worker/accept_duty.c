/* Accepting on a worker's thread.
 *
 * Once a reload is said to be done nobody may come in by what was configured before, but a porter
 * may not have read his message yet. So the serial of the generation is published when all have
 * been sent theirs, and who comes while his porter's is older waits in the same mailbox: behind the
 * message. */
#include "worker/accept_duty.h"

#include "base/mem.h"
#include "io/acceptor.h"

#include <stdlib.h>
#include <unistd.h>

struct porter {
    struct message arrival; /* the first that the worker gets, and the last */
    struct message departure;
    struct worker *worker;
    struct listener *listener;
    /* The worker's: */
    struct acceptor *acceptor;
    struct generation *generation;
    const struct config_listen *listen;
    unsigned next; /* for the turns the workers take when there is no session */
    unsigned late; /* who waits behind a message */
    bool departed;
};

/* On the worker's thread. */

/* To where the session is that would be chosen for him now, so that he need not move later. */
static void show_in(struct porter *porter, int fd, const struct ip *peer, uint16_t peer_port)
{
    struct worker *here = porter->worker;
    struct crew *crew = here->crew;
    struct board *board;
    int to;

    generation_upstream(porter->generation, porter->listen->via, &board);
    to = board_hint(board_current(board), (int)here->index);
    if (to < 0)
        to = (int)(porter->next++ % crew->worker_count);
    if (to != (int)here->index)
        worker_send_client(crew->workers[to], porter->generation, porter->listen, fd, peer,
                           peer_port);
    else
        worker_let_in(here, porter->generation, porter->listen, fd, peer, peer_port);
}

/* Whether another generation is on its way to him. */
static bool is_stale(const struct porter *porter)
{
    return porter->generation->serial < atomic_load(&porter->worker->crew->serial);
}

static void porter_free(struct porter *porter)
{
    if (!porter->departed || porter->late > 0)
        return;
    generation_unref(porter->generation);
    free(porter);
}

/* Who came too early. */
struct latecomer {
    struct message message;
    struct porter *porter;
    int fd;
    bool from_ip;
    struct ip peer;
    uint16_t peer_port;
};

static void dismiss(struct latecomer *latecomer)
{
    struct porter *porter = latecomer->porter;

    free(latecomer);
    porter->late--;
    porter_free(porter);
}

static void drop_latecomer(struct message *message)
{
    struct latecomer *latecomer = container_of(message, struct latecomer, message);

    close(latecomer->fd);
    dismiss(latecomer);
}

static void let_in(void *arg, int fd, const struct ip *peer, uint16_t peer_port);

/* (Stale and departed: the door was closed, and he with those who were not accepted yet.) */
static void take_latecomer(struct message *message, void *owner)
{
    struct latecomer *latecomer = container_of(message, struct latecomer, message);
    struct porter *porter = latecomer->porter;
    const struct worker *worker = owner;

    if (worker->stopping || (porter->departed && is_stale(porter))) {
        drop_latecomer(message);
        return;
    }
    let_in(porter, latecomer->fd, latecomer->from_ip ? &latecomer->peer : NULL,
           latecomer->peer_port);
    dismiss(latecomer);
}

static void keep_waiting(struct porter *porter, int fd, const struct ip *peer, uint16_t peer_port)
{
    struct latecomer *latecomer = mem_zalloc(sizeof(*latecomer));

    *latecomer = (struct latecomer){
        .message = {.run = take_latecomer, .drop = drop_latecomer},
        .porter = porter,
        .fd = fd,
        .from_ip = peer != NULL,
        .peer_port = peer_port,
    };
    if (peer != NULL)
        latecomer->peer = *peer;
    porter->late++;
    mailbox_post(porter->worker->mailbox, &latecomer->message);
}

/* Somebody came in. */
static void let_in(void *arg, int fd, const struct ip *peer, uint16_t peer_port)
{
    struct porter *porter = arg;

    if (is_stale(porter))
        keep_waiting(porter, fd, peer, peer_port);
    else
        show_in(porter, fd, peer, peer_port);
}

static void arrive(struct message *message, void *owner)
{
    struct porter *porter = container_of(message, struct porter, arrival);
    struct worker *worker = owner;

    porter->acceptor = acceptor_new(worker->loop, porter->listener, false, let_in, porter);
}

static void drop_arrival(struct message *message)
{
    (void)message; /* (the departure, which is behind it, frees the porter) */
}

struct change {
    struct message message;
    struct porter *porter;
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
    struct porter *porter = change->porter;
    struct generation *before = porter->generation;

    (void)owner;
    porter->generation = change->generation;
    porter->listen = change->listen;
    change->generation = before;
    drop_change(message);
}

static void drop_departure(struct message *message)
{
    struct porter *porter = container_of(message, struct porter, departure);

    acceptor_free(porter->acceptor);
    listener_unref(porter->listener);
    porter->departed = true;
    porter_free(porter);
}

static void depart(struct message *message, void *owner)
{
    (void)owner;
    drop_departure(message);
}

/* On the main thread. */

struct porter *porter_send(struct worker *worker, struct listener *listener,
                           struct generation *generation, const struct config_listen *listen)
{
    struct porter *porter = mem_zalloc(sizeof(*porter));

    *porter = (struct porter){
        .arrival = {.run = arrive, .drop = drop_arrival},
        .departure = {.run = depart, .drop = drop_departure},
        .worker = worker,
        .listener = listener_ref(listener),
        .generation = generation_ref(generation),
        .listen = listen,
    };
    mailbox_post(worker->mailbox, &porter->arrival);
    return porter;
}

void porter_change(struct porter *porter, struct generation *generation,
                   const struct config_listen *listen)
{
    struct change *change = mem_zalloc(sizeof(*change));

    *change = (struct change){
        .message = {.run = take_change, .drop = drop_change},
        .porter = porter,
        .generation = generation_ref(generation),
        .listen = listen,
    };
    mailbox_post(porter->worker->mailbox, &change->message);
}

void porter_recall(struct porter *porter)
{
    if (porter != NULL)
        mailbox_post(porter->worker->mailbox, &porter->departure);
}
