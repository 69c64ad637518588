/* Kinds of values that are lists about clients: where they come, how their names are looked up, and
 * by which rules they are judged. */
#include "conf/list_items.h"
#include "conf/types.h"

#include "base/hostport.h"
#include "base/mem.h"
#include "conf/forward_spec.h"
#include "conf/paths.h"
#include "conf/stores.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static bool unix_item(struct config_listen *listen, struct key_input *in, const char *name)
{
    char *path = *name ? path_expand(name) : NULL;

    if (!path)
        return input_refuse(in, "'unix:%s' is not unix:PATH", name);
    size_t most = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
    if (strlen(path) > most) {
        input_refuse(in, "'unix:%s' is too long a path (%zu bytes at most)", name, most);
        free(path);
        return false;
    }
    addresses_append(&(struct config_place){.path = path}, &listen->addresses,
                     &listen->address_count);
    free(path);
    return true;
}

static bool passed_item(struct config_listen *listen, struct key_input *in, const char *name)
{
    if (*name == '\0' || strchr(name, ':'))
        return input_refuse(in, "'systemd:%s' is not systemd:NAME", name);
    LIST_APPEND(listen->addresses, listen->address_count);
    listen->addresses[listen->address_count++] =
        (struct config_address){.is_passed = true, .path = mem_strdup(name)};
    return true;
}

static bool host_item(struct config_listen *listen, char *host, uint16_t port)
{
    /* A bare "::1:1080" could be read in two ways. */
    if (strchr(host, ':') && host[0] != '[')
        return false;
    return addresses_append(&(struct config_place){.host = host, .port = port}, &listen->addresses,
                            &listen->address_count);
}

static bool address_item(struct key_slot slot, struct key_input *in, const char *item)
{
    const char *colon = strrchr(item, ':');
    uint16_t port;

    if (strncmp(item, "unix:", 5) == 0)
        return unix_item(slot.field, in, item + 5);
    if (strncmp(item, "systemd:", 8) == 0)
        return passed_item(slot.field, in, item + 8);
    char *host = mem_strndup(item, colon ? (size_t)(colon - item) : 0);
    bool ok = colon != item && port_parse(colon ? colon + 1 : item, true, &port) &&
              host_item(slot.field, host, port);
    free(host);
    return ok || input_refuse(
                     in, "'%s' is not ADDRESS:PORT, PORT, *:PORT, unix:PATH or systemd:NAME", item);
}

static bool addresses_parse(struct key_slot slot, struct key_input *in)
{
    return list_each_item(slot, in, address_item);
}

static void add_address(struct buffer *text, const struct config_address *address, bool pair)
{
    char ip[IP_TEXT_MAX], hostport[HOSTPORT_TEXT_MAX];
    char *item = NULL;

    if (address->is_unix) {
        char *path = path_contract(address->path);
        item = mem_printf("unix:%s", path);
        free(path);
    } else if (address->is_passed) {
        item = mem_printf("systemd:%s", address->path);
    } else if (pair) {
        item = mem_printf("%s:%u", ip_is_loopback(&address->ip) ? "localhost" : "*", address->port);
    } else {
        ip_format(&address->ip, ip);
        item = mem_strdup(hostport_format(ip, address->port, hostport));
    }
    list_put(text, item);
    free(item);
}

static char *addresses_print(struct key_slot slot)
{
    const struct config_listen *listen = slot.field;
    struct buffer text = {0};

    for (size_t i = 0; i < listen->address_count; i++) {
        bool pair = i + 1 < listen->address_count && listen->addresses[i + 1].optional;
        add_address(&text, &listen->addresses[i], pair);
        i += pair;
    }
    return list_take(&text);
}

static void addresses_free(struct key_slot slot)
{
    struct config_listen *listen = slot.field;

    for (size_t i = 0; i < listen->address_count; i++)
        free(listen->addresses[i].path);
    free(listen->addresses);
}

const struct key_type type_addresses = {.metavar = "address:port, ...",
                                        .join = JOIN_COMMAS,
                                        .parse = addresses_parse,
                                        .print = addresses_print,
                                        .store = &store_addresses,
                                        .free = addresses_free};

