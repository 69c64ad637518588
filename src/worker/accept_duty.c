/* Accepting on a worker's thread, for one listening socket.
 *
 * After a reload no connection may be accepted by the configuration before it, but a worker may not
 * have read the message about the new generation yet. So the main thread publishes the generation's
 * serial (workers->serial) after it has sent the message to every accept duty. A duty whose own
 * generation is older defers each connection by a message to its own worker: that message arrives
 * behind the one about the new generation. */
#include "worker/worker_parts.h"

#include "base/mem.h"
#include "io/acceptor.h"

#include <stdlib.h>
#include <unistd.h>

struct accept_duty {
    struct message beginning; /* the first message that the worker gets ... */
    struct message end;       /* ... and the last */
    struct worker *worker;
    struct listener *listener;
    /* From here on the worker's own: */
    struct acceptor *acceptor;
    struct generation *generation;
    const struct config_listen *listen;
    unsigned next;     /* the worker that gets the next connection while no session is up */
    unsigned deferred; /* connections that wait behind a message */
    bool ended;
};

/* On the worker's thread. */

/* Hands the connection to the worker whose session would be chosen now, so that it need not move
 * later. */
static void dispatch(struct accept_duty *duty, const struct accepted *connection)
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
        worker_send_client(workers->all[to], duty->generation, duty->listen, connection);
    else
        worker_accept(here, duty->generation, duty->listen, connection);
}

/* Whether a message about a newer generation is on its way. */
static bool duty_is_stale(const struct accept_duty *duty)
{
    return duty->generation->serial < atomic_load(&duty->worker->workers->serial);
}

static void accept_duty_release(struct accept_duty *duty)
{
    if (!duty->ended || duty->deferred > 0)
        return;
    generation_unref(duty->generation);
    free(duty);
}

/* A connection that was accepted while the duty was stale. */
struct deferred_client {
    struct message message;
    struct accept_duty *duty;
    struct accepted connection;
};

static void deferred_client_free(struct deferred_client *client)
{
    struct accept_duty *duty = client->duty;

    free(client);
    duty->deferred--;
    accept_duty_release(duty);
}

static void drop_deferred_client(struct message *message)
{
    struct deferred_client *client = container_of(message, struct deferred_client, message);

    close(client->connection.fd);
    deferred_client_free(client);
}

static void on_accepted(void *arg, const struct accepted *connection);

/* A duty that is stale and has ended belonged to a socket that the reload closed: the connection is
 * closed, as those are that nobody had accepted yet. */
static void run_deferred_client(struct message *message, void *owner)
{
    struct deferred_client *client = container_of(message, struct deferred_client, message);
    struct accept_duty *duty = client->duty;
    const struct worker *worker = owner;

    if (worker->stopping || (duty->ended && duty_is_stale(duty))) {
        drop_deferred_client(message);
        return;
    }
    on_accepted(duty, &client->connection);
    deferred_client_free(client);
}

static void defer(struct accept_duty *duty, const struct accepted *connection)
{
    struct deferred_client *client = mem_zalloc(sizeof(*client));

    *client = (struct deferred_client){
        .message = {.run = run_deferred_client, .drop = drop_deferred_client},
        .duty = duty,
        .connection = *connection,
    };
    duty->deferred++;
    mailbox_post(duty->worker->mailbox, &client->message);
}

static void on_accepted(void *arg, const struct accepted *connection)
{
    struct accept_duty *duty = arg;

    if (duty_is_stale(duty))
        defer(duty, connection);
    else
        dispatch(duty, connection);
}

static void run_beginning(struct message *message, void *owner)
{
    struct accept_duty *duty = container_of(message, struct accept_duty, beginning);
    struct worker *worker = owner;

    duty->acceptor = acceptor_new(worker->loop, duty->listener, false, on_accepted, duty);
}

static void drop_beginning(struct message *message)
{
    (void)message; /* (the end's message is behind it and frees the duty) */
}

struct duty_change {
    struct message message;
    struct accept_duty *duty;
    struct generation *generation;
    const struct config_listen *listen;
};

static void drop_duty_change(struct message *message)
{
    struct duty_change *change = container_of(message, struct duty_change, message);

    generation_unref(change->generation);
    free(change);
}

/* (The message frees the generation that the duty had before.) */
static void run_duty_change(struct message *message, void *owner)
{
    struct duty_change *change = container_of(message, struct duty_change, message);
    struct accept_duty *duty = change->duty;
    struct generation *before = duty->generation;

    (void)owner;
    duty->generation = change->generation;
    duty->listen = change->listen;
    change->generation = before;
    drop_duty_change(message);
}

static void drop_duty_end(struct message *message)
{
    struct accept_duty *duty = container_of(message, struct accept_duty, end);

    acceptor_free(duty->acceptor);
    listener_unref(duty->listener);
    duty->ended = true;
    accept_duty_release(duty);
}

static void run_duty_end(struct message *message, void *owner)
{
    (void)owner;
    drop_duty_end(message);
}

/* On the main thread. */

struct accept_duty *accept_duty_send(struct worker *worker, struct listener *listener,
                                     struct generation *generation,
                                     const struct config_listen *listen)
{
    struct accept_duty *duty = mem_zalloc(sizeof(*duty));

    *duty = (struct accept_duty){
        .beginning = {.run = run_beginning, .drop = drop_beginning},
        .end = {.run = run_duty_end, .drop = drop_duty_end},
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
    struct duty_change *change = mem_zalloc(sizeof(*change));

    *change = (struct duty_change){
        .message = {.run = run_duty_change, .drop = drop_duty_change},
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
