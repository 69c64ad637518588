/* Connections that adit opens for itself through an upstream: DNS through the tunnel, a session
 * behind a jump host, ssh's -W. Each is carried by a client on a worker, like a connection from
 * outside, but no rule judges it and it has no access line. */
#ifndef ADIT_SHARED_INTERNAL_CONNECTION_H
#define ADIT_SHARED_INTERNAL_CONNECTION_H

#include "conf/config.h"
#include "shared/generation.h"
#include "shared/workers.h"
#include "wire/outcome.h"

struct internal_stream;

/* What an internal connection is for, and the callbacks that are told of it. */
struct internal_request {
    const char *via;                /* the upstream whose sessions carry it */
    struct config_place to;         /* a name is resolved by the SSH server */
    struct internal_stream *stream; /* what an ssh(1) asked for; NULL: it is something else. The
                                       internal connection frees it */
    uint64_t hold_ms; /* how long it waits for a session; 0: as long as the upstream's hold */
    /* Both may be NULL. `answered` is called once, whatever happens: with OUTCOME_OK when bytes
     * flow, else with the reason, in words in `detail`. After OUTCOME_OK `ended` is called once:
     * `failed` is NULL when the connection ended in order. */
    void (*answered)(void *arg, enum outcome outcome, const char *detail);
    void (*ended)(void *arg, const char *failed);
    void *arg;
};

/* An internal connection of the main thread while a worker carries it; workers_send_internal
 * (worker/worker.h) makes and sends it. It frees itself after it has called `ended`, or `answered`
 * with a failure. */
struct internal_connection {
    struct message message; /* to the worker, and back with the answer */
    struct message end;     /* back when a connection that was answered OUTCOME_OK has ended */
    struct workers *workers;
    struct generation *generation;   /* referenced until the worker has taken it over */
    int fd;                          /* likewise */
    struct internal_request request; /* the main thread's, with strings of its own */
    bool forgotten;                  /* main thread only */
    enum outcome outcome;            /* the answer ... */
    char *detail;                    /* ... its words ... */
    char *failed;                    /* ... and those of the end */
};

/* Main thread. `request` is copied, `generation` referenced, `fd` taken: one end of a socketpair.
 * The owner gives up by closing the other end, and half-closes it only after the answer. */
struct internal_connection *internal_connection_new(struct workers *workers,
                                                    struct generation *generation,
                                                    const struct internal_request *request, int fd);

/* Main thread: nothing will be called any more; the connection itself ends when the other end of
 * its socketpair is closed. NULL is fine. */
void internal_connection_forget(struct internal_connection *connection);

/* Worker's thread: what the main thread is to be told, by message. After internal_connection_ended,
 * or internal_connection_answered with a failure, the worker has nothing to do with it any more. */
void internal_connection_answered(struct internal_connection *connection, enum outcome outcome,
                                  const char *detail);
void internal_connection_ended(struct internal_connection *connection, const char *failed);

/* For a message that is never delivered: closes the descriptor too. Any thread. */
void internal_connection_drop(struct internal_connection *connection);

#endif