static bool protocols_item(struct key_slot slot, struct key_input *in, const char *item)
{
    bool *protocols = slot.field;
    int index = list_word(slot.key, in, item);

    if (index < 0)
        return false;
    if (protocols[index])
        return input_refuse(in, "'%s' is there twice", item);
    protocols[index] = true;
    return true;
}

static bool protocols_parse(struct key_slot slot, struct key_input *in)
{
    return list_each_item(slot, in, protocols_item);
}

static char *protocols_print(struct key_slot slot)
{
    const bool *protocols = slot.field;
    struct buffer text = {0};

    for (size_t i = 0; i < WIRE_PROTOCOLS; i++) {
        if (protocols[i])
            list_put(&text, slot.key->words[i]);
    }
    return list_take(&text);
}

const struct key_type type_protocols = {.metavar = "socks5, socks4, http",
                                        .join = JOIN_COMMAS,
                                        .parse = protocols_parse,
                                        .print = protocols_print,
                                        .store = &store_protocols};

static bool order_item(struct key_slot slot, struct key_input *in, const char *item)
{
    struct config_resolve *resolve = slot.field;
    int index = list_word(slot.key, in, item);

    if (index < 0)
        return false;
    for (size_t i = 0; i < resolve->order_count; i++) {
        if (resolve->order[i] == (enum resolve_step)index)
            return input_refuse(in, "'%s' is there twice", item);
    }
    resolve->order[resolve->order_count++] = (enum resolve_step)index;
    return true;
}

static bool order_parse(struct key_slot slot, struct key_input *in)
{
    return list_each_item(slot, in, order_item);
}

static char *order_print(struct key_slot slot)
{
    const struct config_resolve *resolve = slot.field;
    struct buffer text = {0};

    for (size_t i = 0; i < resolve->order_count; i++)
        list_put(&text, slot.key->words[resolve->order[i]]);
    return list_take(&text);
}

const struct key_type type_order = {.metavar = "remote, tunnel, local",
                                    .join = JOIN_COMMAS,
                                    .parse = order_parse,
                                    .print = order_print,
                                    .store = &store_order};

static bool servers_item(struct key_slot slot, struct key_input *in, const char *item)
{
    struct config_resolve *resolve = slot.field;
    struct config_server server;
    char host[HOST_MAX + 1];

    if (!hostport_split(item, strlen(item), 53, host, &server.port) || !ip_parse(host, &server.ip))
        return input_refuse(in, "'%s' is not ADDRESS or ADDRESS:PORT", item);
    LIST_APPEND(resolve->servers, resolve->server_count);
    resolve->servers[resolve->server_count++] = server;
    return true;
}

static bool servers_parse(struct key_slot slot, struct key_input *in)
{
    return list_each_item(slot, in, servers_item);
}

static char *servers_print(struct key_slot slot)
{
    const struct config_resolve *resolve = slot.field;
    struct buffer text = {0};

    for (size_t i = 0; i < resolve->server_count; i++) {
        const struct config_server *server = &resolve->servers[i];
        char ip[IP_TEXT_MAX], hostport[HOSTPORT_TEXT_MAX];
        list_put(&text, hostport_format(ip_format(&server->ip, ip), server->port, hostport));
    }
    return list_take(&text);
}

static void servers_free(struct key_slot slot)
{
    free(((struct config_resolve *)slot.field)->servers);
}

const struct key_type type_servers = {.metavar = "address[:port], ...",
                                      .join = JOIN_COMMAS,
                                      .parse = servers_parse,
                                      .print = servers_print,
                                      .store = &store_servers,
                                      .free = servers_free};

static bool rule_parse(struct key_slot slot, struct key_input *in)
{
    bool allow = strcmp(slot.key->name, "allow") == 0;

    return acl_add(*(struct acl **)slot.field, &(struct acl_words){allow, in->text, in->line},
                   in->error, sizeof(in->error)) == 0;
}

/* Rules are dumped in their own order, not by key. */
static char *rule_print(struct key_slot slot)
{
    (void)slot;
    return NULL;
}

static void rule_free(struct key_slot slot)
{
    struct acl **acl = slot.field; /* of allow and deny alike */

    acl_free(*acl);
    *acl = NULL;
}

const struct key_type type_rule = {.metavar = "word=list ...",
                                   .join = JOIN_WORDS,
                                   .parse = rule_parse,
                                   .print = rule_print,
                                   .free = rule_free};
