/* Between the owner and the other endpoint: operations go down, events go up. */
#include "io/paced.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

/* Waits are rounded up to a multiple of this, and then to two digits: deadlines are cheap for few
 * different durations. */
#define WAIT_STEP_MS 10

struct paced {
    struct endpoint endpoint;
    struct endpoint *inner;
    struct loop *loop;
    struct paced_pace pace;
    size_t left; /* of the portion that may come */
    /* What has come beyond the portion: a channel brings all that it has at once. The other
     * endpoint is paused until that has gone, and what it reported then waits behind. */
    struct buffer held;
    bool eof, closed;
    bool *gone; /* set when the paced endpoint is freed, while an event is under way; NULL */
    struct deadline waiting;
    struct later more;
};

static struct paced *paced_of(const struct endpoint *endpoint)
{
    return container_of(endpoint, struct paced, endpoint);
}

size_t paced_portion(uint64_t rate)
{
    uint64_t portion = rate / 50;

    return portion < 1 ? 1 : portion < PACED_PORTION ? (size_t)portion : PACED_PORTION;
}

static void deliver(struct paced *p);

static void deliver_later(struct later *more)
{
    deliver(container_of(more, struct paced, more));
}

static void wait_is_over(struct deadline *waiting)
{
    struct paced *p = container_of(waiting, struct paced, waiting);

    p->left = p->pace.portion;
    if (p->endpoint.resumed)
        deliver(p);
}

static uint64_t rounded(uint64_t wait)
{
    uint64_t step = WAIT_STEP_MS;

    while (wait > 10 * step)
        step *= 10;
    return (wait + step - 1) / step * step;
}

/* Whether bytes may come now; else a deadline runs after which they may. */
static bool has_portion(struct paced *p)
{
    uint64_t wait;

    if (p->left > 0)
        return true;
    if (p->waiting.queue != NULL)
        return false;
    wait = p->pace.wait(p->pace.arg, p->pace.portion);
    if (wait == 0)
        p->left = p->pace.portion;
    else
        deadline_arm(p->loop, &p->waiting, rounded(wait), wait_is_over);
    return wait == 0;
}

/* Gives the owner bytes of the portion. False: it took none, or is not the owner any more. */
static bool give(struct paced *p, const uint8_t *bytes, size_t length, bool *taken)
{
    bool gone = false;

    p->left -= length;
    p->gone = &gone; // cppcheck-suppress autoVariables
    *taken = p->endpoint.events->data(p->endpoint.owner, bytes, length);
    if (gone)
        return false;
    p->gone = NULL;
    if (!*taken) {
        p->left += length;
        p->endpoint.resumed = false;
    }
    return *taken;
}

/* How much of `length` bytes the owner and the portion have room for. */
static size_t room_for(struct paced *p, size_t length)
{
    size_t room = p->endpoint.events->room(p->endpoint.owner);

    if (room == 0)
        p->endpoint.resumed = false;
    if (room == 0 || !has_portion(p))
        return 0;
    room = room < p->left ? room : p->left;
    return room < length ? room : length;
}

/* What is held goes to the owner, as far as it may; then what was reported; then the other endpoint
 * goes on. Not from inside an operation. */
static void deliver(struct paced *p)
{
    bool taken;

    while (buffer_length(&p->held) > 0) {
        size_t length = p->endpoint.resumed ? room_for(p, buffer_length(&p->held)) : 0;
        if (length == 0 || !give(p, buffer_data(&p->held), length, &taken))
            return;
        buffer_consume(&p->held, length);
    }
    if (p->closed && p->endpoint.reported < ENDPOINT_CLOSED)
        endpoint_report_closed(&p->endpoint);
    else if (p->eof && endpoint_owes_eof(&p->endpoint))
        endpoint_report_eof(&p->endpoint);
    else if (p->endpoint.resumed && !p->eof)
        endpoint_resume(p->inner);
}

/* Events of the other endpoint. */

static size_t paced_on_room(void *owner)
{
    struct paced *p = owner;

    return p->endpoint.resumed && buffer_length(&p->held) == 0 ? room_for(p, SIZE_MAX) : 0;
}

static bool paced_on_data(void *owner, const uint8_t *bytes, size_t length)
{
    struct paced *p = owner;
    size_t now;
    bool taken;

    if (buffer_length(&p->held) > 0 || !has_portion(p))
        return false;
    now = length < p->left ? length : p->left;
    if (give(p, bytes, now, &taken) && now < length) {
        buffer_append(&p->held, bytes + now, length - now);
        later_post(p->loop, &p->more, deliver_later);
    }
    return taken;
}

