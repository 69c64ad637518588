/* conf/: where configurations come from. This room knows the INI file, the command line, ssh_config
 * (by asking ssh -G), the table of keys (keys.h), and how a configuration is serialised
 * (serialise.h). It opens files and runs ssh; it opens no socket and knows no gateway.
 *
 * The thread that starts adit loads the first configuration; later a thread of the keeper's does
 * (keeper/change), and the gateway is sent them (serialise.h). A configuration is immutable once it
 * is in use, is shared by reference count, and may be read by any thread. main.c, gateway/,
 * worker/, session_libssh/ and control/ call it and read what it makes. */
#ifndef ADIT_CONF_CONFIG_H
#define ADIT_CONF_CONFIG_H

#include "base/hostport.h"
#include "base/ip.h"
#include "base/log.h"
#include "base/text.h"
#include "policy/acl.h"
#include "policy/limits.h"
#include "policy/users.h"
#include "wire/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A list of strings, in order. The configuration owns them. */
struct string_list {
    char **items;
    size_t count;
};

/* Whether the gateway locks itself (io/sandbox.h): as far as this machine allows, only wholly, or
 * not. */
enum config_sandbox { CONFIG_SANDBOX_AUTO, CONFIG_SANDBOX_REQUIRE, CONFIG_SANDBOX_OFF };

struct config_gateway {
    unsigned workers; /* 0: one for each processor */
    enum log_level log;
    enum log_format log_format;
    char *control;            /* the control socket's path; NULL: none */
    unsigned max_connections; /* 0: no limit */
    uint64_t held_bytes;      /* 0: a quarter of the memory */
    uint64_t handshake_timeout_ms;
    uint64_t drain_timeout_ms;
    unsigned stream_local_bind_mask; /* of every unix socket that adit listens on */
    bool stream_local_bind_unlink;   /* replace a file at the path, even a socket in use */
    enum config_sandbox sandbox;
    char *on_change; /* a program with its arguments (conf/known_hosts_command.h); NULL: none */
};

/* HOST_KEY_ASK asks a person, and is strict if no person can be asked. HOST_KEY_ANY accepts every
 * new key, as StrictHostKeyChecking no does, but no changed key. */
enum host_key_check {
    HOST_KEY_STRICT,
    HOST_KEY_ACCEPT_NEW,
    HOST_KEY_ASK,
    HOST_KEY_ANY,
    HOST_KEY_PINNED,
};

/* Whether adit counts as ready only while the upstream has a session. UPSTREAM_REQUIRED_AUTO: if
 * all requests of some listener or forward lead there (config_upstream_is_required). */
enum upstream_required { UPSTREAM_REQUIRED_AUTO, UPSTREAM_NOT_REQUIRED, UPSTREAM_REQUIRED };

/* What becomes of a session whose key exchange does not withstand a quantum computer. */
enum post_quantum { POST_QUANTUM_NO, POST_QUANTUM_WARN, POST_QUANTUM_REQUIRE };

/* What carries an upstream's sessions: libssh in the gateway, or an ssh(1) for each session, which
 * the keeper starts. */
enum upstream_engine { UPSTREAM_ENGINE_AUTO, UPSTREAM_ENGINE_LIBSSH, UPSTREAM_ENGINE_OPENSSH };

/* The most sessions that an upstream may have. */
#define CONFIG_SESSIONS_MAX 256

/* The longest rekey_time: libssh counts milliseconds in an int. */
#define CONFIG_REKEY_TIME_MAX_MS (UINT64_C(24) * 24 * 60 * 60 * 1000)

#define CONFIG_IDENTITY_NONE "none"

