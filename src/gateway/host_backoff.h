/* When a host may be dialled again. The record of a host is shared by all upstreams that lead
 * there, so that their dials together stay below the server's MaxStartups and PerSourcePenalties
 * (sshd_config(5)). Main thread only. */
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

/* The record of a host and port, made when first asked for; the caller puts it back. */
struct host_backoff *host_backoffs_get(struct host_backoffs *hosts, const char *name,
                                       uint16_t port);
/* The last one that puts a record back frees it. */
void host_backoff_put(struct host_backoffs *hosts, struct host_backoff *host);

/* Milliseconds until it may be dialled, 0: now. UINT64_MAX: as soon as a dial under way has ended.
 * `wanted`: clients wait, so a host that is merely unreachable is tried at least once a second. */
uint64_t host_backoff_wait(const struct host_backoff *host, uint64_t now, bool wanted);

/* A dial began; and how it ended. `began` and `now` are loop_now's milliseconds. Failures of dials
 * that began before the last counted failure are ignored, because they have the same cause.
 * `reached`: there was a TCP connection, so that the server has counted it. */
void host_backoff_begin(struct host_backoff *host);
void host_backoff_end(struct host_backoff *host, uint64_t began, uint64_t now, bool reached,
                      enum dial_status status);
/* A session there that began at `since` was lost too soon, which counts as a failed dial. After the
 * first in a row there is no wait, as it may have been an accident. */
void host_backoff_lost(struct host_backoff *host, uint64_t since, uint64_t now);
/* A session there has lived for a while: earlier failures do not count any more. */
void host_backoff_well(struct host_backoff *host);
/* Whether a login there has succeeded once. */
bool host_backoff_is_proved(const struct host_backoff *host);
/* Whether each login there asks a person, as the last one did. Then dials are made one at a time.
 */
void host_backoff_asks(struct host_backoff *host, bool asks);
bool host_backoff_is_asking(const struct host_backoff *host);
/* A dial that began was called off. */
void host_backoff_abandon(struct host_backoff *host);

/* Forgets the wait, but not that after a failed authentication or host key: only a person can mend
 * these. */
void host_backoff_retry_now(struct host_backoff *host);

/* A person says that all may be well now (a reload): earlier failures and waits are forgotten, of
 * every kind. */
void host_backoff_forget(struct host_backoff *host);

/* Whether the last dial failed, or a session there was lost too soon, and none has lived since. */
bool host_backoff_is_down(const struct host_backoff *host);

/* Whether the last dial failed for a cause that only a person can mend, and nothing was said or
 * seen since that it is mended. */
bool host_backoff_needs_person(const struct host_backoff *host);

#endif
