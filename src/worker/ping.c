/* A measurement of the way to a session's server and back: a message to the session's worker, which
 * comes back with what was measured. */
#include "shared/session_pings.h"

#include "base/mem.h"
#include "worker/worker_parts.h"

#include <stdlib.h>

struct ping_message {
    struct message message;
    struct workers *workers;
    struct session_table *table;
    int slot;
    struct session_ping ping;
    char *failure;
    uint64_t microseconds;
    session_pinged_fn *done;
    void *arg;
};

static void ping_done(struct ping_message *m)
{
    m->done(m->arg, m->failure, m->microseconds);
    session_table_unref(m->table);
    free(m->failure);
    free(m);
}

static void run_ping_answer(struct message *message, void *owner)
{
    (void)owner;
    ping_done(container_of(message, struct ping_message, message));
}

/* (The gateway ends: its main thread does this.) */
static void drop_ping_answer(struct message *message)
{
    ping_done(container_of(message, struct ping_message, message));
}

static void ping_return(struct ping_message *m, const char *failure, uint64_t microseconds)
{
    m->failure = mem_strdup(failure);
    m->microseconds = microseconds;
    m->message = (struct message){.run = run_ping_answer, .drop = drop_ping_answer};
    mailbox_post(m->workers->main_mailbox, &m->message);
}

static void on_ping_answered(struct session_ping *ping, const char *failure, uint64_t microseconds)
{
    ping_return(container_of(ping, struct ping_message, ping), failure, microseconds);
}

static void run_ping(struct message *message, void *owner)
{
    struct ping_message *m = container_of(message, struct ping_message, message);
    struct session *session = worker_session_at(owner, m->table, m->slot);

    if (session == NULL)
        ping_return(m, "the session was lost", 0);
    else if (!session_ping(session, &m->ping))
        ping_return(m, "an ssh(1) has the session, which does not measure that", 0);
}

static void drop_ping(struct message *message)
{
    ping_return(container_of(message, struct ping_message, message), "adit is ending", 0);
}

void workers_send_ping(struct workers *workers, struct session_table *table, int slot,
                       session_pinged_fn *done, void *arg)
{
    struct ping_message *m = mem_zalloc(sizeof(*m));
    unsigned worker = (unsigned)atomic_load(&table->slots[slot].worker);

    *m = (struct ping_message){
        .message = {.run = run_ping, .drop = drop_ping},
        .workers = workers,
        .table = session_table_ref(table),
        .slot = slot,
        .ping.answered = on_ping_answered,
        .done = done,
        .arg = arg,
    };
    mailbox_post(workers->all[worker]->mailbox, &m->message);
}
