/* The control socket, over libuv's pipes. */
#include "control/server.h"

#include "base/buffer.h"
#include "base/exit_status.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/protocol.h"
#include "io/acceptor.h"
#include "io/socket_calls.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE 4096

/* One who asks: a line, then its answer, then the next line. */
struct asker {
    LIST_ENTRY(asker) link;
    struct control_server *server;
    uv_pipe_t pipe;
    struct deadline patience;
    struct buffer received;
    struct later next;               /* the lines that have come while one was being answered */
    struct control_request *request; /* being answered; NULL: none */
    uv_write_t write;
    char *answer; /* being written; NULL: none */
    bool reading;
    bool waiting; /* for the end of the process */
    bool ended;   /* no more will come */
    bool last;    /* the answer under way is the last */
};

struct control_request {
    struct asker *asker; /* NULL: gone */
};

/* A path that is listened on, or with NULLs none. */
struct door {
    struct listener *listener;
    struct acceptor *acceptor;
    char *path;
};

struct control_server {
    struct loop *loop;
    struct door door;
    struct door next; /* while changing, if `changes` */
    bool changes;
    control_asked_fn *asked;
    void *arg;
    LIST_HEAD(, asker) askers;
    unsigned count;
};

static void asker_next(struct asker *asker);

/* The end of a connection. */

static void asker_closed(uv_handle_t *pipe)
{
    struct asker *asker = container_of(pipe, struct asker, pipe);

    free(asker->answer);
    free(asker);
}

static void asker_close(struct asker *asker)
{
    LIST_REMOVE(asker, link);
    asker->server->count--;
    if (asker->request != NULL)
        asker->request->asker = NULL;
    deadline_cancel(&asker->patience);
    later_cancel(asker->server->loop, &asker->next);
    buffer_clear(&asker->received);
    asker->server = NULL;
    uv_close((uv_handle_t *)&asker->pipe, asker_closed);
}

static void out_of_patience(struct deadline *patience)
{
    asker_close(container_of(patience, struct asker, patience));
}

static void have_patience(struct asker *asker)
{
    deadline_arm(asker->server->loop, &asker->patience, CONTROL_PATIENCE_MS, out_of_patience);
}

/* Reading. */

static void allocate(uv_handle_t *pipe, size_t suggested, uv_buf_t *into)
{
    struct asker *asker = container_of(pipe, struct asker, pipe);

    (void)suggested;
    *into = uv_buf_init((char *)buffer_reserve(&asker->received, READ_SIZE), READ_SIZE);
}

static void received(uv_stream_t *pipe, ssize_t length, const uv_buf_t *bytes)
{
    struct asker *asker = container_of(pipe, struct asker, pipe);

    (void)bytes;
    if (asker->waiting || (length < 0 && length != UV_EOF)) {
        asker_close(asker);
        return;
    }
    if (length >= 0)
        buffer_commit(&asker->received, (size_t)length);
    else
        asker->ended = true;
    asker_next(asker);
}

/* Whoever is being answered is not read from. */
static void asker_read(struct asker *asker, bool read)
{
    if (read == asker->reading)
        return;
    asker->reading = read;
    if (read)
        uv_read_start((uv_stream_t *)&asker->pipe, allocate, received);
    else
        uv_read_stop((uv_stream_t *)&asker->pipe);
}

/* Answers. */

static void run_next(struct later *next)
{
    asker_next(container_of(next, struct asker, next));
}

static void written(uv_write_t *write, int status)
{
    struct asker *asker = container_of(write, struct asker, write);

    free(asker->answer);
    asker->answer = NULL;
    if (asker->server == NULL) /* being closed */
        return;
    if (status != 0 || asker->last) {
        asker_close(asker);
        return;
    }
    have_patience(asker);
    later_post(asker->server->loop, &asker->next, run_next);
}

static void asker_say(struct asker *asker, json_t *answer)
{
    uv_buf_t bytes;

    asker->answer = control_print(answer);
    json_decref(answer);
    bytes = uv_buf_init(asker->answer, (unsigned)strlen(asker->answer));
    have_patience(asker);
    if (uv_write(&asker->write, (uv_stream_t *)&asker->pipe, &bytes, 1, written) != 0)
        asker_close(asker);
}

void control_answer(struct control_request *request, json_t *answer)
{
    struct asker *asker = request->asker;

    free(request);
    if (asker == NULL) {
        json_decref(answer);
        return;
    }
    asker->request = NULL;
    asker_say(asker, answer);
}

