/* Noticing a thread whose loop stands still. */
#include "shared/heartbeat.h"

#include "base/log.h"

/* Ticks without an answer after which a thread counts as stalled. */
#define STALLED_TICKS 5

/* (Rounded: the question was asked, and the answer looked for, at ticks.) */
static unsigned seconds_since(uint64_t then, uint64_t now)
{
    return (unsigned)((now - then + 500) / 1000);
}

bool heartbeat_tick(struct heartbeat *h, unsigned index, uint64_t now)
{
    if (h->asked && !atomic_load(&h->answered)) {
        h->ticks++;
        if (h->ticks >= STALLED_TICKS && !h->stalled) {
            log_error("worker %u has stood still for %u s: its connections and sessions wait",
                      index, seconds_since(h->asked_at, now));
            h->stalled = true;
        }
        return false;
    }
    if (h->stalled)
        log_error("worker %u goes on after %u s", index, seconds_since(h->asked_at, now));
    h->stalled = false;
    h->asked = true;
    h->ticks = 0;
    h->asked_at = now;
    atomic_store(&h->answered, false);
    return true;
}

void heartbeat_answer(struct heartbeat *h)
{
    atomic_store(&h->answered, true);
}
