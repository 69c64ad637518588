/* Packets of a login line, by one table. */
#include "wire/login_line.h"

#include "wire/packet_form.h"

#include <string.h>

static const struct packet_form login_kinds[LOGIN_MESSAGE_KINDS] = {
    [LOGIN_COMMANDS] = {.from_gateway = true},
    [LOGIN_FILES] = {.from_gateway = true, .numbers = 1, .limits = {2}},
    [LOGIN_ORDER] = {.from_gateway = true, .texts = 1},
    [LOGIN_HOST_KEY] =
        {.from_gateway = true, .numbers = 1, .texts = 2, .limits = {UINT16_MAX + 1u}, .blob = true},
    [LOGIN_SECRETS] = {.from_gateway = true},
    [LOGIN_CAN_ASK] = {.from_gateway = true},
    [LOGIN_TURN] = {.from_gateway = true},
    [LOGIN_TURN_END] = {.from_gateway = true},
    [LOGIN_ASK] = {.from_gateway = true,
                   .numbers = 3,
                   .texts = 1,
                   .limits = {LOGIN_QUESTIONS, 2, 2}},
    [LOGIN_SHOW] = {.from_gateway = true, .texts = 1},
    [LOGIN_PASSWORD] = {.from_gateway = true, .numbers = 2, .limits = {LOGIN_PASSWORDS, 2}},
    [LOGIN_REFUSED] = {.from_gateway = true, .numbers = 1, .limits = {LOGIN_PASSWORDS}},
    [LOGIN_ACCEPTED] = {.from_gateway = true},
    [LOGIN_KEYS] = {.from_gateway = true},
    [LOGIN_AGENT] = {.from_gateway = true},
    [LOGIN_KEY] = {.from_gateway = true, .numbers = 2, .limits = {0, 2}},
    [LOGIN_WAITS] = {.from_gateway = false, .numbers = 2, .limits = {2, 0}},
    [LOGIN_ANSWER] = {.from_gateway = false, .numbers = 2, .texts = 1},
};

bool login_message_parse(struct span packet, bool from_gateway, struct login_message *message)
{
    struct packet_parts parts;
    enum login_message_kind kind;

    if (packet.length == 0 || packet.length > LOGIN_PACKET_MAX ||
        packet.bytes[0] >= LOGIN_MESSAGE_KINDS)
        return false;
    kind = (enum login_message_kind)packet.bytes[0];
    if (login_kinds[kind].from_gateway != from_gateway ||
        !packet_form_read(&login_kinds[kind], packet, &parts))
        return false;
    *message = (struct login_message){.kind = kind};
    memcpy(message->numbers, parts.numbers, sizeof(message->numbers));
    for (size_t i = 0; i < parts.text_count; i++)
        message->texts[i] = packet_form_text(&parts.texts);
    return true;
}

bool login_message_write(struct buffer *packet, const struct login_message *message)
{
    const struct packet_form *form = &login_kinds[message->kind];
    size_t bytes = 0;
    uint8_t *at;

    for (size_t i = 0; i < form->texts; i++) {
        if (message->texts[i].length > LOGIN_PACKET_MAX)
            return false;
        bytes += 4 + message->texts[i].length;
    }
    at = packet_form_write(form, (uint8_t)message->kind, message->numbers, bytes, LOGIN_PACKET_MAX,
                           packet);
    for (size_t i = 0; at != NULL && i < form->texts; i++)
        at = ssh_put_string(at, message->texts[i].bytes, message->texts[i].length);
    return at != NULL;
}
