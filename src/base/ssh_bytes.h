/* The data types of the SSH protocols (RFC 4251 section 5), read out of bytes and written as bytes.
 * Pure; any thread. Read by policy/public_key and by the agent of session_libssh. */
#ifndef ADIT_BASE_SSH_BYTES_H
#define ADIT_BASE_SSH_BYTES_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that lie elsewhere, whose owner is another. */
struct span {
    const uint8_t *bytes;
    size_t length;
};

/* What waits in a buffer, for as long as that is not changed. */
static inline struct span span_of_buffer(const struct buffer *buffer)
{
    return (struct span){buffer_data(buffer), buffer_length(buffer)};
}

/* What is left to read. `bad`, once set, stays: something was missing, and everything taken since
 * is empty or 0. So a caller may take all fields and look once. */
struct ssh_reader {
    struct span rest;
    bool bad;
};

/* So many bytes. */
struct span ssh_take(struct ssh_reader *reader, size_t length);

/* A uint32, and a string without its length. */
uint32_t ssh_take_uint32(struct ssh_reader *reader);
struct span ssh_take_string(struct ssh_reader *reader);

/* Write a uint32 (4 bytes) or a string (4 bytes and its own) to `at`; what follows begins at the
 * address that is returned. Lengths are the caller's to keep below 2^32. */
uint8_t *ssh_put_uint32(uint8_t *at, size_t number);
uint8_t *ssh_put_string(uint8_t *at, const void *bytes, size_t length);

/* Appends a string. */
void ssh_append_string(struct buffer *out, struct span string);

#endif
