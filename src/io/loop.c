/* A libuv loop with work for later and deadlines.
 *
 * Work for later runs from a uv_check handle, that is after the turn's input. While some is queued
 * a uv_idle handle is active, which keeps the poll for input from blocking.
 *
 * Deadlines of the same duration fall due in the order in which they were armed. So one list and
 * one timer serve any number of them. The timer is set for the first deadline; if that one was
 * cancelled meanwhile, the timer fires for nothing and is set again. */
#include "io/loop.h"

#include "base/log.h"
#include "base/mem.h"
#include "io/loop_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

TAILQ_HEAD(later_list, later);
TAILQ_HEAD(deadline_list, deadline);

/* The armed deadlines of one duration. The queue lasts until its timer finds it empty. */
struct deadline_queue {
    LIST_ENTRY(deadline_queue) next;
    struct deadline_list deadlines;
    uint64_t duration;
    uv_timer_t timer;
};

struct loop {
    uv_loop_t uv;
    uv_check_t check; /* always active, so that the loop runs until it is stopped */
    uv_idle_t idle;
    struct later_list later;
    uint64_t turn;
    LIST_HEAD(, deadline_queue) queues;
    struct socket_list lingering;
    struct watches *watches;
    uint8_t scratch[LOOP_SCRATCH_SIZE];
    struct gathered gathered;
};

static void loop_no_wait(uv_idle_t *idle)
{
    (void)idle;
}

static void loop_run_later(uv_check_t *check)
{
    struct loop *loop = check->data;
    struct later *later;

    loop->turn++;
    while ((later = TAILQ_FIRST(&loop->later)) != NULL && later->turn != loop->turn) {
        later_cancel(loop, later);
        later->run(later);
    }
    watches_sweep(loop->watches);
}

struct loop *loop_new(void)
{
    struct loop *loop = mem_zalloc(sizeof *loop);
    int error = uv_loop_init(&loop->uv);

    if (error == 0) {
        loop->watches = watches_new(&loop->uv);
        if (loop->watches == NULL) {
            error = -errno;
            uv_loop_close(&loop->uv);
        }
    }
    if (error != 0) {
        log_error("cannot start an event loop: %s", uv_strerror(error));
        free(loop);
        return NULL;
    }
    TAILQ_INIT(&loop->later);
    LIST_INIT(&loop->queues);
    LIST_INIT(&loop->lingering);
    uv_idle_init(&loop->uv, &loop->idle);
    uv_check_init(&loop->uv, &loop->check);
    loop->check.data = loop;
    uv_check_start(&loop->check, loop_run_later);
    return loop;
}

static void deadline_queue_closed(uv_handle_t *timer)
{
    free(container_of(timer, struct deadline_queue, timer));
}

static void deadline_queue_free(struct deadline_queue *queue)
{
    assert(TAILQ_EMPTY(&queue->deadlines) && "a loop is freed when no deadline is armed");
    LIST_REMOVE(queue, next);
    uv_close((uv_handle_t *)&queue->timer, deadline_queue_closed);
}

static void loop_assert_closing(uv_handle_t *handle, void *arg)
{
    (void)arg;
    (void)handle;
    assert(uv_is_closing(handle) && "a loop is freed when its handles are closed");
}

void loop_free(struct loop *loop)
{
    int error;

    if (loop == NULL)
        return;
    assert(TAILQ_EMPTY(&loop->later) && "a loop is freed when no work is queued");
    assert(LIST_EMPTY(&loop->lingering) && "a loop is freed when no socket lingers");
    while (!LIST_EMPTY(&loop->queues))
        deadline_queue_free(LIST_FIRST(&loop->queues));
    watches_free(loop->watches);
    uv_close((uv_handle_t *)&loop->check, NULL);
    uv_close((uv_handle_t *)&loop->idle, NULL);
    uv_walk(&loop->uv, loop_assert_closing, NULL);
    while (uv_run(&loop->uv, UV_RUN_DEFAULT) != 0)
        continue;
    error = uv_loop_close(&loop->uv);
    assert(error == 0 && "all handles are closed");
    (void)error;
    free(loop);
}

