/* Reads one rule and matches a request against it. */
#include "policy/acl_rule.h"

#include "base/hostport.h"
#include "base/idna.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A kind of word. To `add` an item of its list gives NULL, or what is wrong with the item, as the
 * rest of a sentence that starts with it. `holds` is NULL for what is no condition. */
struct acl_key {
    const char *name;
    const char *(*add)(struct acl_rule *rule, const char *item);
    bool (*holds)(const struct acl_rule *rule, const struct acl_query *query);
};

/* Makes room for one more item behind `count` items. */
static void *list_grow(void *items, size_t count, size_t item_size)
{
    return mem_realloc(items, (count + 1) * item_size);
}

static void names_add(struct acl_names *names, char *name)
{
    names->items = list_grow(names->items, names->count, sizeof(*names->items));
    names->items[names->count++] = name;
}

static void names_free(struct acl_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
}

bool acl_names_have(const struct acl_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i], name) == 0)
            return true;
    }
    return false;
}

static void networks_add(struct acl_networks *networks, const struct cidr *network)
{
    networks->items = list_grow(networks->items, networks->count, sizeof(*networks->items));
    networks->items[networks->count++] = *network;
}

static bool networks_contain(const struct acl_networks *networks, const struct ip *ip)
{
    for (size_t i = 0; i < networks->count; i++) {
        if (cidr_contains(&networks->items[i], ip))
            return true;
    }
    return false;
}

/* Whether `text` matches a pattern whose only special character is `*`. Only the last star met is
 * ever tried again, so that no pattern costs more than the product of both lengths. */
static bool glob_matches(const char *pattern, const char *text)
{
    const char *star = NULL;
    const char *retry = NULL;

    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            retry = text;
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

static const char *from_add(struct acl_rule *rule, const char *item)
{
    struct cidr network;

    if (strcmp(item, "unix") == 0) {
        rule->from_unix = true;
        return NULL;
    }
    if (strcmp(item, "remote") == 0) {
        rule->from_remote = true;
        return NULL;
    }
    if (!cidr_parse(item, &network))
        return "is no network or address, and neither \"unix\" nor \"remote\"";
    networks_add(&rule->from, &network);
    return NULL;
}

static bool from_holds(const struct acl_rule *rule, const struct acl_query *query)
{
    if (query->remote)
        return rule->from_remote;
    return query->from ? networks_contain(&rule->from, query->from) : rule->from_unix;
}

/* A person would read `*` here as "any", but no name is "*": in a deny rule that would be a hole.
 */
static const char *plain_name_add(struct acl_names *names, const char *item)
{
    if (strchr(item, '*'))
        return "must be a plain name: only \"to\" takes patterns";
    names_add(names, mem_strdup(item));
    return NULL;
}

static const char *add_rule_user(struct acl_rule *rule, const char *item)
{
    return plain_name_add(&rule->users, item);
}

static bool user_holds(const struct acl_rule *rule, const struct acl_query *query)
{
    return query->user && acl_names_have(&rule->users, query->user);
}

static const char *group_add(struct acl_rule *rule, const char *item)
{
    return plain_name_add(&rule->groups, item);
}

static bool group_holds(const struct acl_rule *rule, const struct acl_query *query)
{
    for (size_t i = 0; query->user && query->in_group && i < rule->groups.count; i++) {
        if (query->in_group(query->groups, rule->groups.items[i], query->user))
            return true;
    }
    return false;
}

static const char *listen_add(struct acl_rule *rule, const char *item)
{
    return plain_name_add(&rule->listens, item);
}

static bool listen_holds(const struct acl_rule *rule, const struct acl_query *query)
{
    return query->listen && acl_names_have(&rule->listens, query->listen);
}

/* Whether all of it could stand in a host name or a glob of one. */
static bool is_glob_text(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || *c >= 0x80;
        bool digit = *c >= '0' && *c <= '9';
        if (!letter && !digit && !strchr("-_.*", *c))
            return false;
    }
    return true;
}

/* The ASCII form of a name, or of a pattern of names, label by label, as clients send it. NULL; or
 * what is wrong with it. */
