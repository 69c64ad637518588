/* A client and an origin, both scripted, and an http_exchange between them. */
#ifndef ADIT_T_EXCHANGE_SCENE_H
#define ADIT_T_EXCHANGE_SCENE_H

#define GOT_MAX (160 * 1024)
#include "worker/http_exchange.h"
#include "fake_endpoint.h"

#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What is said, and what comes of it. */
#define OK "HTTP/1.1 200 OK\r\n"
#define VIA "Via: 1.1 adit\r\n"
#define END VIA "\r\n"
#define CLOSE VIA "Connection: close\r\n\r\n"
#define HEAD "GET / HTTP/1.1\r\nHost: a\r\n\r\n" /* as the origin gets it */
#define NEXT "GET http://b/ HTTP/1.1\r\n\r\n"

#define GULP ((size_t)1 << 20)

/* One exchange, from its beginning to its end. */
struct script {
    const char *what;
    struct http_body body;   /* of the request */
    const char *early;       /* from the client: before the exchange ... */
    const char *client_says; /* ... and after */
    const char *origin_says; /* NULL: "" */
    const char *upgrade;     /* NULL: none was asked for */
    size_t origin_length;    /* 0: strlen */
    bool client_ends, origin_ends;
    bool old, is_head, close, kept, repeatable, leaves; /* leaves: may not stay */
    /* What is right. */
    enum http_exchange_end end;
    enum outcome outcome; /* not OUTCOME_OK: what the client gets ends with the answer for it */
    const char *client_gets, *origin_gets; /* behind HEAD */
    const char *next;                      /* from_client */
    const char *tunnel;                    /* from_origin */
    bool origin_kept;
};

struct scene {
    const struct script *script;
    struct loop *loop;
    struct far_side client, origin;
    struct http_exchange *exchange; /* NULL: it has ended, so: */
    struct http_exchange_result result;
    char next[4096], tunnel[4096], reason[128];
    size_t step, appetite;
    bool may_stay;
    size_t client_said, origin_said;
};

static struct wire_target target;

static inline bool stays(void *arg)
{
    return ((struct scene *)arg)->may_stay;
}

static inline void copy_text(char *to, size_t size, struct buffer *from)
{
    assert_true(buffer_length(from) < size);
    memcpy(to, buffer_length(from) > 0 ? buffer_data(from) : (const uint8_t *)"",
           buffer_length(from));
    to[buffer_length(from)] = '\0';
    buffer_clear(from);
}

static inline void on_done(void *arg, const struct http_exchange_result *result)
{
    struct scene *scene = arg;

    assert_non_null(scene->exchange);
    scene->exchange = NULL;
    /* (What was given back has no owner until the next one comes.) */
    if (result->client != NULL)
        result->client->resumed = false;
    if (result->origin != NULL)
        result->origin->resumed = false;
    scene->result = *result;
    copy_text(scene->next, sizeof scene->next, result->from_client);
    copy_text(scene->tunnel, sizeof scene->tunnel, result->from_origin);
    snprintf(scene->reason, sizeof scene->reason, "%s", result->reason);
}

static inline void start(struct scene *scene, const struct script *script)
{
    struct buffer head = {0}, early = {0};
    const char *upgrade = script->upgrade != NULL ? script->upgrade : "";

    memset(scene->next, 0, sizeof scene->next);
    scene->script = script;
    scene->client = (struct far_side){.asks_room = true};
    scene->origin = (struct far_side){.asks_room = false};
    scene->may_stay = !script->leaves;
    scene->client_said = scene->origin_said = 0;
    buffer_append(&head, HEAD, strlen(HEAD));
    if (script->early != NULL)
        buffer_append(&early, script->early, strlen(script->early));
    scene->exchange = http_exchange_new(scene->loop, &(struct http_exchange_start){
                                                         .client = fake_new(&scene->client),
                                                         .origin = fake_new(&scene->origin),
                                                         .head = &head,
                                                         .from_client = &early,
                                                         .body = script->body,
                                                         .target = &target,
                                                         .upgrade = {upgrade, strlen(upgrade)},
                                                         .old = script->old,
                                                         .is_head = script->is_head,
                                                         .close = script->close,
                                                         .kept = script->kept,
                                                         .repeatable = script->repeatable,
                                                         .stays = stays,
                                                         .done = on_done,
                                                         .arg = scene,
                                                     });
    assert_int_equal(buffer_length(&early), 0);
    buffer_clear(&head);
}

