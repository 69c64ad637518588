/* A worker's thread, and the messages that it gets about clients and about itself. */
#include "worker/worker_parts.h"

#include "base/mem.h"
#include "io/socket.h"
#include "worker/client.h"
#include "worker/resolvers.h"

#include <stdlib.h>
#include <unistd.h>

/* A password that was right is not hashed again for this long, for this many users. */
#define CREDENTIALS_MAX 1024
#define CREDENTIALS_MS (5 * 60 * 1000)

/* Clients. */

struct client_message {
    struct message message;
    struct workers *workers;
    struct generation *generation;
    const struct config_listen *listen;
    struct accepted connection;
};

static void drop_client(struct message *message)
{
    struct client_message *m = container_of(message, struct client_message, message);

    close(m->connection.fd);
    workers_client_gone(m->workers);
    generation_unref(m->generation);
    free(m);
}

static void run_client(struct message *message, void *owner)
{
    struct client_message *m = container_of(message, struct client_message, message);
    struct worker *worker = owner;

    if (worker->stopping) {
        drop_client(message);
        return;
    }
    client_new(worker, m->generation, m->listen, &m->connection);
    generation_unref(m->generation);
    free(m);
}

void worker_send_client(struct worker *worker, struct generation *generation,
                        const struct config_listen *listen, const struct accepted *connection)
{
    struct client_message *m = mem_zalloc(sizeof(*m));

    *m = (struct client_message){
        .message = {.run = run_client, .drop = drop_client},
        .workers = worker->workers,
        .generation = generation_ref(generation),
        .listen = listen,
        .connection = *connection,
    };
    atomic_fetch_add(&worker->workers->clients, 1);
    mailbox_post(worker->mailbox, &m->message);
}

void worker_accept(struct worker *worker, struct generation *generation,
                   const struct config_listen *listen, const struct accepted *connection)
{
    atomic_fetch_add(&worker->workers->clients, 1);
    client_new(worker, generation, listen, connection);
}

/* Messages that carry at most a session table. */

struct worker_note {
    struct message message;
    struct session_table *table; /* NULL for most */
    void (*act)(struct worker *worker, struct session_table *table);
};

static void drop_worker_note(struct message *message)
{
    struct worker_note *note = container_of(message, struct worker_note, message);

    session_table_unref(note->table);
    free(note);
}

static void run_worker_note(struct message *message, void *owner)
{
    struct worker_note *note = container_of(message, struct worker_note, message);

    note->act(owner, note->table);
    drop_worker_note(message);
}

static void send_note(struct worker *worker, struct session_table *table,
                      void (*act)(struct worker *worker, struct session_table *table))
{
    struct worker_note *note = mem_zalloc(sizeof(*note));

    note->message = (struct message){.run = run_worker_note, .drop = drop_worker_note};
    note->table = table != NULL ? session_table_ref(table) : NULL;
    note->act = act;
    mailbox_post(worker->mailbox, &note->message);
}

static void send_note_to_all(struct workers *workers, struct session_table *table,
                             void (*act)(struct worker *worker, struct session_table *table))
{
    for (unsigned i = 0; i < workers->count; i++)
        send_note(workers->all[i], table, act);
}

/* Clients that wait for a session of that table try again, in the order they came, and those that
 * wait for an overdue server ask the new session. A client that
 * has to wait on goes to the end of the list, behind all that were there when this began. */
static void act_session_up(struct worker *worker, struct session_table *table)
{
    struct client *last = TAILQ_LAST(&worker->waiting, client_list);
    struct client *client = TAILQ_FIRST(&worker->waiting);
    bool more = client != NULL;

    while (more) {
        struct client *next = client_next_waiting(client);
        more = client != last;
        if (client_table(client) == table)
            client_retry(client);
        client = next;
    }
    clients_look_elsewhere(worker);
}

void workers_send_session_up(struct workers *workers, struct session_table *table)
{
    send_note_to_all(workers, table, act_session_up);
}

static void act_probe(struct worker *worker, struct session_table *table)
{
    (void)table;
    worker_probe_sessions(worker);
}

void workers_send_probe(struct workers *workers)
{
    send_note_to_all(workers, NULL, act_probe);
}

static void act_check(struct worker *worker, struct session_table *table)
{
    worker_check_sessions(worker, table);
}

void workers_send_check(struct workers *workers, struct session_table *table)
{
    send_note_to_all(workers, table, act_check);
}

static void act_flush(struct worker *worker, struct session_table *table)
{
    (void)table;
    resolvers_flush(worker->resolvers);
}

void workers_send_flush(struct workers *workers)
{
    send_note_to_all(workers, NULL, act_flush);
}

static void act_end_idle(struct worker *worker, struct session_table *table)
{
    (void)table;
    clients_end_idle(worker);
}

void workers_send_end_idle(struct workers *workers)
{
    send_note_to_all(workers, NULL, act_end_idle);
}

static void act_stream_news(struct worker *worker, struct session_table *table)
{
    (void)table;
    clients_stream_news(worker);
}

void workers_send_stream_news(struct workers *workers)
{
    send_note_to_all(workers, NULL, act_stream_news);
}

