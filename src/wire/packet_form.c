/* Packets of keeper and gateway. */
#include "wire/packet_form.h"

#include <string.h>

static bool packet_text_has_nul(struct span text)
{
    return text.length > 0 && memchr(text.bytes, '\0', text.length) != NULL;
}

bool packet_form_read(const struct packet_form *form, struct span packet,
                      struct packet_parts *parts)
{
    struct ssh_reader reader = {.rest = packet};

    *parts = (struct packet_parts){0};
    ssh_take(&reader, 1);
    for (size_t i = 0; i < form->numbers; i++) {
        parts->numbers[i] = ssh_take_uint32(&reader);
        if (form->limits[i] != 0 && parts->numbers[i] >= form->limits[i])
            return false;
    }
    parts->texts = reader.rest;
    while (!reader.bad && reader.rest.length > 0) {
        struct span text = ssh_take_string(&reader);
        if (packet_text_has_nul(text) && !(form->blob && parts->text_count == 0))
            return false;
        parts->text_count++;
    }
    return !reader.bad && (form->texts == PACKET_FORM_ANY || parts->text_count == form->texts);
}

struct span packet_form_text(struct span *texts)
{
    struct ssh_reader reader = {.rest = *texts};
    struct span text = ssh_take_string(&reader);

    *texts = reader.rest;
    return text;
}

uint8_t *packet_form_write(const struct packet_form *form, uint8_t kind, const uint32_t *numbers,
                           size_t text_bytes, size_t max, struct buffer *packet)
{
    size_t head = 1 + 4 * form->numbers;
    uint8_t *at;

    if (text_bytes > max || head + text_bytes > max)
        return NULL;
    at = buffer_reserve(packet, head + text_bytes);
    buffer_commit(packet, head + text_bytes);
    *at++ = kind;
    for (size_t i = 0; i < form->numbers; i++)
        at = ssh_put_uint32(at, numbers[i]);
    return at;
}
