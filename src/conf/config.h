/* The configuration every way in ends in: immutable once built, shared by reference count. */
#ifndef ADIT_CONF_CONFIG_H
#define ADIT_CONF_CONFIG_H

#include "base/hostport.h"
#include "base/ip.h"
#include "base/log.h"
#include "policy/acl.h"
#include "policy/users.h"
#include "wire/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A list of strings, in order; owned by the configuration. */
struct string_list {
    char **items;
    size_t count;
};

struct config_gateway {
    unsigned workers; /* 0: one a processor */
    enum log_level log;
    enum log_format log_format;
    char *control; /* NULL: no control socket; refused at load until there is one */
    uint64_t handshake_timeout_ms;
    uint64_t drain_timeout_ms;
};

enum host_key_check { HOST_KEY_STRICT, HOST_KEY_ACCEPT_NEW, HOST_KEY_PINNED };

/* No upstream has more sessions, and none knows more known_hosts files (libssh: one of the user,
 * one of the system). */
#define CONFIG_SESSIONS_MAX 256
#define CONFIG_KNOWN_HOSTS_MAX 2

struct config_upstream {
    char *name;
    unsigned line; /* of its section, for messages */
    struct string_list hosts;
    char *user; /* NULL: the user who runs adit */
    uint16_t port;
    /* Private key files; empty: ~/.ssh/id_ed25519, id_ecdsa and id_rsa, those that are there. */
    struct string_list identities;
    struct string_list certificates; /* besides FILE-cert.pub next to each identity */
    bool agent;                      /* ask $SSH_AUTH_SOCK */
    char *password_file;             /* first line: also answers keyboard-interactive */
    char *passphrase_file;           /* first line: for encrypted identities */
    struct string_list jump;         /* refused at load until jump hosts are there */
    enum host_key_check host_key;
    struct string_list host_key_pins; /* "SHA256:..." when HOST_KEY_PINNED */
    struct string_list known_hosts;   /* files; the first is where accept-new writes */
    bool ssh_config;
    unsigned sessions_min;
    unsigned sessions_max;
    unsigned channels;
    uint64_t idle_ms;      /* a session above sessions_min without channels for so long is closed */
    uint64_t keepalive_ms; /* 0: off */
    unsigned keepalive_max;
    uint64_t connect_timeout_ms;
    uint64_t open_timeout_ms;
    uint64_t hold_ms;
    char *ciphers; /* comma lists as ssh_config has them; NULL: ours */
    char *kex;
    char *macs;
    char *host_key_algorithms;
    bool compression;
    uint64_t rekey_bytes; /* 0: the cipher's default */
};

/* Where a listener listens: an address and port, or a unix socket's path. */
struct config_address {
    bool is_unix;
    char *path; /* if is_unix */
    struct ip ip;
    uint16_t port; /* 0: the kernel picks; reported in the log */
};

enum listen_auth { LISTEN_AUTH_NONE, LISTEN_AUTH_PASSWORD };

struct config_listen {
    char *name;
    unsigned line;
    struct config_address *addresses;
    size_t address_count;
    bool protocols[WIRE_PROTOCOLS]; /* by enum wire_protocol */
    enum listen_auth auth;
    char *users_file;
    struct users *users; /* read and parsed; NULL with LISTEN_AUTH_NONE */
    bool open;           /* beyond loopback without narrowing is meant */
    char *via; /* an upstream's name; never NULL once loaded (default: the first upstream) */
};

enum resolve_step { RESOLVE_REMOTE, RESOLVE_TUNNEL, RESOLVE_LOCAL };

struct config_resolve {
    enum resolve_step order[3];
    size_t order_count;
    struct config_server { /* DNS servers for RESOLVE_TUNNEL */
        struct ip ip;
        uint16_t port;
    } * servers;
    size_t server_count;
};

struct config {
    char *file; /* where it came from; NULL: a command line */
    struct config_gateway gateway;
    struct config_upstream *upstreams;
    size_t upstream_count;
    struct config_listen *listens;
    size_t listen_count;
    struct config_resolve resolve;
    struct acl *acl;        /* NULL: no [acl] section: allow */
    bool acl_names_resolve; /* [acl] names = resolve */
};

/* The problems of one load, all of them, in the file's order. */
struct config_problems {
    char **lines; /* "FILE:LINE: message" */
    size_t count;
};
void config_problems_clear(struct config_problems *problems);

/* Reads and checks an INI file (DESIGN section 2), with the users files it names. NULL when there
 * was any problem: every one is in `problems`, which the caller clears. The configuration comes
 * with one reference. */
struct config *config_load(const char *path, struct config_problems *problems);

/* The same from memory; `name` stands for the file in messages. For tests and fuzzing. */
struct config *config_load_text(const char *name, const char *text, size_t length,
                                struct config_problems *problems);

/* References are counted atomically: any thread may take and drop them. config_unref(NULL) is fine.
 */
struct config *config_ref(struct config *config);
void config_unref(struct config *config);

/* The effective configuration as INI that config_load reads back to the same configuration; the
 * caller frees. Defaults are written out too. */
char *config_dump(const struct config *config);

/* The upstream or listener of that name, or NULL. */
const struct config_upstream *config_upstream(const struct config *config, const char *name);
const struct config_listen *config_listen(const struct config *config, const char *name);

/* Whether two upstreams would lead to the same sessions (all but the pool's bounds and timeouts): a
 * reload keeps them. */
bool config_upstream_same_sessions(const struct config_upstream *a,
                                   const struct config_upstream *b);

/* Things that are no errors but that a person starting adit should know (a CIDR rule that names
 * escape, order = local which leaks names, ...); calls `each` for every one. */
void config_each_notice(const struct config *config, void (*each)(void *arg, const char *text),
                        void *arg);

#endif
