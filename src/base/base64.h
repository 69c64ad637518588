/* Base64 (RFC 4648 section 4), the only decoder and encoder of the tree. Pure; any thread. Nothing
 * is allocated, and the decoder keeps at most one character's bits, so that what is secret lies
 * only where the caller wants it. */
#ifndef ADIT_BASE_BASE64_H
#define ADIT_BASE_BASE64_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Takes bytes out of base64 one by one. */
struct base64_reader {
    const char *at;
    const char *end;
    bool white_space; /* it may stand anywhere: OpenSSH decodes so; else it is an error */
    bool bad;         /* it is no base64, or was over too early */
    uint32_t bits;    /* private: those read and not given yet */
    unsigned count;
    size_t digits;
};

struct base64_reader base64_reader(const char *text, size_t length, bool white_space);

/* The next byte; 0, with `bad` set, where there is none. */
uint8_t base64_take(struct base64_reader *reader);

/* Whether nothing is left but the padding, which must be whole, and the bits before it are zero
 * (RFC 4648 sections 3.2 and 3.5): other text would be a second way to write the same bytes. */
bool base64_is_over(struct base64_reader *reader);

/* Decodes all of the text to `bytes`, where there is room for `size`. False: the text is not
 * canonical base64, is empty, or has more bytes than that. */
bool base64_decode(struct text text, bool white_space, uint8_t *bytes, size_t size,
                   size_t *decoded);

/* How many bytes a text of that length decodes to at the most. */
#define BASE64_DECODED_MAX(length) ((length) / 4 * 3)

/* Writes the text of the bytes, with its padding and a NUL: BASE64_SIZE(length) characters. */
#define BASE64_SIZE(length) (((length) + 2) / 3 * 4 + 1)
void base64_encode(const uint8_t *bytes, size_t length, char *text);

#endif
