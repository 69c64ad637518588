/* The stores. */
#include "conf/stores.h"

#include "base/mem.h"
#include "conf/forward_spec.h"
#include "conf/list_items.h"
#include "conf/types.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Numbers. */

static void unsigned_save(struct key_slot slot, struct buffer *line)
{
    word_add_number(line, *(unsigned *)slot.field);
}

static bool unsigned_restore_most(struct key_slot slot, struct word_reader *words, uint64_t most)
{
    uint64_t number;

    if (!word_next_number(words, most, &number))
        return false;
    *(unsigned *)slot.field = (unsigned)number;
    return true;
}

static bool unsigned_restore(struct key_slot slot, struct word_reader *words)
{
    return unsigned_restore_most(slot, words, UINT32_MAX);
}

const struct key_store store_unsigned = {unsigned_save, unsigned_restore};

static bool choice_restore(struct key_slot slot, struct word_reader *words)
{
    size_t count = 0;

    while (slot.key->words[count])
        count++;
    return unsigned_restore_most(slot, words, count - 1);
}

const struct key_store store_choice = {unsigned_save, choice_restore};

static void port_save(struct key_slot slot, struct buffer *line)
{
    word_add_number(line, *(uint16_t *)slot.field);
}

static bool port_restore(struct key_slot slot, struct word_reader *words)
{
    uint64_t number;

    if (!word_next_number(words, UINT16_MAX, &number))
        return false;
    *(uint16_t *)slot.field = (uint16_t)number;
    return true;
}

const struct key_store store_port = {port_save, port_restore};

static void u64_save(struct key_slot slot, struct buffer *line)
{
    word_add_number(line, *(uint64_t *)slot.field);
}

static bool u64_restore(struct key_slot slot, struct word_reader *words)
{
    return word_next_number(words, UINT64_MAX, slot.field);
}

const struct key_store store_u64 = {u64_save, u64_restore};

static void bool_save(struct key_slot slot, struct buffer *line)
{
    word_add_number(line, *(bool *)slot.field);
}

static bool bool_restore(struct key_slot slot, struct word_reader *words)
{
    uint64_t number;

    if (!word_next_number(words, 1, &number))
        return false;
    *(bool *)slot.field = number == 1;
    return true;
}

const struct key_store store_bool = {bool_save, bool_restore};

/* 0, 4 or 6: AF_ numbers are each system's own. */
static void family_save(struct key_slot slot, struct buffer *line)
{
    int family = *(int *)slot.field;

    word_add_number(line, family == AF_INET ? 4 : family == AF_INET6 ? 6 : 0);
}

static bool family_restore(struct key_slot slot, struct word_reader *words)
{
    uint64_t number;

    if (!word_next_number(words, 6, &number) || (number != 0 && number != 4 && number != 6))
        return false;
    *(int *)slot.field = number == 4 ? AF_INET : number == 6 ? AF_INET6 : AF_UNSPEC;
    return true;
}

const struct key_store store_family = {family_save, family_restore};

/* Strings. */

static void string_save(struct key_slot slot, struct buffer *line)
{
    const char *text = *(char **)slot.field;

    if (text)
        word_add(line, text);
}

static bool string_restore(struct key_slot slot, struct word_reader *words)
{
    *(char **)slot.field = word_next(words);
    return !words->bad;
}

const struct key_store store_string = {string_save, string_restore};

static void list_save(struct key_slot slot, struct buffer *line)
{
    const struct string_list *list = slot.field;

    for (size_t i = 0; i < list->count; i++)
        word_add(line, list->items[i]);
}

static bool list_restore(struct key_slot slot, struct word_reader *words)
{
    char *item;

    while ((item = word_next(words)))
        string_list_append(slot.field, item);
    return !words->bad;
}

const struct key_store store_list = {list_save, list_restore};

/* Values of several fields. */

