/* What all kinds of endpoints share: messages that go out whole, and events in their order. */
#include "io/endpoint.h"

void endpoint_send(struct endpoint *e, const void *bytes, size_t length)
{
    size_t taken = 0;

    assert(!e->eof_written && "no message is sent behind the end of data");
    if (buffer_length(&e->unsent) == 0)
        taken = e->operations->write(e, bytes, length);
    if (taken == length)
        return;
    assert(buffer_length(&e->unsent) + length - taken <=
               ENDPOINT_MESSAGES_MAX + ENDPOINT_TAKEN_MAX &&
           "messages are short and few");
    buffer_append(&e->unsent, (const uint8_t *)bytes + taken, length - taken);
}

void endpoint_write_eof(struct endpoint *e)
{
    if (e->eof_written)
        return;
    e->eof_written = true;
    if (buffer_length(&e->unsent) == 0)
        e->operations->write_eof(e);
}

void endpoint_report_eof(struct endpoint *e)
{
    assert(e->resumed && "a paused endpoint reports no end of data");
    assert(e->reported == ENDPOINT_NOT_ENDED && "an owner is told of the end of data once");
    e->reported = ENDPOINT_EOF;
    e->events->eof(e->owner);
}

void endpoint_report_closed(struct endpoint *e)
{
    assert(e->reported < ENDPOINT_CLOSED && "an owner is told once that the far side is gone");
    e->reported = ENDPOINT_CLOSED;
    buffer_clear(&e->unsent);
    e->events->closed(e->owner);
}

void endpoint_report_failed(struct endpoint *e, const char *why)
{
    assert(e->reported < ENDPOINT_FAILED && "an owner is told of a failure once");
    e->reported = ENDPOINT_FAILED;
    buffer_clear(&e->unsent);
    e->events->failed(e->owner, why);
}

/* Writes what is kept. False: some still is, and room will be reported again. */
static bool write_unsent(struct endpoint *e)
{
    size_t length = buffer_length(&e->unsent);

    if (length == 0)
        return true;
    buffer_consume(&e->unsent, e->operations->write(e, buffer_data(&e->unsent), length));
    if (buffer_length(&e->unsent) == 0 && e->eof_written)
        e->operations->write_eof(e);
    return buffer_length(&e->unsent) == 0; /* (write_eof may have left gathered bytes.) */
}

void endpoint_report_writable(struct endpoint *e)
{
    if (write_unsent(e))
        e->events->writable(e->owner);
}
