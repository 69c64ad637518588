/* A byte queue without storage while empty. */
#include "base/buffer.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_MIN 512

const uint8_t *buffer_data(const struct buffer *b)
{
    return b->bytes == NULL ? NULL : b->bytes + b->start;
}

size_t buffer_length(const struct buffer *b)
{
    return b->end - b->start;
}

uint8_t *buffer_reserve(struct buffer *b, size_t length)
{
    size_t used = buffer_length(b);

    if (b->size - b->end >= length && b->bytes != NULL)
        return b->bytes + b->end;
    if (b->start > 0) {
        assert(b->bytes != NULL && "bytes that were consumed were stored");
        memmove(b->bytes, b->bytes + b->start, used);
        b->start = 0;
        b->end = used;
    }
    if (b->size - used < length || b->bytes == NULL) {
        size_t size = b->size < BUFFER_MIN ? BUFFER_MIN : b->size;
        while (size - used < length)
            size *= 2;
        b->bytes = mem_realloc(b->bytes, size);
        b->size = size;
    }
    return b->bytes + b->end;
}

void buffer_commit(struct buffer *b, size_t length)
{
    assert(length <= b->size - b->end);
    b->end += length;
}

void buffer_append(struct buffer *b, const void *bytes, size_t length)
{
    if (length == 0)
        return;
    memcpy(buffer_reserve(b, length), bytes, length);
    buffer_commit(b, length);
}

/* (Bytes that are moved within the storage leave copies there, which buffer_wipe overwrites.) */
void buffer_append_secret(struct buffer *b, const void *bytes, size_t length)
{
    if (b->bytes != NULL && b->size - buffer_length(b) < length) {
        struct buffer larger = {0};

        buffer_reserve(&larger, buffer_length(b) + length);
        buffer_append(&larger, buffer_data(b), buffer_length(b));
        buffer_wipe(b);
        *b = larger;
    }
    buffer_append(b, bytes, length);
}

void buffer_consume_secret(struct buffer *b, size_t length)
{
    assert(length <= buffer_length(b));
    if (length == buffer_length(b)) {
        buffer_wipe(b);
        return;
    }
    explicit_bzero(b->bytes + b->start, length);
    b->start += length;
}

void buffer_consume(struct buffer *b, size_t length)
{
    assert(length <= buffer_length(b));
    b->start += length;
    if (b->start == b->end)
        buffer_clear(b);
}

void buffer_clear(struct buffer *b)
{
    free(b->bytes);
    *b = (struct buffer){0};
}

void buffer_wipe(struct buffer *b)
{
    mem_free_secret(b->bytes, b->size);
    *b = (struct buffer){0};
}
