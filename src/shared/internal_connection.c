/* Internal connections of the main thread: there with a descriptor, back with the answer and with
 * the end. */
#include "shared/internal_connection.h"

#include "base/mem.h"

#include <stdlib.h>
#include <unistd.h>

/* Belongs to the messages: to the one under way, or to the client until it sends the last. */
struct internal_connection {
    struct message message; /* there, and back with the answer */
    struct message end;     /* back when a connection that came about has ended */
    struct workers *workers;
    struct generation *generation;   /* on the way there */
    int fd;                          /* likewise */
    struct internal_request request; /* the owner's, with strings of its own */
    bool forgotten;                  /* main thread only */
    /* The answer, and the words of the last message. */
    enum outcome outcome;
    char *detail;
    char *failed;
};

static void internal_connection_free(struct internal_connection *connection)
{
    generation_unref(connection->generation);
    free((char *)connection->request.via);
    free(connection->request.to.host);
    free(connection->request.to.path);
    free(connection->detail);
    free(connection->failed);
    free(connection);
}

/* On the main thread. */

static void drop_end(struct message *message)
{
    internal_connection_free(container_of(message, struct internal_connection, end));
}

static void take_end(struct message *message, void *owner)
{
    struct internal_connection *connection = container_of(message, struct internal_connection, end);
    const struct internal_request request = connection->request;
    char *failed = connection->failed;
    bool forgotten = connection->forgotten;

    (void)owner;
    connection->failed = NULL;
    internal_connection_free(connection);
    if (!forgotten && request.ended != NULL)
        request.ended(request.arg, failed);
    free(failed);
}

static void drop_answer(struct message *message)
{
    struct internal_connection *connection =
        container_of(message, struct internal_connection, message);

    /* (After OUTCOME_OK the end is still to come.) */
    if (connection->outcome != OUTCOME_OK)
        internal_connection_free(connection);
}

static void take_answer(struct message *message, void *owner)
{
    struct internal_connection *connection =
        container_of(message, struct internal_connection, message);
    const struct internal_request request = connection->request;
    enum outcome outcome = connection->outcome;
    char *detail = connection->detail;
    bool forgotten = connection->forgotten;

    (void)owner;
    connection->detail = NULL;
    drop_answer(message);
    if (!forgotten)
        request.answered(request.arg, outcome, detail);
    free(detail);
}

/* On the worker's thread. */

static void answered(void *arg, enum outcome outcome, const char *detail)
{
    struct internal_connection *connection = arg;

    connection->outcome = outcome;
    connection->detail = mem_strdup(detail);
    connection->message = (struct message){.run = take_answer, .drop = drop_answer};
    mailbox_post(connection->workers->main_mailbox, &connection->message);
}

static void ended(void *arg, const char *failed)
{
    struct internal_connection *connection = arg;

    connection->failed = mem_strdup(failed);
    mailbox_post(connection->workers->main_mailbox, &connection->end);
}

static void drop_connection(struct message *message)
{
    struct internal_connection *connection =
        container_of(message, struct internal_connection, message);

    close(connection->fd);
    internal_connection_free(connection);
}

static void take_connection(struct message *message, void *owner)
{
    struct internal_connection *connection =
        container_of(message, struct internal_connection, message);
    struct worker *worker = owner;
    struct generation *generation = connection->generation;
    struct internal_request request = connection->request;

    connection->generation = NULL;
    request.answered = answered;
    request.ended = ended;
    request.arg = connection;
    if (worker->stopping || !client_new_internal(worker, generation, &request, connection->fd)) {
        close(connection->fd);
        answered(connection, OUTCOME_SHORTAGE, worker->stopping ? "adit ends" : "no descriptors");
    }
    generation_unref(generation);
}

struct internal_connection *internal_connection_start(struct workers *workers,
                                                      struct generation *generation,
                                                      const struct internal_request *request,
                                                      int fd)
{
    static unsigned next;
    struct internal_connection *connection = mem_zalloc(sizeof(*connection));
    struct session_table *table;
    int worker;

    generation_upstream(generation, request->via, &table);
    worker = session_table_hint(session_table_current(table), -1);
    if (worker < 0)
        worker = (int)(next++ % workers->count);
    *connection = (struct internal_connection){
        .message = {.run = take_connection, .drop = drop_connection},
        .end = {.run = take_end, .drop = drop_end},
        .workers = workers,
        .generation = generation_ref(generation),
        .fd = fd,
        .request = *request,
        .outcome = OUTCOME_NO_SESSION,
    };
    connection->request.via = mem_strdup(request->via);
    connection->request.to.host = mem_strdup(request->to.host);
    connection->request.to.path = mem_strdup(request->to.path);
    mailbox_post(workers->all[worker]->mailbox, &connection->message);
    return connection;
}

void internal_connection_forget(struct internal_connection *connection)
{
    if (connection != NULL)
        connection->forgotten = true;
}