static void act_beat(struct worker *worker, struct session_table *table)
{
    (void)table;
    heartbeat_answer(&worker->heartbeat);
}

void worker_send_beat(struct worker *worker)
{
    send_note(worker, NULL, act_beat);
}

static void act_stop(struct worker *worker, struct session_table *table)
{
    struct client *client;

    (void)table;
    worker->stopping = true; /* messages that come from now on are dropped */
    while ((client = TAILQ_FIRST(&worker->clients)) != NULL)
        client_abort(client, "adit ends");
    /* (The resolvers' own connections through the tunnel are clients of this worker.) */
    resolvers_free(worker->resolvers);
    worker->resolvers = NULL;
    while ((client = TAILQ_FIRST(&worker->clients)) != NULL)
        client_abort(client, "adit ends");
    agent_relays_end(worker);
    clients_forget_abandoned(worker);
    worker_end_sessions(worker);
    socket_linger_abort(worker->loop);
    loop_stop(worker->loop);
}

void worker_send_stop(struct worker *worker)
{
    send_note(worker, NULL, act_stop);
}

/* Internal connections. */

static void drop_internal(struct message *message)
{
    internal_connection_drop(container_of(message, struct internal_connection, message));
}

static void internal_answered(void *arg, enum outcome outcome, const char *detail)
{
    internal_connection_answered(arg, outcome, detail);
}

static void internal_ended(void *arg, const char *failed)
{
    internal_connection_ended(arg, failed);
}

static void run_internal(struct message *message, void *owner)
{
    struct internal_connection *connection =
        container_of(message, struct internal_connection, message);
    struct worker *worker = owner;
    struct generation *generation = connection->generation;
    struct internal_request request = connection->request;

    connection->generation = NULL;
    request.answered = internal_answered;
    request.ended = internal_ended;
    request.arg = connection;
    if (worker->stopping || !client_new_internal(worker, generation, &request, connection->fd)) {
        close(connection->fd);
        internal_connection_answered(connection, OUTCOME_SHORTAGE,
                                     worker->stopping ? "adit ends" : "no descriptors");
    }
    generation_unref(generation);
}

struct internal_connection *workers_send_internal(struct workers *workers,
                                                  struct generation *generation,
                                                  const struct internal_request *request, int fd)
{
    struct internal_connection *connection =
        internal_connection_new(workers, generation, request, fd);
    struct session_table *table;
    int worker;

    generation_upstream(generation, request->via, &table);
    worker = session_table_hint(session_table_current(table), -1);
    if (worker < 0)
        worker = (int)(atomic_fetch_add(&workers->next_worker, 1) % workers->count);
    connection->message = (struct message){.run = run_internal, .drop = drop_internal};
    mailbox_post(workers->all[worker]->mailbox, &connection->message);
    return connection;
}

/* The thread. */

struct worker *worker_new(struct workers *workers, unsigned index)
{
    struct loop *loop = loop_new();
    struct worker *worker;

    if (loop == NULL)
        return NULL;
    worker = mem_zalloc(sizeof(*worker));
    worker->index = index;
    worker->workers = workers;
    worker->loop = loop;
    worker->mailbox = mailbox_new(loop, worker);
    TAILQ_INIT(&worker->clients);
    TAILQ_INIT(&worker->waiting);
    LIST_INIT(&worker->sessions);
    LIST_INIT(&worker->agent_relays);
    LIST_INIT(&worker->abandoned);
    worker->resolvers = resolvers_new(worker);
    worker->silent_addresses = fast_names_new();
    worker->label_counts = label_counts_new();
    worker->credentials = credential_cache_new(CREDENTIALS_MAX, CREDENTIALS_MS);
    worker->service =
        service_new(loop, workers->open_service != NULL ? workers->open_service(workers) : -1);
    if (worker->service != NULL)
        return worker;
    worker_free(worker);
    return NULL;
}

static void worker_main(void *arg)
{
    struct worker *worker = arg;

    loop_run(worker->loop);
}

void worker_start(struct worker *worker)
{
    if (uv_thread_create(&worker->thread, worker_main, worker) != 0) {
        log_error("cannot create a thread");
        abort();
    }
}

bool worker_join(struct worker *worker, const struct timespec *until)
{
    return pthread_timedjoin_np(worker->thread, NULL, until) == 0;
}

void worker_free(struct worker *worker)
{
    mailbox_free(worker->mailbox);
    label_counts_free(worker->label_counts);
    credential_cache_free(worker->credentials);
    service_free(worker->service);
    fast_names_free(worker->silent_addresses);
    resolvers_free(worker->resolvers);
    loop_free(worker->loop);
    free(worker);
}

struct heartbeat *worker_heartbeat(struct worker *worker)
{
    return &worker->heartbeat;
}

const struct metrics *worker_metrics(const struct worker *worker)
{
    return &worker->metrics;
}

struct label_counts *worker_label_counts(const struct worker *worker)
{
    return worker->label_counts;
}

uint64_t worker_held(const struct worker *worker)
{
    return atomic_load_explicit(&worker->held, memory_order_relaxed);
}
