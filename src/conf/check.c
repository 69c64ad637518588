/* What is wrong with a configuration although each of its values is right. */
#include "conf/load.h"

#include "base/hostport.h"
#include "base/mem.h"
#include "conf/forward_spec.h"
#include "conf/known_hosts_command.h"
#include "conf/master_socket.h"
#include "conf/paths.h"
#include "conf/upstream_host.h"
#include "io/whole.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

/* Whether ssh(1) is served, which is enough to do. */
static bool has_master_socket(const struct config *config)
{
    for (size_t i = 0; i < config->upstream_count; i++)
        if (config->upstreams[i].master_socket)
            return true;
    return false;
}

/* Every kind of object and every key that must be there. */
static void check_complete(struct load *load)
{
    for (size_t i = 0; i < load->section_count; i++) {
        const struct load_section *section = &load->sections[i];
        const struct section *kind = section->kind;
        for (size_t k = 0; k < kind->key_count; k++) {
            if (!(kind->keys[k].flags & KEY_REQUIRED) || section->keys[k].set)
                continue;
            struct section_head *head = section_object(kind, load->config, section->index);
            load_problem(load, section->line, "[%s %s] has no %s", kind->name, head->name,
                         kind->keys[k].name);
        }
    }
    if (load->config->upstream_count == 0)
        load_problem(load, load->last_line, "there is no [upstream NAME]: nowhere to go");
    /* (By a control socket forwards can be asked for later.) */
    if (load->file && load->config->listen_count == 0 && load->config->forward_count == 0 &&
        !load->config->gateway.control && !has_master_socket(load->config))
        load_problem(load, load->last_line,
                     "there is no [listen NAME] and no [forward NAME]: nothing to do");
}

/* (A file that ssh_config names may be missing, and what a hop inherited was checked before.) */
static void check_readable(struct load *load, const struct load_section *section, const char *key,
                           const char *path)
{
    bool given = load_key_of(section, key)->line != 0;
    const char *wrong = path && given ? path_unreadable(path) : NULL;

    if (wrong)
        load_problem(load, load_line_of(section, key), "%s: cannot read %s: %s", key, path, wrong);
}

/* The public key beside the file is enough: an agent may hold the private key. */
static void check_identity(struct load *load, const struct load_section *section, const char *path)
{
    char *beside = mem_printf("%s.pub", path);

    if (strcmp(path, CONFIG_IDENTITY_NONE) != 0 && path_unreadable(beside) != NULL)
        check_readable(load, section, "identity", path);
    free(beside);
}

/* (A command of ssh_config may be missing; then each login fails, and says so.) */
static void check_known_hosts_command(struct load *load, const struct load_section *section,
                                      const char *command)
{
    bool given = load_key_of(section, "known_hosts_command")->line != 0;
    char **words = command && given ? command_words_split(command) : NULL;

    if (words && access(words[0], X_OK) != 0)
        load_problem(load, load_line_of(section, "known_hosts_command"),
                     "known_hosts_command: cannot run %s: %s", words[0], strerror(errno));
    command_words_free(words);
}

/* Two upstreams cannot be found at one path. */
static bool has_own_master_socket(const struct load *load, size_t index, const char *path)
{
    return config_master_at(load->config, path) == &load->config->upstreams[index];
}

/* False: it cannot be the path of a socket, and that was reported. */
static bool check_socket_path(struct load *load, const struct load_section *section,
                              const char *key, const char *given, const char *path)
{
    unsigned line = load_line_of(section, key);

    if (!path)
        load_problem(load, line, "%s: '%s' has a token or a variable that is not known", key,
                     given);
    else if (load->file && path[0] != '/')
        load_problem(load, line, "%s: '%s' does not begin with / or ~/", key, path);
    else if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
        load_problem(load, line, "%s: '%s' is longer than a socket's path may be", key, path);
    else
        return true;
    return false;
}

static void check_master_socket(struct load *load, size_t index, const struct load_section *section)
{
    const struct config_upstream *upstream = &load->config->upstreams[index];
    char *path = config_master_socket(upstream);

    if (upstream->master_socket &&
        check_socket_path(load, section, "master_socket", upstream->master_socket, path) &&
        !has_own_master_socket(load, index, path))
        load_problem(load, load_line_of(section, "master_socket"),
                     "master_socket: another upstream has %s, too", path);
    free(path);
}

