/* The DNS server of the resolver's tests. */
#include "dns_server.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { A = 1, CNAME = 5, TXT = 16, AAAA = 28, SRV = 33 };
enum { NO_ERROR = 0, SERVFAIL = 2, NXDOMAIN = 3, REFUSED = 5 };

static const struct {
    const char *name;
    uint16_t type;
    uint32_t ttl;
    const char *data;
} zone[] = {
    {"both.example", A, 300, "192.0.2.1"},
    {"both.example", A, 300, "192.0.2.2"},
    {"both.example", A, 300, "192.0.2.3"},
    {"both.example", AAAA, 300, "2001:db8::1"},
    {"both.example", AAAA, 300, "2001:db8::2"},
    {"four.example", A, 300, "192.0.2.4"},
    {"six.example", AAAA, 300, "2001:db8::6"},
    {"twice.example", A, 300, "192.0.2.7"},
    {"twice.example", A, 300, "192.0.2.7"},
    {"mapped.example", A, 300, "192.0.2.9"},
    {"mapped.example", AAAA, 300, "::ffff:192.0.2.9"},
    {"mapped.example", AAAA, 300, "2001:db8::9"},
    {"alias.example", CNAME, 300, "middle.example"},
    {"middle.example", CNAME, 300, "four.example"},
    {"dangling.example", CNAME, 300, "absent.example"},
    {"text.example", TXT, 300, ""},
    {"brief.example", A, 0, "192.0.2.10"},
    {"briefalias.example", CNAME, 0, "four.example"},
    {"negative.example", A, 0x80000000, "192.0.2.11"},
    {"slow.example", A, 300, "192.0.2.12"},
    {"nosix.example", A, 300, "192.0.2.13"},
    {"failsix.example", A, 300, "192.0.2.14"},
    {"nofour.example", AAAA, 300, "2001:db8::13"},
    {"_ssh._tcp.example", SRV, 300, "10 60 22 a.example"},
    {"_ssh._tcp.example", SRV, 60, "20 0 2222 B.example"},
    {"_alias._tcp.example", CNAME, 30, "_ssh._tcp.example"},
    {"_none._tcp.example", SRV, 300, "0 0 0 "},
    {"_brief._tcp.example", SRV, 300, NULL},
};

/* Names that are not answered from the zone. */
static const struct {
    const char *name;
    enum { FAILS, SILENT, WAITS, HANGS_UP, LIES, FLOODS } conduct;
    int rcode;
    uint16_t only; /* questions of this type; 0: all */
} conducts[] = {
    {"servfail.example", FAILS, SERVFAIL, 0},   {"refused.example", FAILS, REFUSED, 0},
    {"silent.example", SILENT, NO_ERROR, 0},    {"hangup.example", HANGS_UP, NO_ERROR, 0},
    {"liar.example", LIES, NO_ERROR, 0},        {"many.example", FLOODS, NO_ERROR, 0},
    {"slow.example", WAITS, NO_ERROR, 0},       {"nosix.example", SILENT, NO_ERROR, AAAA},
    {"nofour.example", SILENT, NO_ERROR, A},    {"failsix.example", FAILS, SERVFAIL, AAAA},
    {"_slow._tcp.example", WAITS, NO_ERROR, 0},
};

struct dns_peer {
    LIST_ENTRY(dns_peer) next;
    struct dns_server *server;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    bool mute;
    struct {
        uint8_t id[2];
        unsigned type;
    } held[2];
    size_t held_count;
    size_t length;
    uint8_t bytes[16384];
};

struct message {
    size_t length;
    uint8_t bytes[4096];
};

/* ---- messages */

static void put16(struct message *m, unsigned value)
{
    m->bytes[m->length++] = (uint8_t)(value >> 8);
    m->bytes[m->length++] = (uint8_t)value;
}

static void set16(struct message *m, size_t at, size_t value)
{
    m->bytes[at] = (uint8_t)(value >> 8);
    m->bytes[at + 1] = (uint8_t)value;
}

static void put_name(struct message *m, const char *name)
{
    while (*name != '\0') {
        size_t length = strcspn(name, ".");
        m->bytes[m->length++] = (uint8_t)length;
        memcpy(m->bytes + m->length, name, length);
        m->length += length;
        name += length + (name[length] == '.');
    }
    m->bytes[m->length++] = 0;
}

/* "PRIORITY WEIGHT PORT TARGET"; NULL: it ends too soon. */
static void put_service(struct message *m, const char *data)
{
    char *at = (char *)data;

    for (int i = 0; data != NULL && i < 3; i++)
        put16(m, (unsigned)strtoul(at, &at, 10));
    if (data != NULL)
        put_name(m, at + 1);
    else
        put16(m, 10);
}

