/* The inside of the status server, for the files of this room. Main thread only. */
#ifndef ADIT_STATUS_SERVER_PARTS_H
#define ADIT_STATUS_SERVER_PARTS_H

#include "base/buffer.h"
#include "io/endpoint.h"
#include "io/acceptor.h"
#include "policy/users.h"
#include "shared/service.h"
#include "status/server.h"
#include "wire/http_origin.h"

struct status_login;
struct status_pending;
struct status_socket;

struct status_server {
    struct loop *loop;
    struct status_source source;
    struct config *config; /* in use; NULL: none yet */
    uint64_t generation;   /* counts changes: passwords of one configuration are none of another */
    TAILQ_HEAD(, status_socket) sockets;
    TAILQ_HEAD(, status_client) clients; /* the one that has been waited for the longest first */
    unsigned count;
    struct credential_cache *credentials;
    struct service *service; /* the main thread's */
};

/* A client: a request, then its answer, then the next request. */
struct status_client {
    TAILQ_ENTRY(status_client) link;
    struct status_server *server;
    struct endpoint *endpoint;
    struct deadline patience;
    struct later next; /* takes the request that came while one was being answered */
    struct buffer in;
    struct http_progress progress;
    struct buffer out;              /* of the answer under way; empty: none */
    struct status_pending *pending; /* the answer comes later; NULL: it does not */
    bool near;                      /* it asks from this machine */
    uint64_t source;                /* a hash of where it asks from, for SERVICE_PASSWORD */
    struct status_login *login;     /* the request waits for it; NULL: none does */
    bool asking;                    /* the first byte of a request has come, and not yet the last */
    bool ended;                     /* the client has sent its end of data */
    bool last;                      /* the answer under way is the last */
    bool finishing; /* the last answer was sent; the client's end of data is waited for */
    bool head_only; /* of the request under way: HEAD */
};

/* client.c */

/* A client on this connection, whose descriptor it takes. */
void status_client_new(struct status_server *server, const struct accepted *from);

/* The request that is being answered will be answered later, by whoever asks for its client then.
 */
struct status_pending *status_client_defer(struct status_client *client);

/* The client, which is to be answered now; NULL: it has gone. Frees `pending`. */
struct status_client *status_pending_client(struct status_pending *pending);
/* With `abort` the client sees a reset, and so if an answer is cut. */
void status_client_close(struct status_client *client, bool abort);

enum login_verdict {
    LOGIN_GOOD,
    LOGIN_NONE,      /* refused */
    LOGIN_UNCHECKED, /* it cannot be checked now */
    LOGIN_UNDER_WAY, /* status_client_logged_in follows */
};

/* Goes on with the request that is whole, after its login was checked. */
void status_client_logged_in(struct status_client *client, enum login_verdict verdict);

/* An answer. */
struct status_answer {
    unsigned status;    /* 200, ... */
    const char *type;   /* Content-Type */
    const char *fields; /* further fields, each with its CRLF; NULL: none */
    const void *body;
    size_t length;
};

/* Sends it, later in this turn of the loop: without its body if HEAD was asked. Once for each
 * request. */
void status_client_answer(struct status_client *client, const struct status_answer *answer);

/* pages.c: answers a request that may be answered; the slices of `request` are valid now only. */
void status_pages_answer(struct status_client *client, const struct http_origin_request *request);

/* An answer of one sentence. */
void status_pages_refuse(struct status_client *client, unsigned status, const char *sentence);

/* login.c */

/* Whether the request's user may see the pages. A password that was right a short time ago is not
 * hashed again. */
enum login_verdict status_login_check(struct status_client *client,
                                      const struct http_origin_request *request);

/* Gives up the check that a client waits for. */
void status_login_forget(struct status_client *client);

#endif
