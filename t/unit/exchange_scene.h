/* A client, scripted, and a relay, played by the test, with an http_exchange between them. */
#ifndef ADIT_T_EXCHANGE_SCENE_H
#define ADIT_T_EXCHANGE_SCENE_H

#include "worker/http_exchange.h"
#include "fake_endpoint.h"

#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Responses that the origin gives, and what the client gets of them. */
#define OK "HTTP/1.1 200 OK\r\n"
#define CLOSE "Connection: close\r\n\r\n"

#define GULP sizeof(((struct far_side *)0)->got)

struct scene {
    const char *what; /* the case, for the message of a failure; NULL: none */
    struct loop *loop;
    struct far_side client;
    char got[2 * HTTP_HEAD_MAX]; /* by the client, all in all */
    size_t got_length;

    struct endpoint *exchange; /* NULL: closed */
    /* What the origin says: in pieces of `step` bytes, then the end of data if it `ends`. */
    const char *says;
    size_t length;
    size_t step;
    bool ends;
    bool asks_room; /* before each piece */
    size_t written;
    size_t offered; /* the end of the piece that is being written */
    bool eof_written;

    /* What the relay heard. */
    char heard[256];
    size_t heard_length;
    size_t room;
    int eofs;
    int closes;
    int writables;
    char failed[64];
};

/* ---- the relay's part */

/* Writes until the exchange takes no more, as a relay does: what a piece has left goes first. */
static inline void write_on(struct scene *scene)
{
    while (scene->written < scene->length) {
        size_t left = scene->offered - scene->written;
        size_t taken;
        if (left == 0) {
            size_t room = scene->asks_room ? endpoint_room(scene->exchange) : SIZE_MAX;
            left = scene->length - scene->written;
            left = left < scene->step ? left : scene->step;
            left = left < room ? left : room;
            if (left == 0)
                return;
            scene->offered += left;
        }
        taken =
            endpoint_write(scene->exchange, (const uint8_t *)scene->says + scene->written, left);
        assert_true(taken <= left);
        scene->written += taken;
        if (taken < left)
            return;
    }
    if (scene->ends && !scene->eof_written) {
        scene->eof_written = true;
        endpoint_write_eof(scene->exchange);
    }
}

static inline size_t on_room(void *owner)
{
    return ((struct scene *)owner)->room;
}

static inline bool on_data(void *owner, const uint8_t *bytes, size_t length)
{
    struct scene *scene = owner;

    assert_true(length > 0);
    if (length > scene->room)
        return false; /* (A client that asked for the room is not refused: see `sends`.) */
    assert_true(scene->heard_length + length <= sizeof scene->heard);
    assert_int_equal(scene->eofs, 0);
    memcpy(scene->heard + scene->heard_length, bytes, length);
    scene->heard_length += length;
    scene->room -= length;
    return true;
}

static inline void on_eof(void *owner)
{
    ((struct scene *)owner)->eofs++;
}

static inline void on_closed(void *owner)
{
    ((struct scene *)owner)->closes++;
}

static inline void on_writable(void *owner)
{
    ((struct scene *)owner)->writables++;
    write_on(owner);
}

static inline void on_failed(void *owner, const char *why)
{
    struct scene *scene = owner;

    assert_string_equal(scene->failed, "");
    snprintf(scene->failed, sizeof scene->failed, "%s", why);
}

static const struct endpoint_events relay_events = {
    .room = on_room,
    .data = on_data,
    .eof = on_eof,
    .closed = on_closed,
    .writable = on_writable,
    .failed = on_failed,
};

/* ---- the client's part */

/* Takes up to `appetite` bytes. */
static inline void client_takes(struct scene *scene, size_t appetite)
{
    struct far_side *client = &scene->client;

    takes(client, appetite - client->capacity);
    assert_true(scene->got_length + client->got_length <= sizeof scene->got);
    memcpy(scene->got + scene->got_length, client->got, client->got_length);
    scene->got_length += client->got_length;
    client->got_length = 0;
}

/* Takes all that there is, so much at a time; the end of data may only be the last that it sees. */
static inline void client_takes_all(struct scene *scene, size_t appetite)
{
    size_t before;

    do {
        before = scene->got_length;
        client_takes(scene, appetite);
    } while (scene->got_length > before);
}

static inline void assert_same(const struct scene *scene, const char *is, size_t is_length,
                               const char *should, size_t should_length)
{
    if (is_length != should_length || memcmp(is, should, is_length) != 0)
        fail_msg("%s: in steps of %zd: \"%.*s\"", scene->what != NULL ? scene->what : "",
                 (ssize_t)scene->step, (int)is_length, is);
}

static inline void assert_got(const struct scene *scene, const char *text, size_t length)
{
    assert_same(scene, scene->got, scene->got_length, text, length);
}

static inline void assert_heard(const struct scene *scene, const char *text)
{
    assert_same(scene, scene->heard, scene->heard_length, text, strlen(text));
}

/* ---- a scene */

static const struct http_body no_body = {.framing = HTTP_NO_BODY};
static struct wire_target target;

static inline void start(struct scene *scene, const struct http_body *body)
{
    *scene = (struct scene){
        .what = scene->what, .loop = scene->loop, .room = SIZE_MAX, .step = SIZE_MAX};
    scene->client = (struct far_side){.asks_room = true};
    scene->exchange = http_exchange_new(scene->loop, fake_new(&scene->client), body, &target);
    endpoint_own(scene->exchange, &relay_events, scene);
    assert_false(is_flowing(&scene->client));
    endpoint_resume(scene->exchange);
    assert_true(is_flowing(&scene->client));
}

static inline void origin_says(struct scene *scene, const char *bytes, size_t length, bool ends_too)
{
    scene->says = bytes;
    scene->length = length;
    scene->written = scene->offered = 0;
    scene->ends = ends_too;
    write_on(scene);
}

static inline void finish(struct scene *scene, bool abort)
{
    bool cut = abort || endpoint_is_draining(scene->exchange);

    endpoint_close(scene->exchange, abort);
    scene->exchange = NULL;
    assert_int_equal(scene->client.end, cut ? ABORTED : CLOSED);
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

/* (Work that a closed exchange left behind would be noticed here.) */
static inline int tear_down(void **state)
{
    struct scene *scene = *state;

    loop_free(scene->loop);
    free(scene);
    return 0;
}

#endif