/* A joined master is one session, to wherever it leads. */
static void check_join_master(struct load *load, size_t index, const struct load_section *section)
{
    struct config_upstream *upstream = &load->config->upstreams[index];
    const char *other = upstream->master_socket   ? "master_socket"
                        : upstream->proxy_command ? "proxy_command"
                        : upstream->jump.count    ? "jump"
                                                  : NULL;
    char *path = config_join_master(upstream);

    if (!upstream->join_master)
        return;
    check_socket_path(load, section, "join_master", upstream->join_master, path);
    free(path);
    if (other)
        load_problem(load, load_line_of(section, "join_master"),
                     "join_master and %s exclude each other", other);
    if (upstream->hosts.count > 1 || upstream_service(upstream))
        load_problem(load, load_line_of(section, "join_master"),
                     "join_master: one master leads to one host, and several are given");
    if (upstream->post_quantum == POST_QUANTUM_REQUIRE)
        load_problem(load, load_line_of(section, "post_quantum"),
                     "post_quantum: the key exchange of a master (join_master) is its own, and "
                     "cannot be required");
    upstream->sessions_min = upstream->sessions_max = 1;
}

static void check_upstream(struct load *load, size_t index)
{
    const struct config_upstream *upstream = &load->config->upstreams[index];
    const struct load_section *section = load_section_of(load, "upstream", index);

    for (size_t i = 0; i < upstream->identities.count; i++)
        check_identity(load, section, upstream->identities.items[i]);
    for (size_t i = 0; i < upstream->certificates.count; i++)
        check_readable(load, section, "certificate", upstream->certificates.items[i]);
    check_readable(load, section, "revoked_host_keys", upstream->revoked_host_keys);
    check_readable(load, section, "password_file", upstream->password_file);
    check_readable(load, section, "passphrase_file", upstream->passphrase_file);
    if (upstream->askpass && load_key_of(section, "askpass")->line != 0 &&
        access(upstream->askpass, X_OK) != 0)
        load_problem(load, load_line_of(section, "askpass"), "askpass: cannot run %s: %s",
                     upstream->askpass, strerror(errno));
    check_known_hosts_command(load, section, upstream->known_hosts_command);
    if (upstream->jump.count > 0 && upstream->proxy_command)
        load_problem(load, load_line_of(section, "proxy_command"),
                     "proxy_command and jump exclude each other");
    check_master_socket(load, index, section);
    check_join_master(load, index, section);
    load_check_engine(load, index);
}

/* Where the problems of a users file are reported. */
struct users_report {
    struct load *load;
    unsigned line;
    const char *file;
};

static void on_users_problem(void *arg, unsigned line, const char *message)
{
    const struct users_report *report = arg;

    load_problem_in(report->load, report->line, report->file, line, message);
}

static void read_users(struct load *load, struct config_listen *listen, unsigned line)
{
    struct users_report report = {load, line, listen->users_file};
    struct buffer bytes = {0};
    const char *wrong = file_read(listen->users_file, USERS_FILE_MAX, FILE_REGULAR, &bytes);

    if (wrong) {
        load_problem(load, line, "users: cannot read %s: %s (adit --passwd FILE USER makes one)",
                     listen->users_file, wrong);
    } else {
        const char *text = (const char *)buffer_data(&bytes);
        listen->users =
            users_new(text ? text : "", buffer_length(&bytes), on_users_problem, &report);
    }
    buffer_clear(&bytes);
}

static void check_users(struct load *load, struct config_listen *listen,
                        const struct load_section *section)
{
    const struct load_key *users = load_key_of(section, "users");

    if (load_key_of(section, "auth")->bad || users->bad)
        return;
    if (listen->auth == LISTEN_AUTH_PASSWORD && !listen->users_file)
        load_problem(load, load_line_of(section, "auth"), "auth = password needs users = FILE");
    else if (listen->auth == LISTEN_AUTH_PASSWORD)
        read_users(load, listen, users->line);
    else if (listen->users_file)
        load_problem(load, users->line, "users = FILE needs auth = password");
    if (listen->groups.count > 0 && listen->auth != LISTEN_AUTH_PASSWORD)
        load_problem(load, load_line_of(section, "groups"), "groups needs auth = password");
    for (size_t i = 0; i < listen->groups.count; i++) {
        if (!config_group(load->config, listen->groups.items[i]))
            load_problem(load, load_line_of(section, "groups"), "groups: there is no [group %s]",
                         listen->groups.items[i]);
    }
}

/* An address as the file would name it. */
static const char *address_text(const struct config_address *address,
                                char text[static HOSTPORT_TEXT_MAX])
{
    char ip[IP_TEXT_MAX];

    if (address->is_passed)
        snprintf(text, HOSTPORT_TEXT_MAX, "systemd:%s", address->path);
    else if (address->is_unix)
        snprintf(text, HOSTPORT_TEXT_MAX, "unix:%s", address->path);
    else
        hostport_format(ip_format(&address->ip, ip), address->port, text);
    return text;
}

