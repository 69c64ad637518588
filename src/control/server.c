/* The control socket, over libuv's pipes. */
#include "control/server.h"

#include "base/buffer.h"
#include "base/exit_status.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/first_byte.h"
#include "control/peer.h"
#include "control/protocol.h"
#include "io/socket_calls.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define READ_SIZE 4096

/* A client of the control socket: a line, then its answer, then the next line. */
struct control_connection {
    LIST_ENTRY(control_connection) link;
    struct control_server *server;
    uv_pipe_t pipe;
    int fd;                        /* the pipe's, once it is open */
    struct first_byte *first_byte; /* is waited for, before the pipe is open; NULL: it is not */
    char *via;                     /* the upstream that serves ssh(1) there; NULL: none */
    struct deadline patience;
    struct buffer received;
    struct later next;               /* takes the lines that came while one was being answered */
    struct control_request *request; /* that is being answered; NULL: none */
    uv_write_t write;
    char *answer; /* that is being written; NULL: none */
    bool reading;
    bool served;  /* a request was answered */
    bool waiting; /* for the end of this process: {"command": "wait"}; or for news: */
    bool watching;
    struct buffer news; /* lines that wait until what is being written is out */
    bool ended;         /* the client has sent all it will send */
    bool last;          /* the answer under way is the last */
};

struct control_request {
    struct control_connection *connection; /* NULL: the client has gone */
    control_gone_fn *gone;                 /* NULL: nobody asks */
    void *arg;
};

struct control_server {
    struct loop *loop;
    struct control_sockets *sockets;
    control_asked_fn *asked;
    control_mux_fn *mux;
    void *arg;
    LIST_HEAD(, control_connection) connections;
    unsigned count;
};

static void connection_next(struct control_connection *connection);
static void connection_read(struct control_connection *connection, bool read);

/* The end of a connection. */

static void on_connection_closed(uv_handle_t *pipe)
{
    struct control_connection *connection = container_of(pipe, struct control_connection, pipe);

    free(connection->answer);
    free(connection);
}

/* (A request's owner is told last: it answers, or ends what it does.) */
static void connection_close(struct control_connection *connection)
{
    struct control_request *request = connection->request;

    LIST_REMOVE(connection, link);
    connection->server->count--;
    if (request != NULL)
        request->connection = NULL;
    deadline_cancel(&connection->patience);
    later_cancel(connection->server->loop, &connection->next);
    buffer_clear(&connection->received);
    buffer_clear(&connection->news);
    first_byte_cancel(connection->first_byte);
    if (connection->first_byte != NULL)
        close(connection->fd);
    free(connection->via);
    connection->server = NULL;
    uv_close((uv_handle_t *)&connection->pipe, on_connection_closed);
    if (request != NULL && request->gone != NULL)
        request->gone(request->arg);
}

static void on_patience_over(struct deadline *patience)
{
    connection_close(container_of(patience, struct control_connection, patience));
}

static void arm_patience(struct control_connection *connection)
{
    deadline_arm(connection->server->loop, &connection->patience, CONTROL_PATIENCE_MS,
                 on_patience_over);
}

/* Reading. */

static void on_allocate(uv_handle_t *pipe, size_t suggested, uv_buf_t *into)
{
    struct control_connection *connection = container_of(pipe, struct control_connection, pipe);

    (void)suggested;
    *into = uv_buf_init((char *)buffer_reserve(&connection->received, READ_SIZE), READ_SIZE);
}

/* While a request is being answered, of a client that is watched: more lines may come, or its end.
 * False: it is gone. */
static bool is_still_there(struct control_connection *connection)
{
    if (connection->ended && socket_is_hung_up(connection->fd))
        return false;
    if (buffer_length(&connection->received) > CONTROL_REQUEST_MAX)
        connection_read(connection, false);
    return true;
}

static void on_received(uv_stream_t *pipe, ssize_t length, const uv_buf_t *bytes)
{
    struct control_connection *connection = container_of(pipe, struct control_connection, pipe);

    (void)bytes;
    if (connection->waiting || (length < 0 && length != UV_EOF)) {
        connection_close(connection);
        return;
    }
    if (length >= 0)
        buffer_commit(&connection->received, (size_t)length);
    else
        connection->ended = true;
    if (connection->request != NULL && !is_still_there(connection))
        connection_close(connection);
    else
        connection_next(connection);
}

/* While a request is being answered nothing is read, unless its client is watched. */
static void connection_read(struct control_connection *connection, bool read)
{
    if (read == connection->reading)
        return;
    connection->reading = read;
    if (read)
        uv_read_start((uv_stream_t *)&connection->pipe, on_allocate, on_received);
    else
        uv_read_stop((uv_stream_t *)&connection->pipe);
}

