/* How many of something there may be at a time, of one owner: what was taken may outlive the owner.
 * Any thread. */
#ifndef ADIT_BASE_QUOTA_H
#define ADIT_BASE_QUOTA_H

#include <stdbool.h>

struct quota;

/* For `max` of them. The caller's reference. */
struct quota *quota_new(unsigned max);

struct quota *quota_ref(struct quota *quota);

/* NULL is fine. */
void quota_unref(struct quota *quota);

/* Takes one more, with a reference. False: there are `max`. */
bool quota_take(struct quota *quota);

/* Gives it back. NULL is fine. */
void quota_give(struct quota *quota);

#endif
