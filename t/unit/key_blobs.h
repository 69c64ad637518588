/* Public keys and certificates for tests. */
#ifndef ADIT_T_UNIT_KEY_BLOBS_H
#define ADIT_T_UNIT_KEY_BLOBS_H

#include "base/mem.h"
#include "conf/key_blob.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A blob written as its strings. */
static inline struct key_blob blob(const char *const *strings, size_t count)
{
    struct key_blob made = {0};

    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(strings[i]);
        made.bytes = mem_realloc(made.bytes, made.length + 4 + length);
        memcpy(made.bytes + made.length, (uint8_t[]){0, 0, 0, (uint8_t)length}, 4);
        memcpy(made.bytes + made.length + 4, strings[i], length);
        made.length += 4 + length;
    }
    return made;
}
#define BLOB(...)                                                                                  \
    blob((const char *const[]){__VA_ARGS__}, COUNT(((const char *const[]){__VA_ARGS__})))

#endif
