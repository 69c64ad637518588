/* The server's connection, its key exchanges, and what it hears. */
#include "hostile_server.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

uint8_t input_byte(struct input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

/* Channels. */

struct hostile_channel *hostile_channel(struct hostile_server *server, uint32_t port)
{
    for (size_t i = 0; i < server->count; i++)
        if (server->channels[i].port == port)
            return &server->channels[i];
    return NULL;
}

struct hostile_channel *hostile_channel_new(struct hostile_server *server, uint32_t port)
{
    struct hostile_channel *channel;

    if (server->count == HOSTILE_CHANNELS)
        return NULL;
    channel = &server->channels[server->count++];
    *channel = (struct hostile_channel){.port = port};
    return channel;
}

/* The channel that a message of the client is about; NULL: nothing is expected of it, as it may be
 * about one about which the server has broken the protocol. */
static struct hostile_channel *channel_of(struct hostile_server *server, uint32_t ours)
{
    struct hostile_channel *found = NULL;
    bool unclear = server->unclear;

    for (size_t i = 0; i < server->count; i++) {
        struct hostile_channel *channel = &server->channels[i];
        unclear |= channel->unclear;
        if (!(channel->confirmed || channel->by_server) || channel->ours != ours)
            continue;
        if (found != NULL)
            return NULL; /* the server has given a number twice */
        found = channel;
    }
    assert((found != NULL || unclear) && "a message is about a channel that is there");
    return unclear ? NULL : found;
}

/* What the client says. */

static void hear_open(struct hostile_server *server, struct ssh_reader *r)
{
    struct span type = ssh_take_string(r);
    uint32_t theirs = ssh_take_uint32(r);
    struct hostile_channel *channel;
    uint32_t port = PORT_OF_OPEN;

    ssh_take_uint32(r);
    assert(ssh_take_uint32(r) >= 32768 && "RFC 4253 section 6.1");
    if (type.length == strlen("direct-tcpip")) {
        ssh_take_string(r);
        port = ssh_take_uint32(r);
    } else {
        struct span path = ssh_take_string(r); /* "/PORT" */
        port = 0;
        for (size_t i = 1; i < path.length; i++)
            port = port * 10 + (uint32_t)(path.bytes[i] - '0');
    }
    assert(!r->bad && hostile_channel(server, port) == NULL && "an open is asked for once");
    channel = hostile_channel_new(server, port);
    if (channel == NULL)
        return;
    channel->theirs = theirs;
    channel->numbered = true;
}

static void hear_answer(struct hostile_server *server, struct ssh_reader *r, bool confirmed)
{
    struct hostile_channel *channel = channel_of(server, ssh_take_uint32(r));

    if (channel == NULL)
        return;
    assert(channel->by_server && !channel->confirmed && !channel->refused &&
           "the server's open is answered once");
    channel->confirmed = confirmed;
    channel->refused = !confirmed;
    if (!confirmed)
        return;
    channel->theirs = ssh_take_uint32(r);
    channel->numbered = true;
    assert(!r->bad);
}

static void hear_data(struct hostile_server *server, struct ssh_reader *r)
{
    struct hostile_channel *channel = channel_of(server, ssh_take_uint32(r));
    struct span data = ssh_take_string(r);

    assert(!r->bad && r->rest.length == 0);
    if (channel == NULL)
        return;
    assert(channel->confirmed && !channel->got_eof && !channel->got_close);
    assert(data.length <= channel->packet_max && "a packet is no larger than the maximum");
    channel->got += data.length;
    assert(channel->got <= channel->allowed && "the client keeps to the window");
}

static void hear_end(struct hostile_server *server, struct ssh_reader *r, bool close)
{
    struct hostile_channel *channel = channel_of(server, ssh_take_uint32(r));

    assert(!r->bad);
    if (channel == NULL)
        return;
    assert(channel->confirmed && !channel->got_close && "a channel is closed once");
    assert(close || !channel->got_eof);
    channel->got_eof |= !close;
    channel->got_close |= close;
}

static void hear_adjust(struct hostile_server *server, struct ssh_reader *r)
{
    struct hostile_channel *channel = channel_of(server, ssh_take_uint32(r));

    assert(ssh_take_uint32(r) > 0 && !r->bad);
    assert(channel == NULL || (channel->confirmed && !channel->got_close));
}

/* Login: whatever is asked for is granted. */

static void say_type(struct hostile_server *server, uint8_t type)
{
    struct bytes b = {0};

    put_u8(&b, type);
    if (type == MSG_SERVICE_ACCEPT)
        put_text(&b, "ssh-userauth");
    hostile_say(server, &b);
    free(b.data);
}

static void hear_login(struct hostile_server *server, uint8_t type)
{
    if (type == MSG_SERVICE_REQUEST)
        say_type(server, MSG_SERVICE_ACCEPT);
    if (type != MSG_USERAUTH_REQUEST)
        return;
    say_type(server, MSG_USERAUTH_SUCCESS);
    server->logged_in = true;
}

/* Key exchange. */

static void exchange_clear(struct exchange *x)
{
    free(x->theirs.data);
    free(x->ours.data);
    free(x->blob.data);
    *x = (struct exchange){0};
}

void hostile_rekey(struct hostile_server *server)
{
    if (server->exchange.ours.data != NULL)
        return;
    server->exchange.ours = kex_init();
    hostile_say(server, &server->exchange.ours);
}

static void hear_kexinit(struct hostile_server *server, const struct bytes *payload)
{
    if (server->mute)
        return;
    hostile_rekey(server);
    free(server->exchange.theirs.data);
    server->exchange.theirs = (struct bytes){0};
    put(&server->exchange.theirs, payload->data, payload->length);
}

static void hear_ecdh(struct hostile_server *server, struct ssh_reader *r)
{
    struct exchange *x = &server->exchange;
    struct span theirs = ssh_take_string(r);
    uint8_t newkeys = MSG_NEWKEYS, seed[32] = {1};
    struct bytes reply;

    if (server->mute || x->theirs.data == NULL || theirs.length != sizeof(x->client))
        return;
    if (server->other_key) {
        EVP_PKEY_free(server->sides.host_key);
        server->sides.host_key = kex_key(seed);
    }
    memcpy(x->client, theirs.bytes, theirs.length);
    free(x->blob.data);
    x->blob = kex_key_blob(server->sides.host_key);
    kex_agree(x, &server->sides);
    reply = kex_reply(x, &server->sides);
    hostile_say(server, &reply);
    free(reply.data);
    hostile_say(server, &(struct bytes){&newkeys, 1});
    kex_take_keys(x, &server->sides, &out, "BDF");
}

static void hear_newkeys(struct hostile_server *server)
{
    if (server->exchange.blob.data == NULL)
        return;
    kex_take_keys(&server->exchange, &server->sides, &in, "ACE");
    exchange_clear(&server->exchange);
}

static void hear_payload(struct hostile_server *server, const struct bytes *payload)
{
    struct ssh_reader r = {.rest = {payload->data + 1, payload->length - 1}};

    switch (payload->data[0]) {
    case MSG_KEXINIT: hear_kexinit(server, payload); break;
    case MSG_ECDH_INIT: hear_ecdh(server, &r); break;
    case MSG_NEWKEYS: hear_newkeys(server); break;
    case MSG_SERVICE_REQUEST:
    case MSG_USERAUTH_REQUEST: hear_login(server, payload->data[0]); break;
    case MSG_OPEN: hear_open(server, &r); break;
    case MSG_CONFIRMATION: hear_answer(server, &r, true); break;
    case MSG_OPEN_FAILURE: hear_answer(server, &r, false); break;
    case MSG_DATA: hear_data(server, &r); break;
    case MSG_EOF: hear_end(server, &r, false); break;
    case MSG_CLOSE: hear_end(server, &r, true); break;
    case MSG_ADJUST: hear_adjust(server, &r); break;
    default: break;
    }
}

/* Packets. */

/* Takes the version line, which comes before the packets. */
static bool take_version(struct hostile_server *server)
{
    const uint8_t *data = buffer_data(&server->in);
    size_t length = buffer_length(&server->in);
    const uint8_t *end = length > 0 ? memchr(data, '\n', length) : NULL;
    size_t text = end != NULL ? (size_t)(end - data) : 0;

    if (end == NULL)
        return false;
    text -= text > 0 && data[text - 1] == '\r';
    assert(text < sizeof(server->sides.their_version));
    memcpy(server->sides.their_version, data, text);
    buffer_consume(&server->in, (size_t)(end + 1 - data));
    return true;
}

/* Takes a packet. False: none is whole yet. */
static bool take_packet(struct hostile_server *server)
{
    uint8_t *data = (uint8_t *)buffer_data(&server->in);
    size_t have = buffer_length(&server->in), mac_size = in.cipher != NULL ? HASH_SIZE : 0;
    uint8_t wanted[HASH_SIZE];
    struct bytes payload = {0};
    size_t length;

    if (have < BLOCK)
        return false;
    if (!server->begun)
        crypt_bytes(&in, data, BLOCK);
    server->begun = true;
    length = 4 + (size_t)get_u32(data);
    assert(length >= BLOCK && length < PACKET_MAX);
    if (have < length + mac_size)
        return false;
    crypt_bytes(&in, data + BLOCK, length - BLOCK);
    packet_mac(&in, data, length, wanted);
    assert(mac_size == 0 || memcmp(data + length, wanted, HASH_SIZE) == 0);
    in.sequence++;
    server->begun = false;
    put(&payload, data + 5, length - 5 - data[4]);
    buffer_consume(&server->in, length + mac_size);
    hear_payload(server, &payload);
    free(payload.data);
    return true;
}

void hostile_hear(struct hostile_server *server)
{
    uint8_t bytes[16384];
    ssize_t got = 1;

    if (server->deaf || server->client_left)
        return;
    while ((got = recv(server->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
        buffer_append(&server->in, bytes, (size_t)got);
    server->client_left = got == 0;
    if (server->sides.their_version[0] == '\0' && !take_version(server))
        return;
    while (take_packet(server))
        ;
}

/* What the server says. */

void hostile_say(struct hostile_server *server, const struct bytes *payload)
{
    struct bytes packet;

    /* (RFC 4253 section 7.1: between KEXINIT and NEWKEYS there is nothing else.) */
    if (server->exchange.ours.data != NULL && payload->data[0] >= 50)
        server->unclear = true;
    packet = make_packet(payload->data, payload->length);
    buffer_append(&server->out, packet.data, packet.length);
    free(packet.data);
}

bool hostile_deliver(struct hostile_server *server, size_t most)
{
    while (most > 0 && buffer_length(&server->out) > 0) {
        size_t length = buffer_length(&server->out) < most ? buffer_length(&server->out) : most;
        ssize_t sent =
            send(server->fd, buffer_data(&server->out), length, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        buffer_consume(&server->out, (size_t)sent);
        most -= (size_t)sent;
    }
    return true;
}

/* Life. */

void hostile_begin(struct hostile_server *server, int fd)
{
    static const uint8_t seed[32] = {0};

    *server = (struct hostile_server){.fd = fd};
    in = out = (struct direction){0};
    server->sides.host_key = kex_key(seed);
    buffer_append(&server->out, rogue_version, strlen(rogue_version));
    buffer_append(&server->out, "\r\n", 2);
    hostile_rekey(server);
}

void hostile_end(struct hostile_server *server)
{
    EVP_CIPHER_CTX_free(in.cipher);
    EVP_CIPHER_CTX_free(out.cipher);
    in = out = (struct direction){0};
    EVP_PKEY_free(server->sides.host_key);
    exchange_clear(&server->exchange);
    buffer_clear(&server->in);
    buffer_clear(&server->out);
    close(server->fd);
}
