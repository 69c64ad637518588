/* -O try, of a gateway that serves; and --try, all that this gateway does. Main thread only. */
#ifndef ADIT_GATEWAY_TRY_ORDER_H
#define ADIT_GATEWAY_TRY_ORDER_H

#include <jansson.h>
#include <stdbool.h>

struct gateway;

/* Called once, perhaps from inside the call below, with the answer, which is the callee's. */
typedef void try_answered_fn(void *arg, json_t *answer);

/* Tries an upstream, NULL: all of them; one such order at a time. False: it was answered inside the
 * call. */
bool gateway_try(struct gateway *gateway, const char *upstream, try_answered_fn *answered,
                 void *arg);

/* Tries what its options name, prints to standard output what was seen, and stops the gateway,
 * whose exit status is 0 if all is well. */
void gateway_try_alone(struct gateway *gateway);

/* Ends what is being tried, if anything is; the answer is that error. */
void gateway_try_end(struct gateway *gateway, const char *why);

#endif
