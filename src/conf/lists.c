/* Kinds of values with several parts: lists, addresses, rules. */
#include "conf/types.h"

#include "base/hostport.h"
#include "base/mem.h"
#include "conf/forward_spec.h"
#include "conf/jumps.h"
#include "conf/paths.h"
#include "conf/ssh_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

/* Reads every item of a comma list by `take`, which may refuse it; false at the first that is empty
 * or refused. */
static bool each_item(struct key_slot slot, struct key_input *in,
                      bool (*take)(struct key_slot slot, struct key_input *in, const char *item))
{
    char *rest = in->text;

    while (rest) {
        char *item = list_next_item(&rest);
        item += strspn(item, " \t");
        size_t length = strlen(item);
        while (length > 0 && strchr(" \t", item[length - 1]))
            item[--length] = '\0';
        if (length == 0)
            return input_refuse(in, "an item of the list is empty");
        if (!take(slot, in, item))
            return false;
    }
    return true;
}

/* Another element at the end of an array of `count`; the caller counts it. */
#define APPEND(array, count) ((array) = mem_realloc((array), ((count) + 1) * sizeof(*(array))))

void string_list_append(struct string_list *list, char *item)
{
    APPEND(list->items, list->count);
    list->items[list->count++] = item;
}

void string_list_clear(struct string_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct string_list){0};
}

/* Begins another item of a printed list. */
static void comma(struct buffer *text)
{
    if (buffer_length(text) > 0)
        text_add(text, ", ");
}

/* A printed list; NULL if it has no items. */
static char *list_take(struct buffer *text)
{
    return buffer_length(text) > 0 ? text_take(text) : NULL;
}

static void list_free(struct key_slot slot)
{
    string_list_clear(slot.field);
}

static char *list_print(struct key_slot slot)
{
    const struct string_list *list = slot.field;
    struct buffer text = {0};

    for (size_t i = 0; i < list->count; i++) {
        comma(&text);
        text_add(&text, "%s", list->items[i]);
    }
    return list_take(&text);
}

static bool files_item(struct key_slot slot, struct key_input *in, const char *item)
{
    char *path = path_expand(item);

    if (!path)
        return input_refuse(in, "'%s' is not %s", item, type_file.form);
    string_list_append(slot.field, path);
    return true;
}

static bool files_parse(struct key_slot slot, struct key_input *in)
{
    return each_item(slot, in, files_item);
}

static char *files_print(struct key_slot slot)
{
    const struct string_list *list = slot.field;
    struct buffer text = {0};

    for (size_t i = 0; i < list->count; i++) {
        char *path = path_contract(list->items[i]);
        char *item = list_item_escape(path);
        comma(&text);
        text_add(&text, "%s", item);
        free(item);
        free(path);
    }
    return list_take(&text);
}

const struct key_type type_files = {.metavar = "file, ...",
                                    .join = JOIN_COMMAS,
                                    .parse = files_parse,
                                    .print = files_print,
                                    .free = list_free};

static bool hosts_item(struct key_slot slot, struct key_input *in, const char *item)
{
    char host[HOST_MAX + 1];
    uint16_t port;

    if (strchr(item, '@'))
        return input_refuse(in, "'%s': the login name goes into user =", item);
    if (!hostport_split(item, strlen(item), 22, host, &port))
        return input_refuse(in, "'%s' is not HOST or HOST:PORT (an IPv6 address in brackets)",
                            item);
    const char *wrong = ssh_host_wrong(host);
    if (wrong)
        return input_refuse(in, "'%s' is no host's name: %s", host, wrong);
    string_list_append(slot.field, mem_strdup(item));
    return true;
}

static bool hosts_parse(struct key_slot slot, struct key_input *in)
{
    return each_item(slot, in, hosts_item);
}

const struct key_type type_hosts = {.metavar = "host[:port], ...",
                                    .join = JOIN_COMMAS,
                                    .parse = hosts_parse,
                                    .print = list_print,
                                    .free = list_free};

static bool jump_item(struct key_slot slot, struct key_input *in, const char *item)
{
    struct hop hop;

    if (hop_parse(item, &hop)) {
        hop_clear(&hop);
        string_list_append(slot.field, mem_strdup(item));
        return true;
    }
    if (hop.wrong)
        return input_refuse(in, "'%s': the name of the %s is refused: %s", item, hop.wrong_part,
                            hop.wrong);
    return input_refuse(in,
                        "'%s' is not [USER@]HOST[:PORT], ssh://[USER@]HOST[:PORT] or the name of "
                        "an upstream",
                        item);
}

static bool jump_parse(struct key_slot slot, struct key_input *in)
{
    return strcmp(in->text, "none") == 0 || each_item(slot, in, jump_item);
}

