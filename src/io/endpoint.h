/* One side of a relay: a socket, an SSH channel, or something that stands before one of them.
 *
 * Bytes come out of an endpoint by events and go into it by operations. Rules of the house hold: an
 * event may be an endpoint's last act (the owner may close it inside), no event comes from inside
 * an operation, and none after close. */
#ifndef ADIT_IO_ENDPOINT_H
#define ADIT_IO_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct endpoint;

struct endpoint_operations {
    /* How many bytes `write` would take now; after 0 the `writable` event follows once. */
    size_t (*room)(struct endpoint *endpoint);
    /* Takes the first bytes of these and says how many; fewer than given means the same as room 0.
     * A failed endpoint takes none, and its `failed` event is on its way. */
    size_t (*write)(struct endpoint *endpoint, const uint8_t *bytes, size_t length);
    /* No more bytes will be written: the far side shall see the end of data after what was written.
     */
    void (*write_eof)(struct endpoint *endpoint);
    /* Lets data events come: at first (an endpoint starts paused), and after the owner had no room.
     * Does nothing while they may come anyway, and after eof. */
    void (*resume)(struct endpoint *endpoint);
    /* Ends and frees it. With `abort` the far side shall notice that the stream was cut, where its
     * protocol can say so (TCP: RST). Without, what was written still arrives. */
    void (*close)(struct endpoint *endpoint, bool abort);
    /* Whether there are bytes of the endpoint's own, or that it took, which it has still to pass on
     * before a close without `abort`; an event follows when they are gone. NULL: there never are.
     */
    bool (*is_draining)(const struct endpoint *endpoint);
};

struct endpoint_events {
    /* How many bytes the owner would take now. After 0 the endpoint waits for `resume`. */
    size_t (*room)(void *owner);
    /* Bytes from the far side. True: all were taken. False: none, and `resume` will be called; an
     * endpoint that asked `room` before and offers no more than that is never refused. May be
     * called from inside a libssh callback: the owner writes to a socket or keeps the bytes, and
     * does nothing else. */
    bool (*data)(void *owner, const uint8_t *bytes, size_t length);
    /* The far side will send no more (half-close); it may still be written to. */
    void (*eof)(void *owner);
    /* The far side is gone in an orderly way: neither bytes nor room will come. Implies eof. */
    void (*closed)(void *owner);
    /* There is room again. */
    void (*writable)(void *owner);
    /* The stream was cut; `why` is a few words for the log ("connection reset by peer"). */
    void (*failed)(void *owner, const char *why);
};

struct endpoint {
    const struct endpoint_operations *operations;
    /* Each write is a system call and perhaps wakes a reader: a turn's are better made one. Only
     * where a write is allowed inside anybody's `data`, as a socket's is. */
    bool gathers;
    const struct endpoint_events *events;
    void *owner;
};

static inline size_t endpoint_room(struct endpoint *e)
{
    return e->operations->room(e);
}

static inline size_t endpoint_write(struct endpoint *e, const uint8_t *bytes, size_t length)
{
    return e->operations->write(e, bytes, length);
}

static inline void endpoint_write_eof(struct endpoint *e)
{
    e->operations->write_eof(e);
}

static inline void endpoint_resume(struct endpoint *e)
{
    e->operations->resume(e);
}

static inline bool endpoint_is_draining(const struct endpoint *e)
{
    return e->operations->is_draining != NULL && e->operations->is_draining(e);
}

/* NULL is fine. */
static inline void endpoint_close(struct endpoint *e, bool abort)
{
    if (e != NULL)
        e->operations->close(e, abort);
}

/* Who hears the endpoint's events from now on. */
static inline void endpoint_own(struct endpoint *e, const struct endpoint_events *events,
                                void *owner)
{
    e->events = events;
    e->owner = owner;
}

#endif
