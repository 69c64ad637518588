/* The room status/ knows how adit is watched over HTTP: who may ask, which pages there are, how
 * they are written. It gets what the pages show by callbacks and knows no worker and no session. It
 * runs on the main thread only, which it never holds up: clients and bytes are bounded, and a
 * client that is slow is dropped. gateway/ calls it.
 *
 * This is the server: addresses, clients and limits. */
#ifndef ADIT_STATUS_SERVER_H
#define ADIT_STATUS_SERVER_H

#include "base/text.h"
#include "conf/config.h"
#include "io/listener.h"
#include "io/loop.h"

#include <jansson.h>

struct exposition;
struct service;
struct status_server;

/* For whom a PAC file is asked. */
struct status_pac {
    struct text listen; /* the listener's name; empty: any */
    const char *host;   /* of the request; "": not known */
    bool near;          /* who asks is on this machine */
};

/* What connections are asked for. */
typedef void status_listed_fn(void *arg, json_t *list);
struct status_list {
    unsigned long long after;
    size_t most;
    bool with_targets;
    status_listed_fn *listed;
    void *arg;
};

/* Where the pages' contents come from. Called on the main thread; nothing may wait. */
struct status_source {
    /* NULL: adit can serve. Else why not, a sentence that the callee's caller frees. */
    char *(*unready)(void *arg);
    /* The answer to adit -O status; the caller's. */
    json_t *(*status)(void *arg);
    /* What has been: samples of traffic, and failures; the caller's. */
    json_t *(*history)(void *arg);
    /* Lists the connections with the lowest numbers above `after`, `most` of them at the most, with
     * what they lead to or without. `listed` is called once, later, with what is then the callee's;
     * with NULL if adit is ending. */
    void (*connections)(void *arg, const struct status_list *list);
    /* The text of /proxy.pac, which the callee's caller frees; NULL: there is none. */
    char *(*pac)(void *arg, const struct status_pac *asked);
    /* Writes /metrics, but for its end. */
    void (*metrics)(void *arg, struct exposition *page);
    void *arg;
};

/* A server that does not listen yet. `source` is copied; `service` (shared/service.h) outlives it.
 */
struct status_server *status_server_new(struct loop *loop, struct service *service,
                                        const struct status_source *source);

/* Takes the configuration into use, with a reference, and listens at the sockets given for it: the
 * new ones among them are taken over, and those that are not among them are closed. Clients that
 * are connected stay, and their next requests are judged by what is in use then; but where there is
 * no section [status] any more they are closed. */
void status_server_change(struct status_server *server, struct config *config,
                          struct given_socket *given, size_t count);

/* They will be closed without being shut down, as another process listens there. */
void status_server_leave(struct status_server *server);

/* Closes everything, answers under way too. NULL is fine. */
void status_server_free(struct status_server *server);

/* There are never more clients than this: a new one takes the place of the one that has been waited
 * for the longest, to ask or to take its answer. */
#define STATUS_CLIENTS_MAX 128
#define STATUS_REQUEST_MAX 8192 /* bytes of a request's head */
#define STATUS_REQUEST_MS 10000 /* to send a request in, from its first byte or the accept on */
#define STATUS_ANSWER_MS 30000  /* to be answered and take the answer */
#define STATUS_IDLE_MS 60000    /* between two requests */

#endif
