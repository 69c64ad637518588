/* The ssh(1) processes that carry sessions (engine = openssh): the keeper starts them on a
 * connection that the gateway has made, answers what they ask, and connects to their sockets. They
 * end with the keeper, however that ends. Main thread only, and only for this room. */
#ifndef ADIT_KEEPER_MASTERS_H
#define ADIT_KEEPER_MASTERS_H

#include "conf/config.h"
#include "conf/upstream_host.h"
#include "conf/words.h"
#include "wire/service.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gateway_child;
struct keeper;
struct keeper_masters;
struct keeper_master;
struct master_refusal;

/* What happens to a master. None is called from inside the functions below. */
struct master_events {
    /* The login waits for a person's or a program's answer, or (`waits` false) no longer does. */
    void (*asks)(void *arg, bool waits);
    /* It is logged in: `number` is its own, `about` what it has agreed with the server, and `fd` a
     * connection to it, the callee's. */
    void (*up)(void *arg, uint32_t number, const char *about, int fd);
    /* It has ended, and is freed. */
    void (*ended)(void *arg, enum service_master_end kind, const char *why);
};

struct master_order {
    struct gateway_child *child; /* it is for */
    struct config *config;
    const struct config_upstream *upstream;
    const struct upstream_host *host;
    const char *entry; /* the host as the gateway names it, for people */
    int fd;            /* the connection to the server; stays the caller's */
    const struct master_events *events;
    void *arg;
};

struct keeper_masters *keeper_masters_new(struct keeper *keeper);

/* The first ends all masters, and is called before the keeper's mailbox is freed; the second frees
 * the rest, after that. */
void keeper_masters_end(struct keeper_masters *masters);
void keeper_masters_free(struct keeper_masters *masters);

/* NULL: `*why` says why not, and is the caller's to free. */
struct keeper_master *master_start(struct keeper_masters *masters, const struct master_order *order,
                                   char **why);

/* No event comes any more. The first ends the master; the second lets it go on, or ends one that
 * has not logged in yet. */
void master_hang_up(struct keeper_master *master);
void master_leave(struct keeper_master *master);

/* A connection to a master of that gateway's, which does not block and is the caller's; -1: errno.
 */
int master_reach(const struct keeper_masters *masters, const struct gateway_child *child,
                 uint32_t number);

/* Why the server has refused the last open of that target over a master of that gateway's, as far
 * as the master has printed it by now: the host or path and the port of a NEW_STDIO_FWD
 * (wire/mux.h). NULL: that is not known. Valid until the next call. */
const struct master_refusal *master_refused(struct keeper_masters *masters,
                                            const struct gateway_child *child, uint32_t number,
                                            const char *host, uint32_t port);

/* The gateway has ended: so do its masters. */
void masters_end_of(struct keeper_masters *masters, const struct gateway_child *child);

/* Ends those that are not up: before another program takes over. */
void masters_end_logins(struct keeper_masters *masters);

/* For the program that takes over: writes a master as a line of words that begins with "master".
 * `request` is the number of its request (0: it was left), and `flags` (F_SETFD) are those of the
 * descriptor that stays open. `out` may be NULL. The second does so for those of a gateway that
 * were left, and the third for what they share. */
void master_save(const struct keeper_master *master, uint32_t request, int flags,
                 struct buffer *out);
void masters_save_left(const struct keeper_masters *masters, const struct gateway_child *child,
                       int flags, struct buffer *out);
void masters_save(const struct keeper_masters *masters, int flags, struct buffer *out);

/* Take such lines' words. `*request` is the request's number; unless that is 0 the caller gives the
 * master an owner. `*master` NULL: it has ended. False: they are no such words. */
bool master_restore(struct keeper_masters *masters, struct gateway_child *child,
                    struct word_reader *words, uint32_t *request, struct keeper_master **master);
bool masters_restore(struct keeper_masters *masters, struct word_reader *words);
void master_own(struct keeper_master *master, const struct master_events *events, void *arg);

#endif
