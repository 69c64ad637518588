/* Remote forwards that this worker's sessions hold at their servers. */
#include "worker/remote_forwards.h"

#include "base/mem.h"
#include "shared/main_messages.h"
#include "worker/client.h"
#include "worker/worker_parts.h"

#include <stdlib.h>
#include <string.h>

struct remote_listen {
    LIST_ENTRY(remote_listen) link;
    struct worker_session *ws;
    struct listen_order order; /* the newest one; its session table is that of `ws` */
    struct session_listen *listen;
};

const char *listen_order_bind(const struct config_forward *forward)
{
    const char *host = forward->bind.host;

    if (host == NULL)
        return forward->bind.path;
    if (host[0] == '\0')
        return "localhost";
    return strcmp(host, "*") == 0 ? "" : host;
}

static void remote_listen_free(struct remote_listen *remote)
{
    LIST_REMOVE(remote, link);
    generation_unref(remote->order.generation);
    free(remote);
}

static void on_listen_answered(void *arg, const struct listen_answer *answer)
{
    struct remote_listen *remote = arg;

    main_send_listen_answered(remote->ws->worker->workers, remote->order.forwards,
                              remote->order.number, answer);
    if (answer->listens)
        return;
    session_listen_free(remote->listen);
    remote_listen_free(remote);
}

static void on_forwarded(void *arg, struct forwarded_open *forwarded, const char *origin,
                         uint16_t origin_port)
{
    const struct remote_listen *remote = arg;
    const struct listen_order *order = &remote->order;

    client_new_forwarded(remote->ws->worker, order->generation,
                         &(struct forwarded_connection){
                             .forward = order->forward,
                             .slot = order->slot,
                             .open = forwarded,
                             .origin = origin,
                             .origin_port = origin_port,
                         });
}

static void on_listen_lost(void *arg)
{
    remote_listen_free(arg);
}

static const struct session_listen_events remote_listen_events = {
    .answered = on_listen_answered,
    .forwarded = on_forwarded,
    .lost = on_listen_lost,
};

static void remote_listen_end(struct remote_listen *remote)
{
    session_listen_free(remote->listen);
    remote_listen_free(remote);
}

void remote_listens_end(struct worker_session *ws)
{
    while (!LIST_EMPTY(&ws->listens))
        remote_listen_end(LIST_FIRST(&ws->listens));
}

/* Orders. */

struct listen_message {
    struct message message;
    struct listen_order order; /* a cancel has no more than its number */
};

static void drop_listen_order(struct message *message)
{
    struct listen_message *m = container_of(message, struct listen_message, message);

    session_table_unref(m->order.table);
    generation_unref(m->order.generation);
    free(m);
}

static struct remote_listen *find_listen(struct worker *worker, uint64_t number)
{
    struct worker_session *ws;
    struct remote_listen *remote;

    LIST_FOREACH (ws, &worker->sessions, link)
        LIST_FOREACH (remote, &ws->listens, link)
            if (remote->order.number == number)
                return remote;
    return NULL;
}

static struct worker_session *find_worker_session(struct worker *worker,
                                                  const struct session_table *table, int slot)
{
    struct worker_session *ws;

    LIST_FOREACH (ws, &worker->sessions, link)
        if (ws->table == table && ws->slot == slot)
            return ws;
    return NULL;
}

static void ask_to_listen(struct worker_session *ws, const struct listen_order *order)
{
    struct remote_listen *remote = mem_zalloc(sizeof(*remote));

    remote->ws = ws;
    remote->order = *order;
    generation_ref(order->generation);
    LIST_INSERT_HEAD(&ws->listens, remote, link);
    remote->listen = session_listen(ws->session,
                                    &(struct listen_place){
                                        .forward = order->forward->name,
                                        .bind = listen_order_bind(order->forward),
                                        .is_unix = order->forward->bind.path != NULL,
                                        .port = order->forward->bind.port,
                                    },
                                    &remote_listen_events, remote);
}

static void run_listen_order(struct message *message, void *owner)
{
    struct listen_message *m = container_of(message, struct listen_message, message);
    struct worker *worker = owner;
    struct remote_listen *remote = find_listen(worker, m->order.number);
    struct worker_session *ws = find_worker_session(worker, m->order.table, m->order.slot);

    if (remote != NULL) {
        generation_unref(remote->order.generation);
        remote->order = m->order;
        generation_ref(remote->order.generation);
    } else if (ws != NULL && !m->order.again) {
        ask_to_listen(ws, &m->order);
    } /* (Else the session has ended, and the message about that is on its way.) */
    drop_listen_order(message);
}

static void run_listen_end(struct message *message, void *owner)
{
    struct listen_message *m = container_of(message, struct listen_message, message);
    struct remote_listen *remote = find_listen(owner, m->order.number);

    if (remote != NULL)
        remote_listen_end(remote);
    drop_listen_order(message);
}

void worker_send_listen(struct worker *worker, const struct listen_order *order)
{
    struct listen_message *m = mem_zalloc(sizeof(*m));

    m->message = (struct message){.run = run_listen_order, .drop = drop_listen_order};
    m->order = *order;
    session_table_ref(order->table);
    generation_ref(order->generation);
    mailbox_post(worker->mailbox, &m->message);
}

void worker_send_listen_end(struct worker *worker, uint64_t number)
{
    struct listen_message *m = mem_zalloc(sizeof(*m));

    m->message = (struct message){.run = run_listen_end, .drop = drop_listen_order};
    m->order.number = number;
    mailbox_post(worker->mailbox, &m->message);
}