struct config_upstream {
    char *name;
    unsigned line; /* of its section, for messages */
    struct string_list hosts;
    char *user; /* NULL: the user who runs adit */
    uint16_t port;
    /* Private key files; empty: those of ~/.ssh/id_ed25519, id_ecdsa and id_rsa that exist.
     * CONFIG_IDENTITY_NONE alone stands for no file at all. */
    struct string_list identities;
    struct string_list certificates; /* besides the FILE-cert.pub of each identity */
    bool agent;                      /* ask $SSH_AUTH_SOCK */
    char *password_file;             /* first line: also answers keyboard-interactive */
    char *passphrase_file;           /* first line: for encrypted identities */
    /* The upstream whose channels carry this one's sessions. After a load the list has one name at
     * most: that of the last hop, whose own `jump` names the hop before it. (conf/jumps.c makes an
     * upstream for each hop that has none.) */
    struct string_list jump;
    enum host_key_check host_key;
    struct string_list host_key_pins;          /* "SHA256:..." when HOST_KEY_PINNED */
    struct string_list known_hosts;            /* files; the first is where accept-new writes */
    char *revoked_host_keys;                   /* a file of RevokedHostKeys; NULL: none */
    bool hash_known_hosts;                     /* HashKnownHosts: hash the names that are written */
    bool no_host_authentication_for_localhost; /* NoHostAuthenticationForLocalhost */
    unsigned required_rsa_size;                /* RequiredRSASize: bits */
    /* Settings that are not given come from ssh -G. After a load, which has asked it: false and
     * NULL. */
    bool ssh_config;
    char *ssh_config_file; /* NULL: ssh's own */
    /* This machine has no ssh: ssh_config and ssh_config_file keep their values, and libssh reads
     * ssh_config for each session. */
    bool libssh_config;
    /* With libssh_config: "PORT NAME" for each of `hosts`, as libssh reads ssh_config. The gateway
     * fills the list before the configuration is in use, as this room does not know libssh, and the
     * main thread must not wait for files. */
    struct string_list libssh_hosts;
    /* The words that ssh -G was asked with, the host last, where its files run commands (Match
     * exec): they are run again before each login. Else empty. */
    struct string_list ssh_words;
    unsigned sessions_min;
    unsigned sessions_max;
    unsigned channels;
    uint64_t idle_ms; /* a session beyond sessions_min is closed after so long without channels */
    uint64_t keepalive_ms; /* 0: off */
    unsigned keepalive_max;
    uint64_t connect_timeout_ms;
    uint64_t open_timeout_ms;
    uint64_t hold_ms;
    char *ciphers; /* comma lists as in ssh_config; NULL: adit's own */
    char *kex;
    char *macs;
    char *host_key_algorithms;
    bool compression;
    uint64_t rekey_bytes;   /* 0: the cipher's default */
    uint64_t rekey_time_ms; /* 0: no limit */
    /* Further settings of ssh_config(5); NULL and false if the file does not give them. */
    char *proxy_command;         /* ProxyCommand; NULL: none */
    char *host_key_alias;        /* HostKeyAlias */
    char *identity_agent;        /* a socket's path; NULL: $SSH_AUTH_SOCK */
    bool identities_only;        /* IdentitiesOnly: only identities, of the agent's keys too */
    char *public_key_algorithms; /* PubkeyAcceptedAlgorithms */
    int address_family;          /* AF_UNSPEC, AF_INET, AF_INET6 */
    char *bind_address;          /* BindAddress: an IP address; NULL: any */
    char *bind_interface;        /* BindInterface, if there is no bind_address; NULL: any */
    bool tcp_keepalive;          /* TCPKeepAlive */
    char *known_hosts_command;   /* KnownHostsCommand, for known_hosts_command_arguments; or NULL */
    unsigned ip_qos;             /* IPQoS: the byte of RFC 2474; 0: none */
    unsigned connection_attempts; /* ConnectionAttempts */
    char *askpass;             /* a program that answers each prompt; NULL: as SSH_ASKPASS says */
    bool batch_mode;           /* BatchMode: adit asks nothing */
    unsigned password_prompts; /* NumberOfPasswordPrompts; 0: adit asks nothing */
    /* PubkeyAuthentication, PasswordAuthentication, KbdInteractiveAuthentication: whether the
     * method may be used at all. */
    bool pubkey_authentication;
    bool password_authentication;
    bool kbd_interactive_authentication;
    char *preferred_authentications;       /* PreferredAuthentications: a comma list, in order */
    struct string_list permit_remote_open; /* PermitRemoteOpen patterns; empty: any */
    bool exit_on_forward_failure;
    enum upstream_required required;
    enum post_quantum post_quantum;
    enum upstream_engine engine;
    /* After a load: ssh(1) carries the sessions; and its options, and "PORT NAME" of each host as
     * ssh is told it (conf/master_words.h). */
    bool by_openssh;
    char *engine_reason; /* why it does, where engine = auto; else NULL */
    struct string_list master_words;
    struct string_list master_hosts;
    char *join_master;   /* a master's socket, as given, with tokens; NULL: adit logs in itself */
    char *master_socket; /* as given, with tokens (conf/master_socket.h); NULL: none */
};

