/* One side of a relay or of an HTTP exchange: a socket, or an SSH channel.
 *
 * Bytes leave an endpoint by events, which its owner gets, and enter it by operations, which its
 * owner calls. An endpoint belongs to the thread of its loop and has one owner at a time.
 *
 * The contract:
 * - No event is delivered from inside an operation, nor after `close`.
 * - The owner may close the endpoint from inside any event but `room`; from inside `data` only a
 *   socket. An endpoint that has raised an event finds out whether it was closed meanwhile.
 * - An endpoint is paused when it is new, when it gets a new owner, and when its owner had no room.
 *   A paused endpoint delivers neither `data` nor `eof`.
 * - Every owner is told of the end. An endpoint whose former owner was told `eof` or `closed` tells
 *   the new owner, once that one has resumed it. An endpoint that has failed gets no new owner.
 * - Bytes leave an endpoint in the order in which they came: `eof` and `closed` follow the last
 *   data. Bytes enter it in the order of the calls, messages (endpoint_send) included.
 *
 * endpoint_write takes what there is room for, and its caller keeps the rest. endpoint_send takes
 * all: the endpoint keeps the rest, and takes nothing else until that has gone. This is implemented
 * here, for all kinds of endpoints. A kind implements `struct endpoint_operations` and raises its
 * events by the endpoint_report functions only. */
#ifndef ADIT_IO_ENDPOINT_H
#define ADIT_IO_ENDPOINT_H

#include "base/buffer.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct endpoint;

/* What a kind of endpoint implements. Owners call the functions below instead. */
struct endpoint_operations {
    /* How many bytes `write` would take now. After 0 the `writable` event follows once. */
    size_t (*room)(struct endpoint *endpoint);
    /* Takes the first bytes of these and returns how many; fewer than given means the same as room
     * 0. An endpoint that has failed takes none, and its `failed` event follows. */
    size_t (*write)(struct endpoint *endpoint, const uint8_t *bytes, size_t length);
    /* The far side shall see the end of data after what was written. If the endpoint keeps bytes in
     * `unsent`, this does nothing: it is called again when they have gone. */
    void (*write_eof)(struct endpoint *endpoint);
    /* The endpoint is not paused any more (`resumed` is set already). Also called when it was not
     * paused. */
    void (*resume)(struct endpoint *endpoint);
    /* Ends the endpoint and frees it, with `unsent`. */
    void (*close)(struct endpoint *endpoint, bool abort);
    /* Whether it keeps bytes elsewhere than in `unsent`; NULL: it does not. */
    bool (*is_draining)(const struct endpoint *endpoint);
    /* How many bytes from the far side this process keeps because the owner has no room; NULL:
     * none. */
    size_t (*held)(const struct endpoint *endpoint);
};

/* What an owner implements. */
struct endpoint_events {
    /* How many bytes the owner would take now. After 0 the endpoint is paused. */
    size_t (*room)(void *owner);
    /* Bytes from the far side, at least one. True: all were taken. False: none, and the owner will
     * resume. An endpoint that asked `room` before and offers no more than that is never refused.
     * May be called from inside a libssh callback: the owner writes to a socket or keeps the bytes,
     * and does nothing else. */
    bool (*data)(void *owner, const uint8_t *bytes, size_t length);
    /* The far side will send no more (half-close). It may still be written to. */
    void (*eof)(void *owner);
    /* The far side is gone in an orderly way: neither bytes nor room will come. Implies eof. An
     * endpoint that gives up by itself may report this while it is paused. */
    void (*closed)(void *owner);
    /* There is room again, and the endpoint keeps nothing that it has still to pass on. */
    void (*writable)(void *owner);
    /* The stream was cut, also while paused. `why` is a few words for the log ("Connection reset by
     * peer"), valid during the call. The owner closes the endpoint, now or later. */
    void (*failed)(void *owner, const char *why);
};

/* What an owner was told of the end. */
enum endpoint_end {
    ENDPOINT_NOT_ENDED,
    ENDPOINT_EOF,
    ENDPOINT_CLOSED,
    ENDPOINT_FAILED,
};

