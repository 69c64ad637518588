/* Every field of a configuration, to compare two of them field by field.
 *
 * A struct's fields are listed once, F(name, kind, zero), in the struct's order. The lists make the
 * rows that are compared, and an object with one initialiser for each field: a field that is added
 * to a struct and not here is an error of the compiler (-Wmissing-field-initializers), also where
 * it fits into padding and changes no size. */
#ifndef ADIT_T_CONFIG_FIELDS_H
#define ADIT_T_CONFIG_FIELDS_H

#include "conf/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum field_kind {
    VALUE,  /* its bytes are its value */
    STRING, /* char *, where NULL and "" differ */
    LIST,   /* struct string_list */
    PARTS,  /* an object or array of objects that have lists of their own here */
};

struct field_row {
    const char *name;
    size_t offset;
    size_t size;
    enum field_kind kind;
};

#define GATEWAY_FIELDS(F)                                                                          \
    F(workers, VALUE, 0)                                                                           \
    F(log, VALUE, 0)                                                                               \
    F(log_format, VALUE, 0)                                                                        \
    F(control, STRING, NULL)                                                                       \
    F(max_connections, VALUE, 0)                                                                   \
    F(held_bytes, VALUE, 0)                                                                        \
    F(handshake_timeout_ms, VALUE, 0)                                                              \
    F(drain_timeout_ms, VALUE, 0)                                                                  \
    F(stream_local_bind_mask, VALUE, 0)                                                            \
    F(stream_local_bind_unlink, VALUE, 0)                                                          \
    F(sandbox, VALUE, 0)                                                                           \
    F(on_change, STRING, NULL)

#define UPSTREAM_FIELDS(F)                                                                         \
    F(name, STRING, NULL)                                                                          \
    F(line, VALUE, 0)                                                                              \
    F(hosts, LIST, {0})                                                                            \
    F(user, STRING, NULL)                                                                          \
    F(port, VALUE, 0)                                                                              \
    F(identities, LIST, {0})                                                                       \
    F(certificates, LIST, {0})                                                                     \
    F(agent, VALUE, 0)                                                                             \
    F(password_file, STRING, NULL)                                                                 \
    F(passphrase_file, STRING, NULL)                                                               \
    F(jump, LIST, {0})                                                                             \
    F(host_key, VALUE, 0)                                                                          \
    F(host_key_pins, LIST, {0})                                                                    \
    F(known_hosts, LIST, {0})                                                                      \
    F(revoked_host_keys, STRING, NULL)                                                             \
    F(hash_known_hosts, VALUE, 0)                                                                  \
    F(no_host_authentication_for_localhost, VALUE, 0)                                              \
    F(required_rsa_size, VALUE, 0)                                                                 \
    F(ssh_config, VALUE, 0)                                                                        \
    F(ssh_config_file, STRING, NULL)                                                               \
    F(libssh_config, VALUE, 0)                                                                     \
    F(libssh_hosts, LIST, {0})                                                                     \
    F(ssh_words, LIST, {0})                                                                        \
    F(sessions_min, VALUE, 0)                                                                      \
    F(sessions_max, VALUE, 0)                                                                      \
    F(channels, VALUE, 0)                                                                          \
    F(idle_ms, VALUE, 0)                                                                           \
    F(keepalive_ms, VALUE, 0)                                                                      \
    F(keepalive_max, VALUE, 0)                                                                     \
    F(connect_timeout_ms, VALUE, 0)                                                                \
    F(open_timeout_ms, VALUE, 0)                                                                   \
    F(hold_ms, VALUE, 0)                                                                           \
    F(ciphers, STRING, NULL)                                                                       \
    F(kex, STRING, NULL)                                                                           \
    F(macs, STRING, NULL)                                                                          \
    F(host_key_algorithms, STRING, NULL)                                                           \
    F(compression, VALUE, 0)                                                                       \
    F(rekey_bytes, VALUE, 0)                                                                       \
    F(rekey_time_ms, VALUE, 0)                                                                     \
    F(proxy_command, STRING, NULL)                                                                 \
    F(host_key_alias, STRING, NULL)                                                                \
    F(identity_agent, STRING, NULL)                                                                \
    F(identities_only, VALUE, 0)                                                                   \
    F(public_key_algorithms, STRING, NULL)                                                         \
    F(address_family, VALUE, 0)                                                                    \
    F(bind_address, STRING, NULL)                                                                  \
    F(bind_interface, STRING, NULL)                                                                \
    F(tcp_keepalive, VALUE, 0)                                                                     \
    F(known_hosts_command, STRING, NULL)                                                           \
    F(ip_qos, VALUE, 0)                                                                            \
    F(connection_attempts, VALUE, 0)                                                               \
    F(askpass, STRING, NULL)                                                                       \
    F(batch_mode, VALUE, 0)                                                                        \
    F(password_prompts, VALUE, 0)                                                                  \
    F(pubkey_authentication, VALUE, 0)                                                             \
    F(password_authentication, VALUE, 0)                                                           \
    F(kbd_interactive_authentication, VALUE, 0)                                                    \
    F(preferred_authentications, STRING, NULL)                                                     \
    F(permit_remote_open, LIST, {0})                                                               \
    F(exit_on_forward_failure, VALUE, 0)                                                           \
    F(post_quantum, VALUE, 0)                                                                      \
    F(required, VALUE, 0)                                                                          \
    F(engine, VALUE, 0)                                                                            \
    F(by_openssh, VALUE, 0)                                                                        \
    F(engine_reason, STRING, NULL)                                                                 \
    F(master_words, LIST, {0})                                                                     \
    F(master_hosts, LIST, {0})                                                                     \
    F(join_master, STRING, NULL)                                                                   \
    F(master_socket, STRING, NULL)

