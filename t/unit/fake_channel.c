/* The channels of the fake engine: endpoints over memory, which offer their bytes as the libssh
 * engine does, and take what the test's window allows. */
#include "fake_engine_parts.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static struct fake_channel *channel_of(struct endpoint *endpoint)
{
    return container_of(endpoint, struct fake_channel, endpoint);
}

/* ---- after close */

static void gone(void)
{
    fail_msg("a channel that was closed is used");
}

static size_t gone_room(struct endpoint *endpoint)
{
    (void)endpoint;
    gone();
    return 0;
}

static size_t gone_write(struct endpoint *endpoint, const uint8_t *bytes, size_t length)
{
    (void)endpoint, (void)bytes, (void)length;
    gone();
    return 0;
}

static void gone_write_eof(struct endpoint *endpoint)
{
    (void)endpoint;
    gone();
}

static void gone_resume(struct endpoint *endpoint)
{
    (void)endpoint;
    gone();
}

static void gone_close(struct endpoint *endpoint, bool abort)
{
    (void)endpoint, (void)abort;
    gone();
}

static const struct endpoint_operations gone_channel_operations = {
    .room = gone_room,
    .write = gone_write,
    .write_eof = gone_write_eof,
    .resume = gone_resume,
    .close = gone_close,
};

/* ---- bytes from the far side */

/* An endpoint that asked `room` before and offers no more than that is never refused. */
static void deliver(struct fake_channel *ch)
{
    struct buffer bytes = ch->in;
    bool taken;

    ch->in = (struct buffer){0};
    fake.data_events++;
    taken =
        ch->endpoint.events->data(ch->endpoint.owner, buffer_data(&bytes), buffer_length(&bytes));
    fake.data_events--;
    if (taken) {
        ch->session->added.carried += buffer_length(&bytes);
        buffer_clear(&bytes);
    } else {
        ch->in = bytes;
    }
}

/* As libssh does: the bytes are offered without asking for room; what is refused is kept until the
 * owner has room. */
static bool deliver_all(struct fake_channel *ch, bool asked)
{
    if (buffer_length(&ch->in) == 0)
        return true;
    if (!asked)
        deliver(ch);
    if (buffer_length(&ch->in) == 0)
        return true;
    if (ch->endpoint.events->room(ch->endpoint.owner) == 0) {
        ch->endpoint.resumed = false;
        return false;
    }
    deliver(ch);
    if (buffer_length(&ch->in) > 0)
        fail_msg("bytes were refused although there was room");
    return true;
}

static void tell_news(struct fake_channel *ch, bool asked)
{
    fake_event_begin();
    if (ch->state != FAKE_UP || !ch->endpoint.resumed || !deliver_all(ch, asked))
        return;
    if (ch->sent_close && endpoint_owes_closed(&ch->endpoint))
        endpoint_report_closed(&ch->endpoint);
    else if (ch->sent_eof && endpoint_owes_eof(&ch->endpoint))
        endpoint_report_eof(&ch->endpoint);
}

static void on_news(struct later *later)
{
    tell_news(container_of(later, struct fake_channel, news), true);
}

void fake_channel_send(struct fake_channel *ch, const void *bytes, size_t length)
{
    bool behind = buffer_length(&ch->in) > 0; /* (those are offered first, when there is room) */

    assert_false(ch->sent_eof || ch->sent_close);
    buffer_append(&ch->in, bytes, length);
    if (!behind)
        tell_news(ch, false);
}

void fake_channel_say(struct fake_channel *ch, const char *text)
{
    fake_channel_send(ch, text, strlen(text));
}

void fake_channel_eof(struct fake_channel *ch)
{
    ch->sent_eof = true;
    tell_news(ch, true);
}

void fake_channel_close(struct fake_channel *ch)
{
    ch->sent_eof = ch->sent_close = true;
    tell_news(ch, true);
}

void fake_channel_fail(struct fake_channel *ch, const char *why)
{
    fake_event_begin();
    assert_int_equal(ch->state, FAKE_UP);
    later_cancel(ch->session->loop, &ch->news);
    ch->state = FAKE_LOST;
    endpoint_report_failed(&ch->endpoint, why);
}

/* ---- bytes to the far side */

void fake_channel_window(struct fake_channel *ch, size_t more)
{
    fake_event_begin();
    ch->window += more;
    if (ch->state != FAKE_UP || !ch->owes_writable || ch->window == 0)
        return;
    ch->owes_writable = false;
    endpoint_report_writable(&ch->endpoint);
}

bool fake_channel_has(const struct fake_channel *ch, const char *text)
{
    size_t length = strlen(text);

    return buffer_length(&ch->got) == length &&
           (length == 0 || memcmp(buffer_data(&ch->got), text, length) == 0);
}

/* ---- the endpoint's operations */

static size_t fake_channel_room(struct endpoint *endpoint)
{
    struct fake_channel *ch = channel_of(endpoint);

    if (ch->state == FAKE_LOST || ch->sent_close)
        return 0; /* (`failed` was told, or `closed` is on its way) */
    ch->owes_writable |= ch->window == 0;
    return ch->window;
}

static size_t fake_channel_write(struct endpoint *endpoint, const uint8_t *bytes, size_t length)
{
    struct fake_channel *ch = channel_of(endpoint);
    size_t taken = length < ch->window ? length : ch->window;

    fake_operation_begin("write");
    if (ch->got_eof)
        fail_msg("bytes are written behind the end of data");
    if (ch->state == FAKE_LOST || ch->sent_close)
        taken = 0;
    if (taken > 0)
        buffer_append(&ch->got, bytes, taken);
    ch->window -= taken;
    ch->session->added.carried += taken;
    ch->owes_writable |= taken < length;
    fake_operation_end();
    return taken;
}

static void fake_channel_write_eof(struct endpoint *endpoint)
{
    struct fake_channel *ch = channel_of(endpoint);

    fake_operation_begin("write_eof");
    if (ch->got_eof)
        fail_msg("the end of data is written twice");
    ch->got_eof = true;
    fake_operation_end();
}

static void fake_channel_resume(struct endpoint *endpoint)
{
    struct fake_channel *ch = channel_of(endpoint);

    fake_operation_begin("resume");
    if (ch->state == FAKE_UP)
        later_post(ch->session->loop, &ch->news, on_news);
    fake_operation_end();
}

static void fake_channel_end(struct endpoint *endpoint, bool abort)
{
    struct fake_channel *ch = channel_of(endpoint);

    fake_operation_begin("close");
    later_cancel(ch->session->loop, &ch->news);
    ch->state = abort || buffer_length(&endpoint->unsent) > 0 ? FAKE_ABORTED : FAKE_RELEASED;
    buffer_clear(&endpoint->unsent);
    ch->endpoint.operations = &gone_channel_operations;
    fake_operation_end();
}

static const struct endpoint_operations fake_channel_operations = {
    .room = fake_channel_room,
    .write = fake_channel_write,
    .write_eof = fake_channel_write_eof,
    .resume = fake_channel_resume,
    .close = fake_channel_end,
};

struct fake_channel *fake_channel_new(struct fake_session *session)
{
    struct fake_channel *ch = mem_zalloc(sizeof(*ch));

    ch->endpoint.operations = &fake_channel_operations;
    ch->session = session;
    ch->state = FAKE_UP;
    ch->window = fake.script.window_closed ? 0
                 : fake.script.window > 0  ? fake.script.window
                                           : FAKE_WINDOW;
    TAILQ_INSERT_TAIL(&session->channels, ch, link);
    return ch;
}