void loop_run(struct loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *loop)
{
    uv_stop(&loop->uv);
}

uv_loop_t *loop_uv(struct loop *loop)
{
    return &loop->uv;
}

uint64_t loop_now(const struct loop *loop)
{
    return uv_now(&loop->uv);
}

uint8_t *loop_scratch(struct loop *loop)
{
    return loop->scratch;
}

void loop_forget(struct loop *loop, const uint8_t *bytes, size_t length)
{
    uintptr_t begin = (uintptr_t)loop->scratch;
    uintptr_t at = (uintptr_t)bytes;

    if (at >= begin && at - begin < LOOP_SCRATCH_SIZE && length <= LOOP_SCRATCH_SIZE - (at - begin))
        explicit_bzero(loop->scratch + (at - begin), length);
}

struct gathered *loop_gathered(struct loop *loop)
{
    return &loop->gathered;
}

struct socket_list *loop_lingering(struct loop *loop)
{
    return &loop->lingering;
}

struct watches *loop_watches(struct loop *loop)
{
    return loop->watches;
}

void later_post(struct loop *loop, struct later *later, void (*run)(struct later *later))
{
    if (later->queued)
        return;
    if (TAILQ_EMPTY(&loop->later))
        uv_idle_start(&loop->idle, loop_no_wait);
    later->run = run;
    later->turn = loop->turn;
    later->queued = true;
    TAILQ_INSERT_TAIL(&loop->later, later, next);
}

void later_cancel(struct loop *loop, struct later *later)
{
    if (!later->queued)
        return;
    later->queued = false;
    TAILQ_REMOVE(&loop->later, later, next);
    if (TAILQ_EMPTY(&loop->later))
        uv_idle_stop(&loop->idle);
}

static void deadline_queue_expire(uv_timer_t *timer)
{
    struct deadline_queue *queue = timer->data;
    struct deadline *deadline;
    uint64_t now = uv_now(timer->loop);

    while ((deadline = TAILQ_FIRST(&queue->deadlines)) != NULL && deadline->due <= now) {
        deadline_cancel(deadline);
        deadline->expired(deadline);
    }
    if (deadline == NULL)
        deadline_queue_free(queue);
    else
        uv_timer_start(timer, deadline_queue_expire, deadline->due - now, 0);
}

static struct deadline_queue *deadline_queue_of(struct loop *loop, uint64_t duration)
{
    struct deadline_queue *queue;

    LIST_FOREACH (queue, &loop->queues, next) {
        if (queue->duration == duration)
            return queue;
    }
    queue = mem_zalloc(sizeof *queue);
    TAILQ_INIT(&queue->deadlines);
    queue->duration = duration;
    queue->timer.data = queue;
    uv_timer_init(&loop->uv, &queue->timer);
    uv_timer_start(&queue->timer, deadline_queue_expire, duration, 0);
    LIST_INSERT_HEAD(&loop->queues, queue, next);
    return queue;
}

void deadline_arm(struct loop *loop, struct deadline *deadline, uint64_t milliseconds,
                  void (*expired)(struct deadline *deadline))
{
    /* Not 0: a callback that arms its own deadline again would keep deadline_queue_expire in its
     * loop. */
    uint64_t duration = milliseconds > 0 ? milliseconds : 1;

    deadline_cancel(deadline);
    deadline->queue = deadline_queue_of(loop, duration);
    deadline->due = loop_now(loop) + duration;
    deadline->expired = expired;
    TAILQ_INSERT_TAIL(&deadline->queue->deadlines, deadline, next);
}

void deadline_cancel(struct deadline *deadline)
{
    if (deadline->queue == NULL)
        return;
    TAILQ_REMOVE(&deadline->queue->deadlines, deadline, next);
    deadline->queue = NULL;
}