#define ADDRESS_FIELDS(F)                                                                          \
    F(is_unix, VALUE, 0)                                                                           \
    F(is_passed, VALUE, 0)                                                                         \
    F(path, STRING, NULL)                                                                          \
    F(ip, VALUE, {{0}})                                                                            \
    F(port, VALUE, 0)                                                                              \
    F(optional, VALUE, 0)

#define PLACE_FIELDS(F)                                                                            \
    F(path, STRING, NULL)                                                                          \
    F(host, STRING, NULL)                                                                          \
    F(port, VALUE, 0)

#define LISTEN_FIELDS(F)                                                                           \
    F(name, STRING, NULL)                                                                          \
    F(line, VALUE, 0)                                                                              \
    F(addresses, PARTS, NULL)                                                                      \
    F(address_count, VALUE, 0)                                                                     \
    F(protocols, VALUE, {0})                                                                       \
    F(auth, VALUE, 0)                                                                              \
    F(users_file, STRING, NULL)                                                                    \
    F(users, PARTS, NULL)                                                                          \
    F(groups, LIST, {0})                                                                           \
    F(open, VALUE, 0)                                                                              \
    F(bind, VALUE, 0)                                                                              \
    F(idle_timeout_ms, VALUE, 0)                                                                   \
    F(proxy_protocol, VALUE, 0)                                                                    \
    F(proxy_from, PARTS, {0})                                                                      \
    F(via, STRING, NULL)                                                                           \
    F(target, PARTS, {0})

#define FORWARD_FIELDS(F)                                                                          \
    F(name, STRING, NULL)                                                                          \
    F(line, VALUE, 0)                                                                              \
    F(kind, VALUE, 0)                                                                              \
    F(bind, PARTS, {0})                                                                            \
    F(target, PARTS, {0})                                                                          \
    F(open, VALUE, 0)                                                                              \
    F(idle_timeout_ms, VALUE, 0)                                                                   \
    F(via, STRING, NULL)                                                                           \
    F(listen, PARTS, {0})

#define GROUP_FIELDS(F)                                                                            \
    F(name, STRING, NULL)                                                                          \
    F(line, VALUE, 0)                                                                              \
    F(users, LIST, {0})

#define LIMIT_FIELDS(F)                                                                            \
    F(name, STRING, NULL)                                                                          \
    F(line, VALUE, 0)                                                                              \
    F(from, PARTS, {0})                                                                            \
    F(users, LIST, {0})                                                                            \
    F(listens, LIST, {0})                                                                          \
    F(bounds, VALUE, {0})

#define SERVER_FIELDS(F)                                                                           \
    F(ip, VALUE, {{0}})                                                                            \
    F(port, VALUE, 0)

#define RESOLVE_FIELDS(F)                                                                          \
    F(order, VALUE, {0})                                                                           \
    F(order_count, VALUE, 0)                                                                       \
    F(servers, PARTS, NULL)                                                                        \
    F(server_count, VALUE, 0)

#define STATUS_FIELDS(F)                                                                           \
    F(listen, PARTS, {.name = NULL})                                                               \
    F(names, LIST, {0})                                                                            \
    F(destinations, VALUE, 0)                                                                      \
    F(metrics_users, VALUE, 0)                                                                     \
    F(drain_announce_ms, VALUE, 0)                                                                 \
    F(spread, VALUE, 0)

