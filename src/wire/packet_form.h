/* The form that the packets of keeper and gateway share (wire/keeper.h, service.h, login_line.h):
 *
 *     byte      the kind
 *     uint32    each of the kind's numbers (RFC 4251 section 5)
 *     string    each of its texts, none of which holds a NUL
 *
 * Pure; any thread. Only for this room. */
#ifndef ADIT_WIRE_PACKET_FORM_H
#define ADIT_WIRE_PACKET_FORM_H

#include "base/ssh_bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_FORM_NUMBERS_MAX 5

/* In the place of a number of texts. */
#define PACKET_FORM_ANY SIZE_MAX

/* Of one kind. */
struct packet_form {
    bool from_gateway;
    size_t numbers;
    size_t texts;
    uint32_t limits[PACKET_FORM_NUMBERS_MAX]; /* a number is below it; 0: any number */
    bool blob;                                /* its first text may hold a NUL */
};

struct packet_parts {
    uint32_t numbers[PACKET_FORM_NUMBERS_MAX];
    struct span texts; /* for packet_form_text; inside the packet */
    size_t text_count;
};

/* Reads what is behind the kind of a whole packet. False: it is not of that form. */
bool packet_form_read(const struct packet_form *form, struct span packet,
                      struct packet_parts *parts);

/* Takes the first of the texts, of which there is one. */
struct span packet_form_text(struct span *texts);

/* Appends a packet with room for texts of so many bytes in all, each with the 4 of its length.
 * Returns where they are to be written (ssh_put_string), until the buffer is changed again. NULL:
 * the packet would be longer than `max`, and nothing was appended. */
uint8_t *packet_form_write(const struct packet_form *form, uint8_t kind, const uint32_t *numbers,
                           size_t text_bytes, size_t max, struct buffer *packet);

#endif
