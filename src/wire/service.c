/* Packets of a service line, by one table. */
#include "wire/service.h"

#include "wire/packet_form.h"

#include <string.h>

static const struct {
    struct packet_form form;
    bool has_descriptor;
} service_kinds[SERVICE_KINDS] = {
    [SERVICE_PASSWORD] = {{.from_gateway = true, .numbers = 4, .texts = 3}, false},
    [SERVICE_FORWARD] = {{.from_gateway = true, .numbers = 1, .texts = 1}, false},
    [SERVICE_AGENT] = {{.from_gateway = true, .numbers = 1, .texts = 1}, false},
    [SERVICE_MASTER] = {{.from_gateway = true, .numbers = 1, .texts = 1}, false},
    [SERVICE_LISTEN] = {{.from_gateway = true, .numbers = 1, .texts = 1}, false},
    [SERVICE_COMMAND] = {{.from_gateway = true, .numbers = 1, .texts = 2}, false},
    [SERVICE_FORGET] = {{.from_gateway = true, .numbers = 1}, false},
    [SERVICE_LEAVE] = {{.from_gateway = true, .numbers = 1}, false},
    [SERVICE_VERDICT] = {{.numbers = 2}, false},
    [SERVICE_CONNECTED] = {{.numbers = 1}, true},
    [SERVICE_LISTENING] = {{.numbers = 1, .texts = 1}, true},
    [SERVICE_INPUT] = {{.numbers = 1}, true},
    [SERVICE_OUTPUT] = {{.numbers = 1}, true},
    [SERVICE_FAILED] = {{.numbers = 2}, false},
    [SERVICE_EXITED] = {{.numbers = 3}, false},
    [SERVICE_RENEWED] = {{.numbers = 0}, false},
    [SERVICE_START_MASTER] = {{.from_gateway = true, .numbers = 1, .texts = 2}, true},
    [SERVICE_REACH_MASTER] = {{.from_gateway = true, .numbers = 2}, false},
    [SERVICE_MASTER_ASKS] = {{.numbers = 2}, false},
    [SERVICE_MASTER_UP] = {{.numbers = 2, .texts = 1}, true},
    [SERVICE_MASTER_ENDED] = {{.numbers = 2, .texts = 1}, false},
    [SERVICE_ASK_CAUSE] = {{.from_gateway = true, .numbers = 3, .texts = 1}, false},
    [SERVICE_CAUSE] = {{.numbers = 2, .texts = 1}, false},
};

bool service_message_parse(struct span packet, bool has_descriptor, bool from_gateway,
                           struct service_message *message)
{
    struct packet_parts parts;
    enum service_kind kind;

    if (packet.length == 0 || packet.length > SERVICE_PACKET_MAX ||
        packet.bytes[0] >= SERVICE_KINDS)
        return false;
    kind = (enum service_kind)packet.bytes[0];
    if (service_kinds[kind].form.from_gateway != from_gateway ||
        service_kinds[kind].has_descriptor != has_descriptor ||
        !packet_form_read(&service_kinds[kind].form, packet, &parts))
        return false;
    *message = (struct service_message){.kind = kind};
    memcpy(message->numbers, parts.numbers, sizeof(message->numbers));
    for (size_t i = 0; i < parts.text_count; i++)
        message->texts[i] = packet_form_text(&parts.texts);
    return true;
}

bool service_message_write(struct buffer *packet, enum service_kind kind, const uint32_t *numbers,
                           const char *const *texts)
{
    const struct packet_form *form = &service_kinds[kind].form;
    size_t bytes = 0;
    uint8_t *at;

    for (size_t i = 0; i < form->texts; i++)
        bytes += 4 + strlen(texts[i]);
    at = packet_form_write(form, (uint8_t)kind, numbers, bytes, SERVICE_PACKET_MAX, packet);
    for (size_t i = 0; at != NULL && i < form->texts; i++)
        at = ssh_put_string(at, texts[i], strlen(texts[i]));
    return at != NULL;
}

void service_message_renumber(uint8_t *packet, uint32_t request)
{
    ssh_put_uint32(packet + 1, request);
}
