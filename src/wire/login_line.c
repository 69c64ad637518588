/* Packets of a login line, by one table. */
#include "wire/login_line.h"

#include <string.h>

static const struct {
    bool from_gateway;
    size_t numbers;
    uint32_t limits[LOGIN_NUMBERS_MAX]; /* a number is below it; 0: any number */
    size_t texts;
    bool blob; /* its first text may hold a NUL */
} kinds[LOGIN_MESSAGE_KINDS] = {
    [LOGIN_COMMANDS] = {.from_gateway = true},
    [LOGIN_FILES] = {true, 1, {2}, 0, false},
    [LOGIN_ORDER] = {true, 0, {0}, 1, false},
    [LOGIN_HOST_KEY] = {true, 1, {UINT16_MAX + 1u}, 2, true},
    [LOGIN_SECRETS] = {.from_gateway = true},
    [LOGIN_CAN_ASK] = {.from_gateway = true},
    [LOGIN_TURN] = {.from_gateway = true},
    [LOGIN_TURN_END] = {.from_gateway = true},
    [LOGIN_ASK] = {true, 3, {LOGIN_QUESTIONS, 2, 2}, 1, false},
    [LOGIN_SHOW] = {true, 0, {0}, 1, false},
    [LOGIN_PASSWORD] = {true, 2, {LOGIN_PASSWORDS, 2}, 0, false},
    [LOGIN_REFUSED] = {true, 1, {LOGIN_PASSWORDS}, 0, false},
    [LOGIN_ACCEPTED] = {.from_gateway = true},
    [LOGIN_KEYS] = {.from_gateway = true},
    [LOGIN_AGENT] = {.from_gateway = true},
    [LOGIN_KEY] = {true, 2, {0, 2}, 0, false},
    [LOGIN_WAITS] = {false, 2, {2, 0}, 0, false},
    [LOGIN_ANSWER] = {false, 2, {0}, 1, false},
};

static bool text_has_nul(struct span text)
{
    return text.length > 0 && memchr(text.bytes, '\0', text.length) != NULL;
}

bool login_message_parse(struct span packet, bool from_gateway, struct login_message *message)
{
    struct ssh_reader reader = {.rest = packet};
    struct span kind = ssh_take(&reader, 1);
    bool good = true;

    *message = (struct login_message){0};
    if (reader.bad || packet.length > LOGIN_PACKET_MAX || kind.bytes[0] >= LOGIN_MESSAGE_KINDS)
        return false;
    message->kind = (enum login_message_kind)kind.bytes[0];
    if (kinds[message->kind].from_gateway != from_gateway)
        return false;
    for (size_t i = 0; i < kinds[message->kind].numbers; i++) {
        uint32_t limit = kinds[message->kind].limits[i];
        message->numbers[i] = ssh_take_uint32(&reader);
        good = good && (limit == 0 || message->numbers[i] < limit);
    }
    for (size_t i = 0; i < kinds[message->kind].texts; i++) {
        message->texts[i] = ssh_take_string(&reader);
        good = good && ((i == 0 && kinds[message->kind].blob) || !text_has_nul(message->texts[i]));
    }
    return good && !reader.bad && reader.rest.length == 0;
}

bool login_message_write(struct buffer *packet, const struct login_message *message)
{
    size_t length = 1 + 4 * kinds[message->kind].numbers;
    uint8_t *at;

    for (size_t i = 0; i < kinds[message->kind].texts; i++) {
        if (message->texts[i].length > LOGIN_PACKET_MAX)
            return false;
        length += 4 + message->texts[i].length;
    }
    if (length > LOGIN_PACKET_MAX)
        return false;
    at = buffer_reserve(packet, length);
    *at++ = (uint8_t)message->kind;
    for (size_t i = 0; i < kinds[message->kind].numbers; i++)
        at = ssh_put_uint32(at, message->numbers[i]);
    for (size_t i = 0; i < kinds[message->kind].texts; i++)
        at = ssh_put_string(at, message->texts[i].bytes, message->texts[i].length);
    buffer_commit(packet, length);
    return true;
}