/* The first member of every kind; zeroed but for `operations`. */
struct endpoint {
    const struct endpoint_operations *operations;
    const struct endpoint_events *events;
    void *owner;
    struct buffer unsent; /* bytes that the endpoint took and has still to pass on, in order */
    enum endpoint_end reported; /* to this owner */
    bool resumed;               /* not paused */
    bool eof_written;           /* the owner has called endpoint_write_eof */
    bool unanswered; /* the owner has written nothing that the peer might still have to read */
};

/* For owners. */

/* Gives the endpoint to a new owner, which gets the events from now on. The endpoint is paused. */
static inline void endpoint_own(struct endpoint *e, const struct endpoint_events *events,
                                void *owner)
{
    assert(e->reported != ENDPOINT_FAILED && "an endpoint that has failed is only closed");
    e->events = events;
    e->owner = owner;
    e->reported = ENDPOINT_NOT_ENDED;
    e->resumed = false;
}

/* Whether the endpoint keeps bytes that it took and has still to pass on. They are lost by a close.
 * An event follows when they have gone: `writable`, `closed` or `failed`. */
static inline bool endpoint_is_draining(const struct endpoint *e)
{
    return buffer_length(&e->unsent) > 0 ||
           (e->operations->is_draining != NULL && e->operations->is_draining(e));
}

/* How many bytes are kept in memory, in either direction. */
static inline size_t endpoint_held(const struct endpoint *e)
{
    return buffer_length(&e->unsent) + (e->operations->held != NULL ? e->operations->held(e) : 0);
}

/* How many bytes endpoint_write would take now. After 0 the `writable` event follows once. */
static inline size_t endpoint_room(struct endpoint *e)
{
    return buffer_length(&e->unsent) > 0 ? 0 : e->operations->room(e);
}

/* Takes the first bytes of these and returns how many; fewer than given means the same as room 0.
 * An endpoint that has failed takes none, and its `failed` event follows. */
static inline size_t endpoint_write(struct endpoint *e, const uint8_t *bytes, size_t length)
{
    assert(!e->eof_written && "nothing is written behind the end of data");
    return buffer_length(&e->unsent) > 0 ? 0 : e->operations->write(e, bytes, length);
}

/* The most that an endpoint keeps of messages (the longest is the head of an HTTP response), and
 * the most that a kind keeps of other bytes that it took. */
#define ENDPOINT_MESSAGES_MAX ((size_t)128 * 1024)
#define ENDPOINT_TAKEN_MAX ((size_t)128 * 1024)

/* Takes all of a short message. What does not go out at once is kept by the endpoint, which takes
 * nothing but messages meanwhile; endpoint_is_draining tells. Messages that have not gone out are
 * together no longer than ENDPOINT_MESSAGES_MAX. */
void endpoint_send(struct endpoint *endpoint, const void *bytes, size_t length);

/* No more bytes will be written: the far side shall see the end of data after what was written.
 * Again it does nothing. */
void endpoint_write_eof(struct endpoint *endpoint);

/* Lets `data`, `eof` and `closed` come, from outside of this call. Does nothing if they may come
 * already, and after `eof` was reported to this owner. */
static inline void endpoint_resume(struct endpoint *e)
{
    e->resumed = true;
    e->operations->resume(e);
}

/* Ends and frees the endpoint. With `abort` the far side shall notice that the stream was cut,
 * where its protocol can say so (TCP: RST). Without, what was written still arrives. An endpoint
 * that still keeps bytes loses them, which is an abort too. NULL is fine. */
static inline void endpoint_close(struct endpoint *e, bool abort)
{
    if (e != NULL)
        e->operations->close(e, abort);
}

/* For the kinds of endpoints: their events. The owner may have closed the endpoint when one
 * returns. */

/* The kind has seen the end of data, and the owner is to be told once it is not paused. */
static inline bool endpoint_owes_eof(const struct endpoint *e)
{
    return e->resumed && e->reported == ENDPOINT_NOT_ENDED;
}

/* The same for an orderly end. */
static inline bool endpoint_owes_closed(const struct endpoint *e)
{
    return e->resumed && e->reported < ENDPOINT_CLOSED;
}

void endpoint_report_eof(struct endpoint *endpoint);
void endpoint_report_closed(struct endpoint *endpoint);
void endpoint_report_failed(struct endpoint *endpoint, const char *why);

/* There is room: what the endpoint keeps is written first. If all of that has gone, the owner is
 * told. */
void endpoint_report_writable(struct endpoint *endpoint);

#endif
