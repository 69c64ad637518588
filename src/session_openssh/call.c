/* A connection to a master, as its client. */
#include "session_openssh/parts.h"

#include "base/mem.h"
#include "io/socket_calls.h"
#include "io/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

struct master_call {
    LIST_ENTRY(master_call) link; /* of those that linger */
    bool lingers;
    struct loop *loop;
    int fd;
    struct watch watch;
    struct buffer received;
    call_answered_fn *answered;
    void *arg;
    bool ended;  /* told, or to be told by `failing` */
    bool closed; /* only the watch's end is waited for */
    struct later failing;
    struct deadline patience;
};

static void call_freed(struct watch *watch)
{
    struct master_call *call = container_of(watch, struct master_call, watch);

    buffer_clear(&call->received);
    free(call);
}

static void call_close(struct master_call *call)
{
    call->closed = true;
    later_cancel(call->loop, &call->failing);
    deadline_cancel(&call->patience);
    if (call->lingers)
        LIST_REMOVE(call, link);
    watch_end(call->loop, &call->watch, call_freed);
    close(call->fd);
}

/* (The callee may end the call.) */
static void call_tell_end(struct master_call *call)
{
    call->ended = true;
    if (call->lingers)
        call_close(call);
    else
        call->answered(call->arg, NULL);
}

static void call_on_failing(struct later *failing)
{
    call_tell_end(container_of(failing, struct master_call, failing));
}

static void call_fail_later(struct master_call *call)
{
    call->ended = true;
    later_post(call->loop, &call->failing, call_on_failing);
}

/* False: the connection cannot go on, or has been closed. */
static bool call_take_answer(struct master_call *call)
{
    struct mux_answer answer;
    size_t used;

    switch (mux_answer_parse(buffer_data(&call->received), buffer_length(&call->received), &used,
                             &answer)) {
    case WIRE_MORE: return false;
    case WIRE_BAD: call_tell_end(call); return false;
    case WIRE_OK: break;
    }
    if (answer.type != MUX_HELLO && !call->lingers)
        call->answered(call->arg, &answer); /* (what it points to lies in the buffer) */
    if (call->closed)
        return false;
    buffer_consume(&call->received, used);
    return true;
}

/* Answers are short: what has come is read until nothing is left. */
static void call_ready(struct watch *watch, uint32_t events)
{
    struct master_call *call = container_of(watch, struct master_call, watch);
    ssize_t n;

    (void)events;
    while (!call->ended && !call->closed) {
        n = socket_receive_now(call->fd, buffer_reserve(&call->received, 4096), 4096);
        if (n == -EAGAIN)
            return;
        if (n <= 0) {
            call_tell_end(call);
            return;
        }
        buffer_commit(&call->received, (size_t)n);
        while (call_take_answer(call))
            continue;
    }
}

struct master_call *call_new(struct loop *loop, int fd, call_answered_fn *answered, void *arg)
{
    struct master_call *call = mem_zalloc(sizeof(*call));

    *call = (struct master_call){.loop = loop, .fd = fd, .answered = answered, .arg = arg};
    if (watch_start(loop, &call->watch, fd, call_ready) == 0)
        return call;
    free(call);
    return NULL;
}

void call_send(struct master_call *call, const struct mux_request *request, const int *fds,
               unsigned count)
{
    struct buffer frame = {0};
    bool sent;

    mux_request_append(&frame, request);
    sent = socket_send_now(call->fd, buffer_data(&frame), buffer_length(&frame)) ==
           (ssize_t)buffer_length(&frame);
    for (unsigned i = 0; i < count && sent; i++)
        sent = socket_send_passed(call->fd, fds[i]) == 0;
    buffer_clear(&frame);
    if (!sent && !call->ended)
        call_fail_later(call);
}

void call_own(struct master_call *call, call_answered_fn *answered, void *arg)
{
    call->answered = answered;
    call->arg = arg;
}

void call_end(struct master_call *call)
{
    if (call != NULL)
        call_close(call);
}

static void call_overdue(struct deadline *patience)
{
    call_close(container_of(patience, struct master_call, patience));
}

void call_linger(struct master_call *call, struct call_list *list)
{
    if (call->ended) {
        call_close(call);
        return;
    }
    call->lingers = true;
    LIST_INSERT_HEAD(list, call, link);
    deadline_arm(call->loop, &call->patience, CALL_LINGER_MS, call_overdue);
}

void calls_end(struct call_list *list)
{
    while (!LIST_EMPTY(list))
        call_close(LIST_FIRST(list));
}