static inline size_t origin_length(const struct script *script)
{
    if (script->origin_says == NULL)
        return 0;
    return script->origin_length > 0 ? script->origin_length : strlen(script->origin_says);
}

static inline size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* It has got what it waits for before it says anything. */
static inline bool origin_is_asked(const struct scene *scene)
{
    const char *gets = scene->script->origin_gets;

    return scene->origin.got_length >= strlen(HEAD) + (gets != NULL ? strlen(gets) : 0);
}

/* Sends and takes a piece each way. */
static inline void turn(struct scene *scene)
{
    const struct script *script = scene->script;
    size_t client_length = script->client_says != NULL ? strlen(script->client_says) : 0;
    size_t left = client_length - scene->client_said;

    if (scene->client.endpoint != NULL && !scene->client.ended)
        scene->client_said += sends(&scene->client, script->client_says + scene->client_said,
                                    min_size(left, scene->step));
    if (scene->client.endpoint != NULL && script->client_ends &&
        scene->client_said == client_length)
        ends(&scene->client);
    run_now(scene->loop);
    left = origin_length(script) - scene->origin_said;
    if (scene->origin.endpoint != NULL && !scene->origin.ended && origin_is_asked(scene))
        scene->origin_said += sends(&scene->origin, script->origin_says + scene->origin_said,
                                    min_size(left, scene->step));
    run_now(scene->loop);
    if (scene->origin.endpoint != NULL && script->origin_ends && origin_is_asked(scene) &&
        scene->origin_said == origin_length(script))
        ends(&scene->origin);
    run_now(scene->loop);
    if (scene->client.endpoint != NULL)
        takes(&scene->client, scene->appetite - scene->client.capacity);
    run_now(scene->loop);
    if (scene->origin.endpoint != NULL)
        takes(&scene->origin, scene->appetite - scene->origin.capacity);
    run_now(scene->loop);
}

/* Until nothing changes any more. */
static inline void play(struct scene *scene)
{
    size_t before, now = 0;

    do {
        before = now;
        turn(scene);
        turn(scene);
        now = scene->client.got_length + scene->origin.got_length + scene->client_said +
              scene->origin_said + (scene->exchange == NULL);
    } while (now != before);
}

static inline void assert_same(const struct scene *scene, const char *which, const char *is,
                               size_t is_length, const char *should, size_t should_length)
{
    if (is_length != should_length || memcmp(is, should, is_length) != 0)
        fail_msg("%s: %s, in steps of %zd and gulps of %zu: \"%.*s\"", scene->script->what, which,
                 (ssize_t)scene->step, scene->appetite, (int)is_length, is);
}

/* The endpoints that the exchange has given back are closed by the owner. */
static inline void close_returned(struct scene *scene)
{
    endpoint_close(scene->result.client, false);
    endpoint_close(scene->result.origin, false);
}

static inline int set_up(void **state)
{
    struct scene *scene = mem_zalloc(sizeof *scene);

    scene->loop = loop_new();
    assert_true(wire_target_set(&target, "origin.example", strlen("origin.example"), 8080));
    in_data = false;
    *state = scene;
    return 0;
}

/* (Work that an exchange left behind would be noticed here.) */
static inline int tear_down(void **state)
{
    struct scene *scene = *state;

    loop_free(scene->loop);
    free(scene);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
