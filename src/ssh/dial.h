/* Making an SSH session: handshake, host key, authentication; blocking, in a short-lived thread of
 * its own. */
#ifndef ADIT_SSH_DIAL_H
#define ADIT_SSH_DIAL_H

#include "conf/config.h"
#include "io/mailbox.h"

/* A session that was authenticated and that no thread drives yet. Opaque; whoever holds it owns it.
 */
struct dialled;

/* Ends the session politely and frees it. NULL is fine. */
void dialled_free(struct dialled *dialled);

enum dial_status {
    DIAL_OK,
    DIAL_TRANSPORT,      /* no SSH on the other side, key exchange failed, connection lost */
    DIAL_HOST_KEY,       /* unknown, changed or not the pinned one: a person has to look */
    DIAL_AUTHENTICATION, /* no method left: a person has to look */
    DIAL_STATUSES,
};

/* "transport", "host-key", ...: for the log and the counters. */
const char *dial_status_name(enum dial_status status);

struct dial;

struct dial_request {
    int fd; /* connected; taken over */
    /* What it speaks SSH with. `config` is the configuration that `upstream` lies in: referenced
     * until the end. */
    struct config *config;
    const struct config_upstream *upstream;
    const char *host; /* the name that known_hosts knows it by; copied */
    uint16_t port;
    /* Called once through `reply`, never from inside dial_start: with the session (the callee's)
     * and DIAL_OK, or with NULL, and a sentence for a person. */
    struct mailbox *reply;
    void (*done)(void *arg, enum dial_status status, struct dialled *dialled, const char *error);
    void *arg;
};

struct dial *dial_start(const struct dial_request *request);

/* Shuts its connection down, so that it soon fails. */
void dial_shutdown(struct dial *dial);

/* `done` will not be called; the connection is shut down so that the thread ends soon. The mailbox
 * must live until dial_running says 0. */
void dial_cancel(struct dial *dial);

/* How many dial threads have not been joined yet, of all mailboxes. */
unsigned dial_running(void);

/* Calls `idle` once, when the last of them has been joined; there must be one. */
void dial_when_idle(void (*idle)(void *arg), void *arg);

#endif