/* An address that a listener listens on: IP address and port, or the path of a unix socket. */
struct config_address {
    bool is_unix;
    bool is_passed; /* sockets that systemd passes to the process */
    char *path;     /* if is_unix; if is_passed: the name of the sockets */
    struct ip ip;
    uint16_t port; /* 0: the kernel picks a port, which the log reports */
    /* The second address of a word ("localhost", "*") that stands for one address of each family:
     * if the machine does not have the family, the listener goes without it. */
    bool optional;
};

/* One end of a forward (ssh(1) -L, -R, -D): host and port, or a unix socket. */
struct config_place {
    char *path; /* of a unix socket; NULL: host and port */
    char *host; /* as given; the end that listens has "" (not given), "*" or an address */
    uint16_t port;
};

/* Networks from which connections come. */
struct network_list {
    struct cidr *items;
    size_t count;
    bool local; /* "unix": also those that come by unix sockets */
};

/* Whether the list has the address; `ip` NULL: a connection by a unix socket. */
bool network_list_has(const struct network_list *list, const struct ip *ip);

enum listen_auth { LISTEN_AUTH_NONE, LISTEN_AUTH_PASSWORD };

/* Which versions of the PROXY protocol's header connections from `proxy_from` begin with. */
enum proxy_protocol { PROXY_PROTOCOL_NO, PROXY_PROTOCOL_V1, PROXY_PROTOCOL_V2, PROXY_PROTOCOL_ANY };

/* Users by a name, for rules and listeners. */
struct config_group {
    char *name;
    unsigned line;
    struct string_list users;
};

/* What some of the clients may take. Of those with the same `bounds.per` the first that covers a
 * client is its limit. */
struct config_limit {
    char *name;
    unsigned line;
    struct network_list from;   /* none: everywhere; but see config_limit_for */
    struct string_list users;   /* none: all, and those that have not logged in */
    struct string_list listens; /* none: all */
    struct limit_bounds bounds;
};

struct config_listen {
    char *name;
    unsigned line;
    struct config_address *addresses;
    size_t address_count;
    bool protocols[WIRE_PROTOCOLS]; /* by enum wire_protocol */
    enum listen_auth auth;
    char *users_file;
    struct users *users;       /* read and parsed; NULL with LISTEN_AUTH_NONE */
    struct string_list groups; /* only members of one of these are admitted; none: all users */
    bool open;                 /* the file says that any client may use it */
    bool bind;                 /* clients may use SOCKS BIND: the SSH server listens for them */
    uint64_t idle_timeout_ms;  /* 0: a connection may be idle for ever */
    enum proxy_protocol proxy_protocol;
    struct network_list proxy_from; /* the balancers; none with PROXY_PROTOCOL_NO */
    char *via; /* an upstream's name; never NULL once loaded (default: the first upstream) */
    /* Of a local forward: the one destination of every connection. Else path and host are NULL. */
    struct config_place target;
};

