/* The kind of value that is a list of networks from which connections come, "unix" among them. */
#include "conf/list_items.h"
#include "conf/stores.h"
#include "conf/types.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In cidr_format: "10.0.0.0/8" at its longest, with an IPv6 address. */
#define CIDR_TEXT_MAX (IP_TEXT_MAX + 4)

static void networks_append(struct network_list *list, const struct cidr *net)
{
    LIST_APPEND(list->items, list->count);
    list->items[list->count++] = *net;
}

static bool networks_item(struct key_slot slot, struct key_input *in, const char *item)
{
    struct network_list *list = slot.field;
    struct cidr net;

    if (strcmp(item, "unix") == 0) {
        list->local = true;
        return true;
    }
    if (!cidr_parse(item, &net))
        return input_refuse(in,
                            "'%s' is not ADDRESS, ADDRESS/BITS (with no bit set behind these) or "
                            "unix",
                            item);
    networks_append(list, &net);
    return true;
}

static bool networks_parse(struct key_slot slot, struct key_input *in)
{
    return list_each_item(slot, in, networks_item);
}

static const char *network_text(const struct cidr *net, char text[static CIDR_TEXT_MAX])
{
    char ip[IP_TEXT_MAX];
    unsigned before = ip_is_v4(&net->ip) && net->bits >= 96 ? 96 : 0;

    if (net->bits == 128)
        snprintf(text, CIDR_TEXT_MAX, "%s", ip_format(&net->ip, ip));
    else
        snprintf(text, CIDR_TEXT_MAX, "%s/%u", ip_format(&net->ip, ip), net->bits - before);
    return text;
}

static char *networks_print(struct key_slot slot)
{
    const struct network_list *list = slot.field;
    char text[CIDR_TEXT_MAX];
    struct buffer all = {0};

    for (size_t i = 0; i < list->count; i++)
        list_put(&all, network_text(&list->items[i], text));
    if (list->local)
        list_put(&all, "unix");
    return list_take(&all);
}

static void networks_free(struct key_slot slot)
{
    free(((struct network_list *)slot.field)->items);
}

/* Each as an address and its bits in the v4-mapped form, or "unix". */
static void networks_save(struct key_slot slot, struct buffer *line)
{
    const struct network_list *list = slot.field;
    char ip[IP_TEXT_MAX];

    if (list->local)
        word_add(line, "unix");
    for (size_t i = 0; i < list->count; i++) {
        word_add(line, ip_format(&list->items[i].ip, ip));
        word_add_number(line, list->items[i].bits);
    }
}

static bool network_restore(const char *text, struct word_reader *words, struct network_list *list)
{
    struct cidr net;
    uint64_t bits;

    if (strcmp(text, "unix") == 0) {
        list->local = true;
        return true;
    }
    if (!ip_parse(text, &net.ip) || !word_next_number(words, 128, &bits))
        return false;
    net.bits = (uint8_t)bits;
    networks_append(list, &net);
    return true;
}

static bool networks_restore(struct key_slot slot, struct word_reader *words)
{
    bool ok = true;
    char *text;

    while (ok && (text = word_next(words))) {
        ok = network_restore(text, words, slot.field);
        free(text);
    }
    return ok && !words->bad;
}

const struct key_store store_networks = {networks_save, networks_restore};

const struct key_type type_networks = {.metavar = "network, ...",
                                       .join = JOIN_COMMAS,
                                       .parse = networks_parse,
                                       .print = networks_print,
                                       .store = &store_networks,
                                       .free = networks_free};

bool network_list_has(const struct network_list *list, const struct ip *ip)
{
    if (ip == NULL)
        return list->local;
    for (size_t i = 0; i < list->count; i++) {
        if (cidr_contains(&list->items[i], ip))
            return true;
    }
    return false;
}