#define CONFIG_FIELDS(F)                                                                           \
    F(file, STRING, NULL)                                                                          \
    F(gateway, PARTS, {0})                                                                         \
    F(upstreams, PARTS, NULL)                                                                      \
    F(upstream_count, VALUE, 0)                                                                    \
    F(listens, PARTS, NULL)                                                                        \
    F(listen_count, VALUE, 0)                                                                      \
    F(forwards, PARTS, NULL)                                                                       \
    F(forward_count, VALUE, 0)                                                                     \
    F(groups, PARTS, NULL)                                                                         \
    F(group_count, VALUE, 0)                                                                       \
    F(limits, PARTS, NULL)                                                                         \
    F(limit_count, VALUE, 0)                                                                       \
    F(resolve, PARTS, {.order_count = 0})                                                          \
    F(status, PARTS, {.drain_announce_ms = 0})                                                     \
    F(acl, PARTS, NULL)                                                                            \
    F(acl_names_resolve, VALUE, 0)                                                                 \
    F(has_notices, VALUE, 0)                                                                       \
    F(notices, LIST, {0})                                                                          \
    F(remarks, LIST, {0})

/* Each struct's rows, with its own name for `F`; and the object that proves that none is missing.
 */
#define FIELD_ZERO(field, kind, ...) __VA_ARGS__,
#define FIELD_ROWS(type, FIELDS, ROW)                                                              \
    static const struct field_row type##_rows[] = {FIELDS(ROW)};                                   \
    static const struct type type##_whole __attribute__((unused)) = {FIELDS(FIELD_ZERO)};
