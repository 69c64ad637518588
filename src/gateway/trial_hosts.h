/* The hosts of a trial that SRV records name: those that a pool would take, in its order. Main
 * thread only. */
#ifndef ADIT_GATEWAY_TRIAL_HOSTS_H
#define ADIT_GATEWAY_TRIAL_HOSTS_H

#include "io/resolver.h"
#include "policy/targets.h"

struct trial_hosts; /* a question under way */

/* Called once, never from inside trial_hosts_ask: with hosts in order, valid during the call, or
 * with none and `wrong`, which says why as a sentence without a stop. */
typedef void trial_hosts_fn(void *arg, const struct target *hosts, size_t count, const char *wrong);

/* Asks for the records of the name `service`. */
struct trial_hosts *trial_hosts_ask(struct resolver *resolver, const char *service,
                                    trial_hosts_fn *found, void *arg);

/* `found` will not be called. NULL is fine. */
void trial_hosts_cancel(struct trial_hosts *hosts);

#endif
