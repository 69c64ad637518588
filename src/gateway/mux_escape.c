/* The escape character, which may be the last byte of one read while its command begins the next.
 */
#include "gateway/mux_escape.h"

#include "base/mem.h"
#include "wire/mux.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct mux_escape {
    uint8_t character;
    bool at_line_start;
    bool pending; /* the character has come at the beginning of a line, and was kept */
};

static ssize_t filter_escapes(void *arg, uint8_t *bytes, size_t length)
{
    struct mux_escape *e = arg;
    size_t left = 0;

    if (e->pending) {
        memmove(bytes + 1, bytes, length++);
        bytes[0] = e->character;
        e->pending = false;
    }
    for (size_t i = 0; i < length; i++) {
        bool begins = e->at_line_start && bytes[i] == e->character;

        if (begins && i + 1 == length) {
            e->pending = true;
            break;
        }
        if (begins && bytes[i + 1] == '.')
            return -1;
        if (begins && bytes[i + 1] == e->character)
            i++;
        e->at_line_start = bytes[i] == '\r' || bytes[i] == '\n';
        bytes[left++] = bytes[i];
    }
    return (ssize_t)left;
}

void mux_escape_add(struct pump_options *options, uint32_t character)
{
    struct mux_escape *e;

    if (character > UINT8_MAX)
        return;
    e = mem_zalloc(sizeof(*e));
    e->character = (uint8_t)character;
    e->at_line_start = true;
    options->filter = filter_escapes;
    options->arg = e;
    options->free_arg = free;
}
