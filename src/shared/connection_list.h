/* Which connections there are: asked of all workers by messages, and answered on the main thread
 * when all have told. Main thread, but for what is said to be a worker's. */
#ifndef ADIT_SHARED_CONNECTION_LIST_H
#define ADIT_SHARED_CONNECTION_LIST_H

#include "shared/workers.h"

#include <stddef.h>
#include <stdint.h>

/* One connection of a client, at the moment when its worker looked. */
struct connection_row {
    unsigned long long number;
    char *listener;
    char *source; /* as the access line's client= */
    char *user;   /* NULL: none */
    char *target; /* NULL: not known yet */
    char *upstream;
    const char *protocol; /* NULL: not known yet */
    const char *state;
    int session; /* -1: none */
    uint64_t age_ms;
    uint64_t bytes[2]; /* from the client, to the client */
};

/* A page: the connections with the lowest numbers above `after`, in order. */
struct connection_page {
    unsigned long long after;
    size_t most;
    struct connection_row *rows;
    size_t count;
    bool more;  /* there are further ones */
    bool ended; /* adit is ending: nothing is known */
};

#define CONNECTION_PAGE_MOST 1000

/* `page` is freed when the call returns. */
typedef void connections_listed_fn(void *arg, const struct connection_page *page);

/* Asks all workers; `listed` is called once, later. */
void workers_send_list(struct workers *workers, unsigned long long after, size_t most,
                       connections_listed_fn *listed, void *arg);

/* Asks all workers to close the connection of that number; `closed` is called once, later. A client
 * that is being handed from one worker to another at that moment is not found. */
typedef void connection_closed_fn(void *arg, bool found);
void workers_send_close(struct workers *workers, unsigned long long number,
                        connection_closed_fn *closed, void *arg);

/* For a worker: adds a copy of a row, whose strings the page takes, to a page in order. A row
 * beyond `most` only sets `more`; whether a number would be taken is to be asked before the row is
 * made. */
bool connection_page_wants(struct connection_page *page, unsigned long long number);
void connection_page_add(struct connection_page *page, const struct connection_row *row);

#endif
