/* A relay between two scripted endpoints. */
#ifndef ADIT_T_RELAY_SCENE_H
#define ADIT_T_RELAY_SCENE_H

#include "io/relay.h"
#include "fake_endpoint.h"

#include "base/mem.h"

#include <stdio.h>

#define ENDLESS ((size_t)1 << 40)

struct scene {
    struct loop *loop;
    struct far_side a, b;
    struct relay *relay; /* NULL: done */
    bool until_b_closed; /* for the next relay */
    struct relay_result result;
    char reason[64];
};

static inline void done(void *arg, const struct relay_result *result)
{
    struct scene *scene = arg;

    assert_non_null(scene->relay);
    assert_null(scene->a.endpoint);
    assert_null(scene->b.endpoint);
    scene->relay = NULL;
    scene->result = *result;
    snprintf(scene->reason, sizeof scene->reason, "%s", result->reason);
}

/* New endpoints; b has that capacity, and a takes everything. */
static inline void prepare(struct scene *scene, size_t capacity)
{
    *scene = (struct scene){.loop = scene->loop};
    scene->a = (struct far_side){.capacity = ENDLESS, .asks_room = true};
    scene->b = (struct far_side){.capacity = capacity, .asks_room = true};
    fake_new(&scene->a);
    fake_new(&scene->b);
}

/* The relay between them, with what was read from a and from b before. */
static inline void join(struct scene *scene, const char *early_a, const char *early_b)
{
    struct buffer from_a = {0}, from_b = {0};

    buffer_append(&from_a, early_a, strlen(early_a));
    buffer_append(&from_b, early_b, strlen(early_b));
    scene->relay = relay_new(scene->loop, &(struct relay_start){
                                              .a = scene->a.endpoint,
                                              .b = scene->b.endpoint,
                                              .early_a = &from_a,
                                              .early_b = &from_b,
                                              .until_b_closed = scene->until_b_closed,
                                              .done = done,
                                              .arg = scene,
                                          });
    buffer_clear(&from_a);
    buffer_clear(&from_b);
}

static inline void start(struct scene *scene, size_t capacity, const char *early_a)
{
    prepare(scene, capacity);
    join(scene, early_a, "");
}

static inline void assert_got(const struct far_side *far, const char *text)
{
    assert_int_equal(far->got_length, strlen(text));
    assert_memory_equal(far->got, text, far->got_length);
}

/* Both ends are closed now, and `done` says this once the loop has turned. */
static inline void assert_ended(struct scene *scene, enum end end, int failed, const char *reason)
{
    assert_int_equal(scene->a.end, end);
    assert_int_equal(scene->b.end, end);
    assert_non_null(scene->relay);
    run_now(scene->loop);
    assert_null(scene->relay);
    assert_int_equal(scene->result.failed, failed);
    assert_string_equal(scene->reason, reason);
}

static inline int set_up(void **state)
{
    struct scene *scene = mem_zalloc(sizeof *scene);

    scene->loop = loop_new();
    in_data = false;
    *state = scene;
    return 0;
}

static inline int tear_down(void **state)
{
    struct scene *scene = *state;

    loop_free(scene->loop);
    free(scene);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
