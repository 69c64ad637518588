/* The master's side of a mux connection, over a poll of its socket.
 *
 * A client passes each descriptor by a sendmsg(2) with one byte, behind its request. So the bytes
 * of the stream are frames with, behind some of them, as many bytes as descriptors; the descriptors
 * themselves are kept in the order in which they came. */
#include "control/mux_connection.h"

#include "base/log.h"
#include "base/mem.h"
#include "io/socket_calls.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define READ_SIZE 16384

/* A request has three descriptors at most, and the next one is not read before its answer. */
#define DESCRIPTORS_MAX 8

/* What may wait to be parsed: the longest frame and the bytes of its descriptors. */
#define RECEIVED_MAX (4 + MUX_FRAME_MAX + DESCRIPTORS_MAX)

/* While the client has so much of its answers still to read, no further request is looked at. */
#define ANSWERS_MAX ((size_t)16 * 1024)

struct mux_connection {
    LIST_ENTRY(mux_connection) link;
    struct loop *loop;
    int fd;
    uv_poll_t poll;
    int polled; /* UV_READABLE, UV_WRITABLE: what the poll waits for */
    struct mux_connection_events events;
    void *arg;
    struct deadline patience;
    struct later parsing;
    struct buffer received;
    struct buffer answers;
    int fds[DESCRIPTORS_MAX]; /* that came and belong to no request yet */
    unsigned fd_count;
    bool greeted; /* its HELLO has come */
    bool asking;  /* a request waits for its answer */
    bool ending;  /* the owner has ended it */
    bool freed;   /* at the end of this turn */
};

static void on_mux_closed(uv_handle_t *poll)
{
    free(container_of((uv_poll_t *)poll, struct mux_connection, poll));
}

static void connection_free(struct mux_connection *c)
{
    c->freed = c->ending = true;
    LIST_REMOVE(c, link);
    deadline_cancel(&c->patience);
    later_cancel(c->loop, &c->parsing);
    for (unsigned i = 0; i < c->fd_count; i++)
        close(c->fds[i]);
    buffer_clear(&c->received);
    buffer_clear(&c->answers);
    uv_poll_stop(&c->poll);
    uv_close((uv_handle_t *)&c->poll, on_mux_closed);
    close(c->fd);
}

/* The client has gone, or has to go. */
static void connection_lost(struct mux_connection *c, const char *why)
{
    void (*gone)(void *arg) = c->ending ? NULL : c->events.gone;
    void *arg = c->arg;

    if (why != NULL)
        log_debug("control socket: a mux client is closed: %s", why);
    c->ending = true;
    if (gone != NULL)
        gone(arg);
    connection_free(c);
}

/* Sending. */

static void on_mux_ready(uv_poll_t *poll, int status, int events);

static void rearm_poll(struct mux_connection *c)
{
    bool reads = !c->ending && buffer_length(&c->received) < RECEIVED_MAX;
    int wanted = (reads ? UV_READABLE : 0) | (buffer_length(&c->answers) > 0 ? UV_WRITABLE : 0);

    /* (With nothing to wait for, a hang-up is still told.) */
    if (wanted == 0)
        wanted = UV_DISCONNECT;
    if (wanted == c->polled)
        return;
    c->polled = wanted;
    uv_poll_start(&c->poll, wanted, on_mux_ready);
}

/* False: the client does not take it any more. */
static bool send_answers(struct mux_connection *c)
{
    while (buffer_length(&c->answers) > 0) {
        ssize_t n = socket_send_now(c->fd, buffer_data(&c->answers), buffer_length(&c->answers));
        if (n == -EAGAIN || n == -EWOULDBLOCK)
            return true;
        if (n < 0)
            return false;
        buffer_consume(&c->answers, (size_t)n);
    }
    return true;
}

/* (What cannot be sent now is sent, or found lost, when the poll tells.) */
static void add_answer(struct mux_connection *c, const struct mux_answer *answer)
{
    mux_answer_append(&c->answers, answer);
    if (!send_answers(c))
        buffer_clear(&c->answers);
    rearm_poll(c);
}

/* Requests. */

static void greet(struct mux_connection *c)
{
    c->greeted = true;
    add_answer(c, &(struct mux_answer){.type = MUX_HELLO, .info = true});
}

/* Takes the descriptors of a request off the front. */
static void take_descriptors(struct mux_connection *c, unsigned count, int *fds)
{
    for (unsigned i = 0; i < c->fd_count; i++) {
        if (i < count)
            fds[i] = c->fds[i];
        else
            c->fds[i - count] = c->fds[i];
    }
    c->fd_count -= count;
}