static void range_save(struct key_slot slot, struct buffer *line)
{
    const struct config_upstream *upstream = slot.field;

    word_add_number(line, upstream->sessions_min);
    word_add_number(line, upstream->sessions_max);
}

static bool range_restore(struct key_slot slot, struct word_reader *words)
{
    struct config_upstream *upstream = slot.field;
    uint64_t min, max;

    if (!word_next_number(words, CONFIG_SESSIONS_MAX, &min) ||
        !word_next_number(words, CONFIG_SESSIONS_MAX, &max))
        return false;
    upstream->sessions_min = (unsigned)min;
    upstream->sessions_max = (unsigned)max;
    return true;
}

const struct key_store store_range = {range_save, range_restore};

static void host_key_save(struct key_slot slot, struct buffer *line)
{
    struct config_upstream *upstream = slot.field;

    word_add_number(line, upstream->host_key);
    list_save((struct key_slot){slot.key, &upstream->host_key_pins}, line);
}

static bool host_key_restore(struct key_slot slot, struct word_reader *words)
{
    struct config_upstream *upstream = slot.field;
    uint64_t number;

    if (!word_next_number(words, HOST_KEY_PINNED, &number))
        return false;
    upstream->host_key = (enum host_key_check)number;
    return list_restore((struct key_slot){slot.key, &upstream->host_key_pins}, words);
}

const struct key_store store_host_key = {host_key_save, host_key_restore};

static void ip_save(const struct ip *ip, uint16_t port, struct buffer *line)
{
    char text[IP_TEXT_MAX];

    word_add(line, ip_format(ip, text));
    word_add_number(line, port);
}

/* Reads what follows `text`, which is the address (and freed). */
static bool ip_restore(char *text, struct word_reader *words, struct ip *ip, uint16_t *port)
{
    uint64_t number;
    bool ok = ip_parse(text, ip) && word_next_number(words, UINT16_MAX, &number);

    free(text);
    if (ok)
        *port = (uint16_t)number;
    return ok;
}

/* "unix" PATH, "systemd" NAME, "ip" ADDRESS PORT, or "optional" ADDRESS PORT. */
static void addresses_save(struct key_slot slot, struct buffer *line)
{
    const struct config_listen *listen = slot.field;

    for (size_t i = 0; i < listen->address_count; i++) {
        const struct config_address *address = &listen->addresses[i];
        if (address->is_unix || address->is_passed) {
            word_add(line, address->is_unix ? "unix" : "systemd");
            word_add(line, address->path);
        } else {
            word_add(line, address->optional ? "optional" : "ip");
            ip_save(&address->ip, address->port, line);
        }
    }
}

static bool address_restore(const char *kind, struct word_reader *words,
                            struct config_address *address)
{
    char *text = word_next(words);

    address->is_unix = strcmp(kind, "unix") == 0;
    address->is_passed = strcmp(kind, "systemd") == 0;
    address->optional = strcmp(kind, "optional") == 0;
    if (!text || (!address->is_unix && !address->is_passed && !address->optional &&
                  strcmp(kind, "ip") != 0)) {
        free(text);
        return false;
    }
    if (!address->is_unix && !address->is_passed)
        return ip_restore(text, words, &address->ip, &address->port);
    address->path = text;
    return true;
}

static bool addresses_restore(struct key_slot slot, struct word_reader *words)
{
    struct config_listen *listen = slot.field;
    bool ok = true;
    char *kind;

    while (ok && (kind = word_next(words))) {
        struct config_address address = {0};
        ok = address_restore(kind, words, &address);
        free(kind);
        if (ok) {
            LIST_APPEND(listen->addresses, listen->address_count);
            listen->addresses[listen->address_count++] = address;
        }
    }
    return ok && !words->bad;
}

const struct key_store store_addresses = {addresses_save, addresses_restore};

