/* Rules that allow or deny a client a target: the first rule that matches decides. Pure: nothing is
 * looked up here.
 *
 * * The room policy/ knows decisions: rules, users, which session to take, whether a host key is
 * believed. It has no thread of its own: workers call it, and the threads that log in. */
#ifndef ADIT_POLICY_ACL_H
#define ADIT_POLICY_ACL_H

#include "base/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct acl;      /* a list of rules, immutable once built; opaque */
struct acl_rule; /* one rule; opaque */

/* A rule as it is written. */
struct acl_words {
    bool allow;
    const char *text; /* what follows "allow =" or "deny =" */
    unsigned line;    /* kept for acl_rule_line */
};

struct acl *acl_new(void);
void acl_free(struct acl *acl);

/* Appends a rule from what follows "allow =" or "deny =": words KEY=LIST, whose lists have commas.
 * A rule matches when each word holds; a word holds when one item of its list does. Keys: from
 * (CIDR, "unix" for clients of a unix socket, or "remote" for clients of a remote forward), user,
 * group (a [group NAME] that the user is in), listen (a [listen NAME]), to (CIDR, address, name,
 * name with `*` globs, ".suffix" which matches the suffix itself and all below it, "*" which
 * matches everything), port (N or N-M), via (for allow only: the upstream to use; one). `*` is the
 * only special character of a glob, and only names in `to` are globs; it matches any characters,
 * dots too. A rule without words is an error. Returns 0, or -1 with a message in `error` that names
 * the word.
 */
int acl_add(struct acl *acl, const struct acl_words *words, char *error, size_t error_size);

/* Whether the user is in the group; `groups` is the query's. */
typedef bool acl_group_fn(const void *groups, const char *group, const char *user);

/* The request to judge. */
struct acl_query {
    const struct ip *from; /* NULL: a unix socket, or remote */
    bool remote;      /* came in by a remote forward: what the SSH server says of the address is not
                         believed, so that only from=remote holds */
    const char *user; /* NULL: not authenticated */
    acl_group_fn *in_group; /* NULL: nobody is in any group */
    const void *groups;
    const char *listen;  /* the listener's name; NULL: internal */
    const char *host;    /* normalised (host_normalise): a name, or an address as text */
    const struct ip *ip; /* the literal's address, or one `host` resolved to; NULL: not known */
    uint16_t port;
    bool bind; /* `ip` is not connected to: who comes from there is expected (0.0.0.0: anybody) */
};

struct acl_verdict {
    bool allow;
    const struct acl_rule *rule; /* NULL: nothing matched */
    const char *via; /* the upstream the rule names, or NULL; lives as long as the acl */
};

/* Decides. With `acl` NULL everything is allowed; with an empty or unmatched one denied. A `to`
 * with names matches query->host; one with networks matches query->ip, or the address that
 * query->host is in any spelling a resolver takes for one (ip_parse_loose), and nothing while both
 * are none. */
struct acl_verdict acl_decide(const struct acl *acl, const struct acl_query *query);

/* The rule as written, for log and --dump ("allow = to=*.example.com"), and its line; NULL gives
 * "default". */
const char *acl_rule_text(const struct acl_rule *rule);
unsigned acl_rule_line(const struct acl_rule *rule);

/* Rules in order, for --dump; NULL past the end. */
const struct acl_rule *acl_rule_at(const struct acl *acl, size_t index);

/* Whether some `to` has a network or address. A request by name matches such a rule only if the
 * name is resolved first. */
bool acl_has_networks(const struct acl *acl);

/* Whether a rule that can apply to clients of listener `name` sends requests to another upstream
 * than `via`. */
bool acl_sends_elsewhere(const struct acl *acl, const char *name, const char *via);

/* A name that a rule has, and the line of the rule. */
typedef void acl_name_fn(void *arg, const char *name, unsigned line);

/* Calls `each` for every upstream that a rule names (via=), with the line of the rule. */
void acl_each_via(const struct acl *acl, acl_name_fn *each, void *arg);
/* The same for the listeners that rules name (listen=). */
void acl_each_listen(const struct acl *acl, acl_name_fn *each, void *arg);
void acl_each_group(const struct acl *acl, acl_name_fn *each, void *arg);

/* The first rule with from= networks or addresses that could be meant for clients of the remote
 * forward `name`, although no network matches them. NULL: there is no such rule, or another rule is
 * about these clients (from=remote, or listen= with the name and no from=). */
const struct acl_rule *acl_misses_remote(const struct acl *acl, const char *name);

/* Whether clients of listener `name` are narrowed by `from=`: every rule that could allow one of
 * them names from= networks none of which is the whole world (0.0.0.0/0 or ::/0), or user=. */
bool acl_narrows(const struct acl *acl, const char *name);

#endif