#define ROW_OF(type, field, kind)                                                                  \
    {#field, offsetof(struct type, field), sizeof(((struct type *)NULL)->field), kind},
#define GATEWAY_ROW(field, kind, ...) ROW_OF(config_gateway, field, kind)
#define UPSTREAM_ROW(field, kind, ...) ROW_OF(config_upstream, field, kind)
#define ADDRESS_ROW(field, kind, ...) ROW_OF(config_address, field, kind)
#define PLACE_ROW(field, kind, ...) ROW_OF(config_place, field, kind)
#define LISTEN_ROW(field, kind, ...) ROW_OF(config_listen, field, kind)
#define FORWARD_ROW(field, kind, ...) ROW_OF(config_forward, field, kind)
#define GROUP_ROW(field, kind, ...) ROW_OF(config_group, field, kind)
#define LIMIT_ROW(field, kind, ...) ROW_OF(config_limit, field, kind)
#define SERVER_ROW(field, kind, ...) ROW_OF(config_server, field, kind)
#define RESOLVE_ROW(field, kind, ...) ROW_OF(config_resolve, field, kind)
#define STATUS_ROW(field, kind, ...) ROW_OF(config_status, field, kind)
#define CONFIG_ROW(field, kind, ...) ROW_OF(config, field, kind)
FIELD_ROWS(config_gateway, GATEWAY_FIELDS, GATEWAY_ROW)
FIELD_ROWS(config_upstream, UPSTREAM_FIELDS, UPSTREAM_ROW)
FIELD_ROWS(config_address, ADDRESS_FIELDS, ADDRESS_ROW)
FIELD_ROWS(config_place, PLACE_FIELDS, PLACE_ROW)
FIELD_ROWS(config_listen, LISTEN_FIELDS, LISTEN_ROW)
FIELD_ROWS(config_forward, FORWARD_FIELDS, FORWARD_ROW)
FIELD_ROWS(config_group, GROUP_FIELDS, GROUP_ROW)
FIELD_ROWS(config_limit, LIMIT_FIELDS, LIMIT_ROW)
FIELD_ROWS(config_server, SERVER_FIELDS, SERVER_ROW)
FIELD_ROWS(config_resolve, RESOLVE_FIELDS, RESOLVE_ROW)
FIELD_ROWS(config_status, STATUS_FIELDS, STATUS_ROW)
FIELD_ROWS(config, CONFIG_FIELDS, CONFIG_ROW)

/* Whether it met a field that differs. `visit` is called for every row of every object that two
 * configurations both have, with whether the field is the same in both. */
struct field_visit {
    void (*visit)(void *arg, const char *type, const struct field_row *row, bool same);
    void *arg;
};

static inline bool strings_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static inline bool lists_same(const struct string_list *a, const struct string_list *b)
{
    bool same = a->count == b->count;

    for (size_t i = 0; same && i < a->count; i++)
        same = strings_same(a->items[i], b->items[i]);
    return same;
}

static inline void visit_rows(const struct field_visit *v, const char *type,
                              const struct field_row *rows, size_t count, const void *a,
                              const void *b)
{
    for (size_t i = 0; i < count; i++) {
        const struct field_row *row = &rows[i];
        const char *field_a = (const char *)a + row->offset;
        const char *field_b = (const char *)b + row->offset;
        bool same = true;
        switch (row->kind) {
        case VALUE: same = memcmp(field_a, field_b, row->size) == 0; break;
        case STRING: same = strings_same(*(char *const *)field_a, *(char *const *)field_b); break;
        case LIST: same = lists_same((const void *)field_a, (const void *)field_b); break;
        case PARTS: continue;
        }
        v->visit(v->arg, type, row, same);
    }
}

#define VISIT(v, type, a, b)                                                                       \
    visit_rows(v, #type, type##_rows, sizeof(type##_rows) / sizeof(type##_rows[0]), a, b)

static inline size_t fewer(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline void visit_part(const struct field_visit *v, const char *type, const char *name,
                              bool same)
{
    const struct field_row row = {.name = name, .kind = PARTS};

    v->visit(v->arg, type, &row, same);
}

static inline bool networks_same(const struct network_list *a, const struct network_list *b)
{
    bool same = a->count == b->count && a->local == b->local;

    for (size_t i = 0; same && i < a->count; i++)
        same = ip_equal(&a->items[i].ip, &b->items[i].ip) && a->items[i].bits == b->items[i].bits;
    return same;
}

static inline void visit_listen(const struct field_visit *v, const struct config_listen *a,
                                const struct config_listen *b)
{
    char *text_a = a->users ? users_text(a->users) : NULL;
    char *text_b = b->users ? users_text(b->users) : NULL;

    VISIT(v, config_listen, a, b);
    for (size_t i = 0; i < fewer(a->address_count, b->address_count); i++)
        VISIT(v, config_address, &a->addresses[i], &b->addresses[i]);
    VISIT(v, config_place, &a->target, &b->target);
    visit_part(v, "config_listen", "users", strings_same(text_a, text_b));
    visit_part(v, "config_listen", "proxy_from", networks_same(&a->proxy_from, &b->proxy_from));
    free(text_a);
    free(text_b);
}

static inline void visit_acl(const struct field_visit *v, const struct acl *a, const struct acl *b)
{
    bool same = !a == !b;

    for (size_t i = 0; same; i++) {
        const struct acl_rule *rule_a = acl_rule_at(a, i), *rule_b = acl_rule_at(b, i);
        same = strcmp(acl_rule_text(rule_a), acl_rule_text(rule_b)) == 0 &&
               acl_rule_line(rule_a) == acl_rule_line(rule_b) && !rule_a == !rule_b;
        if (!rule_a && !rule_b)
            break;
    }
    visit_part(v, "config", "acl", same);
}

static inline void visit_config(const struct field_visit *v, const struct config *a,
                                const struct config *b)
{
    VISIT(v, config, a, b);
    VISIT(v, config_gateway, &a->gateway, &b->gateway);
    for (size_t i = 0; i < fewer(a->upstream_count, b->upstream_count); i++)
        VISIT(v, config_upstream, &a->upstreams[i], &b->upstreams[i]);
    for (size_t i = 0; i < fewer(a->listen_count, b->listen_count); i++)
        visit_listen(v, &a->listens[i], &b->listens[i]);
    for (size_t i = 0; i < fewer(a->forward_count, b->forward_count); i++) {
        const struct config_forward *forward_a = &a->forwards[i], *forward_b = &b->forwards[i];
        VISIT(v, config_forward, forward_a, forward_b);
        VISIT(v, config_place, &forward_a->bind, &forward_b->bind);
        VISIT(v, config_place, &forward_a->target, &forward_b->target);
        visit_listen(v, &forward_a->listen, &forward_b->listen);
    }
    for (size_t i = 0; i < fewer(a->group_count, b->group_count); i++)
        VISIT(v, config_group, &a->groups[i], &b->groups[i]);
    for (size_t i = 0; i < fewer(a->limit_count, b->limit_count); i++) {
        const struct config_limit *limit_a = &a->limits[i], *limit_b = &b->limits[i];
        VISIT(v, config_limit, limit_a, limit_b);
        visit_part(v, "config_limit", "from", networks_same(&limit_a->from, &limit_b->from));
    }
    VISIT(v, config_resolve, &a->resolve, &b->resolve);
    for (size_t i = 0; i < fewer(a->resolve.server_count, b->resolve.server_count); i++)
        VISIT(v, config_server, &a->resolve.servers[i], &b->resolve.servers[i]);
    VISIT(v, config_status, &a->status, &b->status);
    visit_listen(v, &a->status.listen, &b->status.listen);
    visit_acl(v, a->acl, b->acl);
}

static inline void fail_unless_same(void *arg, const char *type, const struct field_row *row,
                                    bool same)
{
    if (!same)
        fail_msg("%s: %s.%s differs", (const char *)arg, type, row->name);
}

static inline void assert_same_config(const char *what, const struct config *a,
                                      const struct config *b)
{
    const struct field_visit v = {fail_unless_same, (void *)what};

    visit_config(&v, a, b);
}

#endif