/* Answers. */

static void on_next(struct later *next)
{
    connection_next(container_of(next, struct control_connection, next));
}

static void send_news(struct control_connection *connection);

static void on_written(uv_write_t *write, int status)
{
    struct control_connection *connection = container_of(write, struct control_connection, write);

    free(connection->answer);
    connection->answer = NULL;
    if (connection->server == NULL) /* being closed */
        return;
    if (status != 0 || connection->last) {
        connection_close(connection);
        return;
    }
    if (connection->watching) {
        send_news(connection);
        return;
    }
    arm_patience(connection);
    later_post(connection->server->loop, &connection->next, on_next);
}

/* `text` is taken. False: the connection was closed. */
static bool connection_write(struct control_connection *connection, char *text)
{
    uv_buf_t bytes = uv_buf_init(text, (unsigned)strlen(text));

    connection->answer = text;
    if (uv_write(&connection->write, (uv_stream_t *)&connection->pipe, &bytes, 1, on_written) == 0)
        return true;
    connection_close(connection);
    return false;
}

static void connection_send(struct control_connection *connection, json_t *answer)
{
    char *line = control_print(answer);

    json_decref(answer);
    arm_patience(connection);
    connection_write(connection, line);
}

/* Watchers. */

static void send_news(struct control_connection *connection)
{
    if (connection->answer != NULL || buffer_length(&connection->news) == 0)
        return;
    connection_write(connection, mem_strndup((const char *)buffer_data(&connection->news),
                                             buffer_length(&connection->news)));
    if (connection->server != NULL)
        buffer_clear(&connection->news);
}

static void add_news(struct control_connection *connection, const json_t *line)
{
    char *text = control_print(line);

    buffer_append(&connection->news, text, strlen(text));
    free(text);
    if (buffer_length(&connection->news) > CONTROL_WATCH_HELD) {
        log_warning("control: a client of watch does not read: it is cut");
        connection_close(connection);
        return;
    }
    send_news(connection);
}

void control_tell_watchers(struct control_server *server, const json_t *line)
{
    struct control_connection *connection = LIST_FIRST(&server->connections);

    while (connection != NULL) {
        struct control_connection *next = LIST_NEXT(connection, link);
        if (connection->watching)
            add_news(connection, line);
        connection = next;
    }
}

void control_watch(struct control_request *request, json_t *first)
{
    struct control_connection *connection = request->connection;

    free(request);
    if (connection != NULL) {
        connection->request = NULL;
        connection->served = connection->waiting = connection->watching = true;
        connection_read(connection, true);
        add_news(connection, first);
    }
    json_decref(first);
}

void control_watch_client(struct control_request *request, control_gone_fn *gone, void *arg)
{
    request->gone = gone;
    request->arg = arg;
    connection_read(request->connection, true);
}

void control_answer(struct control_request *request, json_t *answer)
{
    struct control_connection *connection = request->connection;

    free(request);
    if (connection == NULL) {
        json_decref(answer);
        return;
    }
    connection->request = NULL;
    connection->served = true;
    connection_read(connection, false);
    connection_send(connection, answer);
}

static void connection_refuse(struct control_connection *connection, const char *why)
{
    connection_read(connection, false);
    connection->last = true;
    connection_send(connection, control_error(EXIT_SSH, "%s", why));
}

/* Requests. */

static void connection_ask(struct control_connection *connection, const json_t *object)
{
    const char *command = control_text(object, "command");
    struct control_server *server = connection->server;
    struct control_request *request;

    if (command == NULL) {
        connection_refuse(connection, "the object has no string \"command\"");
        return;
    }
    deadline_cancel(&connection->patience);
    connection->waiting = strcmp(command, "wait") == 0;
    connection_read(connection, connection->waiting);
    if (connection->waiting)
        return;
    request = mem_zalloc(sizeof *request);
    request->connection = connection;
    connection->request = request;
    server->asked(server->arg, request, command, object);
}

/* Takes the next line, if it is there. */
static void connection_next(struct control_connection *connection)
{
    struct control_line line;

    if (connection->answer != NULL || connection->request != NULL)
        return;
    switch (control_parse(buffer_data(&connection->received), buffer_length(&connection->received),
                          CONTROL_REQUEST_MAX, &line)) {
    case WIRE_OK:
        buffer_consume(&connection->received, line.used);
        connection_ask(connection, line.object);
        json_decref(line.object);
        break;
    case WIRE_BAD: connection_refuse(connection, line.wrong); break;
    case WIRE_MORE:
        if (connection->ended)
            connection_close(connection);
        else
            connection_read(connection, true);
        break;
    }
}