const struct key_type type_jump = {.metavar = "[user@]host[:port], ...",
                                   .join = JOIN_COMMAS,
                                   .parse = jump_parse,
                                   .print = list_print,
                                   .free = list_free};

/* "HOST:PORT" where each can be "*", as PermitOpen of sshd_config(5). */
static bool pattern_item(struct key_slot slot, struct key_input *in, const char *item)
{
    const char *colon = strrchr(item, ':');
    uint16_t port;

    if (!colon || colon == item || strpbrk(item, " \t") ||
        (strcmp(colon + 1, "*") != 0 && !port_parse(colon + 1, false, &port)))
        return input_refuse(in, "'%s' is not HOST:PORT, where each can be *", item);
    string_list_append(slot.field, mem_strdup(item));
    return true;
}

static bool patterns_parse(struct key_slot slot, struct key_input *in)
{
    if (strcmp(in->text, "any") == 0)
        return true;
    if (strcmp(in->text, "none") != 0)
        return each_item(slot, in, pattern_item);
    string_list_append(slot.field, mem_strdup(in->text));
    return true;
}

const struct key_type type_patterns = {.metavar = "any | none | host:port, ...",
                                       .join = JOIN_COMMAS,
                                       .parse = patterns_parse,
                                       .print = list_print,
                                       .free = list_free};

/* Puts another item at the end of a comma list. */
static void names_append(char **names, const char *item)
{
    char *longer = *names ? mem_printf("%s,%s", *names, item) : mem_strdup(item);

    free(*names);
    *names = longer;
}

static bool algorithms_item(struct key_slot slot, struct key_input *in, const char *item)
{
    if (strpbrk(item, " \t"))
        return input_refuse(in, "'%s' is not the name of an algorithm", item);
    names_append(slot.field, item);
    return true;
}

static bool algorithms_parse(struct key_slot slot, struct key_input *in)
{
    return each_item(slot, in, algorithms_item);
}

static char *algorithms_print(struct key_slot slot)
{
    struct buffer text = {0};
    const char *names = *(char **)slot.field;

    while (names && *names) {
        size_t length = strcspn(names, ",");
        comma(&text);
        text_add(&text, "%.*s", (int)length, names);
        names += length + (names[length] == ',');
    }
    return list_take(&text);
}

static void algorithms_free(struct key_slot slot)
{
    free(*(char **)slot.field);
}

const struct key_type type_algorithms = {.metavar = "name, ...",
                                         .join = JOIN_COMMAS,
                                         .parse = algorithms_parse,
                                         .print = algorithms_print,
                                         .free = algorithms_free};

/* "SHA256:" and the 43 characters of a digest in base64, as ssh-keygen -l prints it. */
static bool pin_valid(const char *pin)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    return strncmp(pin, "SHA256:", 7) == 0 && strspn(pin + 7, alphabet) == 43 && pin[50] == '\0';
}

static bool pin_item(struct key_slot slot, struct key_input *in, const char *item)
{
    struct config_upstream *upstream = slot.field;

    if (!pin_valid(item))
        return input_refuse(
            in, "'%s' is not strict, accept-new, ask, any or a list of SHA256:FINGERPRINT", item);
    upstream->host_key = HOST_KEY_PINNED;
    string_list_append(&upstream->host_key_pins, mem_strdup(item));
    return true;
}

static bool host_key_parse(struct key_slot slot, struct key_input *in)
{
    struct config_upstream *upstream = slot.field;
    int index = word_index(slot.key->words, in->text);

    if (index < 0)
        return each_item(slot, in, pin_item);
    upstream->host_key = (enum host_key_check)index;
    return true;
}

static char *host_key_print(struct key_slot slot)
{
    struct config_upstream *upstream = slot.field;

    if (upstream->host_key != HOST_KEY_PINNED)
        return mem_strdup(slot.key->words[upstream->host_key]);
    return list_print((struct key_slot){slot.key, &upstream->host_key_pins});
}

static void host_key_free(struct key_slot slot)
{
    string_list_clear(&((struct config_upstream *)slot.field)->host_key_pins);
}

const struct key_type type_host_key = {
    .metavar = "strict | accept-new | ask | any | SHA256:fingerprint, ...",
    .join = JOIN_COMMAS,
    .parse = host_key_parse,
    .print = host_key_print,
    .free = host_key_free};

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
    char *host = mem_strndup(item, colon ? (size_t)(colon - item) : 0);
    bool ok = colon != item && port_parse(colon ? colon + 1 : item, true, &port) &&
              host_item(slot.field, host, port);
    free(host);
    return ok || input_refuse(in, "'%s' is not ADDRESS:PORT, PORT, *:PORT or unix:PATH", item);
}

