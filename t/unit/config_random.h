/* Configurations of random values, odd ones above all. A kind of value that is not made here fails
 * the test that needs one. */
#ifndef ADIT_T_CONFIG_RANDOM_H
#define ADIT_T_CONFIG_RANDOM_H

#include "load_text.h"

#include "conf/forward_spec.h"
#include "conf/list_items.h"
#include "conf/load.h"
#include "conf/stores.h"
#include "conf/types.h"

#include <sys/socket.h>

/* Random values, the same in every run (xorshift64*, Vigna 2016). */
static uint64_t random_state = 88172645463325252u;

static unsigned pick(unsigned count)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (unsigned)((random_state * 2685821657736338717u) >> 33) % count;
}

/* Text that a printer for people, or the reader of INI files, has lost something of. */
static const char *const odd_texts[] = {
    "",
    " ",
    "a",
    " a ",
    "a b",
    "a  ;b ; c",
    "a,b",
    "a\\,b\\",
    "\\",
    "\"",
    "'q' \"q\"",
    "a\nb",
    "\r\n\t",
    "~",
    "~/x",
    "~x/y",
    "none",
    "any",
    "# a",
    "[a]",
    "= a",
    "%h %%",
    "a:b",
    "unix:a",
    "NULL",
    "\\x41",
    "end",
    "\x01\x1f\x7f",
    "\xc3\xa9\xff\x80",
    "a \"b\" c \\\"",
    "+file \"x\"",
};
#define ODD_TEXTS (sizeof(odd_texts) / sizeof(odd_texts[0]))

static char *random_text(void)
{
    size_t length = pick(3) == 0 ? pick(300) : pick(12);
    char *text;

    if (pick(2) == 0)
        return mem_strdup(odd_texts[pick(ODD_TEXTS)]);
    text = mem_zalloc(length + 1);
    for (size_t i = 0; i < length; i++)
        text[i] = (char)(1 + pick(255));
    return text;
}

static struct ip random_ip(void)
{
    static const char *const texts[] = {"127.0.0.1", "::1",      "0.0.0.0",
                                        "::",        "10.1.2.3", "2001:db8::1:0:0:1"};
    struct ip ip;

    assert_true(ip_parse(texts[pick(6)], &ip));
    return ip;
}

/* One for each store: a value of the kind, for a field that is all zeroes. */

static void make_unsigned(struct key_slot slot)
{
    static const unsigned values[] = {0, 1, 7, 0777, 65535, UINT32_MAX};

    *(unsigned *)slot.field = values[pick(6)];
}

static void make_port(struct key_slot slot)
{
    *(uint16_t *)slot.field = (uint16_t)pick(65536);
}

static void make_u64(struct key_slot slot)
{
    static const uint64_t values[] = {0, 1, 1500, 86400000, (uint64_t)1 << 40, UINT64_MAX};

    *(uint64_t *)slot.field = values[pick(6)];
}

static void make_bool(struct key_slot slot)
{
    *(bool *)slot.field = pick(2);
}

static void make_choice(struct key_slot slot)
{
    unsigned count = 0;

    while (slot.key->words[count])
        count++;
    *(unsigned *)slot.field = pick(count);
}

static void make_family(struct key_slot slot)
{
    static const int families[] = {AF_UNSPEC, AF_INET, AF_INET6};

    *(int *)slot.field = families[pick(3)];
}

static void make_string(struct key_slot slot)
{
    *(char **)slot.field = pick(4) == 0 ? NULL : random_text();
}

static void make_list(struct key_slot slot)
{
    for (unsigned i = pick(5); i > 0; i--)
        string_list_append(slot.field, random_text());
}

static void make_range(struct key_slot slot)
{
    struct config_upstream *upstream = slot.field;

    upstream->sessions_min = 1 + pick(8);
    upstream->sessions_max = 8 + pick(8);
}

static void make_host_key(struct key_slot slot)
{
    struct config_upstream *upstream = slot.field;

    upstream->host_key = (enum host_key_check)pick(HOST_KEY_PINNED + 1);
    if (upstream->host_key == HOST_KEY_PINNED)
        make_list((struct key_slot){slot.key, &upstream->host_key_pins});
}

static void make_addresses(struct key_slot slot)
{
    struct config_listen *listen = slot.field;

    for (unsigned i = pick(4); i > 0; i--) {
        struct config_address address = {.is_unix = pick(2)};
        address.is_passed = !address.is_unix && pick(2);
        if (address.is_unix || address.is_passed) {
            address.path = random_text();
        } else {
            address.ip = random_ip();
            address.port = (uint16_t)pick(65536);
            address.optional = pick(2);
        }
        LIST_APPEND(listen->addresses, listen->address_count);
        listen->addresses[listen->address_count++] = address;
    }
}

static void make_protocols(struct key_slot slot)
{
    for (size_t i = 0; i < WIRE_PROTOCOLS; i++)
        ((bool *)slot.field)[i] = pick(2);
}

static void make_networks(struct key_slot slot)
{
    struct network_list *list = slot.field;

    list->local = pick(2);
    for (unsigned i = pick(4); i > 0; i--) {
        LIST_APPEND(list->items, list->count);
        list->items[list->count++] = (struct cidr){random_ip(), (uint8_t)pick(129)};
    }
}

static void make_order(struct key_slot slot)
{
    struct config_resolve *resolve = slot.field;

    for (unsigned i = pick(4); i > 0; i--)
        resolve->order[resolve->order_count++] = (enum resolve_step)pick(3);
}

static void make_servers(struct key_slot slot)
{
    struct config_resolve *resolve = slot.field;

    for (unsigned i = pick(3); i > 0; i--) {
        LIST_APPEND(resolve->servers, resolve->server_count);
        resolve->servers[resolve->server_count++] =
            (struct config_server){.ip = random_ip(), .port = (uint16_t)pick(65536)};
    }
}

