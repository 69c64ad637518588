/* Which sockets are listened on, and which worker accepts at each. */
#include "gateway/listeners.h"

#include "base/mem.h"

#include <stdlib.h>
#include <sys/queue.h>

/* One socket that is listened on. */
struct listen_socket {
    TAILQ_ENTRY(listen_socket) link;
    uint32_t id; /* the keeper's */
    struct listener *listener;
    struct accept_duty *duty; /* NULL: no worker accepts yet */
    unsigned worker;          /* the index of the worker that has the duty */
    const struct config_listen *listen;
    const struct config_listen *next_listen; /* while changing; NULL: it will be closed */
};

struct listeners {
    struct workers *workers;
    TAILQ_HEAD(, listen_socket) sockets;
};

struct listeners *listeners_new(struct workers *workers)
{
    struct listeners *l = mem_zalloc(sizeof(*l));

    l->workers = workers;
    TAILQ_INIT(&l->sockets);
    return l;
}

/* (The socket is shut down first: from then on the kernel refuses connections, whatever the worker
 * is doing.) */
static void listen_socket_close(struct listeners *l, struct listen_socket *s)
{
    TAILQ_REMOVE(&l->sockets, s, link);
    listener_close(s->listener);
    accept_duty_recall(s->duty);
    free(s);
}

static struct listen_socket *listen_socket_find(struct listeners *l, uint32_t id)
{
    struct listen_socket *s;

    TAILQ_FOREACH (s, &l->sockets, link)
        if (s->id == id)
            return s;
    return NULL;
}

static struct listen_socket *listen_socket_add(struct listeners *l, struct given_socket *given)
{
    struct listen_socket *s = mem_zalloc(sizeof(*s));

    s->id = given->id;
    s->listener = given->listener;
    given->listener = NULL;
    TAILQ_INSERT_TAIL(&l->sockets, s, link);
    return s;
}

void listeners_change(struct listeners *l, const struct config *config, struct given_socket *given,
                      size_t count)
{
    struct listen_socket *s;

    for (size_t i = 0; i < count; i++) {
        const struct config_listen *listen = config_listen_at(config, given[i].index);
        s = given[i].listener != NULL ? listen_socket_add(l, &given[i])
                                      : listen_socket_find(l, given[i].id);
        if (s != NULL)
            s->next_listen = listen;
    }
    s = TAILQ_FIRST(&l->sockets);
    while (s != NULL) {
        struct listen_socket *next = TAILQ_NEXT(s, link);
        s->listen = s->next_listen;
        s->next_listen = NULL;
        if (s->listen == NULL)
            listen_socket_close(l, s);
        s = next;
    }
}

/* Which worker accepts. */

static bool has_session(const struct session_table *table, unsigned worker)
{
    int used = atomic_load(&table->used);

    for (int i = 0; i < used; i++)
        if (session_table_slot_state(table, i) == SLOT_UP &&
            atomic_load(&table->slots[i].worker) == (int)worker)
            return true;
    return false;
}

/* At how many other sockets a worker accepts. */
static unsigned other_duties(const struct listeners *l, const struct listen_socket *s,
                             unsigned worker)
{
    const struct listen_socket *other;
    unsigned count = 0;

    TAILQ_FOREACH (other, &l->sockets, link)
        count += other != s && other->duty != NULL && other->worker == worker;
    return count;
}

/* The worker that is to accept at a socket: one that has a session of the socket's upstream,
 * because most connections need not be handed to another worker there. Among several, the one that
 * accepts at the fewest other sockets; among equals, the one that has the duty. While no worker has
 * a session, the duty stays where it is, or goes to the worker with the fewest. */
static unsigned worker_for_socket(const struct listeners *l, const struct listen_socket *s,
                                  const struct session_table *table)
{
    unsigned workers = l->workers->count;
    unsigned best = s->worker;
    bool best_has = has_session(table, best);
    unsigned fewest = other_duties(l, s, best);

    for (unsigned k = 1; k < workers; k++) {
        unsigned worker = (s->worker + k) % workers;
        bool has = has_session(table, worker);
        unsigned duties = other_duties(l, s, worker);
        bool emptier = duties < fewest && (has || s->duty == NULL);
        if (has == best_has ? emptier : has) {
            best = worker;
            best_has = has;
            fewest = duties;
        }
    }
    return best;
}

/* (While a duty goes from one worker to another both may accept for a moment, or neither; a
 * connection that comes then waits in the kernel's queue.) */
void listeners_assign(struct listeners *l, struct generation *generation)
{
    bool changed = atomic_load(&l->workers->serial) != generation->serial;
    struct listen_socket *s;

    TAILQ_FOREACH (s, &l->sockets, link) {
        struct accept_duty *before = s->duty;
        struct session_table *table;
        unsigned worker;
        generation_upstream(generation, s->listen->via, &table);
        worker = worker_for_socket(l, s, table);
        if (before != NULL && changed)
            accept_duty_change(before, generation, s->listen);
        if (before == NULL || worker != s->worker) {
            s->duty = accept_duty_send(l->workers->all[worker], s->listener, generation, s->listen);
            accept_duty_recall(before);
            log_debug("%s: worker %u accepts", listener_name(s->listener), worker);
        }
        s->worker = worker;
    }
    atomic_store(&l->workers->serial, generation->serial);
    if (changed)
        workers_send_end_idle(l->workers);
}

void listeners_each(const struct listeners *l,
                    void (*each)(void *arg, const struct config_listen *listen,
                                 const char *address),
                    void *arg)
{
    const struct listen_socket *s;

    TAILQ_FOREACH (s, &l->sockets, link)
        each(arg, s->listen, listener_name(s->listener));
}

void listeners_leave(struct listeners *l)
{
    struct listen_socket *s;

    TAILQ_FOREACH (s, &l->sockets, link)
        listener_leave(s->listener);
}

void listeners_close(struct listeners *l)
{
    while (!TAILQ_EMPTY(&l->sockets))
        listen_socket_close(l, TAILQ_FIRST(&l->sockets));
}

void listeners_free(struct listeners *l)
{
    if (l == NULL)
        return;
    listeners_close(l);
    free(l);
}