static void paced_on_eof(void *owner)
{
    struct paced *p = owner;

    p->eof = true;
    if (buffer_length(&p->held) == 0 && endpoint_owes_eof(&p->endpoint))
        endpoint_report_eof(&p->endpoint);
    else
        later_post(p->loop, &p->more, deliver_later);
}

static void paced_on_closed(void *owner)
{
    struct paced *p = owner;

    p->closed = true;
    if (buffer_length(&p->held) == 0)
        endpoint_report_closed(&p->endpoint);
    else
        later_post(p->loop, &p->more, deliver_later);
}

static void paced_on_writable(void *owner)
{
    endpoint_report_writable(&((struct paced *)owner)->endpoint);
}

static void paced_on_failed(void *owner, const char *why)
{
    endpoint_report_failed(&((struct paced *)owner)->endpoint, why);
}

static const struct endpoint_events inner_events = {
    .room = paced_on_room,
    .data = paced_on_data,
    .eof = paced_on_eof,
    .closed = paced_on_closed,
    .writable = paced_on_writable,
    .failed = paced_on_failed,
};

/* Operations of the owner. */

static size_t paced_room(struct endpoint *endpoint)
{
    return endpoint_room(paced_of(endpoint)->inner);
}

static size_t paced_write(struct endpoint *endpoint, const uint8_t *bytes, size_t length)
{
    return endpoint_write(paced_of(endpoint)->inner, bytes, length);
}

static void paced_write_eof(struct endpoint *endpoint)
{
    endpoint_write_eof(paced_of(endpoint)->inner);
}

static void paced_resume(struct endpoint *endpoint)
{
    struct paced *p = paced_of(endpoint);

    if (buffer_length(&p->held) > 0 || p->eof)
        later_post(p->loop, &p->more, deliver_later);
    else if (p->left > 0 || p->waiting.queue == NULL)
        endpoint_resume(p->inner);
}

static bool paced_is_draining(const struct endpoint *endpoint)
{
    return endpoint_is_draining(paced_of(endpoint)->inner);
}

static size_t paced_held(const struct endpoint *endpoint)
{
    const struct paced *p = paced_of(endpoint);

    return buffer_length(&p->held) + endpoint_held(p->inner);
}

static void paced_free(struct paced *p)
{
    size_t unused = p->waiting.queue != NULL ? p->pace.portion : p->left;

    if (p->gone != NULL)
        *p->gone = true;
    if (p->pace.unused != NULL && unused > 0)
        p->pace.unused(p->pace.arg, unused);
    deadline_cancel(&p->waiting);
    later_cancel(p->loop, &p->more);
    buffer_clear(&p->held);
    buffer_clear(&p->endpoint.unsent);
    free(p);
}

static void paced_close(struct endpoint *endpoint, bool abort)
{
    struct paced *p = paced_of(endpoint);

    p->inner->unanswered = endpoint->unanswered;
    endpoint_close(p->inner, abort || buffer_length(&endpoint->unsent) > 0);
    paced_free(p);
}

static const struct endpoint_operations paced_operations = {
    .room = paced_room,
    .write = paced_write,
    .write_eof = paced_write_eof,
    .resume = paced_resume,
    .close = paced_close,
    .is_draining = paced_is_draining,
    .held = paced_held,
};

struct endpoint *paced_new(struct loop *loop, struct endpoint *endpoint,
                           const struct paced_pace *pace)
{
    struct paced *p = mem_zalloc(sizeof(*p));

    p->endpoint.operations = &paced_operations;
    p->loop = loop;
    p->pace = *pace;
    p->inner = endpoint;
    endpoint_own(endpoint, &inner_events, p);
    return &p->endpoint;
}

void paced_hold(struct endpoint *endpoint, struct buffer *bytes)
{
    struct paced *p = paced_of(endpoint);

    assert(!endpoint->resumed && "what has come before is delivered first");
    buffer_append(&p->held, buffer_data(bytes), buffer_length(bytes));
    buffer_clear(bytes);
}

bool endpoint_is_paced(const struct endpoint *endpoint)
{
    return endpoint != NULL && endpoint->operations == &paced_operations;
}

struct endpoint *paced_end(struct endpoint *endpoint, struct buffer *held)
{
    struct paced *p = paced_of(endpoint);
    struct endpoint *inner = p->inner;

    buffer_append(&inner->unsent, buffer_data(&endpoint->unsent), buffer_length(&endpoint->unsent));
    buffer_append(held, buffer_data(&p->held), buffer_length(&p->held));
    paced_free(p);
    return inner;
}