/* Whether another request, or a part of one, was handled; false also if the connection has gone. */
static bool take_mux_request(struct mux_connection *c)
{
    struct mux_request request;
    int fds[DESCRIPTORS_MAX];
    unsigned count;
    size_t used;

    switch (mux_request_parse(buffer_data(&c->received), buffer_length(&c->received), &used,
                              &request)) {
    case WIRE_MORE: return false;
    case WIRE_BAD: connection_lost(c, "its message is malformed"); return false;
    case WIRE_OK: break;
    }
    count = mux_descriptors(&request);
    if (c->greeted == (request.type == MUX_HELLO)) {
        connection_lost(c, c->greeted ? "it has sent HELLO twice" : "it has not sent HELLO first");
        return false;
    }
    if (buffer_length(&c->received) < used + count)
        return false;
    if (c->fd_count < count) {
        connection_lost(c, "a request came without its descriptors");
        return false;
    }
    if (request.type == MUX_HELLO) {
        greet(c);
        buffer_consume(&c->received, used);
        return true;
    }
    take_descriptors(c, count, fds);
    deadline_cancel(&c->patience);
    c->asking = true;
    /* (The owner may end the connection, or the whole server: what was received is gone then, and
     * the rest is freed at the end of this turn.) */
    c->events.asked(c->arg, &request, fds);
    if (c->freed)
        return false;
    buffer_consume(&c->received, used + count);
    return true;
}

static void parse_received(struct mux_connection *c)
{
    while (!c->ending && !c->asking && buffer_length(&c->answers) < ANSWERS_MAX &&
           take_mux_request(c))
        continue;
}

static void on_mux_parse(struct later *parsing)
{
    struct mux_connection *c = container_of(parsing, struct mux_connection, parsing);

    if (!c->ending)
        parse_received(c);
    else if (buffer_length(&c->answers) == 0)
        connection_lost(c, NULL);
}

/* Reading. False: the connection has gone. */
static bool receive(struct mux_connection *c)
{
    ssize_t n = socket_receive_passed(c->fd, buffer_reserve(&c->received, READ_SIZE), READ_SIZE,
                                      c->fds, &c->fd_count, DESCRIPTORS_MAX);

    if (n > 0) {
        buffer_commit(&c->received, (size_t)n);
        return true;
    }
    if (n == -EAGAIN || n == -EWOULDBLOCK)
        return true;
    connection_lost(c, n == -EPROTO ? "it has passed more descriptors than its request has" : NULL);
    return false;
}

static void on_mux_ready(uv_poll_t *poll, int status, int events)
{
    struct mux_connection *c = container_of(poll, struct mux_connection, poll);

    if (status < 0 || (events & UV_DISCONNECT) || !send_answers(c) ||
        (c->ending && buffer_length(&c->answers) == 0)) {
        connection_lost(c, NULL);
        return;
    }
    if ((events & UV_READABLE) && !receive(c))
        return;
    rearm_poll(c);
    later_post(c->loop, &c->parsing, on_mux_parse);
}

static void on_mux_patience_over(struct deadline *patience)
{
    connection_lost(container_of(patience, struct mux_connection, patience),
                    "it has not asked, or not taken its answers, in time");
}

/* The owner's. */

void mux_connection_answer(struct mux_connection *c, const struct mux_answer *answer)
{
    add_answer(c, answer);
    c->asking = false;
    later_post(c->loop, &c->parsing, on_mux_parse);
}

void mux_connection_end(struct mux_connection *c)
{
    if (c == NULL)
        return;
    c->ending = true;
    deadline_arm(c->loop, &c->patience, MUX_PATIENCE_MS, on_mux_patience_over);
    rearm_poll(c);
    if (buffer_length(&c->answers) == 0)
        later_post(c->loop, &c->parsing, on_mux_parse);
}

void mux_connections_close(struct mux_connection_list *list)
{
    while (!LIST_EMPTY(list))
        connection_free(LIST_FIRST(list));
}

struct mux_connection *mux_connection_new(struct loop *loop, struct mux_connection_list *list,
                                          int fd, const struct mux_connection_events *events,
                                          void *arg)
{
    struct mux_connection *c = mem_zalloc(sizeof(*c));

    *c = (struct mux_connection){.loop = loop, .fd = fd, .events = *events, .arg = arg};
    if (uv_poll_init(loop_uv(loop), &c->poll, fd) != 0) {
        close(fd);
        free(c);
        return NULL;
    }
    LIST_INSERT_HEAD(list, c, link);
    deadline_arm(loop, &c->patience, MUX_PATIENCE_MS, on_mux_patience_over);
    rearm_poll(c);
    return c;
}
