/* The list of rules: which one decides, and properties of the list as a whole. */
#include "policy/acl.h"

#include "base/mem.h"
#include "policy/acl_rule.h"

#include <stdlib.h>
#include <string.h>

struct acl {
    struct acl_rule **rules;
    size_t count;
};

struct acl *acl_new(void)
{
    return mem_zalloc(sizeof(struct acl));
}

void acl_free(struct acl *acl)
{
    if (!acl)
        return;
    for (size_t i = 0; i < acl->count; i++)
        acl_rule_free(acl->rules[i]);
    free(acl->rules);
    free(acl);
}

int acl_add(struct acl *acl, const struct acl_words *words, char *error, size_t error_size)
{
    struct acl_rule *rule = acl_rule_parse(words, error, error_size);

    if (!rule)
        return -1;
    acl->rules = mem_realloc(acl->rules, (acl->count + 1) * sizeof(*acl->rules));
    acl->rules[acl->count++] = rule;
    return 0;
}

struct acl_verdict acl_decide(const struct acl *acl, const struct acl_query *query)
{
    struct acl_query known = *query;
    struct ip literal;

    if (!acl)
        return (struct acl_verdict){.allow = true};
    if (!known.ip && ip_parse_loose(known.host, &literal))
        known.ip = &literal;
    for (size_t i = 0; i < acl->count; i++) {
        const struct acl_rule *rule = acl->rules[i];
        if (acl_rule_matches(rule, &known))
            return (struct acl_verdict){.allow = rule->allow, .rule = rule, .via = rule->via};
    }
    return (struct acl_verdict){.allow = false};
}

const char *acl_rule_text(const struct acl_rule *rule)
{
    return rule ? rule->text : "default";
}

unsigned acl_rule_line(const struct acl_rule *rule)
{
    return rule ? rule->line : 0;
}

const struct acl_rule *acl_rule_at(const struct acl *acl, size_t index)
{
    return acl && index < acl->count ? acl->rules[index] : NULL;
}

bool acl_has_networks(const struct acl *acl)
{
    for (size_t i = 0; acl && i < acl->count; i++) {
        if (acl->rules[i]->to_networks.count > 0)
            return true;
    }
    return false;
}

/* Whether the rule's listen= excludes clients of the listener. */
static bool is_about_others(const struct acl_rule *rule, const char *name)
{
    return rule->listens.count > 0 && !acl_names_have(&rule->listens, name);
}

bool acl_sends_elsewhere(const struct acl *acl, const char *name, const char *via)
{
    for (size_t i = 0; acl && i < acl->count; i++) {
        const struct acl_rule *rule = acl->rules[i];
        if (rule->via && strcmp(rule->via, via) != 0 && !is_about_others(rule, name))
            return true;
    }
    return false;
}

void acl_each_via(const struct acl *acl, acl_name_fn *each, void *arg)
{
    for (size_t i = 0; acl && i < acl->count; i++) {
        if (acl->rules[i]->via)
            each(arg, acl->rules[i]->via, acl->rules[i]->line);
    }
}

void acl_each_listen(const struct acl *acl, acl_name_fn *each, void *arg)
{
    for (size_t i = 0; acl && i < acl->count; i++) {
        const struct acl_names *listens = &acl->rules[i]->listens;
        for (size_t j = 0; j < listens->count; j++)
            each(arg, listens->items[j], acl->rules[i]->line);
    }
}

void acl_each_group(const struct acl *acl, acl_name_fn *each, void *arg)
{
    for (size_t i = 0; acl && i < acl->count; i++) {
        const struct acl_names *groups = &acl->rules[i]->groups;
        for (size_t j = 0; j < groups->count; j++)
            each(arg, groups->items[j], acl->rules[i]->line);
    }
}

/* Whether the rule has `from=`, and in each address family excludes some address. */
static bool from_narrows(const struct acl_rule *rule)
{
    for (size_t i = 0; i < rule->from.count; i++) {
        const struct cidr *network = &rule->from.items[i];
        if (network->bits == (ip_is_v4(&network->ip) ? 96 : 0))
            return false;
    }
    return rule->from.count > 0 || rule->from_unix || rule->from_remote;
}

const struct acl_rule *acl_misses_remote(const struct acl *acl, const char *name)
{
    const struct acl_rule *first = NULL;

    for (size_t i = 0; acl && i < acl->count; i++) {
        const struct acl_rule *rule = acl->rules[i];
        bool named = acl_names_have(&rule->listens, name);
        bool anywhere = rule->from.count == 0 && !rule->from_unix;
        if (rule->from_remote || (named && anywhere))
            return NULL;
        if (!first && rule->from.count > 0 && (named || rule->listens.count == 0))
            first = rule;
    }
    return first;
}

bool acl_narrows(const struct acl *acl, const char *name)
{
    if (!acl)
        return false;
    /* Deny rules are not considered: to decide wrongly whether they exclude a client that a later
     * rule allows would be a hole. */
    for (size_t i = 0; i < acl->count; i++) {
        const struct acl_rule *rule = acl->rules[i];
        if (rule->allow && !is_about_others(rule, name) && rule->users.count == 0 &&
            rule->groups.count == 0 && !from_narrows(rule))
            return false;
    }
    return true;
}
