/* The main thread's internal connections: to a worker with a descriptor, back with the answer and
 * with the end. */
#include "shared/internal_connection.h"

#include "base/mem.h"
#include "shared/internal_stream.h"

#include <stdlib.h>
#include <unistd.h>

static void internal_connection_free(struct internal_connection *connection)
{
    generation_unref(connection->generation);
    free((char *)connection->request.via);
    free(connection->request.to.host);
    free(connection->request.to.path);
    free(connection->detail);
    free(connection->failed);
    internal_stream_free(connection->request.stream);
    free(connection);
}

/* On the main thread. */

static void drop_end(struct message *message)
{
    internal_connection_free(container_of(message, struct internal_connection, end));
}

static void run_end(struct message *message, void *owner)
{
    struct internal_connection *connection = container_of(message, struct internal_connection, end);
    const struct internal_request request = connection->request;
    char *failed = connection->failed;
    bool forgotten = connection->forgotten;

    (void)owner;
    connection->failed = NULL;
    connection->request.stream = NULL;
    internal_connection_free(connection);
    if (!forgotten && request.ended != NULL)
        request.ended(request.arg, failed);
    internal_stream_free(request.stream); /* (which tells `ended` how a command has ended) */
    free(failed);
}

static void drop_answer(struct message *message)
{
    struct internal_connection *connection =
        container_of(message, struct internal_connection, message);

    /* (After OUTCOME_OK the message about the end is still to come.) */
    if (connection->outcome != OUTCOME_OK)
        internal_connection_free(connection);
}

static void run_answer(struct message *message, void *owner)
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
    if (!forgotten && request.answered != NULL)
        request.answered(request.arg, outcome, detail);
    free(detail);
}

struct internal_connection *internal_connection_new(struct workers *workers,
                                                    struct generation *generation,
                                                    const struct internal_request *request, int fd)
{
    struct internal_connection *connection = mem_zalloc(sizeof(*connection));

    *connection = (struct internal_connection){
        .end = {.run = run_end, .drop = drop_end},
        .workers = workers,
        .generation = generation_ref(generation),
        .fd = fd,
        .request = *request,
        .outcome = OUTCOME_NO_SESSION,
    };
    connection->request.via = mem_strdup(request->via);
    connection->request.to.host = mem_strdup(request->to.host);
    connection->request.to.path = mem_strdup(request->to.path);
    return connection;
}

void internal_connection_forget(struct internal_connection *connection)
{
    if (connection != NULL)
        connection->forgotten = true;
}

/* On a worker's thread. */

void internal_connection_answered(struct internal_connection *connection, enum outcome outcome,
                                  const char *detail)
{
    connection->outcome = outcome;
    connection->detail = mem_strdup(detail);
    connection->message = (struct message){.run = run_answer, .drop = drop_answer};
    mailbox_post(connection->workers->main_mailbox, &connection->message);
}

void internal_connection_ended(struct internal_connection *connection, const char *failed)
{
    connection->failed = mem_strdup(failed);
    mailbox_post(connection->workers->main_mailbox, &connection->end);
}

void internal_connection_drop(struct internal_connection *connection)
{
    close(connection->fd);
    internal_connection_free(connection);
}