static void protocols_save(struct key_slot slot, struct buffer *line)
{
    const bool *protocols = slot.field;

    for (size_t i = 0; i < WIRE_PROTOCOLS; i++)
        word_add_number(line, protocols[i]);
}

static bool protocols_restore(struct key_slot slot, struct word_reader *words)
{
    bool *protocols = slot.field;
    uint64_t number;

    for (size_t i = 0; i < WIRE_PROTOCOLS; i++) {
        if (!word_next_number(words, 1, &number))
            return false;
        protocols[i] = number == 1;
    }
    return true;
}

const struct key_store store_protocols = {protocols_save, protocols_restore};

static void order_save(struct key_slot slot, struct buffer *line)
{
    const struct config_resolve *resolve = slot.field;

    for (size_t i = 0; i < resolve->order_count; i++)
        word_add_number(line, resolve->order[i]);
}

static bool order_restore(struct key_slot slot, struct word_reader *words)
{
    struct config_resolve *resolve = slot.field;
    const size_t most = sizeof(resolve->order) / sizeof(resolve->order[0]);
    uint64_t number;

    while (words->at < words->end && resolve->order_count < most) {
        if (!word_next_number(words, RESOLVE_LOCAL, &number))
            return false;
        resolve->order[resolve->order_count++] = (enum resolve_step)number;
    }
    return true;
}

const struct key_store store_order = {order_save, order_restore};

static void servers_save(struct key_slot slot, struct buffer *line)
{
    const struct config_resolve *resolve = slot.field;

    for (size_t i = 0; i < resolve->server_count; i++)
        ip_save(&resolve->servers[i].ip, resolve->servers[i].port, line);
}

static bool servers_restore(struct key_slot slot, struct word_reader *words)
{
    struct config_resolve *resolve = slot.field;
    bool ok = true;
    char *text;

    while (ok && (text = word_next(words))) {
        struct config_server server = {0};
        ok = ip_restore(text, words, &server.ip, &server.port);
        if (ok) {
            LIST_APPEND(resolve->servers, resolve->server_count);
            resolve->servers[resolve->server_count++] = server;
        }
    }
    return ok && !words->bad;
}

const struct key_store store_servers = {servers_save, servers_restore};

/* "none", "path" PATH, or "host" HOST PORT. */
static void place_save(const struct config_place *place, struct buffer *line)
{
    if (place->path) {
        word_add(line, "path");
        word_add(line, place->path);
    } else if (place->host) {
        word_add(line, "host");
        word_add(line, place->host);
        word_add_number(line, place->port);
    } else {
        word_add(line, "none");
    }
}

static bool place_restore(struct word_reader *words, struct config_place *place)
{
    char *kind = word_next(words);
    bool ok = kind != NULL;
    uint64_t port;

    if (ok && strcmp(kind, "path") == 0) {
        place->path = word_next(words);
        ok = place->path != NULL;
    } else if (ok && strcmp(kind, "host") == 0) {
        place->host = word_next(words);
        ok = place->host != NULL && word_next_number(words, UINT16_MAX, &port);
        place->port = ok ? (uint16_t)port : 0;
    } else {
        ok = ok && strcmp(kind, "none") == 0;
    }
    free(kind);
    return ok;
}

static void forward_save(struct key_slot slot, struct buffer *line)
{
    const struct config_forward *forward = slot.field;

    if (strcmp(forward_kinds[forward->kind], slot.key->name) != 0)
        return;
    place_save(&forward->bind, line);
    place_save(&forward->target, line);
}

static bool forward_restore(struct key_slot slot, struct word_reader *words)
{
    struct config_forward *forward = slot.field;

    if (forward->bind.path || forward->bind.host || forward->target.path || forward->target.host)
        return false; /* another key has given it already */
    forward->kind = (enum forward_kind)word_index(forward_kinds, slot.key->name);
    return place_restore(words, &forward->bind) && place_restore(words, &forward->target);
}

const struct key_store store_forward = {forward_save, forward_restore};
