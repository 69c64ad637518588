/* Kinds of values that are lists about a server: files, hosts, algorithms, keys. */
#include "conf/list_items.h"
#include "conf/types.h"

#include "base/hostport.h"
#include "base/mem.h"
#include "conf/jumps.h"
#include "conf/paths.h"
#include "conf/ssh_names.h"
#include "conf/stores.h"
#include "conf/upstream_host.h"
#include "policy/targets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void list_free(struct key_slot slot)
{
    string_list_clear(slot.field);
}

static char *list_print(struct key_slot slot)
{
    const struct string_list *list = slot.field;
    struct buffer text = {0};

    for (size_t i = 0; i < list->count; i++)
        list_put(&text, list->items[i]);
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
    return list_each_item(slot, in, files_item);
}

static char *files_print(struct key_slot slot)
{
    const struct string_list *list = slot.field;
    struct buffer text = {0};

    for (size_t i = 0; i < list->count; i++) {
        char *path = path_contract(list->items[i]);
        list_put(&text, path);
        free(path);
    }
    return list_take(&text);
}

const struct key_type type_files = {.metavar = "file, ...",
                                    .join = JOIN_COMMAS,
                                    .parse = files_parse,
                                    .print = files_print,
                                    .store = &store_list,
                                    .free = list_free};

static bool names_item(struct key_slot slot, struct key_input *in, const char *item)
{
    if (strchr(item, '*'))
        return input_refuse(in, "'%s' must be a plain name", item);
    string_list_append(slot.field, mem_strdup(item));
    return true;
}

static bool names_parse(struct key_slot slot, struct key_input *in)
{
    return list_each_item(slot, in, names_item);
}

const struct key_type type_names = {.metavar = "name, ...",
                                    .join = JOIN_COMMAS,
                                    .parse = names_parse,
                                    .print = list_print,
                                    .store = &store_list,
                                    .free = list_free};

/* What follows HOST_BY_SRV. */
static bool service_item(struct key_slot slot, struct key_input *in, const char *item)
{
    const char *wrong = target_service_wrong(item + strlen(HOST_BY_SRV));

    if (wrong)
        return input_refuse(in, "'%s' is not srv:_SERVICE._PROTO.NAME: %s", item, wrong);
    string_list_append(slot.field, mem_strdup(item));
    return true;
}

/* ("srv:22" is a host of that name.) */
static bool is_service(const char *item)
{
    const char *name = item + strlen(HOST_BY_SRV);

    return strncmp(item, HOST_BY_SRV, strlen(HOST_BY_SRV)) == 0 &&
           (*name == '\0' || name[strspn(name, "0123456789")] != '\0');
}

static bool hosts_item(struct key_slot slot, struct key_input *in, const char *item)
{
    char host[HOST_MAX + 1];
    uint16_t port;

    if (strchr(item, '@'))
        return input_refuse(in, "'%s': the login name goes into user =", item);
    if (is_service(item))
        return service_item(slot, in, item);
    if (!hostport_split_zoned(item, strlen(item), 22, host, &port))
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
    const struct string_list *hosts = slot.field;

    if (!list_each_item(slot, in, hosts_item))
        return false;
    for (size_t i = 0; hosts->count > 1 && i < hosts->count; i++)
        if (is_service(hosts->items[i]))
            return input_refuse(in, "'%s' names all hosts: no other can be given beside it",
                                hosts->items[i]);
    return true;
}

const struct key_type type_hosts = {.metavar = "host[:port], ... | srv:_service._proto.name",
                                    .join = JOIN_COMMAS,
                                    .parse = hosts_parse,
                                    .print = list_print,
                                    .store = &store_list,
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
    return strcmp(in->text, "none") == 0 || list_each_item(slot, in, jump_item);
}

const struct key_type type_jump = {.metavar = "[user@]host[:port], ...",
                                   .join = JOIN_COMMAS,
                                   .parse = jump_parse,
                                   .print = list_print,
                                   .store = &store_list,
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
        return list_each_item(slot, in, pattern_item);
    string_list_append(slot.field, mem_strdup(in->text));
    return true;
}

const struct key_type type_patterns = {.metavar = "any | none | host:port, ...",
                                       .join = JOIN_COMMAS,
                                       .parse = patterns_parse,
                                       .print = list_print,
                                       .store = &store_list,
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
    if (strpbrk(item, " \t,\\"))
        return input_refuse(in, "'%s' is not the name of an algorithm", item);
    names_append(slot.field, item);
    return true;
}

static bool algorithms_parse(struct key_slot slot, struct key_input *in)
{
    return list_each_item(slot, in, algorithms_item);
}

static char *algorithms_print(struct key_slot slot)
{
    struct buffer text = {0};
    const char *names = *(char **)slot.field;

    while (names && *names) {
        size_t length = strcspn(names, ",");
        char *name = mem_strndup(names, length);
        list_put(&text, name);
        free(name);
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
                                         .store = &store_string,
                                         .free = algorithms_free};

/* "SHA256:" and the 43 characters of a digest in base64, as ssh-keygen -l prints it. */
static bool methods_item(struct key_slot slot, struct key_input *in, const char *item)
{
    if (list_word(slot.key, in, item) < 0)
        return false;
    names_append(slot.field, item);
    return true;
}

static bool methods_parse(struct key_slot slot, struct key_input *in)
{
    return list_each_item(slot, in, methods_item);
}

const struct key_type type_methods = {.metavar = "method, ...",
                                      .join = JOIN_COMMAS,
                                      .parse = methods_parse,
                                      .print = algorithms_print,
                                      .store = &store_string,
                                      .free = algorithms_free};

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
        return list_each_item(slot, in, pin_item);
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
    .store = &store_host_key,
    .free = host_key_free};