static bool address_equal(const struct config_address *a, const struct config_address *b)
{
    if (a->is_passed || b->is_passed)
        return a->is_passed && b->is_passed && strcmp(a->path, b->path) == 0;
    if (a->is_unix || b->is_unix)
        return a->is_unix && b->is_unix && strcmp(a->path, b->path) == 0;
    return a->port != 0 && a->port == b->port && ip_equal(&a->ip, &b->ip);
}

/* Whether some address before the one of `listen` at `index` is the same: in the file's order, but
 * forwards come last. */
static bool address_taken(const struct config *config, const struct config_listen *listen,
                          size_t index)
{
    const struct config_listen *other;

    for (size_t at = 0; (other = config_listen_at(config, at)); at++) {
        size_t count = other == listen ? index : other->address_count;
        for (size_t i = 0; i < count; i++) {
            if (address_equal(&other->addresses[i], &listen->addresses[index]))
                return true;
        }
        if (other == listen)
            return false;
    }
    for (size_t i = 0; i < index; i++) { /* (of [status], which is none of those) */
        if (address_equal(&listen->addresses[i], &listen->addresses[index]))
            return true;
    }
    return false;
}

/* Whether every client that reaches the listener may connect anywhere through it. */
static bool serves_anybody(const struct load *load, const struct config_listen *listen,
                           const struct load_section *section)
{
    const struct load_section *acl = load_section_of(load, "acl", 0);

    /* Nothing follows from values that were refused. */
    if (load_key_of(section, "open")->bad || load_key_of(acl, "allow")->bad ||
        load_key_of(acl, "deny")->bad)
        return false;
    if (listen->auth != LISTEN_AUTH_NONE || listen->open || listen->target.host ||
        listen->target.path)
        return false;
    return !load->config->acl || !acl_narrows(load->config->acl, listen->name);
}

/* A PROXY protocol header is believed, so that it is taken from named balancers only. */
static void check_proxy_protocol(struct load *load, const struct config_listen *listen,
                                 const struct load_section *section)
{
    const struct load_key *from = load_key_of(section, "proxy_from");

    if (load_key_of(section, "proxy_protocol")->bad || from->bad)
        return;
    if (listen->proxy_protocol != PROXY_PROTOCOL_NO && !from->set)
        load_problem(
            load, load_line_of(section, "proxy_protocol"),
            "proxy_protocol needs proxy_from = NETWORK, ...: the balancers whose header is "
            "believed");
    else if (listen->proxy_protocol == PROXY_PROTOCOL_NO && from->set)
        load_problem(load, from->line, "proxy_from needs proxy_protocol = v1, v2 or any");
}

/* `key` gave the addresses; `ways` are those to be not open to anybody, besides rules. */
static void check_addresses(struct load *load, const struct config_listen *listen,
                            const struct load_section *section, const char *key, const char *ways)
{
    bool anybody = serves_anybody(load, listen, section);
    unsigned line = load_line_of(section, key);
    char text[HOSTPORT_TEXT_MAX];

    for (size_t i = 0; i < listen->address_count; i++) {
        const struct config_address *address = &listen->addresses[i];
        /* (Of a command line the second one fails when it listens, as with ssh.) */
        if (!load->ssh_known && address_taken(load->config, listen, i))
            load_problem(load, line, "%s: %s is there twice", key, address_text(address, text));
        /* (Behind a balancer come those that reach the balancer.) */
        if (anybody && (listen->proxy_protocol != PROXY_PROTOCOL_NO || address->is_passed ||
                        (!address->is_unix && !ip_is_loopback(&address->ip))))
            load_problem(
                load, line,
                "%s: everybody who can reach %s could use it: %snarrow it by from= in [acl], "
                "or say open = yes",
                key, address_text(address, text), ways);
    }
}

static void check_via(struct load *load, const struct load_section *section, const char *via)
{
    if (via && !config_upstream(load->config, via))
        load_problem(load, load_line_of(section, "via"), "via: there is no [upstream %s]", via);
}

static void check_listen(struct load *load, size_t index)
{
    struct config_listen *listen = &load->config->listens[index];
    const struct load_section *section = load_section_of(load, "listen", index);

    check_via(load, section, listen->via);
    check_users(load, listen, section);
    check_proxy_protocol(load, listen, section);
    if (!load_key_of(section, "auth")->bad)
        check_addresses(load, listen, section, "address", "set auth = password, ");
}

void load_check_forward(struct load *load, size_t index)
{
    const struct config_forward *forward = &load->config->forwards[index];
    const struct load_section *section = load_section_of(load, "forward", index);
    bool given = false;

    for (size_t i = 0; forward_kinds[i]; i++)
        given |= load_key_of(section, forward_kinds[i])->set;
    if (!given)
        load_problem(load, section ? section->line : 0,
                     "[forward %s] has no local, remote or dynamic", forward->name);
    check_via(load, section, forward->via);
    if (forward->listen.address_count > 0)
        check_addresses(load, &forward->listen, section, forward_kinds[forward->kind], "");
    load_check_remote(load, forward, load_line_of(section, "remote"));
    if (config_listen(load->config, forward->name))
        load_problem(load, forward->line, "[forward %s] has the name of a [listen]", forward->name);
}

