/* One epoll descriptor for all watches of a loop. libuv polls it as one of its own descriptors.
 *
 * A watch that ends is removed from the epoll descriptor by a call. Closing the watched descriptor
 * would remove it too, but not while a child process that has not called exec yet has it open. */
#include "io/watch.h"

#include "base/mem.h"
#include "io/loop_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

/* How many events one turn takes; the next turn takes the rest. */
#define EVENTS_MAX 128

SLIST_HEAD(watch_list, watch);

struct watches {
    uv_poll_t poll;
    int epoll;
    struct watch_list ended;
};

static void watches_on_poll(uv_poll_t *poll, int status, int wanted)
{
    const struct watches *watches = container_of(poll, struct watches, poll);
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(watches->epoll, events, EVENTS_MAX, 0);

    (void)status;
    (void)wanted;
    for (int i = 0; i < count; i++) {
        struct watch *watch = events[i].data.ptr;

        if (watch->fd >= 0) /* (An event before may have ended this watch.) */
            watch->ready(watch, events[i].events);
    }
}

struct watches *watches_new(uv_loop_t *uv)
{
    struct watches *watches = mem_zalloc(sizeof *watches);
    int error;

    SLIST_INIT(&watches->ended);
    watches->epoll = epoll_create1(EPOLL_CLOEXEC);
    error = watches->epoll < 0 ? -errno : uv_poll_init(uv, &watches->poll, watches->epoll);
    if (error != 0) {
        if (watches->epoll >= 0)
            close(watches->epoll);
        free(watches);
        errno = -error;
        return NULL;
    }
    uv_poll_start(&watches->poll, UV_READABLE, watches_on_poll);
    return watches;
}

void watches_sweep(struct watches *watches)
{
    struct watch *watch;

    while ((watch = SLIST_FIRST(&watches->ended)) != NULL) {
        SLIST_REMOVE_HEAD(&watches->ended, next);
        watch->ended(watch);
    }
}

static void watches_poll_closed(uv_handle_t *poll)
{
    free(container_of(poll, struct watches, poll));
}

void watches_free(struct watches *watches)
{
    watches_sweep(watches);
    uv_close((uv_handle_t *)&watches->poll, watches_poll_closed);
    close(watches->epoll);
}

/* Watches for input, and for `output`, which is EPOLLOUT or 0. Returns 0 or an errno. */
static int watch_control(struct loop *loop, struct watch *watch, int operation, uint32_t output)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET | output,
                                .data = {.ptr = watch}};

    return epoll_ctl(loop_watches(loop)->epoll, operation, watch->fd, &event) == 0 ? 0 : errno;
}

int watch_start(struct loop *loop, struct watch *watch, int fd, watch_ready_fn *ready)
{
    watch->fd = fd;
    watch->ready = ready;
    return watch_control(loop, watch, EPOLL_CTL_ADD, 0);
}

void watch_output(struct loop *loop, struct watch *watch)
{
    int error = watch_control(loop, watch, EPOLL_CTL_MOD, EPOLLOUT);

    assert(error == 0 && "a watch that has not ended can be changed");
    (void)error;
}

void watch_end(struct loop *loop, struct watch *watch, watch_ended_fn *ended)
{
    struct watches *watches = loop_watches(loop);
    int error = epoll_ctl(watches->epoll, EPOLL_CTL_DEL, watch->fd, NULL);

    assert(error == 0 && "a watch ends once, before its descriptor is closed");
    (void)error;
    watch->fd = -1;
    watch->ended = ended;
    SLIST_INSERT_HEAD(&watches->ended, watch, next);
}
