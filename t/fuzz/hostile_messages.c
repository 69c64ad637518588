/* What the server says: any message about any channel, of any size, whole or cut. */
#include "hostile_server.h"

#include <string.h>

/* A size from a byte: small ones, those at which something changes, and the largest. */
static uint32_t size_of(uint8_t what)
{
    static const uint32_t edges[] = {0,       1,          9,          10,         11,
                                     1023,    1024,       32758,      32759,      32768,
                                     35000,   64000,      128000,     1280000,    2097152,
                                     2621440, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff};

    if (what < sizeof(edges) / sizeof(edges[0]))
        return edges[what];
    return (uint32_t)what * what * (what < 128 ? 1 : 37);
}

/* What the server has on its mind while it builds a message. */
struct saying {
    struct hostile_server *server;
    struct input *input;
    struct bytes payload;
    struct hostile_channel *channel; /* that the message is about; NULL: one that is not there */
    bool whole;                      /* it is neither cut nor longer than it should be */
};

/* Begins a message about a channel that the input names. */
static void begin(struct saying *say, uint8_t type)
{
    uint8_t pick = input_byte(say->input);
    size_t count = say->server->count;
    uint32_t number = size_of(pick & 15);

    if (pick < 0xf0 && count > 0 && say->server->channels[pick % count].numbered) {
        say->channel = &say->server->channels[pick % count];
        number = say->channel->theirs;
    } else {
        /* (It may be one of a channel that the server has not heard of yet.) */
        number = 40 + (pick & 15);
        say->server->unclear = true;
    }
    put_u8(&say->payload, type);
    put_u32(&say->payload, number);
}

/* Whether the server may say something about the channel's stream; else nothing is expected of that
 * channel any more. */
static bool may_say(struct saying *say, bool needs_open_end)
{
    struct hostile_channel *channel = say->channel;

    if (channel == NULL)
        return false;
    if (!say->whole || !channel->confirmed || channel->closed || (needs_open_end && channel->ended))
        channel->unclear = true;
    return !channel->unclear;
}

static void say_confirmation(struct saying *say)
{
    struct hostile_channel *channel;
    uint32_t window, packet_max, ours;

    begin(say, MSG_CONFIRMATION);
    channel = say->channel;
    ours = input_byte(say->input);
    window = size_of(input_byte(say->input));
    packet_max = size_of(input_byte(say->input));
    put_u32(&say->payload, ours);
    put_u32(&say->payload, window);
    put_u32(&say->payload, packet_max);
    if (channel == NULL)
        return;
    if (channel->confirmed || channel->refused || channel->by_server || !say->whole)
        channel->unclear = true;
    if (channel->confirmed)
        return;
    channel->confirmed = true;
    channel->ours = ours;
    channel->allowed = window;
    channel->packet_max = packet_max;
}

static void say_refusal(struct saying *say)
{
    static const char words[] =
        "refused\x1b[31m\n\xc2\x9b Channel opening failure: channel 44 error (1)";
    uint8_t how;

    begin(say, MSG_OPEN_FAILURE);
    how = input_byte(say->input);
    put_u32(&say->payload, how & 7);
    put_string(&say->payload, words, (how >> 3) * 3 % sizeof(words));
    put_text(&say->payload, "");
    if (say->channel == NULL)
        return;
    if (say->channel->confirmed || say->channel->refused || say->channel->by_server || !say->whole)
        say->channel->unclear = true;
    say->channel->refused = true;
}

static void say_data(struct saying *say, bool extended)
{
    uint32_t length;
    uint8_t *bytes;

    begin(say, extended ? MSG_EXTENDED_DATA : MSG_DATA);
    if (extended)
        put_u32(&say->payload, input_byte(say->input) & 1);
    length = size_of(input_byte(say->input)) % 262144;
    bytes = calloc(length + 1, 1);
    if (bytes == NULL)
        fail("no memory");
    if (may_say(say, true) && !extended)
        for (uint32_t i = 0; i < length; i++)
            bytes[i] = hostile_stream(say->channel->port, say->channel->sent++);
    put_string(&say->payload, bytes, length);
    free(bytes);
}

static void say_end(struct saying *say, bool close)
{
    begin(say, close ? MSG_CLOSE : MSG_EOF);
    if (!may_say(say, !close))
        return;
    say->channel->ended = true;
    say->channel->closed |= close;
}

static void say_adjust(struct saying *say)
{
    uint32_t more;

    begin(say, MSG_ADJUST);
    more = size_of(input_byte(say->input));
    put_u32(&say->payload, more);
    if (!may_say(say, false))
        return;
    say->channel->allowed += more;
    if (say->channel->allowed - say->channel->got > UINT32_MAX)
        say->channel->unclear = true; /* RFC 4254 section 5.2 */
}

static void say_channel_request(struct saying *say)
{
    static const char *const kinds[] = {
        "exit-status", "exit-signal", "keepalive@openssh.com", "eow@openssh.com", "", "pty-req",
        "x11-req",     "signal"};
    uint8_t how;

    begin(say, MSG_CHANNEL_REQUEST);
    how = input_byte(say->input);
    put_text(&say->payload, kinds[how & 7]);
    put_u8(&say->payload, how >> 3 & 1);
    put_u32(&say->payload, how >> 4);
    put_text(&say->payload, "x");
    may_say(say, false);
}

