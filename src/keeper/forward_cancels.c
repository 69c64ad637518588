/* Cancelling remote forwards, by MUX_C_CLOSE_FWD (OpenSSH's PROTOCOL.mux). */
#include "keeper/forward_cancels.h"

#include "base/mem.h"
#include "io/mux_call.h"
#include "io/socket_calls.h"
#include "io/unix_connect.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

/* How long a connection stays open for the master to read the request. (A master does not read on
 * from a connection that it could not answer.) */
#define OPEN_MS 10000

struct forward_cancel {
    LIST_ENTRY(forward_cancel) link;
    int fd;
    struct deadline over;
};

struct forward_cancels {
    struct loop *loop;
    LIST_HEAD(, forward_cancel) all;
};

struct forward_cancels *forward_cancels_new(struct loop *loop)
{
    struct forward_cancels *cancels = mem_zalloc(sizeof(*cancels));

    cancels->loop = loop;
    LIST_INIT(&cancels->all);
    return cancels;
}

static void cancel_end(struct forward_cancel *cancel)
{
    LIST_REMOVE(cancel, link);
    deadline_cancel(&cancel->over);
    close(cancel->fd);
    free(cancel);
}

static void cancel_is_over(struct deadline *over)
{
    cancel_end(container_of(over, struct forward_cancel, over));
}

static struct span text_span(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

static bool send_cancel(int fd, const struct forward_record *record, const char *path)
{
    const struct mux_request hello = {.type = MUX_HELLO};
    const struct mux_request request = {
        .type = MUX_CLOSE_FWD,
        .forward = {.kind = MUX_FORWARD_REMOTE,
                    .listen = text_span(record->bind),
                    .port = record->port,
                    .connect = text_span(path),
                    .connect_port = MUX_PORT_UNIX},
    };
    struct buffer frames = {0};
    bool sent;

    mux_request_append(&frames, &hello);
    mux_request_append(&frames, &request);
    sent = socket_send_now(fd, buffer_data(&frames), buffer_length(&frames)) ==
           (ssize_t)buffer_length(&frames);
    buffer_clear(&frames);
    return sent;
}

/* Whether the listener at the path is this user's (or root's), as it is with the master. */
static bool is_our_users(int fd)
{
    uid_t user;

    return socket_peer_user(fd, &user) && (user == geteuid() || user == 0);
}

/* (Where nobody listens, or that is no path, the master has ended, and its forwards with it. A
 * forward that it does not have it refuses to cancel, which is as good.) */
void forward_cancels_ask(struct forward_cancels *cancels, const struct forward_record *record,
                         const char *path)
{
    int fd = unix_connect(record->master, DESCRIPTOR_GATEWAY);
    struct forward_cancel *cancel;

    if (fd < 0)
        return;
    if (!is_our_users(fd) || !send_cancel(fd, record, path)) {
        close(fd);
        return;
    }
    cancel = mem_zalloc(sizeof(*cancel));
    cancel->fd = fd;
    LIST_INSERT_HEAD(&cancels->all, cancel, link);
    deadline_arm(cancels->loop, &cancel->over, OPEN_MS, cancel_is_over);
}

/* Until the master has answered more than HELLO, or has ended the connection. */
static void await_cancelled(int fd, const struct wait_limit *limit)
{
    struct mux_call call = {.fd = fd};
    struct mux_answer answer = {.type = MUX_HELLO};

    while (answer.type == MUX_HELLO && mux_call_answer(&call, &answer, limit) == 0)
        continue;
    mux_call_clear(&call);
}

void forward_cancels_free(struct forward_cancels *cancels, int milliseconds)
{
    const struct wait_limit limit = wait_limit(-1, milliseconds);

    if (cancels == NULL)
        return;
    while (!LIST_EMPTY(&cancels->all)) {
        await_cancelled(LIST_FIRST(&cancels->all)->fd, &limit);
        cancel_end(LIST_FIRST(&cancels->all));
    }
    free(cancels);
}
