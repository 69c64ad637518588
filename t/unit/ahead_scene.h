/* Exchanges one after another, with requests that go to the origin ahead of their turn; over
 * exchange_scene.h. */
#ifndef ADIT_T_AHEAD_SCENE_H
#define ADIT_T_AHEAD_SCENE_H

#include "exchange_scene.h"

#include "wire/http.h"

#define REQUESTS_MAX 8

#define GET(path) "GET http://a" path " HTTP/1.1\r\n\r\n"
#define ASKED(path) "GET " path " HTTP/1.1\r\nHost: a\r\n" END
#define SAYS(content) OK "Content-Length: 3\r\n\r\n" content
#define GETS(content) OK "Content-Length: 3\r\n" END content

/* The owner of one exchange after another, as src/worker/client*.c are. */
struct owner {
    struct scene *scene;
    struct buffer in;           /* of the client, and not part of a request yet */
    struct buffer from_origin;  /* behind a response */
    size_t asked[REQUESTS_MAX]; /* sizes of the requests that are ahead */
    size_t ahead;               /* how many */
    size_t limit;               /* how many may be */
    enum http_exchange_end ends[2 * REQUESTS_MAX];
    uint64_t bytes[2 * REQUESTS_MAX][2];
    size_t ended;
    bool pipelines, kept, again; /* again: the last exchange was stale */
    struct buffer head;          /* of the request */
    struct http_request request;
};

static inline void begin_next(struct owner *owner);
static inline void let_run(struct scene *scene);

/* Takes a request off `in`. False: none is whole. */
static inline bool take_request_of(struct owner *owner, struct text bytes, struct buffer *head,
                                   size_t *used)
{
    enum outcome outcome;
    uint8_t *out;

    if (http_request_parse((const uint8_t *)bytes.at, bytes.length, used, &owner->request,
                           &outcome) != WIRE_OK)
        return false;
    out = buffer_reserve(head, http_rewrite_max(&owner->request));
    buffer_commit(head, http_request_rewrite(&owner->request, HTTP_KEEP, out));
    return true;
}

static inline enum wire_status next_request(void *arg, struct text bytes, struct buffer *head,
                                            size_t *used)
{
    struct owner *owner = arg;
    struct http_request current = owner->request;
    bool whole, may;

    assert_false(in_data);
    if (owner->ahead == owner->limit)
        return WIRE_BAD;
    whole = take_request_of(owner, bytes, head, used);
    may = whole && owner->request.repeatable;
    owner->request = current;
    if (!whole)
        return WIRE_MORE;
    if (!may)
        return WIRE_BAD;
    owner->asked[owner->ahead++] = *used;
    return WIRE_OK;
}

static inline bool owner_stays(void *arg)
{
    (void)arg;
    return true;
}

static inline void owner_done(void *arg, const struct http_exchange_result *result)
{
    struct owner *owner = arg;
    struct scene *scene = owner->scene;

    scene->exchange = NULL;
    /* (What was given back has no owner until the next one comes.) */
    if (result->client != NULL)
        result->client->resumed = false;
    if (result->origin != NULL)
        result->origin->resumed = false;
    assert_true(owner->ended < COUNT(owner->ends));
    memcpy(owner->bytes[owner->ended], result->bytes, sizeof(result->bytes));
    owner->ends[owner->ended++] = result->end;
    owner->pipelines = result->pipelines;
    owner->kept = result->origin != NULL;
    owner->again = result->end == HTTP_EXCHANGE_STALE;
    owner->in = *result->from_client;
    *result->from_client = (struct buffer){0};
    buffer_clear(&owner->from_origin);
    if (owner->kept) {
        owner->from_origin = *result->from_origin;
        *result->from_origin = (struct buffer){0};
        assert_true(buffer_length(&owner->from_origin) == 0 || owner->ahead > 0);
    } else {
        owner->ahead = 0;
    }
    if (result->client != NULL)
        begin_next(owner);
    else
        buffer_clear(&owner->in);
}