static const char *pattern_to_ascii(const char *item, char host[static HOST_MAX + 1])
{
    size_t length = 0;

    for (const char *label = item;; label++) {
        size_t size = strcspn(label, ".");
        char text[HOST_MAX + 1] = "";

        memcpy(text, label, size);
        if (!idna_is_ascii(text) && (strchr(text, '*') != NULL || !idna_to_ascii(text, text)))
            return strchr(text, '*') != NULL ? "has a * in a label that is not ASCII"
                                             : idna_refusal();
        length += (size_t)snprintf(host + length, HOST_MAX + 1 - length, "%s%s",
                                   label > item ? "." : "", text);
        if (length > HOST_MAX)
            return "is too long for a name";
        label += size;
        if (*label == '\0')
            return NULL;
    }
}

static const char *to_add(struct acl_rule *rule, const char *item)
{
    const char *problem;
    char host[HOST_MAX + 1];
    struct cidr network;

    if (cidr_parse(item, &network)) {
        networks_add(&rule->to_networks, &network);
        return NULL;
    }
    if (strchr(item, '/'))
        return "is no network (no bits may be set behind the prefix)";
    if (strlen(item) > HOST_MAX)
        return "is too long for a name";
    if (!is_glob_text(item))
        return "is no network, address, name or pattern of names";
    if (item[strspn(item, "0123456789.")] == '\0')
        return "is no complete address";

    problem = pattern_to_ascii(item, host);
    if (problem != NULL)
        return problem;
    host_normalise(host);
    if (host[0] == '.') {
        names_add(&rule->to_globs, mem_strdup(host + 1));
        names_add(&rule->to_globs, mem_printf("*%s", host));
    } else {
        names_add(&rule->to_globs, mem_strdup(host));
    }
    return NULL;
}

/* `also_self`: loopback stands for the unspecified address, too. To connect to 0.0.0.0 or :: is to
 * connect to the machine itself on Linux and the BSDs, so that what denies loopback denies that; an
 * allow rule has to name it. */
static bool to_network(const struct acl_networks *networks, const struct ip *ip, bool also_self)
{
    static const struct ip loopback_v6 = {.bytes = {[15] = 1}};
    static const struct ip loopback_v4 = {
        .bytes = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}};

    return networks_contain(networks, ip) ||
           (also_self && ip_is_unspecified(ip) &&
            networks_contain(networks, ip_is_v4(ip) ? &loopback_v4 : &loopback_v6));
}

static bool to_holds(const struct acl_rule *rule, const struct acl_query *query)
{
    if (query->ip && to_network(&rule->to_networks, query->ip, !rule->allow && !query->bind))
        return true;
    for (size_t i = 0; i < rule->to_globs.count; i++) {
        if (glob_matches(rule->to_globs.items[i], query->host))
            return true;
    }
    return false;
}

static const char *port_add(struct acl_rule *rule, const char *item)
{
    const char *dash = strchr(item, '-');
    struct acl_port_range range;

    char *first = mem_strndup(item, strcspn(item, "-"));
    bool valid = port_parse(first, false, &range.first) &&
                 port_parse(dash ? dash + 1 : item, false, &range.last);
    free(first);
    if (!valid)
        return "is no port (1 to 65535) or range of ports";
    if (range.first > range.last)
        return "is a range that ends before it starts";

    struct acl_ports *ports = &rule->ports;
    ports->items = list_grow(ports->items, ports->count, sizeof(*ports->items));
    ports->items[ports->count++] = range;
    return NULL;
}

static bool port_holds(const struct acl_rule *rule, const struct acl_query *query)
{
    for (size_t i = 0; i < rule->ports.count; i++) {
        const struct acl_port_range *range = &rule->ports.items[i];
        if (range->first <= query->port && query->port <= range->last)
            return true;
    }
    return false;
}

static const char *via_add(struct acl_rule *rule, const char *item)
{
    if (!rule->allow)
        return "is no use: a deny rule sends nothing anywhere";
    if (rule->via)
        return "is one too many: a rule sends to one upstream";
    if (strchr(item, '*'))
        return "must be the plain name of an upstream";
    rule->via = mem_strdup(item);
    return NULL;
}

