/* One ssh(1) that has connected to the control socket as a mux client (OpenSSH's PROTOCOL.mux,
 * version 4; frames are wire/mux.h's): its HELLO, its requests one at a time with the descriptors
 * that follow them, and the answers. What a request does is its owner's (gateway/). Main thread
 * only. */
#ifndef ADIT_CONTROL_MUX_CONNECTION_H
#define ADIT_CONTROL_MUX_CONNECTION_H

#include "io/loop.h"
#include "wire/mux.h"

struct mux_connection;

struct mux_connection_events {
    /* A request other than HELLO. It is answered by one mux_connection_answer, at once or later,
     * and the next request waits until then; more answers may follow (EXIT_MESSAGE). `fds` are
     * mux_descriptors(request) open descriptors, the callee's. The request is valid during the
     * call. The callee may end the connection. */
    void (*asked)(void *arg, const struct mux_request *request, const int *fds);
    /* The client has gone, or did not keep to the protocol. The connection is freed after this
     * call. */
    void (*gone)(void *arg);
};

/* How long a client may take for its HELLO and its first request, and for its last answers. */
#define MUX_PATIENCE_MS 10000

/* All connections of a master, those that are being ended, too. */
LIST_HEAD(mux_connection_list, mux_connection);

/* Takes `fd` over, non-blocking, of which nothing was read yet. NULL: the kernel does not watch it,
 * and it was closed. No event comes from inside a function of this header. */
struct mux_connection *mux_connection_new(struct loop *loop, struct mux_connection_list *list,
                                          int fd, const struct mux_connection_events *events,
                                          void *arg);

/* Sends an answer. */
void mux_connection_answer(struct mux_connection *connection, const struct mux_answer *answer);

/* Closes the connection once all answers were sent. No event comes any more. NULL is fine. */
void mux_connection_end(struct mux_connection *connection);

/* Closes all of them at once, without an event. */
void mux_connections_close(struct mux_connection_list *list);

#endif
