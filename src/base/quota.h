/* A bound on how many things (programs, connections) one owner may have at a time. What was taken
 * may outlive the owner. Any thread. */
#ifndef ADIT_BASE_QUOTA_H
#define ADIT_BASE_QUOTA_H

#include <stdbool.h>

struct quota;

/* At most `max` at a time. Returns the caller's reference. */
struct quota *quota_new(unsigned max);

struct quota *quota_ref(struct quota *quota);

/* NULL is fine. */
void quota_unref(struct quota *quota);

/* Counts one more, and holds a reference for it. False: `max` are taken already. */
bool quota_take(struct quota *quota);

/* Gives one back, with its reference. NULL is fine. */
void quota_give(struct quota *quota);

#endif
