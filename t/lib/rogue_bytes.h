/* The fields of SSH's messages (RFC 4251 section 5), for rogue_transport.c. */
#ifndef ADIT_T_LIB_ROGUE_BYTES_H
#define ADIT_T_LIB_ROGUE_BYTES_H

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bytes {
    uint8_t *data;
    size_t length;
};

static inline void fail(const char *what)
{
    fprintf(stderr, "rogue_transport: %s\n", what);
    exit(1);
}

static inline void put(struct bytes *b, const void *data, size_t length)
{
    b->data = realloc(b->data, b->length + length + 1);
    if (b->data == NULL)
        fail("no memory");
    memcpy(b->data + b->length, data, length);
    b->length += length;
}

static inline void put_u8(struct bytes *b, uint8_t value)
{
    put(b, &value, 1);
}

static inline void put_u32(struct bytes *b, uint32_t value)
{
    uint32_t order = htonl(value);

    put(b, &order, 4);
}

static inline void put_string(struct bytes *b, const void *data, size_t length)
{
    put_u32(b, (uint32_t)length);
    put(b, data, length);
}

static inline void put_text(struct bytes *b, const char *text)
{
    put_string(b, text, strlen(text));
}

static inline void put_mpint(struct bytes *b, const uint8_t *number, size_t length)
{
    while (length > 0 && *number == 0) {
        number++;
        length--;
    }
    put_u32(b, (uint32_t)length + (length > 0 && *number >= 0x80));
    if (length > 0 && *number >= 0x80)
        put_u8(b, 0);
    put(b, number, length);
}

static inline uint32_t get_u32(const uint8_t *data)
{
    uint32_t order;

    memcpy(&order, data, 4);
    return ntohl(order);
}

#endif