static inline void start_exchange(struct owner *owner, bool sent)
{
    struct scene *scene = owner->scene;
    const char *upgrade = owner->request.upgrade.length > 0 ? "websocket" : "";
    size_t ahead = 0;

    for (size_t i = 0; i < owner->ahead; i++)
        ahead += owner->asked[i];
    if (scene->origin.endpoint == NULL) {
        scene->origin = (struct far_side){.asks_room = false, .capacity = GULP};
        fake_new(&scene->origin);
        owner->kept = owner->pipelines = false;
    }
    scene->exchange =
        http_exchange_new(scene->loop, &(struct http_exchange_start){
                                           .client = scene->client.endpoint,
                                           .origin = scene->origin.endpoint,
                                           .head = &owner->head,
                                           .from_client = &owner->in,
                                           .body = owner->request.body,
                                           .target = &target,
                                           .upgrade = {upgrade, strlen(upgrade)},
                                           .is_head = owner->request.is_head,
                                           .close = owner->request.close,
                                           .kept = owner->kept,
                                           .repeatable = owner->request.repeatable,
                                           .pipelines = owner->pipelines,
                                           .sent = sent,
                                           .from_origin = sent ? &owner->from_origin : NULL,
                                           .ahead = ahead,
                                           .next = next_request,
                                           .stays = owner_stays,
                                           .done = owner_done,
                                           .arg = owner,
                                       });
}

/* The next request's exchange, or the last one's again; none if there is no request. */
static inline void begin_next(struct owner *owner)
{
    bool sent = owner->ahead > 0;
    size_t used = 0;
    struct text bytes = {(const char *)buffer_data(&owner->in), buffer_length(&owner->in)};

    if (owner->again) {
        start_exchange(owner, false);
        return;
    }
    buffer_clear(&owner->head);
    if (!take_request_of(owner, bytes, &owner->head, &used))
        return;
    if (sent) {
        assert_int_equal(used, owner->asked[0]);
        memmove(&owner->asked[0], &owner->asked[1], sizeof(owner->asked) - sizeof(owner->asked[0]));
        owner->ahead--;
    }
    buffer_consume(&owner->in, used);
    start_exchange(owner, sent);
}

static inline void begin(struct owner *owner, struct scene *scene, const char *requests)
{
    *owner = (struct owner){.scene = scene, .limit = 4};
    scene->client = (struct far_side){.asks_room = true, .capacity = scene->appetite};
    scene->origin = (struct far_side){0};
    fake_new(&scene->client);
    buffer_append(&owner->in, requests, strlen(requests));
    begin_next(owner);
    let_run(scene);
}

static inline void finish(struct owner *owner)
{
    struct scene *scene = owner->scene;

    if (scene->exchange != NULL)
        http_exchange_abort(scene->exchange);
    else if (scene->client.endpoint != NULL)
        endpoint_close(scene->client.endpoint, false);
    if (scene->origin.endpoint != NULL)
        endpoint_close(scene->origin.endpoint, false);
    scene->exchange = NULL;
    buffer_clear(&owner->in);
    buffer_clear(&owner->from_origin);
    buffer_clear(&owner->head);
}

/* Until nothing more follows: an exchange may follow another one. */
static inline void let_run(struct scene *scene)
{
    for (int i = 0; i < 4 * REQUESTS_MAX; i++)
        run_now(scene->loop);
}

/* The origin says the next piece of these; how much of it was taken. */
static inline size_t origin_says(struct scene *scene, const char *text, size_t step)
{
    size_t left = strlen(text);
    size_t taken = 0;

    if (scene->origin.endpoint != NULL)
        taken = sends(&scene->origin, text, min_size(left, step));
    let_run(scene);
    if (scene->client.endpoint != NULL)
        takes(&scene->client, scene->appetite - scene->client.capacity);
    let_run(scene);
    return taken;
}

/* All of it, with as many turns as it takes. */
static inline void origin_says_all(struct scene *scene, const char *text)
{
    for (size_t idle = 0; *text != '\0' && idle < GOT_MAX;) {
        size_t taken = origin_says(scene, text, scene->step);
        text += taken;
        idle = taken > 0 ? 0 : idle + 1;
    }
    for (size_t before = SIZE_MAX; before != scene->client.got_length;) {
        before = scene->client.got_length;
        for (int i = 0; i < 10; i++)
            origin_says(scene, "", 0);
    }
    assert_string_equal(text, "");
}

static inline void assert_client_got(struct scene *scene, const char *text)
{
    assert_same(scene, "the client", scene->client.got, scene->client.got_length, text,
                strlen(text));
}

static inline void assert_origin_got(struct scene *scene, const char *text)
{
    assert_same(scene, "the origin", scene->origin.got, scene->origin.got_length, text,
                strlen(text));
}

static const struct script script = {.what = "requests ahead"};
static const size_t steps[] = {1, 2, 7, 50, SIZE_MAX};
static const size_t appetites[] = {1, 5, 64, GULP};

static inline void use(struct scene *scene, size_t step, size_t appetite)
{
    scene->script = &script;
    scene->step = step;
    scene->appetite = appetite;
}

#endif