/* What the page shows is nobody else's business, and its passwords are readable on the way. */
static void check_status(struct load *load)
{
    struct config_listen *listen = &load->config->status.listen;
    const struct load_section *section = load_section_of(load, "status", 0);
    unsigned line = load_line_of(section, "address");
    char text[HOSTPORT_TEXT_MAX];

    if (!section)
        return;
    if (!load_key_of(section, "address")->set)
        load_problem(load, section->line, "[status] has no address");
    if (listen->users_file && !load_key_of(section, "users")->bad)
        read_users(load, listen, load_line_of(section, "users"));
    for (size_t i = 0; i < listen->address_count; i++) {
        const struct config_address *address = &listen->addresses[i];
        if (address_taken(load->config, listen, i))
            load_problem(load, line, "address: %s is there twice", address_text(address, text));
        if (!address->is_unix && !ip_is_loopback(&address->ip) && !listen->users_file &&
            !listen->open && !load_key_of(section, "open")->bad)
            load_problem(load, line,
                         "address: everybody who can reach %s could see it: set users = FILE, or "
                         "say open = yes",
                         address_text(address, text));
    }
}

static void check_resolve(struct load *load)
{
    const struct config_resolve *resolve = &load->config->resolve;
    const struct load_section *section = load_section_of(load, "resolve", 0);

    for (size_t i = 0; i < resolve->order_count; i++) {
        if (resolve->order[i] == RESOLVE_TUNNEL && !load_key_of(section, "servers")->set)
            load_problem(load, load_line_of(section, "order"), "order: tunnel needs servers");
    }
}

/* With names = resolve adit looks names up itself, to hold the addresses against rules. This
 * machine's resolvers are asked only if the file says so. */
static void check_names(struct load *load)
{
    const struct config_resolve *resolve = &load->config->resolve;
    const struct load_section *section = load_section_of(load, "resolve", 0);
    const struct load_section *acl = load_section_of(load, "acl", 0);

    if (!load->config->acl_names_resolve || resolve->server_count > 0 ||
        load_key_of(section, "servers")->bad || load_key_of(section, "order")->bad)
        return;
    for (size_t i = 0; i < resolve->order_count; i++) {
        if (resolve->order[i] == RESOLVE_LOCAL)
            return;
    }
    load_problem(load, load_line_of(acl, "names"),
                 "names: resolve has no server to ask: say servers = ADDRESS in [resolve] (DNS "
                 "servers, asked through the SSH session), or order = local there (this machine's "
                 "resolvers, which then see the names)");
}

static void check_acl_via(void *arg, const char *via, unsigned line)
{
    struct load *load = arg;

    if (!config_upstream(load->config, via))
        load_problem(load, line, "via=%s: there is no [upstream %s]", via, via);
}

static void check_acl_listen(void *arg, const char *name, unsigned line)
{
    struct load *load = arg;

    if (!config_listen(load->config, name) && !config_forward(load->config, name))
        load_problem(load, line, "listen=%s: there is no [listen %s] and no [forward %s]", name,
                     name, name);
}

static void check_acl_group(void *arg, const char *name, unsigned line)
{
    struct load *load = arg;

    if (!config_group(load->config, name))
        load_problem(load, line, "group=%s: there is no [group %s]", name, name);
}

static void check_limit(struct load *load, size_t index)
{
    const struct config_limit *limit = &load->config->limits[index];
    const struct load_section *section = load_section_of(load, "limit", index);

    for (size_t i = 0; i < limit->listens.count; i++) {
        const char *name = limit->listens.items[i];
        if (!config_listen(load->config, name) && !config_forward(load->config, name))
            load_problem(load, load_line_of(section, "listen"),
                         "listen: there is no [listen %s] and no [forward %s]", name, name);
    }
}

void load_check(struct load *load)
{
    const struct config *config = load->config;

    check_complete(load);
    for (size_t i = 0; i < config->upstream_count; i++)
        check_upstream(load, i);
    for (size_t i = 0; i < config->listen_count; i++)
        check_listen(load, i);
    for (size_t i = 0; i < config->forward_count; i++)
        load_check_forward(load, i);
    check_status(load);
    load_check_spread(load);
    for (size_t i = 0; i < config->limit_count; i++)
        check_limit(load, i);
    check_resolve(load);
    check_names(load);
    if (config->acl) {
        acl_each_via(config->acl, check_acl_via, load);
        acl_each_listen(config->acl, check_acl_listen, load);
        acl_each_group(config->acl, check_acl_group, load);
    }
}
