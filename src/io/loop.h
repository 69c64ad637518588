/* The room io/ knows descriptors: loops, mailboxes, sockets, the relay, names, programs; it does
 * not know what the bytes mean. Each object belongs to the thread of its loop. Rooms from conf/ on
 * call it.
 *
 * The event loop of one thread, with what the code on it shares: work for later, deadlines, a
 * scratch buffer. Everything here is called on the thread that runs the loop. */
#ifndef ADIT_IO_LOOP_H
#define ADIT_IO_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

struct loop;

/* A new loop; NULL when the kernel has no descriptors for one (logged). */
struct loop *loop_new(void);

/* Frees a loop that does not run. Waits for handles that are still closing. Open handles, queued
 * work, armed deadlines and lingering sockets are bugs and asserted. NULL is fine. */
void loop_free(struct loop *loop);

/* Runs until loop_stop, which is called from inside a callback of the loop. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* For handles of libuv's own: timers, polls, signals. */
uv_loop_t *loop_uv(struct loop *loop);

/* Milliseconds of a monotonic clock, as of the current turn of the loop. */
uint64_t loop_now(const struct loop *loop);

/* One buffer for received bytes. A callback that receives into it passes the bytes on before it
 * returns. */
#define LOOP_SCRATCH_SIZE 131072
uint8_t *loop_scratch(struct loop *loop);

/* Overwrites these bytes if they lie in the scratch buffer, as those do that a socket offers its
 * owner: for an owner that has taken them, where they hold a password. */
void loop_forget(struct loop *loop, const uint8_t *bytes, size_t length);

/* Work to be done later in the same turn, when no callback is on the stack any more. Embedded in
 * the owner's struct, zeroed. Queued work runs once, first in first out. Work that is queued
 * meanwhile waits for the next turn, so that it cannot starve the loop. */
struct later {
    TAILQ_ENTRY(later) next;
    void (*run)(struct later *later);
    uint64_t turn; /* of the loop, when it was queued */
    bool queued;
};

/* Queues the work. Does nothing if it is queued already. */
void later_post(struct loop *loop, struct later *later, void (*run)(struct later *later));

/* Takes the work off the queue. Does nothing if it is not queued. */
void later_cancel(struct loop *loop, struct later *later);

/* A moment after which something has taken too long. Embedded in the owner's struct, zeroed. A
 * deadline needs no timer of its own; to arm and to cancel one takes constant time as long as few
 * different durations are in use. */
struct deadline {
    TAILQ_ENTRY(deadline) next;
    struct deadline_queue *queue; /* NULL: not armed */
    uint64_t due;
    void (*expired)(struct deadline *deadline);
};

/* Arms the deadline, or arms it again, for `milliseconds` (at least 1) from now. `expired` is
 * called once. It may free the struct that the deadline is embedded in, and arm and cancel this
 * deadline and others. */
void deadline_arm(struct loop *loop, struct deadline *deadline, uint64_t milliseconds,
                  void (*expired)(struct deadline *deadline));

/* Disarms the deadline. Does nothing if it is not armed. */
void deadline_cancel(struct deadline *deadline);

/* The structure that a member is embedded in. */
#define container_of(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
