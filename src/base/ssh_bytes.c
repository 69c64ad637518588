/* uint32 and string of RFC 4251 section 5. */
#include "base/ssh_bytes.h"

#include <string.h>

struct span ssh_take(struct ssh_reader *reader, size_t length)
{
    struct span taken = {reader->rest.bytes, length};

    if (reader->bad || reader->rest.length < length) {
        reader->bad = true;
        return (struct span){NULL, 0};
    }
    reader->rest.bytes += length;
    reader->rest.length -= length;
    return taken;
}

uint32_t ssh_take_uint32(struct ssh_reader *reader)
{
    struct span taken = ssh_take(reader, 4);

    if (reader->bad)
        return 0;
    return (uint32_t)taken.bytes[0] << 24 | (uint32_t)taken.bytes[1] << 16 |
           (uint32_t)taken.bytes[2] << 8 | taken.bytes[3];
}

struct span ssh_take_string(struct ssh_reader *reader)
{
    uint32_t length = ssh_take_uint32(reader);

    return ssh_take(reader, length);
}

uint8_t *ssh_put_uint32(uint8_t *at, size_t number)
{
    at[0] = (uint8_t)(number >> 24);
    at[1] = (uint8_t)(number >> 16);
    at[2] = (uint8_t)(number >> 8);
    at[3] = (uint8_t)number;
    return at + 4;
}

uint8_t *ssh_put_string(uint8_t *at, const void *bytes, size_t length)
{
    at = ssh_put_uint32(at, length);
    if (length > 0)
        memcpy(at, bytes, length);
    return at + length;
}

void ssh_append_string(struct buffer *out, struct span string)
{
    ssh_put_uint32(buffer_reserve(out, 4), string.length);
    buffer_commit(out, 4);
    buffer_append(out, string.bytes, string.length);
}