enum forward_kind { FORWARD_LOCAL, FORWARD_REMOTE, FORWARD_DYNAMIC };

/* One of ssh's forwards: -L, -R, -D. */
struct config_forward {
    char *name;
    unsigned line;
    enum forward_kind kind;
    struct config_place
        bind; /* the end that listens: on this machine; FORWARD_REMOTE: at the server */
    struct config_place target; /* FORWARD_DYNAMIC, and a remote one that serves SOCKS: none */
    bool open;                  /* as of a listener */
    uint64_t idle_timeout_ms;   /* likewise */
    char *via;                  /* an upstream's name; never NULL once loaded */
    /* The forward as a listener, made by the load; without addresses if FORWARD_REMOTE. */
    struct config_listen listen;
};

/* The section [status]: where people and machines see how adit does, over HTTP. */
struct config_status {
    /* Its addresses (none: there is no such section), users and `open`; nothing else of it. First,
     * as the keys of both kinds of section share their types. */
    struct config_listen listen;
    struct string_list names;   /* that a request's Host may have besides localhost and addresses */
    bool destinations;          /* who asks from another machine sees what connections lead to */
    bool metrics_users;         /* requests are counted by user, too */
    uint64_t drain_announce_ms; /* how long adit says that it drains before it accepts no more */
    unsigned spread;            /* a browser of this machine uses 127.0.0.1 to 127.0.0.`spread` */
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
    char *file; /* the file it was loaded from; NULL: a command line */
    struct config_gateway gateway;
    struct config_upstream *upstreams;
    size_t upstream_count;
    struct config_listen *listens;
    size_t listen_count;
    struct config_forward *forwards;
    size_t forward_count;
    struct config_group *groups;
    size_t group_count;
    struct config_limit *limits;
    size_t limit_count;
    struct config_resolve resolve;
    struct config_status status;
    struct acl *acl;        /* NULL: no [acl] section: allow */
    bool acl_names_resolve; /* [acl] names = resolve */
    /* The gateway's: what config_each_notice calls for, which the keeper has found out. */
    bool has_notices;
    struct string_list notices;
    /* What ssh would do of ssh_config and adit does not; each becomes a notice. */
    struct string_list remarks;
};

/* All problems of one load, in the file's order. */
struct config_problems {
    char **lines; /* "FILE:LINE: message" */
    size_t count;
};
/* Adds one, of which it keeps a copy. */
void config_problems_add(struct config_problems *problems, const char *text);
void config_problems_clear(struct config_problems *problems);

/* Reads and checks an INI file (adit.ini(5)), with the users files it names. NULL when there
 * was any problem: every one is in `problems`, which the caller clears. The configuration comes
 * with one reference. */
struct config *config_load(const char *path, struct config_problems *problems);

/* The same for a thread that another one may want to stop: once the socket `connection` is shut
 * down, by either side, no program (ssh -G) is waited for any more, and the load soon fails. (Files
 * that do not answer are waited for nevertheless.) -1: never. */
struct config *config_load_until(const char *path, int connection,
                                 struct config_problems *problems);

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

/* The [upstream] sections alone, with those values only that are no defaults; the caller frees. */
char *config_upstreams_text(const struct config *config);

/* The first value that no INI file can hold, with its section and key: values of ssh_config can
 * have a comment sign in them, or be longer than a line. The caller frees. NULL: every value can be
 * held, so that config_load reads config_dump's text back. */
char *config_dump_lacks(const struct config *config);

/* The configuration with one forward more, or without one (of which `kind`, `bind` and `target`
 * matter): a new one, with one reference, that shares the users and rules of this one. `via` NULL:
 * the first upstream. Of several that are the same the first goes, unless `forward` is the
 * configuration's own, which is that one then. NULL: `error` says why not. (ssh(1) -O forward,
 * -O cancel) */