/* Connections. */

/* Whether the client's first request, or a part of it, has arrived, and this turn of the loop has
 * still to read it. */
static bool has_arrived(const struct control_connection *connection)
{
    int length = 0;

    return (connection->reading || connection->first_byte != NULL) && !connection->served &&
           ioctl(connection->fd, FIONREAD, &length) == 0 && length > 0;
}

static const char too_many[] = "the control socket has too many connections";

/* Tells the client of a connection that is going to be closed, if it can be told at once. */
static void tell_closed(struct control_connection *connection)
{
    json_t *answer = control_error(EXIT_SSH, "%s", too_many);
    char *line = control_print(answer);
    uv_buf_t bytes = uv_buf_init(line, (unsigned)strlen(line));

    if (connection->first_byte != NULL)
        socket_send_now(connection->fd, line, strlen(line));
    else if (connection->answer == NULL)
        uv_try_write((uv_stream_t *)&connection->pipe, &bytes, 1);
    json_decref(answer);
    free(line);
}

/* Closes, among the connections without a request that wait for nothing, the one that has been open
 * for the longest; one whose request has arrived only if there is no other. (The list has the
 * newest first.) */
static void make_room(struct control_server *server, const struct control_connection *newest)
{
    struct control_connection *connection, *longest = NULL, *arrived = NULL;

    LIST_FOREACH (connection, &server->connections, link) {
        if (connection == newest || connection->request != NULL || connection->waiting)
            continue;
        if (has_arrived(connection))
            arrived = connection;
        else
            longest = connection;
    }
    if (longest == NULL)
        longest = arrived;
    if (longest == NULL)
        return;
    tell_closed(longest);
    connection_close(longest);
}

/* The client speaks JSON, or is to be refused. False: the connection is closed. */
static bool open_pipe(struct control_connection *connection)
{
    if (uv_pipe_open(&connection->pipe, connection->fd) == 0)
        return true;
    close(connection->fd);
    connection_close(connection);
    return false;
}

/* Gives the connection of a mux client away. */
static void pass_on(struct control_connection *connection)
{
    struct control_server *server = connection->server;
    int fd = connection->fd;
    char *via = connection->via;

    connection->via = NULL;
    connection_close(connection);
    server->mux(server->arg, fd, via);
    free(via);
}

/* Frames of ssh's multiplexing protocol begin with the high byte of their length, which is 0; a
 * line of JSON cannot. */
static void on_first_byte_came(void *arg, int byte)
{
    struct control_connection *connection = arg;

    connection->first_byte = NULL;
    if (byte < 0) {
        close(connection->fd);
        connection_close(connection);
    } else if (byte == 0) {
        pass_on(connection);
    } else if (open_pipe(connection)) {
        connection_read(connection, true);
    }
}

static void on_control_accepted(void *arg, const struct accepted *from, const char *via)
{
    struct control_server *server = arg;
    struct control_connection *connection = mem_zalloc(sizeof *connection);
    const char *why;

    connection->server = server;
    connection->fd = from->fd;
    connection->via = mem_strdup(via);
    LIST_INSERT_HEAD(&server->connections, connection, link);
    server->count++;
    uv_pipe_init(loop_uv(server->loop), &connection->pipe, 0);
    /* (Another user's connection takes nobody's place.) */
    why = control_peer_refusal(from->fd);
    if (why == NULL && server->count > CONTROL_CONNECTIONS_MAX)
        make_room(server, connection);
    if (why == NULL && server->count > CONTROL_CONNECTIONS_MAX)
        why = too_many;
    if (why != NULL) {
        if (open_pipe(connection))
            connection_refuse(connection, why);
        return;
    }
    connection->first_byte =
        first_byte_wait(server->loop, connection->fd, on_first_byte_came, connection);
    if (connection->first_byte == NULL) {
        close(connection->fd);
        connection_close(connection);
        return;
    }
    arm_patience(connection);
}

struct control_server *control_server_new(struct loop *loop, control_asked_fn *asked,
                                          control_mux_fn *mux, void *arg)
{
    struct control_server *server = mem_zalloc(sizeof *server);

    server->loop = loop;
    server->asked = asked;
    server->mux = mux;
    server->arg = arg;
    server->sockets = control_sockets_new(loop, on_control_accepted, server);
    LIST_INIT(&server->connections);
    return server;
}

struct control_sockets *control_server_sockets(struct control_server *server)
{
    return server->sockets;
}

void control_server_free(struct control_server *server)
{
    if (server == NULL)
        return;
    while (!LIST_EMPTY(&server->connections))
        connection_close(LIST_FIRST(&server->connections));
    control_sockets_free(server->sockets);
    free(server);
}