static bool addresses_parse(struct key_slot slot, struct key_input *in)
{
    return each_item(slot, in, address_item);
}

static void add_address(struct buffer *text, const struct config_address *address, bool pair)
{
    char ip[IP_TEXT_MAX], hostport[HOSTPORT_TEXT_MAX];

    comma(text);
    if (address->is_unix) {
        char *path = path_contract(address->path);
        text_add(text, "unix:%s", path);
        free(path);
    } else if (pair) {
        text_add(text, "%s:%u", ip_is_loopback(&address->ip) ? "localhost" : "*", address->port);
    } else {
        text_add(text, "%s", hostport_format(ip_format(&address->ip, ip), address->port, hostport));
    }
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
                                        .free = addresses_free};

/* The index of an item among the key's words; -1 with the input refused if it is none. */
static int word_item(const struct key *key, struct key_input *in, const char *item)
{
    int index = word_index(key->words, item);

    if (index < 0) {
        char *form = key_form(key);
        input_refuse(in, "'%s' is not %s", item, form);
        free(form);
    }
    return index;
}

static bool methods_item(struct key_slot slot, struct key_input *in, const char *item)
{
    if (word_item(slot.key, in, item) < 0)
        return false;
    names_append(slot.field, item);
    return true;
}

static bool methods_parse(struct key_slot slot, struct key_input *in)
{
    return each_item(slot, in, methods_item);
}

const struct key_type type_methods = {.metavar = "method, ...",
                                      .join = JOIN_COMMAS,
                                      .parse = methods_parse,
                                      .print = algorithms_print,
                                      .free = algorithms_free};

static bool protocols_item(struct key_slot slot, struct key_input *in, const char *item)
{
    bool *protocols = slot.field;
    int index = word_item(slot.key, in, item);

    if (index < 0)
        return false;
    if (protocols[index])
        return input_refuse(in, "'%s' is there twice", item);
    protocols[index] = true;
    return true;
}

static bool protocols_parse(struct key_slot slot, struct key_input *in)
{
    return each_item(slot, in, protocols_item);
}

static char *protocols_print(struct key_slot slot)
{
    const bool *protocols = slot.field;
    struct buffer text = {0};

    for (size_t i = 0; i < WIRE_PROTOCOLS; i++) {
        if (protocols[i]) {
            comma(&text);
            text_add(&text, "%s", slot.key->words[i]);
        }
    }
    return list_take(&text);
}

const struct key_type type_protocols = {.metavar = "socks5, socks4, http",
                                        .join = JOIN_COMMAS,
                                        .parse = protocols_parse,
                                        .print = protocols_print};

static bool order_item(struct key_slot slot, struct key_input *in, const char *item)
{
    struct config_resolve *resolve = slot.field;
    int index = word_item(slot.key, in, item);

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
    return each_item(slot, in, order_item);
}

static char *order_print(struct key_slot slot)
{
    const struct config_resolve *resolve = slot.field;
    struct buffer text = {0};

    for (size_t i = 0; i < resolve->order_count; i++) {
        comma(&text);
        text_add(&text, "%s", slot.key->words[resolve->order[i]]);
    }
    return list_take(&text);
}

const struct key_type type_order = {.metavar = "remote, tunnel, local",
                                    .join = JOIN_COMMAS,
                                    .parse = order_parse,
                                    .print = order_print};

static bool servers_item(struct key_slot slot, struct key_input *in, const char *item)
{
    struct config_resolve *resolve = slot.field;
    struct config_server server;
    char host[HOST_MAX + 1];

    if (!hostport_split(item, strlen(item), 53, host, &server.port) || !ip_parse(host, &server.ip))
        return input_refuse(in, "'%s' is not ADDRESS or ADDRESS:PORT", item);
    APPEND(resolve->servers, resolve->server_count);
    resolve->servers[resolve->server_count++] = server;
    return true;
}

static bool servers_parse(struct key_slot slot, struct key_input *in)
{
    return each_item(slot, in, servers_item);
}

static char *servers_print(struct key_slot slot)
{
    const struct config_resolve *resolve = slot.field;
    struct buffer text = {0};

    for (size_t i = 0; i < resolve->server_count; i++) {
        const struct config_server *server = &resolve->servers[i];
        char ip[IP_TEXT_MAX], hostport[HOSTPORT_TEXT_MAX];
        comma(&text);
        text_add(&text, "%s", hostport_format(ip_format(&server->ip, ip), server->port, hostport));
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
                                      .free = servers_free};

static bool rule_parse(struct key_slot slot, struct key_input *in)
{
    bool allow = strcmp(slot.key->name, "allow") == 0;

    return acl_add(*(struct acl **)slot.field, allow, in->text, in->line, in->error,
                   sizeof(in->error)) == 0;
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