static void say_global_request(struct saying *say)
{
    static const char *const kinds[] = {"keepalive@openssh.com", "hostkeys-00@openssh.com",
                                        "tcpip-forward", ""};
    uint8_t how = input_byte(say->input);

    put_u8(&say->payload, MSG_GLOBAL_REQUEST);
    put_text(&say->payload, kinds[how & 3]);
    put_u8(&say->payload, how >> 2 & 1);
    put_text(&say->payload, "localhost");
    put_u32(&say->payload, how >> 3);
}

static void say_success(struct saying *say)
{
    put_u8(&say->payload, MSG_REQUEST_SUCCESS);
    put_u32(&say->payload, size_of(input_byte(say->input)));
}

static void say_failure(struct saying *say)
{
    put_u8(&say->payload, MSG_REQUEST_FAILURE);
}

/* An open of the server's, as a rule for something that the client has it listen on. */
static void say_open(struct saying *say)
{
    static const char *const kinds[] = {"forwarded-tcpip",
                                        "forwarded-tcpip",
                                        "session",
                                        "x11",
                                        "direct-tcpip",
                                        "auth-agent@openssh.com",
                                        "forwarded-streamlocal@openssh.com",
                                        ""};
    struct hostile_server *server = say->server;
    uint8_t how = input_byte(say->input);
    uint32_t ours = input_byte(say->input), window = size_of(input_byte(say->input));
    uint32_t packet_max = size_of(input_byte(say->input));
    uint32_t port = PORT_OF_FORWARDED + server->opened++;
    struct hostile_channel *channel = hostile_channel_new(server, port);

    put_u8(&say->payload, MSG_OPEN);
    put_text(&say->payload, kinds[how & 7]);
    put_u32(&say->payload, ours);
    put_u32(&say->payload, window);
    put_u32(&say->payload, packet_max);
    put_text(&say->payload, how & 8 ? "localhost" : "");
    put_u32(&say->payload, how & 16 ? 8080 : 80);
    put_text(&say->payload, "192.0.2.1");
    put_u32(&say->payload, port);
    if (channel == NULL) {
        server->unclear = true;
        return;
    }
    channel->by_server = true;
    channel->unclear = !say->whole;
    channel->ours = ours;
    channel->allowed = window;
    channel->packet_max = packet_max;
}

static void say_plainly(struct saying *say)
{
    static const uint8_t types[] = {MSG_IGNORE,     MSG_DEBUG,           MSG_UNIMPLEMENTED,
                                    MSG_EXT_INFO,   MSG_CHANNEL_SUCCESS, MSG_CHANNEL_FAILURE,
                                    MSG_DISCONNECT, MSG_USERAUTH_SUCCESS};
    uint8_t how = input_byte(say->input);

    put_u8(&say->payload, types[how & 7]);
    put_u32(&say->payload, how >> 3);
    put_text(&say->payload, "\x1b[31m words\n");
    put_text(&say->payload, "");
    if ((how & 7) >= 3)
        say->server->unclear = true;
}

/* A payload as the input has it. */
static void say_bytes(struct saying *say)
{
    size_t length = input_byte(say->input), left = (size_t)(say->input->end - say->input->at);

    if (length > left)
        length = left;
    put(&say->payload, say->input->at, length);
    say->input->at += length;
    say->server->unclear = true;
}

static void say_rekey(struct saying *say)
{
    uint8_t how = input_byte(say->input);

    say->server->other_key |= how & 1;
    say->server->mute |= how >> 1 & 1;
    if (how & 4)
        hostile_rekey(say->server);
}

static void build(struct saying *say, uint8_t what)
{
    switch (what % HOSTILE_MESSAGES) {
    case 0: say_confirmation(say); break;
    case 1: say_refusal(say); break;
    case 2: say_data(say, false); break;
    case 3: say_data(say, true); break;
    case 4: say_end(say, false); break;
    case 5: say_end(say, true); break;
    case 6: say_adjust(say); break;
    case 7: say_channel_request(say); break;
    case 8: say_global_request(say); break;
    case 9: say_success(say); break;
    case 10: say_failure(say); break;
    case 11: say_open(say); break;
    case 12: say_plainly(say); break;
    case 13: say_rekey(say); break;
    case 14: say_bytes(say); break;
    case 15: say_confirmation(say); break;
    }
}

void hostile_message(struct hostile_server *server, uint8_t what, struct input *input)
{
    struct saying say = {.server = server, .input = input, .whole = what < 0xe0};

    build(&say, what);
    if (!say.whole && say.payload.length > 0) {
        size_t cut = input_byte(input) % 16;
        server->unclear = true;
        if (cut < 8)
            put(&say.payload, "12345678", cut);
        else
            say.payload.length -= cut - 7 < say.payload.length ? cut - 7 : say.payload.length - 1;
    }
    if (say.payload.length > 0)
        hostile_say(server, &say.payload);
    free(say.payload.data);
}
