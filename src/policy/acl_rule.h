/* One rule: its text, its lists, whether a request meets them. Private to acl*.c. */
#ifndef ADIT_POLICY_ACL_RULE_H
#define ADIT_POLICY_ACL_RULE_H

#include "policy/acl.h"

struct acl_names {
    char **items;
    size_t count;
};

struct acl_networks {
    struct cidr *items;
    size_t count;
};

struct acl_ports {
    struct acl_port_range {
        uint16_t first;
        uint16_t last;
    } * items;
    size_t count;
};

struct acl_rule {
    bool allow;
    unsigned line;
    char *text;
    unsigned given; /* the keys that are there, a bit for each row of the key table */
    bool from_unix;
    bool from_remote;
    struct acl_networks from;
    struct acl_names users;
    struct acl_names groups;
    struct acl_names listens;
    struct acl_networks to_networks;
    struct acl_names to_globs;
    struct acl_ports ports;
    char *via; /* or NULL */
};

/* Reads a rule as acl_add has it; NULL with a message in `error`. */
struct acl_rule *acl_rule_parse(const struct acl_words *words, char *error, size_t error_size);
void acl_rule_free(struct acl_rule *rule);

/* Whether the request meets every word of the rule. query->ip must be set if the host is an
 * address. */
bool acl_rule_matches(const struct acl_rule *rule, const struct acl_query *query);

/* Whether `name` is one of the list. */
bool acl_names_have(const struct acl_names *names, const char *name);

#endif
