/* How many dials of an engine have not ended, and who waits for the last of them (dial_running,
 * dial_when_idle of session/login.h). An engine has one, which is the main thread's. */
#ifndef ADIT_SESSION_DIAL_COUNT_H
#define ADIT_SESSION_DIAL_COUNT_H

#include <assert.h>
#include <stddef.h>

struct dial_count {
    unsigned running;
    void (*idle)(void *arg); /* NULL: nobody waits */
    void *arg;
};

static inline void dial_count_wait(struct dial_count *count, void (*idle)(void *arg), void *arg)
{
    assert(count->running > 0 && "dial_when_idle is called while dials run");
    count->idle = idle;
    count->arg = arg;
}

/* After a dial has been told and freed. */
static inline void dial_count_tell(struct dial_count *count)
{
    void (*idle)(void *arg) = count->idle;

    if (count->running > 0 || idle == NULL)
        return;
    count->idle = NULL;
    idle(count->arg);
}

#endif
