/* Endpoints whose far sides are scripted by the test. */
#ifndef ADIT_T_FAKE_ENDPOINT_H
#define ADIT_T_FAKE_ENDPOINT_H

#include "io/endpoint.h"
#include "io_test.h"

#include "base/mem.h"

enum end { OPEN, CLOSED, ABORTED };

#ifndef GOT_MAX
#define GOT_MAX 512
#endif

/* What happens at the far side of an endpoint, and what was seen there. It outlives the endpoint.
 */
struct far_side {
    struct endpoint *endpoint; /* NULL: closed */
    enum end end;
    bool asks_room; /* as a socket does; without, bytes are offered and may be refused, as by libssh
                     */
    size_t capacity; /* what can be written now */
    bool owes_writable;
    char got[GOT_MAX];
    size_t got_length;
    unsigned writes;
    unsigned resumes;
    bool got_eof;
    bool ended; /* has sent its end of data */
    bool gone;
};

struct fake {
    struct endpoint endpoint;
    struct far_side *far;
};

/* Inside `data` the owner may write and keep bytes, and nothing else. */
static bool in_data;

static inline struct far_side *far_of(struct endpoint *endpoint)
{
    return container_of(endpoint, struct fake, endpoint)->far;
}

static inline size_t fake_room(struct endpoint *endpoint)
{
    struct far_side *far = far_of(endpoint);

    far->owes_writable |= far->capacity == 0;
    return far->capacity;
}

static inline size_t fake_write(struct endpoint *endpoint, const uint8_t *bytes, size_t length)
{
    struct far_side *far = far_of(endpoint);
    size_t taken = length < far->capacity ? length : far->capacity;

    assert_false(far->got_eof);
    assert_true(far->got_length + taken <= sizeof far->got);
    if (taken > 0)
        memcpy(far->got + far->got_length, bytes, taken);
    far->got_length += taken;
    far->capacity -= taken;
    far->writes++;
    far->owes_writable |= taken < length;
    return taken;
}

static inline void fake_write_eof(struct endpoint *endpoint)
{
    assert_false(in_data);
    assert_false(far_of(endpoint)->got_eof);
    assert_int_equal(buffer_length(&endpoint->unsent), 0);
    far_of(endpoint)->got_eof = true;
}

/* (An end that is owed is reported by `tells`.) */
static inline void fake_resume(struct endpoint *endpoint)
{
    assert_false(in_data);
    far_of(endpoint)->resumes++;
}

static inline void fake_close(struct endpoint *endpoint, bool abort)
{
    assert_false(in_data);
    far_of(endpoint)->end = abort || buffer_length(&endpoint->unsent) > 0 ? ABORTED : CLOSED;
    far_of(endpoint)->endpoint = NULL;
    buffer_clear(&endpoint->unsent);
    free(container_of(endpoint, struct fake, endpoint));
}

static const struct endpoint_operations fake_operations = {
    .room = fake_room,
    .write = fake_write,
    .write_eof = fake_write_eof,
    .resume = fake_resume,
    .close = fake_close,
};

/* The endpoint before that far side. */
static inline struct endpoint *fake_new(struct far_side *far)
{
    struct fake *fake = mem_zalloc(sizeof *fake);

    fake->endpoint.operations = &fake_operations;
    fake->far = far;
    far->endpoint = &fake->endpoint;
    return far->endpoint;
}

/* Its owner wants data. */
static inline bool is_flowing(const struct far_side *far)
{
    return far->endpoint != NULL && far->endpoint->resumed;
}

/* ---- what the far side does */

/* Sends the first of these bytes; says how many were taken. */
static inline size_t sends(struct far_side *far, const char *bytes, size_t length)
{
    const struct endpoint_events *events = far->endpoint->events;
    void *owner = far->endpoint->owner;

    assert_false(far->ended);
    if (!is_flowing(far) || length == 0)
        return 0;
    if (far->asks_room) {
        size_t room = events->room(owner);
        length = length < room ? length : room;
    }
    in_data = true;
    if (length == 0 || !events->data(owner, (const uint8_t *)bytes, length)) {
        assert_true(length == 0 || !far->asks_room);
        far->endpoint->resumed = false;
        length = 0;
    }
    in_data = false;
    return length;
}

static inline size_t says(struct far_side *far, const char *text)
{
    return sends(far, text, strlen(text));
}

static inline void takes(struct far_side *far, size_t more)
{
    far->capacity += more;
    if (far->owes_writable) {
        far->owes_writable = false;
        endpoint_report_writable(far->endpoint);
    }
}

/* Tells the owner of the end that it was not told of, once it has resumed. */
static inline void tells(struct far_side *far)
{
    if (far->gone && endpoint_owes_closed(far->endpoint))
        endpoint_report_closed(far->endpoint);
    else if (far->ended && endpoint_owes_eof(far->endpoint))
        endpoint_report_eof(far->endpoint);
}

static inline void ends(struct far_side *far)
{
    far->ended = true;
    tells(far);
}

/* (Even from an endpoint that is paused: it may give up by itself.) */
static inline void goes(struct far_side *far)
{
    far->ended = far->gone = true;
    endpoint_report_closed(far->endpoint);
}

static inline void breaks(struct far_side *far, const char *why)
{
    char *words = mem_strdup(why);

    endpoint_report_failed(far->endpoint, words);
    free(words);
}

#endif
