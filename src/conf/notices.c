/* Notices: settings that are no errors, but that the person who starts adit should know. */
#include "conf/config.h"

#include "base/hostport.h"
#include "base/mem.h"
#include "conf/load.h"
#include "conf/paths.h"
#include "conf/types.h"

#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct notices {
    void (*each)(void *arg, const char *text);
    void *arg;
};

static void notice(const struct notices *notices, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void notice(const struct notices *notices, const char *format, ...)
{
    va_list args;
    char text[1024];

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    notices->each(notices->arg, text);
}

/* The path as one word of a shell; the caller frees. */
static char *shell_word(const char *path)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "/._-+:@%,";
    struct buffer word = {0};

    if (path[strspn(path, plain)] == '\0')
        return mem_strdup(path);
    text_add(&word, "'");
    for (; *path; path++)
        text_add(&word, *path == '\'' ? "'\\''" : "%c", *path);
    text_add(&word, "'");
    return text_take(&word);
}

static bool is_own_group(gid_t group)
{
    gid_t groups[64];
    int count = getgroups(64, groups);

    for (int i = 0; i < count; i++)
        if (groups[i] == group)
            return true;
    return group == getegid();
}

/* The name of the group that this process has; or its number. The caller frees. */
static char *own_group(void)
{
    struct group entry, *found = NULL;
    char text[4096];

    if (getgrgid_r(getegid(), &entry, text, sizeof(text), &found) == 0 && found)
        return mem_strdup(found->gr_name);
    return mem_printf("%u", (unsigned)getegid());
}

/* What closes the file to others, and leaves it readable for adit; the caller frees. The super-user
 * can read it in any case, but may be asking on behalf of a service that has a user of its own. */
static char *advice_for_secret(const char *path, const struct stat *status)
{
    char *file = shell_word(path);
    bool stays_readable = (status->st_uid == geteuid() && (status->st_mode & S_IRUSR)) ||
                          (is_own_group(status->st_gid) && (status->st_mode & S_IRGRP));
    char *advice, *group;

    if (geteuid() == 0) {
        advice = mem_printf("chown root:GROUP %s && chmod 640 %s, where GROUP is that of the user "
                            "who runs adit",
                            file, file);
    } else if (stays_readable) {
        advice = mem_printf("chmod o= %s", file);
    } else {
        group = own_group();
        advice = mem_printf("chown :%s %s && chmod 640 %s", group, file, file);
        free(group);
    }
    free(file);
    return advice;
}

static void notice_secret(const struct notices *notices, const char *path)
{
    struct stat status;
    char *advice;

    if (!path || stat(path, &status) != 0 || !(status.st_mode & S_IRWXO))
        return;
    advice = advice_for_secret(path, &status);
    notice(notices, "%s is open to every user of this machine: %s", path, advice);
    free(advice);
}

static void notice_upstream(const struct notices *notices, const struct config_upstream *upstream)
{
    const struct string_list *files = &upstream->known_hosts;
    bool readable = false;

    if (upstream->join_master) /* (ssh has looked at the host's key) */
        return;
    notice_secret(notices, upstream->password_file);
    notice_secret(notices, upstream->passphrase_file);
    for (size_t i = 0; i < files->count; i++) {
        const char *path = files->items[i], *wrong = path_unreadable(path);
        readable |= !wrong;
        if (wrong && path_exists(path))
            notice(notices,
                   "[upstream %s] known_hosts: %s cannot be read: %s: until it can, every server "
                   "will be refused",
                   upstream->name, path, wrong);
    }
    if (upstream->host_key == HOST_KEY_STRICT && !readable && !upstream->by_openssh &&
        !upstream->known_hosts_command)
        notice(notices,
               "[upstream %s] host_key is strict, but none of its known_hosts files can be read: "
               "every server will be refused",
               upstream->name);
    if (!upstream->by_openssh && !upstream_may_log_in(upstream))
        notice(notices,
               "[upstream %s] no way to log in is left: preferred_authentications has none that "
               "may be used",
               upstream->name);
    if (upstream->host_key == HOST_KEY_ANY)
        notice(notices,
               "[upstream %s] host_key is any: new host keys are believed without a question",
               upstream->name);
}

static bool is_beyond_loopback(const struct config_listen *listen)
{
    for (size_t i = 0; i < listen->address_count; i++) {
        const struct config_address *address = &listen->addresses[i];
        if (address->is_passed || (!address->is_unix && !ip_is_loopback(&address->ip)))
            return true;
    }
    return false;
}