static const struct acl_key acl_keys[] = {
    {"from", from_add, from_holds},
    {"user", add_rule_user, user_holds},
    {"group", group_add, group_holds},
    {"listen", listen_add, listen_holds},
    {"to", to_add, to_holds},
    {"port", port_add, port_holds},
    {"via", via_add, NULL},
};
#define ACL_KEYS (sizeof(acl_keys) / sizeof(acl_keys[0]))

static const struct acl_key *find_rule_key(const char *name, size_t length)
{
    for (size_t i = 0; i < ACL_KEYS; i++) {
        if (strlen(acl_keys[i].name) == length && memcmp(acl_keys[i].name, name, length) == 0)
            return &acl_keys[i];
    }
    return NULL;
}

static bool has_control(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c < ' ' || *c == 0x7f)
            return true;
    }
    return false;
}

/* Adds every item of a word's list; false with a message. */
static bool list_add(struct acl_rule *rule, const struct acl_key *key, const char *word,
                     char *error, size_t error_size)
{
    const char *list = word + strlen(key->name) + 1;
    bool more = true;

    while (more) {
        size_t length = strcspn(list, ",");
        char *item = mem_strndup(list, length);
        const char *wrong = length == 0 ? "is an empty item" : key->add(rule, item);
        if (wrong)
            snprintf(error, error_size, "%s: \"%s\" %s", word, item, wrong);
        free(item);
        if (wrong)
            return false;
        more = list[length] == ',';
        list += length + 1;
    }
    return true;
}

static bool add_rule_word(struct acl_rule *rule, const char *word, char *error, size_t error_size)
{
    size_t length = strcspn(word, "=");
    const struct acl_key *key = find_rule_key(word, length);
    const char *wrong = NULL;

    if (has_control(word))
        wrong = "a control character";
    else if (word[length] == '\0')
        wrong = "a rule is made of words KEY=LIST";
    else if (!key)
        wrong = "no such key: there are from, user, group, listen, to, port and via";
    else if (rule->given & 1u << (key - acl_keys))
        wrong = "the key is there already: put all items into one list";
    if (wrong) {
        snprintf(error, error_size, "%s: %s", word, wrong);
        return false;
    }
    rule->given |= 1u << (key - acl_keys);
    return list_add(rule, key, word, error, error_size);
}

/* The rule as it stands in the file, with one blank between its words. */
static char *rule_text(bool allow, const char *text)
{
    char *rule = mem_printf("%s = %s", allow ? "allow" : "deny", text);
    char *to = rule + strlen(rule) - strlen(text);

    for (text += strspn(text, " \t"); *text; text += strspn(text, " \t")) {
        size_t length = strcspn(text, " \t");
        memcpy(to, text, length);
        to += length;
        text += length;
        *to++ = ' ';
    }
    to[-1] = '\0'; /* the blank after the last word, or after "=" */
    return rule;
}

struct acl_rule *acl_rule_parse(const struct acl_words *words, char *error, size_t error_size)
{
    struct acl_rule *rule = mem_zalloc(sizeof(*rule));
    char *copy = mem_strdup(words->text);
    char *rest = copy;
    char *word;
    bool valid = true;

    rule->allow = words->allow;
    rule->line = words->line;
    rule->text = rule_text(words->allow, words->text);
    while (valid && (word = strtok_r(rest, " \t", &rest)))
        valid = add_rule_word(rule, word, error, error_size);
    free(copy);

    if (valid && rule->given == 0) {
        snprintf(error, error_size, "%s: an empty rule; \"to=*\" matches everything", rule->text);
        valid = false;
    }
    if (valid)
        return rule;
    acl_rule_free(rule);
    return NULL;
}

void acl_rule_free(struct acl_rule *rule)
{
    if (!rule)
        return;
    free(rule->text);
    free(rule->from.items);
    names_free(&rule->users);
    names_free(&rule->groups);
    names_free(&rule->listens);
    free(rule->to_networks.items);
    names_free(&rule->to_globs);
    free(rule->ports.items);
    free(rule->via);
    free(rule);
}

bool acl_rule_matches(const struct acl_rule *rule, const struct acl_query *query)
{
    for (size_t i = 0; i < ACL_KEYS; i++) {
        bool given = rule->given & 1u << i;
        if (given && acl_keys[i].holds && !acl_keys[i].holds(rule, query))
            return false;
    }
    return true;
}
