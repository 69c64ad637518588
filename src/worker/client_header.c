/* The PROXY protocol's header, with which connections from a balancer begin. */
#include "worker/client_parts.h"

#include "base/mem.h"
#include "wire/proxy_header.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool client_comes_by_balancer(const struct config_listen *listen, const struct accepted *connection)
{
    return listen->proxy_protocol != PROXY_PROTOCOL_NO &&
           network_list_has(&listen->proxy_from, connection->from_ip ? &connection->peer : NULL);
}

/* The unique id as text: other bytes than those of ASCII that can be seen, and "%", as %XX. */
static char *id_text(const struct proxy_header *header)
{
    char *text = mem_zalloc(3 * header->unique_id_length + 1);
    char *to = text;

    for (size_t i = 0; i < header->unique_id_length; i++) {
        uint8_t byte = header->unique_id[i];
        if (byte > ' ' && byte < 0x7f && byte != '%')
            *to++ = (char)byte;
        else
            to += sprintf(to, "%%%02X", byte);
    }
    return text;
}

static void take_header(struct client *c, const struct proxy_header *header)
{
    struct client_origin *origin = &c->origin;

    if (header->unique_id_length > 0)
        origin->id = id_text(header);
    if (header->source == PROXY_SOURCE_CONNECTION)
        return;
    origin->balancer = mem_zalloc(sizeof(*origin->balancer));
    *origin->balancer =
        (struct balancer){.is_ip = origin->is_ip, .port = origin->port, .ip = origin->ip};
    origin->is_ip = header->source == PROXY_SOURCE_IP;
    origin->ip = header->ip;
    origin->port = header->port;
}

enum client_event client_parse_header(struct client *c)
{
    struct client_reading *reading = &c->request->reading;
    enum proxy_protocol which = c->listen->proxy_protocol;
    struct proxy_versions versions = {.v1 = which != PROXY_PROTOCOL_V2,
                                      .v2 = which != PROXY_PROTOCOL_V1};
    struct proxy_header header;
    size_t used;

    switch (proxy_header_parse(versions, buffer_data(&reading->in), buffer_length(&reading->in),
                               &used, &header)) {
    case WIRE_MORE: return CLIENT_NOTHING;
    case WIRE_BAD:
        c->outcome = OUTCOME_MALFORMED;
        snprintf(c->request->why, sizeof(c->request->why), "PROXY header: %s", header.reason);
        c->words = c->request->why;
        return CLIENT_UNSERVED;
    case WIRE_OK: break;
    }
    buffer_consume(&reading->in, used);
    reading->wants_header = false;
    take_header(c, &header);
    if (!client_admit(c)) {
        c->words = c->limits.words;
        return CLIENT_UNSERVED;
    }
    client_begin_request(c);
    return CLIENT_BYTES;
}

void client_forget_origin(struct client *c)
{
    free(c->origin.balancer);
    free(c->origin.id);
}