struct config *config_add_forward(struct config *config, const struct config_forward *forward,
                                  const char *via, char *error, size_t error_size);
struct config *config_remove_forward(struct config *config, const struct config_forward *forward,
                                     char *error, size_t error_size);

/* The forward of the configuration that is the same and leads through `via` (NULL and "": the first
 * upstream); NULL: there is none. */
const struct config_forward *config_same_forward(const struct config *config,
                                                 const struct config_forward *forward,
                                                 const char *via);

/* The [upstream], [listen] or [forward] of that name, or NULL. */
const struct config_upstream *config_upstream(const struct config *config, const char *name);
const struct config_listen *config_listen(const struct config *config, const char *name);
const struct config_forward *config_forward(const struct config *config, const char *name);

const struct config_group *config_group(const struct config *config, const char *name);

/* Whether the user is in the group of that name: an acl_group_fn, whose `groups` is the
 * configuration. */
bool config_group_has(const void *config, const char *group, const char *user);

/* A client, as limits see it. */
struct limit_client {
    const struct ip *ip; /* NULL: it came by a unix socket */
    const char *user;    /* NULL: none yet */
    const char *listen;
};

/* The limit of a client, of those that count by `per`; NULL: none. A client from loopback or a unix
 * socket is a source only where a limit's `from` says so; any other one that no limit covers has
 * the defaults, as a limit of the name CONFIG_LIMIT_DEFAULT. */
#define CONFIG_LIMIT_DEFAULT "default"
const struct config_limit *config_limit_for(const struct config *config, enum limit_per per,
                                            const struct limit_client *client);

/* Whether the listener admits the user, whose password was right. */
bool config_listen_admits(const struct config *config, const struct config_listen *listen,
                          const char *user);

/* The listener of that index: those of [listen], then those of the forwards that listen here; NULL
 * after the last. */
const struct config_listen *config_listen_at(const struct config *config, size_t index);

/* Whether there is a section [status]. */
bool config_has_status(const struct config *config);

/* Whether every connection to the listener leads to its `target`. */
bool config_listen_leads(const struct config_listen *listen);

/* Whether a browser can use the listener: it speaks HTTP, or SOCKS 5 without a password, which
 * browsers ask for over HTTP only. */
bool config_listen_is_for_browsers(const struct config_listen *listen);

/* The first such listener of that name (empty: of any) that is at all addresses from 127.0.0.1 to
 * 127.0.0.`status.spread`; NULL: none is, as far as the file tells. */
const struct config_listen *config_spread_listener(const struct config *config, struct text name);

/* Whether adit is ready only while the upstream, one of this configuration's, has a session. */
bool config_upstream_is_required(const struct config *config,
                                 const struct config_upstream *upstream);

/* Whether adit is ready only while the server listens for the remote forward, one of this
 * configuration's: exit_on_forward_failure asks for that, and what has nothing but remote forwards
 * serves nobody without them. */
bool config_forward_is_required(const struct config *config, const struct config_forward *forward);

/* Whether two upstreams have the same sessions, which a reload then keeps: all settings but the
 * pool's bounds and timeouts are equal. */
bool config_upstream_same_sessions(const struct config_upstream *a,
                                   const struct config_upstream *b);

/* The same for what the log says as information: why an ssh carries the sessions of an upstream. */
void config_each_engine_reason(const struct config *config,
                               void (*each)(void *arg, const char *text), void *arg);

/* Says whether libssh knows a key exchange that `post_quantum = require` asks for, before the first
 * configuration is loaded, and before there are other threads: this room does not know it. */
void config_set_libssh_post_quantum(bool has);

/* Calls `each` for everything that is no error but that the person who starts adit should know:
 * rules with networks that requests by name escape, order = local, which shows names to this
 * machine's resolvers. */
void config_each_notice(const struct config *config, void (*each)(void *arg, const char *text),
                        void *arg);

#endif