static void refuse(struct asker *asker, const char *why)
{
    asker_read(asker, false);
    asker->last = true;
    asker_say(asker, control_error(EXIT_SSH, "%s", why));
}

/* Requests. */

static void asker_ask(struct asker *asker, const json_t *object)
{
    const char *command = control_text(object, "command");
    struct control_server *server = asker->server;
    struct control_request *request;

    if (command == NULL) {
        refuse(asker, "the object has no string \"command\"");
        return;
    }
    deadline_cancel(&asker->patience);
    asker->waiting = strcmp(command, "wait") == 0;
    asker_read(asker, asker->waiting);
    if (asker->waiting)
        return;
    request = mem_zalloc(sizeof *request);
    request->asker = asker;
    asker->request = request;
    server->asked(server->arg, request, command, object);
}

/* Takes the next line, if it is there. */
static void asker_next(struct asker *asker)
{
    json_t *object;
    const char *wrong;
    size_t used;

    if (asker->answer != NULL || asker->request != NULL)
        return;
    switch (control_parse(buffer_data(&asker->received), buffer_length(&asker->received),
                          CONTROL_REQUEST_MAX, &used, &object, &wrong)) {
    case WIRE_OK:
        buffer_consume(&asker->received, used);
        asker_ask(asker, object);
        json_decref(object);
        break;
    case WIRE_BAD: refuse(asker, wrong); break;
    case WIRE_MORE:
        if (asker->ended)
            asker_close(asker);
        else
            asker_read(asker, true);
        break;
    }
}

/* Connections. */

/* NULL: they may ask; else why not. */
static const char *unwelcome(const struct control_server *server, int fd)
{
    uid_t user;

    if (!socket_peer_user(fd, &user))
        return "who asks cannot be told";
    if (user != 0 && user != geteuid()) {
        log_warning("control socket: user %u was refused", (unsigned)user);
        return "this adit is another user's";
    }
    if (server->count > CONTROL_CONNECTIONS_MAX)
        return "too many are asking already";
    return NULL;
}

static void accepted(void *arg, const struct accepted *connection)
{
    struct control_server *server = arg;
    struct asker *asker = mem_zalloc(sizeof *asker);
    const char *why;

    asker->server = server;
    LIST_INSERT_HEAD(&server->askers, asker, link);
    server->count++;
    uv_pipe_init(loop_uv(server->loop), &asker->pipe, 0);
    if (uv_pipe_open(&asker->pipe, connection->fd) != 0) {
        close(connection->fd);
        asker_close(asker);
        return;
    }
    why = unwelcome(server, connection->fd);
    if (why != NULL) {
        refuse(asker, why);
        return;
    }
    have_patience(asker);
    asker_read(asker, true);
}

struct control_server *control_server_new(struct loop *loop, control_asked_fn *asked, void *arg)
{
    struct control_server *server = mem_zalloc(sizeof *server);

    server->loop = loop;
    server->asked = asked;
    server->arg = arg;
    LIST_INIT(&server->askers);
    return server;
}

static void door_close(struct door *door)
{
    acceptor_free(door->acceptor);
    listener_close(door->listener);
    free(door->path);
    *door = (struct door){0};
}

static bool same_path(const char *a, const char *b)
{
    return a != NULL && b != NULL ? strcmp(a, b) == 0 : a == b;
}

bool control_server_prepare(struct control_server *server, const char *path, char *error,
                            size_t error_size)
{
    struct listener_address at = {.is_unix = true, .path = path, .mode = 0600};

    assert(!server->changes);
    if (same_path(path, server->door.path))
        return true;
    if (path != NULL) {
        server->next.listener = listener_new(&at, error, error_size);
        if (server->next.listener == NULL)
            return false;
        server->next.acceptor =
            acceptor_new(server->loop, server->next.listener, true, accepted, server);
        server->next.path = mem_strdup(path);
    }
    server->changes = true;
    return true;
}

void control_server_commit(struct control_server *server, bool keep_new)
{
    struct door old = server->door;

    if (!server->changes)
        return;
    server->changes = false;
    if (keep_new) {
        server->door = server->next;
        server->next = old;
    }
    door_close(&server->next);
}

void control_server_free(struct control_server *server)
{
    if (server == NULL)
        return;
    while (!LIST_EMPTY(&server->askers))
        asker_close(LIST_FIRST(&server->askers));
    door_close(&server->next);
    door_close(&server->door);
    free(server);
}
