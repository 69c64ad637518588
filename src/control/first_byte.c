/* A poll of a socket, until something can be read there. */
#include "control/first_byte.h"

#include "base/mem.h"
#include "io/socket_calls.h"

#include <stdlib.h>

struct first_byte {
    uv_poll_t poll;
    int fd;
    first_byte_fn *came;
    void *arg;
};

static void on_first_byte_closed(uv_handle_t *poll)
{
    free(container_of((uv_poll_t *)poll, struct first_byte, poll));
}

void first_byte_cancel(struct first_byte *f)
{
    if (f != NULL)
        uv_close((uv_handle_t *)&f->poll, on_first_byte_closed);
}

static void on_first_byte(uv_poll_t *poll, int status, int events)
{
    struct first_byte *f = container_of(poll, struct first_byte, poll);
    int byte = status < 0 ? -2 : socket_first_byte(f->fd);
    first_byte_fn *came = f->came;
    void *arg = f->arg;

    (void)events;
    if (byte == -1)
        return;
    first_byte_cancel(f);
    came(arg, byte < 0 ? -1 : byte);
}

struct first_byte *first_byte_wait(struct loop *loop, int fd, first_byte_fn *came, void *arg)
{
    struct first_byte *f = mem_zalloc(sizeof(*f));

    f->fd = fd;
    f->came = came;
    f->arg = arg;
    if (uv_poll_init(loop_uv(loop), &f->poll, fd) != 0) {
        free(f);
        return NULL;
    }
    uv_poll_start(&f->poll, UV_READABLE, on_first_byte);
    return f;
}