/* What can be listened on here, or anything. */
static struct config_place random_place(bool here)
{
    static const char *const hosts[] = {"", "*", "localhost", "127.0.0.1", "::1"};

    if (pick(2) == 0)
        return (struct config_place){.path = random_text()};
    return (struct config_place){.host = here ? mem_strdup(hosts[pick(5)]) : random_text(),
                                 .port = (uint16_t)pick(65536)};
}

/* (Of the three keys one has the value; the last one, if none had it before.) */
static void make_forward(struct key_slot slot)
{
    struct config_forward *forward = slot.field;
    enum forward_kind kind = (enum forward_kind)word_index(forward_kinds, slot.key->name);

    if (forward->bind.path || forward->bind.host || (kind != FORWARD_DYNAMIC && pick(2) == 0))
        return;
    forward->kind = kind;
    forward->bind = random_place(kind != FORWARD_REMOTE);
    if (kind == FORWARD_LOCAL || (kind == FORWARD_REMOTE && pick(2) == 0))
        forward->target = random_place(false);
}

typedef void make_fn(struct key_slot slot);

static const struct {
    const struct key_store *store;
    make_fn *make;
} makers[] = {
    {&store_unsigned, make_unsigned},
    {&store_port, make_port},
    {&store_u64, make_u64},
    {&store_bool, make_bool},
    {&store_choice, make_choice},
    {&store_family, make_family},
    {&store_string, make_string},
    {&store_list, make_list},
    {&store_range, make_range},
    {&store_host_key, make_host_key},
    {&store_addresses, make_addresses},
    {&store_protocols, make_protocols},
    {&store_networks, make_networks},
    {&store_order, make_order},
    {&store_servers, make_servers},
    {&store_forward, make_forward},
};

static void make_value(const struct key *key, void *object)
{
    for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
        if (makers[i].store == key->type->store) {
            makers[i].make(key_slot(key, object));
            return;
        }
    }
    if (key->type != &type_rule)
        fail_msg("no value of the kind of '%s' is made here", key->name);
}

static void no_problem(void *arg, unsigned line, const char *message)
{
    (void)arg;
    fail_msg("line %u: %s", line, message);
}

static struct users *random_users(void)
{
    static const char two_users[] =
        "b\"o\\b :$6$s$abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ./"
        "0123456789abcdefghijklmnopqrstuv\n\xc3\xa9:$1$s$abcdefghijklmnopqrstuv\n";
    static const char *const texts[] = {
        "",
        "alice:$5$saltsalt$abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ\n",
        two_users,
    };
    const char *text = texts[pick(3)];

    return pick(3) == 0 ? NULL : users_new(text, strlen(text), no_problem, NULL);
}

static struct acl *random_acl(void)
{
    static const char *const rules[] = {"to=*", "from=10.0.0.0/8,unix to=.example  port=1-9,80",
                                        "user=\"a\\b via=x to=*", "listen=l to=2001:db8::/32"};
    struct acl *acl = pick(3) == 0 ? NULL : acl_new();
    char error[KEY_ERROR_MAX];

    for (unsigned i = acl ? pick(5) : 0; i > 0; i--) {
        unsigned rule = pick(4);
        if (acl_add(acl, &(struct acl_words){rule == 2 || pick(2), rules[rule], pick(1000)}, error,
                    sizeof(error)) != 0)
            fail_msg("%s", error);
    }
    return acl;
}

static void make_objects(struct config *config, const struct section *section)
{
    for (unsigned i = section->named ? pick(4) : 0; i > 0; i--)
        section_append(section, config, random_text(), pick(100000));
    for (size_t i = 0; i < section_objects(section, config); i++) {
        for (size_t k = 0; k < section->key_count; k++)
            make_value(&section->keys[k], section_object(section, config, i));
    }
}

static inline struct config *random_config(void)
{
    struct config *config = config_new();

    for (size_t s = 0; s < section_count; s++)
        make_objects(config, &sections[s]);
    config->file = pick(3) == 0 ? NULL : random_text();
    config->acl = random_acl();
    for (unsigned i = pick(3); i > 0; i--)
        string_list_append(&config->remarks, random_text());
    config->has_notices = pick(2);
    for (unsigned i = config->has_notices ? pick(3) : 0; i > 0; i--)
        string_list_append(&config->notices, random_text());
    for (size_t i = 0; i < config->upstream_count; i++)
        config->upstreams[i].libssh_config = pick(2);
    for (size_t i = 0; i < config->upstream_count; i++)
        for (unsigned k = pick(3); k > 0; k--)
            string_list_append(&config->upstreams[i].libssh_hosts, random_text());
    for (size_t i = 0; i < config->upstream_count; i++)
        for (unsigned k = pick(3); k > 0; k--)
            string_list_append(&config->upstreams[i].ssh_words, random_text());
    for (size_t i = 0; i < config->upstream_count; i++) {
        config->upstreams[i].by_openssh = pick(2);
        config->upstreams[i].engine_reason = pick(2) ? random_text() : NULL;
        for (unsigned k = pick(3); k > 0; k--)
            string_list_append(&config->upstreams[i].master_words, random_text());
        for (unsigned k = pick(3); k > 0; k--)
            string_list_append(&config->upstreams[i].master_hosts, random_text());
    }
    for (size_t i = 0; i < config->listen_count; i++)
        config->listens[i].users = random_users();
    config->status.listen.users = random_users();
    for (size_t i = 0; i < config->forward_count; i++)
        assert_true(forward_listener_make(&config->forwards[i]));
    return config;
}

#endif