static void notice_listen(const struct notices *notices, const struct config_listen *listen)
{
    bool beyond = is_beyond_loopback(listen);

    if (beyond && listen->auth == LISTEN_AUTH_PASSWORD)
        notice(notices,
               "[listen %s] SOCKS and HTTP send passwords readable: use it in networks you trust",
               listen->name);
    if (beyond && listen->auth == LISTEN_AUTH_NONE && listen->open)
        notice(notices, "[listen %s] open = yes: everybody who can reach it may use it",
               listen->name);
    notice_secret(notices, listen->users_file);
    if (listen->users && users_count(listen->users) == 0)
        notice(notices, "[listen %s] %s has no users: no client can log in", listen->name,
               listen->users_file);
}

static void notice_status(const struct notices *notices, const struct config_listen *listen)
{
    bool beyond = is_beyond_loopback(listen);

    if (beyond && listen->users_file)
        notice(notices, "[status] HTTP sends passwords readable: use it in networks you trust");
    if (beyond && !listen->users_file)
        notice(notices, "[status] open = yes: everybody who can reach it may see it");
    notice_secret(notices, listen->users_file);
    if (listen->users && users_count(listen->users) == 0)
        notice(notices, "[status] %s has no users: nobody can log in", listen->users_file);
}

/* A rule that names networks never matches clients of a remote forward, whose addresses are the SSH
 * server's claim. */
static void notice_remote_rules(const struct notices *notices, const struct acl *acl,
                                const struct config_forward *forward)
{
    const struct acl_rule *rule = acl_misses_remote(acl, forward->name);

    if (rule)
        notice(notices,
               "[forward %s] the rule in line %u (%s) never matches its clients, whose addresses "
               "only the SSH server claims to know: say from=remote, or listen=%s and no from=",
               forward->name, acl_rule_line(rule), acl_rule_text(rule), forward->name);
}

/* Forwards whose clients name their destinations. */
static void notice_forward(const struct notices *notices, const struct config *config,
                           const struct config_forward *forward)
{
    bool leads_anywhere = !forward->target.host && !forward->target.path;
    const struct config_upstream *upstream = config_upstream(config, forward->via);

    if (!leads_anywhere)
        return;
    if (forward->kind == FORWARD_DYNAMIC && forward->open && is_beyond_loopback(&forward->listen))
        notice(notices, "[forward %s] open = yes: everybody who can reach it may use it",
               forward->name);
    if (forward->kind == FORWARD_REMOTE && upstream->permit_remote_open.count == 0 && !config->acl)
        notice(
            notices,
            "[forward %s] everybody who can reach its port at the server can reach all that this "
            "machine can: say permit_remote_open in [upstream %s], or [acl]",
            forward->name, upstream->name);
    if (forward->kind == FORWARD_REMOTE)
        notice_remote_rules(notices, config->acl, forward);
}

static bool has_step(const struct config_resolve *resolve, enum resolve_step step)
{
    for (size_t i = 0; i < resolve->order_count; i++) {
        if (resolve->order[i] == step)
            return true;
    }
    return false;
}

static void notice_resolve(const struct notices *notices, const struct config_resolve *resolve)
{
    if (has_step(resolve, RESOLVE_LOCAL))
        notice(notices,
               "[resolve] order has local: this machine's resolvers see names that clients visit");
    if (resolve->server_count > 0 && !has_step(resolve, RESOLVE_TUNNEL))
        notice(notices, "[resolve] servers are not asked: order has no tunnel");
}

static void notice_acl(const struct notices *notices, const struct config *config)
{
    const struct acl_rule *rule;
    bool allows = false;

    for (size_t i = 0; (rule = acl_rule_at(config->acl, i)); i++)
        allows |= strncmp(acl_rule_text(rule), "allow", strlen("allow")) == 0;
    if (!allows)
        notice(notices, "[acl] has no allow rule: every request is refused");
    if (acl_has_networks(config->acl) && !config->acl_names_resolve &&
        has_step(&config->resolve, RESOLVE_REMOTE))
        notice(notices, "[acl] rules with networks do not see where a name leads that the SSH "
                        "server looks up: say names = resolve, or rule by name");
}

void config_each_notice(const struct config *config, void (*each)(void *arg, const char *text),
                        void *arg)
{
    struct notices notices = {each, arg};

    for (size_t i = 0; i < config->notices.count; i++)
        each(arg, config->notices.items[i]);
    if (config->has_notices)
        return;
    for (size_t i = 0; i < config->remarks.count; i++)
        notice(&notices, "%s", config->remarks.items[i]);
    for (size_t i = 0; i < config->upstream_count; i++)
        notice_upstream(&notices, &config->upstreams[i]);
    for (size_t i = 0; i < config->listen_count; i++)
        notice_listen(&notices, &config->listens[i]);
    notice_status(&notices, &config->status.listen);
    /* (A forward of the command line was just typed by the person who would read the notice.) */
    for (size_t i = 0; i < config->forward_count && config->file; i++)
        notice_forward(&notices, config, &config->forwards[i]);
    notice_resolve(&notices, &config->resolve);
    if (config->acl)
        notice_acl(&notices, config);
}
