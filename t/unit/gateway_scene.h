/* What the tests of gateway/ and worker/ share: a main thread's loop with the tables of two
 * upstreams, "a" and "b", and generations of configurations made from text.
 *
 * The workers are the test's: real ones, or such as it plays itself. All loops are turned by the
 * test's one thread. */
#ifndef ADIT_T_GATEWAY_SCENE_H
#define ADIT_T_GATEWAY_SCENE_H

#include "base/log.h"
#include "io/mailbox.h"
#include "io_test.h"
#include "load_text.h"
#include "shared/generation.h"
#include "shared/workers.h"

#include <poll.h>
#include <time.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define SCENE_WORKERS 3
#define SCENE_TABLES 2

struct gateway_scene {
    struct loop *loop; /* the main thread's */
    struct workers workers;
    struct worker *each[SCENE_WORKERS];
    struct session_table *tables[SCENE_TABLES]; /* of a and b */
    struct generation *generation;              /* in use; NULL: none yet */
};

/* Everything but the workers. */
static inline void gateway_scene_init(struct gateway_scene *s, struct loop *loop, unsigned workers)
{
    log_setup(-1, ADIT_LOG_ERROR, ADIT_LOG_TEXT);
    s->loop = loop;
    s->workers.main_mailbox = mailbox_new(loop, NULL);
    s->workers.all = s->each;
    s->workers.count = workers;
    for (size_t i = 0; i < SCENE_TABLES; i++) {
        s->tables[i] = session_table_new(i == 0 ? "a" : "b", NULL);
        atomic_store(&s->tables[i]->max_channels, 10);
        atomic_store(&s->tables[i]->max_sessions, 10);
    }
}

/* All but the loop and the workers; whoever referenced the generation or a table must have let go
 * of it. */
static inline void gateway_scene_clear(struct gateway_scene *s)
{
    mailbox_free(s->workers.main_mailbox);
    if (s->generation != NULL)
        assert_int_equal(atomic_load(&s->generation->references), 1);
    generation_unref(s->generation);
    for (size_t i = 0; i < SCENE_TABLES; i++) {
        assert_int_equal(atomic_load(&s->tables[i]->references), 1);
        session_table_unref(s->tables[i]);
    }
}

/* The two upstreams, then `text`: as a generation, it is in use from now on. Returns the one
 * before, which is the caller's to let go of. */
static inline struct generation *gateway_scene_use(struct gateway_scene *s, struct config *config)
{
    struct generation *before = s->generation;

    s->generation = generation_new(config, s->tables, NULL);
    return before;
}

static inline struct config *gateway_scene_load(const char *upstreams, const char *text)
{
    char *all = mem_printf("%s%s", upstreams, text);
    struct config *config = load_good(all);

    free(all);
    return config;
}

/* A session of another thread is up, or gone, as far as the table shows it. */
static inline void gateway_scene_slot(struct gateway_scene *s, int table, int slot, int worker,
                                      enum slot_state state)
{
    if (state == SLOT_UP)
        atomic_store(&s->tables[table]->slots[slot].worker, worker);
    session_table_set_slot(s->tables[table], slot, state);
}

/* Turns the loops once, and waits a moment for news if there is nothing to be done. */
static inline void loops_turn(struct loop *const *loops, size_t count)
{
    struct pollfd news[SCENE_WORKERS + 1];
    int wait = 100;

    assert_true(count <= COUNT(news));
    for (size_t i = 0; i < count; i++) {
        int timeout = uv_backend_timeout(loop_uv(loops[i]));
        news[i] = (struct pollfd){.fd = uv_backend_fd(loop_uv(loops[i])), .events = POLLIN};
        if (timeout >= 0 && timeout < wait)
            wait = timeout;
    }
    poll(news, count, wait);
    for (size_t i = 0; i < count; i++)
        uv_run(loop_uv(loops[i]), UV_RUN_NOWAIT);
}

/* Turns them until the condition holds. */
#define LOOPS_UNTIL(loops, count, condition)                                                       \
    for (time_t loops_until = time(NULL) + PATIENCE_MS / 1000; !(condition);                       \
         loops_turn(loops, count))                                                                 \
        if (time(NULL) > loops_until)                                                              \
    fail_msg("waited in vain for: %s", #condition)

#endif
