/* A byte queue: appended at the end, consumed at the start, without storage while empty.
 *
 * The room base/ knows text, buffers, addresses, units and the log. It has no thread of its own:
 * any thread of any room calls it. */
#ifndef ADIT_BASE_BUFFER_H
#define ADIT_BASE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

/* Zero-initialise before use. Fields are private to buffer.c. */
struct buffer {
    uint8_t *bytes;
    size_t start;
    size_t end;
    size_t size;
};

/* The first unconsumed byte; valid until the next call that is not const. NULL may come with 0. */
const uint8_t *buffer_data(const struct buffer *b);

/* How many bytes wait. */
size_t buffer_length(const struct buffer *b);

/* Copies `length` bytes to the end. */
void buffer_append(struct buffer *b, const void *bytes, size_t length);

/* The same for bytes that are secret, or may be: storage that the buffer outgrows is overwritten.
 */
void buffer_append_secret(struct buffer *b, const void *bytes, size_t length);

/* Room for at least `length` bytes at the end, to be filled and then committed. */
uint8_t *buffer_reserve(struct buffer *b, size_t length);
void buffer_commit(struct buffer *b, size_t length);

/* Drops the first `length` bytes (at most buffer_length); an empty buffer gives its storage back.
 */
void buffer_consume(struct buffer *b, size_t length);

/* The same, and overwrites what it drops. */
void buffer_consume_secret(struct buffer *b, size_t length);

/* Drops everything and gives the storage back; the buffer can be used again. */
void buffer_clear(struct buffer *b);

/* The same for a buffer with a secret: its storage is overwritten first. Storage that the buffer
 * outgrew before was not, unless by buffer_append_secret. */
void buffer_wipe(struct buffer *b);

#endif