static void put_record(struct message *m, const char *name, unsigned type, uint32_t ttl,
                       const char *data)
{
    put_name(m, name);
    put16(m, type);
    put16(m, 1);
    put16(m, ttl >> 16);
    put16(m, ttl & 0xffff);
    size_t length_at = m->length;
    put16(m, 0);
    if (type == CNAME) {
        put_name(m, data);
    } else if (type == SRV) {
        put_service(m, data);
    } else if (type == A || type == AAAA) {
        inet_pton(type == A ? AF_INET : AF_INET6, data, m->bytes + m->length);
        m->length += type == A ? 4 : 16;
    }
    set16(m, length_at, m->length - length_at - 2);
}

/* What the zone has, along CNAMEs. Returns the response code. */
static int put_zone(struct message *m, const char *name, unsigned type, unsigned *answers)
{
    const char *target = NULL;
    bool exists = false;

    for (size_t i = 0; i < COUNT(zone); i++) {
        if (strcmp(zone[i].name, name) != 0)
            continue;
        exists = true;
        if (zone[i].type != type && zone[i].type != CNAME)
            continue;
        put_record(m, name, zone[i].type, zone[i].ttl, zone[i].data);
        ++*answers;
        if (zone[i].type == CNAME)
            target = zone[i].data;
    }
    if (target != NULL)
        return put_zone(m, target, type, answers);
    return exists ? NO_ERROR : NXDOMAIN;
}

static void put_flood(struct message *m, const char *name, unsigned type, unsigned *answers)
{
    for (*answers = 0; type == A && *answers < 40; ++*answers) {
        char address[INET_ADDRSTRLEN];
        snprintf(address, sizeof(address), "192.0.2.%u", *answers);
        put_record(m, name, A, 300, address);
    }
}

/* ---- connections */

static void peer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void peer_close(struct dns_peer *peer)
{
    LIST_REMOVE(peer, next);
    uv_close(&peer->uv.handle, peer_closed);
}

struct reply {
    uv_write_t request;
    uint8_t bytes[];
};

static void reply_sent(uv_write_t *request, int status)
{
    (void)status;
    free(container_of(request, struct reply, request));
}

/* False: the connection is closed. */
static bool peer_send(struct dns_peer *peer, const struct message *m)
{
    if (peer->server->breaking > 0) {
        uv_buf_t half = uv_buf_init((char *)m->bytes, (unsigned)m->length / 2);
        peer->server->breaking--;
        uv_try_write(&peer->uv.stream, &half, 1);
        peer_close(peer);
        return false;
    }
    struct reply *reply = mem_zalloc(sizeof(*reply) + m->length);
    uv_buf_t whole = uv_buf_init((char *)reply->bytes, (unsigned)m->length);
    memcpy(reply->bytes, m->bytes, m->length);
    uv_write(&reply->request, &peer->uv.stream, &whole, 1, reply_sent);
    return true;
}

static bool peer_hold(struct dns_peer *peer, const uint8_t *id, unsigned type)
{
    assert(peer->held_count < COUNT(peer->held));
    memcpy(peer->held[peer->held_count].id, id, 2);
    peer->held[peer->held_count++].type = type;
    return true;
}

/* _live._tcp.example. Returns the response code. */
static int put_live(const struct dns_server *server, struct message *m, const char *name,
                    unsigned *answers)
{
    if (server->service_rcode != NO_ERROR)
        return server->service_rcode;
    for (; server->service[*answers] != NULL; ++*answers)
        put_record(m, name, SRV, server->service_ttl, server->service[*answers]);
    return NO_ERROR;
}

/* False: the connection is closed. */
static bool peer_answer(struct dns_peer *peer, const uint8_t *id, const char *name, unsigned type)
{
    struct message m = {.length = 2 + 12};
    unsigned answers = 0;
    size_t i = 0;
    int rcode;

    memcpy(m.bytes + 2, id, 2);
    put_name(&m, name);
    put16(&m, type);
    put16(&m, 1);
    while (i < COUNT(conducts) && !(strcmp(conducts[i].name, name) == 0 &&
                                    (conducts[i].only == 0 || conducts[i].only == type)))
        i++;
    if (strcmp(name, "_live._tcp.example") == 0) {
        if (peer->server->service_silent)
            return true;
        rcode = put_live(peer->server, &m, name, &answers);
    } else if (i == COUNT(conducts)) {
        rcode = put_zone(&m, name, type, &answers);
    } else {
        rcode = conducts[i].rcode;
        switch (conducts[i].conduct) {
        case FAILS: break;
        case SILENT: return true;
        case WAITS:
            if (!peer->server->released)
                return peer_hold(peer, id, type);
            rcode = put_zone(&m, name, type, &answers);
            break;
        case HANGS_UP: peer_close(peer); return false;
        case LIES: answers = 7; break;
        case FLOODS: put_flood(&m, name, type, &answers); break;
        }
    }
    set16(&m, 0, m.length - 2);
    set16(&m, 4, 0x8180u | (unsigned)rcode); /* QR, RD, RA */
    set16(&m, 6, 1);
    set16(&m, 8, answers);
    return peer_send(peer, &m);
}

