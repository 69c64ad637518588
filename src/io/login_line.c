/* Blocking requests and answers, a packet each. */
#include "io/login_line.h"

#include "base/mem.h"
#include "io/packets.h"
#include "io/socket_calls.h"
#include "io/wait.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

bool login_line_receive(int end, bool from_gateway, struct login_packet *packet)
{
    bool good = false;
    int fd = -1;

    login_packet_clear(packet);
    if (packet_wait(end, LOGIN_PACKET_MAX, &packet->bytes, &fd)) {
        struct span bytes = {buffer_data(&packet->bytes), buffer_length(&packet->bytes)};
        good = login_message_parse(bytes, from_gateway, &packet->message) &&
               (fd < 0 || packet->message.kind == LOGIN_ANSWER);
    }
    packet->has_descriptor = fd >= 0;
    packet->descriptor = fd;
    return good;
}

bool login_line_send(int end, const struct login_message *message)
{
    return login_line_pass(end, message, -1);
}

bool login_line_pass(int end, const struct login_message *message, int descriptor)
{
    struct buffer packet = {0};
    bool sent = login_message_write(&packet, message) &&
                packet_pass(end, span_of_buffer(&packet), descriptor);

    buffer_wipe(&packet);
    return sent;
}

void login_packet_clear(struct login_packet *packet)
{
    if (packet->has_descriptor)
        close(packet->descriptor);
    buffer_wipe(&packet->bytes);
    *packet = (struct login_packet){0};
}

int login_packet_take(struct login_packet *packet)
{
    int fd = packet->has_descriptor ? packet->descriptor : -1;

    packet->has_descriptor = false;
    return fd;
}

char *login_text(struct span text)
{
    return mem_strndup(text.length > 0 ? (const char *)text.bytes : "", text.length);
}

struct span login_span(const char *text)
{
    return (struct span){(const uint8_t *)text, text != NULL ? strlen(text) : 0};
}

/* Waits until something has come. */
static void wait_for_packet(const struct login_line *line, int *connection)
{
    struct wait_limit limit = wait_limit(*connection, -1);

    if (*connection < 0 || wait_for(line->end, POLLIN, &limit) != ECONNABORTED)
        return;
    socket_shutdown_sending(line->end);
    *connection = -1;
}

bool login_line_ask(const struct login_line *line, const struct login_message *request,
                    int connection, struct login_packet *answer)
{
    *answer = (struct login_packet){0};
    if (line->end < 0 || !login_line_send(line->end, request))
        return false;
    for (;;) {
        wait_for_packet(line, &connection);
        if (!login_line_receive(line->end, false, answer))
            return false;
        if (answer->message.kind == LOGIN_ANSWER)
            return true;
        atomic_store(line->waiting, answer->message.numbers[0] != 0);
        atomic_store(line->prompts, answer->message.numbers[1]);
    }
}

void login_line_close(struct login_line *line)
{
    if (line->end >= 0)
        close(line->end);
    line->end = -1;
}
