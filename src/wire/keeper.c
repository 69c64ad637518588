/* Packets of keeper and gateway, by one table. */
#include "wire/keeper.h"

#include "wire/packet_form.h"

#include <assert.h>
#include <string.h>

enum descriptor { DESCRIPTOR_NONE, DESCRIPTOR_ONE, DESCRIPTOR_MAYBE };

/* (PACKET_FORM_ANY: any multiple of four.) */
static const struct {
    struct packet_form form;
    enum descriptor descriptor;
} kinds[KEEPER_MESSAGE_KINDS] = {
    [KEEPER_START] = {{.from_gateway = false, .numbers = 4, .texts = 4}, DESCRIPTOR_ONE},
    [KEEPER_SOCKET] = {{.from_gateway = false, .numbers = 4, .texts = 1}, DESCRIPTOR_MAYBE},
    [KEEPER_CONFIG] = {{.from_gateway = false, .numbers = 2, .texts = 1}, DESCRIPTOR_ONE},
    [KEEPER_SIGNAL] = {{.from_gateway = false, .numbers = 1, .texts = 0}, DESCRIPTOR_NONE},
    [KEEPER_LOG] = {{.from_gateway = false, .numbers = 0, .texts = 0}, DESCRIPTOR_ONE},
    [KEEPER_DETACH] = {{.from_gateway = false, .numbers = 1, .texts = 0}, DESCRIPTOR_NONE},
    [KEEPER_LISTEN] = {{.from_gateway = false, .numbers = 0, .texts = 0}, DESCRIPTOR_NONE},
    [KEEPER_RETIRE] = {{.from_gateway = false, .numbers = 0, .texts = 0}, DESCRIPTOR_NONE},
    [KEEPER_FILE] = {{.from_gateway = false, .numbers = 1, .texts = 0}, DESCRIPTOR_MAYBE},
    [GATEWAY_READY] = {{.from_gateway = true, .numbers = 0, .texts = 0}, DESCRIPTOR_NONE},
    [GATEWAY_UP] = {{.from_gateway = true, .numbers = 0, .texts = 0}, DESCRIPTOR_NONE},
    [GATEWAY_DETACHED] = {{.from_gateway = true, .numbers = 0, .texts = 0}, DESCRIPTOR_NONE},
    [GATEWAY_CHANGE] = {{.from_gateway = true, .numbers = 2, .texts = PACKET_FORM_ANY},
                        DESCRIPTOR_NONE},
    [GATEWAY_CHANGED] = {{.from_gateway = true, .numbers = 2, .texts = 0}, DESCRIPTOR_NONE},
    [GATEWAY_NOTIFY] = {{.from_gateway = true, .numbers = 1, .texts = 1}, DESCRIPTOR_NONE},
    [GATEWAY_UPGRADE] = {{.from_gateway = true, .numbers = 0, .texts = 0}, DESCRIPTOR_NONE},
    [GATEWAY_CLOSED] = {{.from_gateway = true, .numbers = 0, .texts = 0}, DESCRIPTOR_NONE},
    [GATEWAY_SERVICE] = {{.from_gateway = true, .numbers = 0, .texts = 0}, DESCRIPTOR_ONE},
    [GATEWAY_LOGIN] = {{.from_gateway = true, .numbers = 0, .texts = 2}, DESCRIPTOR_MAYBE},
    [GATEWAY_EVENT] = {{.from_gateway = true, .numbers = 1, .texts = 3}, DESCRIPTOR_NONE},
};

static bool count_fits(enum keeper_message_kind kind, size_t texts)
{
    return kinds[kind].form.texts == PACKET_FORM_ANY ? texts % 4 == 0
                                                     : texts == kinds[kind].form.texts;
}

bool keeper_message_parse(struct span packet, bool has_descriptor, bool from_gateway,
                          struct keeper_message *message)
{
    struct packet_parts parts;
    enum keeper_message_kind kind;

    if (packet.length == 0 || packet.length > KEEPER_PACKET_MAX ||
        packet.bytes[0] >= KEEPER_MESSAGE_KINDS)
        return false;
    kind = (enum keeper_message_kind)packet.bytes[0];
    if (kinds[kind].form.from_gateway != from_gateway ||
        (kinds[kind].descriptor != DESCRIPTOR_MAYBE &&
         has_descriptor != (kinds[kind].descriptor == DESCRIPTOR_ONE)) ||
        !packet_form_read(&kinds[kind].form, packet, &parts))
        return false;
    *message = (struct keeper_message){.kind = kind,
                                       .texts = parts.texts,
                                       .text_count = parts.text_count,
                                       .has_descriptor = has_descriptor};
    memcpy(message->numbers, parts.numbers, sizeof(message->numbers));
    return count_fits(kind, parts.text_count);
}

struct span keeper_message_text(struct keeper_message *message)
{
    return packet_form_text(&message->texts);
}

bool keeper_message_write(struct buffer *packet, enum keeper_message_kind kind,
                          const uint32_t *numbers, const char *const *texts, size_t text_count)
{
    size_t bytes = 0;
    uint8_t *at;

    assert(count_fits(kind, text_count) && "a message has the texts of its kind");
    for (size_t i = 0; i < text_count; i++)
        bytes += 4 + (texts[i] != NULL ? strlen(texts[i]) : 0);
    at = packet_form_write(&kinds[kind].form, (uint8_t)kind, numbers, bytes, KEEPER_PACKET_MAX,
                           packet);
    for (size_t i = 0; at != NULL && i < text_count; i++) {
        const char *text = texts[i] != NULL ? texts[i] : "";
        at = ssh_put_string(at, text, strlen(text));
    }
    return at != NULL;
}