/* One question of `length` bytes. False: the connection is closed. */
static bool peer_ask(struct dns_peer *peer, const uint8_t *bytes, size_t length)
{
    char name[256];
    size_t used = 0, at = 12;

    while (at < length && bytes[at] != 0) {
        assert(at + 1 + bytes[at] < length);
        used += (size_t)snprintf(name + used, sizeof(name) - used, "%s%.*s", used > 0 ? "." : "",
                                 bytes[at], (const char *)bytes + at + 1);
        at += 1u + bytes[at];
    }
    assert(at + 5 <= length);
    peer->server->questions++;
    if (peer->mute)
        return true;
    return peer_answer(peer, bytes, name, (unsigned)(bytes[at + 1] << 8 | bytes[at + 2]));
}

static void peer_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct dns_peer *peer = handle->data;

    (void)suggested;
    *buffer = uv_buf_init((char *)peer->bytes + peer->length,
                          (unsigned)(sizeof(peer->bytes) - peer->length));
}

static void peer_received(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct dns_peer *peer = stream->data;
    size_t used = 0;

    (void)buffer;
    if (count < 0) {
        peer_close(peer);
        return;
    }
    peer->length += (size_t)count;
    while (peer->length - used >= 2) {
        size_t length = (size_t)(peer->bytes[used] << 8 | peer->bytes[used + 1]);
        if (peer->length - used < 2 + length)
            break;
        if (!peer_ask(peer, peer->bytes + used + 2, length))
            return;
        used += 2 + length;
    }
    peer->length -= used;
    memmove(peer->bytes, peer->bytes + used, peer->length);
}

static struct dns_peer *peer_new(struct dns_server *server)
{
    struct dns_peer *peer = mem_zalloc(sizeof(*peer));

    peer->server = server;
    peer->mute = server->mute > 0;
    server->mute -= peer->mute;
    server->connections++;
    LIST_INSERT_HEAD(&server->peers, peer, next);
    return peer;
}

static void peer_start(struct dns_peer *peer)
{
    peer->uv.handle.data = peer;
    uv_read_start(&peer->uv.stream, peer_allocate, peer_received);
}

static void accept_peer(uv_stream_t *listener, int status)
{
    struct dns_peer *peer = peer_new(listener->data);

    assert(status == 0);
    uv_tcp_init(listener->loop, &peer->uv.tcp);
    uv_accept(listener, &peer->uv.stream);
    uv_tcp_nodelay(&peer->uv.tcp, 1);
    peer_start(peer);
}

void dns_server_adopt(struct dns_server *server, int fd)
{
    struct dns_peer *peer = peer_new(server);

    uv_pipe_init(loop_uv(server->loop), &peer->uv.pipe, 0);
    uv_pipe_open(&peer->uv.pipe, fd);
    peer_start(peer);
}

void dns_server_start(struct dns_server *server, struct loop *loop)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int length = sizeof(address);

    memset(server, 0, sizeof(*server));
    LIST_INIT(&server->peers);
    server->loop = loop;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    uv_tcp_init(loop_uv(loop), &server->listener);
    server->listener.data = server;
    uv_tcp_bind(&server->listener, (struct sockaddr *)&address, 0);
    int error = uv_listen((uv_stream_t *)&server->listener, 16, accept_peer);
    assert(error == 0);
    (void)error;
    uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &length);
    server->port = ntohs(address.sin_port);
}

void dns_server_release(struct dns_server *server)
{
    struct dns_peer *peer;

    server->released = true;
    LIST_FOREACH (peer, &server->peers, next) {
        for (size_t i = 0; i < peer->held_count; i++)
            peer_answer(peer, peer->held[i].id, "slow.example", peer->held[i].type);
    }
}

void dns_server_hang_up(struct dns_server *server)
{
    while (!LIST_EMPTY(&server->peers))
        peer_close(LIST_FIRST(&server->peers));
}

void dns_server_stop(struct dns_server *server)
{
    dns_server_hang_up(server);
    uv_close((uv_handle_t *)&server->listener, NULL);
}
