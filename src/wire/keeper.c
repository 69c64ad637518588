/* Packets of keeper and gateway, by one table. */
#include "wire/keeper.h"

#include <assert.h>
#include <string.h>

enum descriptor { DESCRIPTOR_NONE, DESCRIPTOR_ONE, DESCRIPTOR_MAYBE };

#define MANY SIZE_MAX

static const struct {
    bool from_gateway;
    size_t numbers;
    size_t texts; /* MANY: any multiple of four */
    enum descriptor descriptor;
} kinds[KEEPER_MESSAGE_KINDS] = {
    [KEEPER_START] = {false, 4, 3, DESCRIPTOR_ONE},
    [KEEPER_SOCKET] = {false, 4, 1, DESCRIPTOR_MAYBE},
    [KEEPER_CONFIG] = {false, 2, 1, DESCRIPTOR_ONE},
    [KEEPER_SIGNAL] = {false, 1, 0, DESCRIPTOR_NONE},
    [KEEPER_LOG] = {false, 0, 0, DESCRIPTOR_ONE},
    [KEEPER_DETACH] = {false, 1, 0, DESCRIPTOR_NONE},
    [KEEPER_LISTEN] = {false, 0, 0, DESCRIPTOR_NONE},
    [KEEPER_RETIRE] = {false, 0, 0, DESCRIPTOR_NONE},
    [GATEWAY_READY] = {true, 0, 0, DESCRIPTOR_NONE},
    [GATEWAY_UP] = {true, 0, 0, DESCRIPTOR_NONE},
    [GATEWAY_DETACHED] = {true, 0, 0, DESCRIPTOR_NONE},
    [GATEWAY_CHANGE] = {true, 2, MANY, DESCRIPTOR_NONE},
    [GATEWAY_CHANGED] = {true, 2, 0, DESCRIPTOR_NONE},
    [GATEWAY_NOTIFY] = {true, 1, 1, DESCRIPTOR_NONE},
    [GATEWAY_UPGRADE] = {true, 0, 0, DESCRIPTOR_NONE},
    [GATEWAY_CLOSED] = {true, 0, 0, DESCRIPTOR_NONE},
    [GATEWAY_SERVICE] = {true, 0, 0, DESCRIPTOR_ONE},
    [GATEWAY_LOGIN] = {true, 0, 2, DESCRIPTOR_MAYBE},
};

static bool has_nul(struct span text)
{
    return text.length > 0 && memchr(text.bytes, '\0', text.length) != NULL;
}

bool keeper_message_parse(struct span packet, bool has_descriptor, bool from_gateway,
                          struct keeper_message *message)
{
    struct ssh_reader reader = {.rest = packet};
    struct span kind = ssh_take(&reader, 1);

    *message = (struct keeper_message){.has_descriptor = has_descriptor};
    if (reader.bad || packet.length > KEEPER_PACKET_MAX || kind.bytes[0] >= KEEPER_MESSAGE_KINDS)
        return false;
    message->kind = (enum keeper_message_kind)kind.bytes[0];
    if (kinds[message->kind].from_gateway != from_gateway)
        return false;
    if (kinds[message->kind].descriptor != DESCRIPTOR_MAYBE &&
        has_descriptor != (kinds[message->kind].descriptor == DESCRIPTOR_ONE))
        return false;
    for (size_t i = 0; i < kinds[message->kind].numbers; i++)
        message->numbers[i] = ssh_take_uint32(&reader);
    message->texts = reader.rest;
    while (!reader.bad && reader.rest.length > 0) {
        if (has_nul(ssh_take_string(&reader)))
            return false;
        message->text_count++;
    }
    if (reader.bad)
        return false;
    return kinds[message->kind].texts == MANY ? message->text_count % 4 == 0
                                              : message->text_count == kinds[message->kind].texts;
}

struct span keeper_message_text(struct keeper_message *message)
{
    struct ssh_reader reader = {.rest = message->texts};
    struct span text = ssh_take_string(&reader);

    message->texts = reader.rest;
    return text;
}

bool keeper_message_write(struct buffer *packet, enum keeper_message_kind kind,
                          const uint32_t *numbers, const char *const *texts, size_t text_count)
{
    size_t length = 1 + 4 * kinds[kind].numbers;
    uint8_t head[1 + 4 * KEEPER_NUMBERS_MAX] = {(uint8_t)kind};
    uint8_t *at = head + 1;

    assert((kinds[kind].texts == MANY ? text_count % 4 == 0 : text_count == kinds[kind].texts) &&
           "a message has the texts of its kind");
    for (size_t i = 0; i < text_count; i++)
        length += 4 + (texts[i] != NULL ? strlen(texts[i]) : 0);
    if (length > KEEPER_PACKET_MAX)
        return false;
    for (size_t i = 0; i < kinds[kind].numbers; i++)
        at = ssh_put_uint32(at, numbers[i]);
    buffer_append(packet, head, (size_t)(at - head));
    for (size_t i = 0; i < text_count; i++) {
        const char *text = texts[i] != NULL ? texts[i] : "";
        ssh_append_string(packet, (struct span){(const uint8_t *)text, strlen(text)});
    }
    return true;
}
