/* Packets of a service line, by one table. */
#include "wire/service.h"

#include <string.h>

static const struct {
    bool from_gateway;
    bool has_descriptor;
    size_t numbers;
    size_t texts;
} service_kinds[SERVICE_KINDS] = {
    [SERVICE_PASSWORD] = {.from_gateway = true, .numbers = 4, .texts = 3},
    [SERVICE_FORWARD] = {.from_gateway = true, .numbers = 1, .texts = 1},
    [SERVICE_AGENT] = {.from_gateway = true, .numbers = 1, .texts = 1},
    [SERVICE_MASTER] = {.from_gateway = true, .numbers = 1, .texts = 1},
    [SERVICE_COMMAND] = {.from_gateway = true, .numbers = 2, .texts = 1},
    [SERVICE_FORGET] = {.from_gateway = true, .numbers = 1},
    [SERVICE_LEAVE] = {.from_gateway = true, .numbers = 1},
    [SERVICE_VERDICT] = {.numbers = 2},
    [SERVICE_CONNECTED] = {.numbers = 1, .has_descriptor = true},
    [SERVICE_INPUT] = {.numbers = 1, .has_descriptor = true},
    [SERVICE_OUTPUT] = {.numbers = 1, .has_descriptor = true},
    [SERVICE_FAILED] = {.numbers = 2},
    [SERVICE_EXITED] = {.numbers = 3},
    [SERVICE_RENEWED] = {.numbers = 0},
};

bool service_message_parse(struct span packet, bool has_descriptor, bool from_gateway,
                           struct service_message *message)
{
    struct ssh_reader reader = {.rest = packet};
    struct span kind = ssh_take(&reader, 1);

    *message = (struct service_message){0};
    if (reader.bad || packet.length > SERVICE_PACKET_MAX || kind.bytes[0] >= SERVICE_KINDS)
        return false;
    message->kind = (enum service_kind)kind.bytes[0];
    if (service_kinds[message->kind].from_gateway != from_gateway ||
        service_kinds[message->kind].has_descriptor != has_descriptor)
        return false;
    for (size_t i = 0; i < service_kinds[message->kind].numbers; i++)
        message->numbers[i] = ssh_take_uint32(&reader);
    for (size_t i = 0; i < service_kinds[message->kind].texts; i++) {
        struct span text = ssh_take_string(&reader);
        if (text.length > 0 && memchr(text.bytes, '\0', text.length) != NULL)
            return false;
        message->texts[i] = text;
    }
    return !reader.bad && reader.rest.length == 0;
}

bool service_message_write(struct buffer *packet, enum service_kind kind, const uint32_t *numbers,
                           const char *const *texts)
{
    size_t length = 1 + 4 * service_kinds[kind].numbers;
    uint8_t head[1 + 4 * SERVICE_NUMBERS_MAX] = {(uint8_t)kind};
    uint8_t *at = head + 1;

    for (size_t i = 0; i < service_kinds[kind].texts; i++)
        length += 4 + strlen(texts[i]);
    if (length > SERVICE_PACKET_MAX)
        return false;
    for (size_t i = 0; i < service_kinds[kind].numbers; i++)
        at = ssh_put_uint32(at, numbers[i]);
    buffer_append(packet, head, (size_t)(at - head));
    for (size_t i = 0; i < service_kinds[kind].texts; i++)
        ssh_append_string(packet, (struct span){(const uint8_t *)texts[i], strlen(texts[i])});
    return true;
}

void service_message_renumber(uint8_t *packet, uint32_t request)
{
    ssh_put_uint32(packet + 1, request);
}
