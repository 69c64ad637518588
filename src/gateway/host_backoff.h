/* When a host may be dialled again: backoff shared by all upstreams that lead there, so that a pool
 * never trips the server's MaxStartups or PerSourcePenalties (sshd_config(5)). Main thread only. */
#ifndef ADIT_GATEWAY_HOST_BACKOFF_H
#define ADIT_GATEWAY_HOST_BACKOFF_H

#include "session/login.h"

#include <stdbool.h>
#include <stdint.h>

/* sshd drops connections at random from the tenth that has not authenticated (MaxStartups
 * 10:30:100); others dial too. */
#define HOST_DIALS_MAX 4

struct host_backoff;
struct host_backoffs;

struct host_backoffs *host_backoffs_new(void);
void host_backoffs_free(struct host_backoffs *hosts);

/* The record of a host and port, made when first asked for; lives as long as `hosts`. */
struct host_backoff *host_backoffs_get(struct host_backoffs *hosts, const char *name,
                                       uint16_t port);

/* Milliseconds until it may be dialled, 0: now. UINT64_MAX: as soon as a dial under way has ended.
 * `wanted`: clients wait, so a host that is merely unreachable is tried at least once a second. */
uint64_t host_backoff_wait(const struct host_backoff *host, uint64_t now, bool wanted);

/* A dial began; what became of it. `began` and `now` in loop_now's time: of several that were under
 * way when one failed only that one counts, for they failed of the same cause. `reached`: a TCP
 * connection came about, so a server has counted it. */
void host_backoff_begin(struct host_backoff *host);
void host_backoff_end(struct host_backoff *host, uint64_t began, uint64_t now, bool ok,
                      bool reached, enum dial_status status);
/* A session there that began at `since` was lost too soon, which counts as a dial that failed. The
 * first in a row may have been an accident, and is not waited for. */
void host_backoff_lost(struct host_backoff *host, uint64_t since, uint64_t now);
/* A session there has lived for a while: failures before it do not count any more. */
void host_backoff_well(struct host_backoff *host);
/* Whether each login there has to ask somebody, as its last one did: a dial at a time then. */
void host_backoff_asks(struct host_backoff *host, bool asks);
bool host_backoff_is_asking(const struct host_backoff *host);
/* It was called off. */
void host_backoff_abandon(struct host_backoff *host);

/* Forgets the backoff (not that of an authentication or host key that failed: these do not heal by
 * themselves). */
void host_backoff_retry_now(struct host_backoff *host);

#endif
