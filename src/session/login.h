/* Making an SSH session: handshake, host key, authentication; blocking, in a short-lived thread of
 * its own. */
#ifndef ADIT_SESSION_LOGIN_H
#define ADIT_SESSION_LOGIN_H

#include "base/hostport.h"
#include "conf/config.h"
#include "io/mailbox.h"

#include <stdbool.h>

/* A session that was authenticated and that no thread drives yet. Opaque; whoever holds it owns it.
 */
struct logged_in;

/* Ends the session politely and frees it. NULL is fine. */
void logged_in_free(struct logged_in *logged_in);

/* What was agreed with the server; every text may be empty. */
struct connection_info {
    char local[HOSTPORT_TEXT_MAX]; /* "192.0.2.1:50000"; empty: the connection is no TCP of ours */
    char remote[HOSTPORT_TEXT_MAX];
    char user[64];
    char server[128]; /* its software: "SSH-2.0-OpenSSH_9.2p1 Debian-2" */
    char kex[64];
    char host_key[128]; /* "ssh-ed25519 SHA256:..." */
    char cipher_in[64];
    char cipher_out[64];
    char mac_in[64]; /* "implicit" or the like where the cipher has its own */
    char mac_out[64];
    char compression[32]; /* "none", "zlib@openssh.com" */
    char login[128];      /* what the server took: "publickey /home/a/.ssh/id_ed25519" */
    bool asks_anew;       /* somebody was asked for what is not kept: so it will be at every dial */
};

/* Of a session that was dialled; lasts as long as that. */
const struct connection_info *logged_in_info(const struct logged_in *logged_in);

enum dial_status {
    DIAL_OK,
    DIAL_TRANSPORT,      /* no SSH on the other side, key exchange failed, connection lost */
    DIAL_HOST_KEY,       /* unknown, changed or not the pinned one: a person has to look */
    DIAL_AUTHENTICATION, /* no method left: a person has to look */
    DIAL_STATUSES,
};

/* "transport", "host-key", ...: for the log and the counters. */
const char *dial_status_name(enum dial_status status);

/* For an upstream with libssh_config: replaces a name of ssh_config(5) with its HostName, and the
 * port with its Port, as far as libssh finds them. Blocks for as long as a file is read. */
void dial_find(const struct config_upstream *upstream, char name[static HOST_MAX + 1],
               uint16_t *port);

struct dial;

struct dial_request {
    int fd; /* connected; taken over */
    /* What it speaks SSH with. `config` is the configuration that `upstream` lies in: referenced
     * until the end. */
    struct config *config;
    const struct config_upstream *upstream;
    const char *host; /* the name that known_hosts knows it by; copied */
    uint16_t port;
    const char *alias; /* with libssh_config: the name before dial_find; copied; NULL: the host */
    /* A person may be asked, on the terminal or as SSH_ASKPASS says; without it, nobody but the
     * upstream's own askpass. */
    bool may_ask;
    /* Called once through `reply`, never from inside dial_start: with the session (the callee's)
     * and DIAL_OK, or with NULL, and a sentence for a person. */
    struct mailbox *reply;
    void (*done)(void *arg, enum dial_status status, struct logged_in *logged_in,
                 const char *error);
    void *arg;
};

struct dial *dial_start(const struct dial_request *request);

/* A person is being asked, or waits for their turn: it can take as long as the server allows. Any
 * thread. */
bool dial_is_asking(const struct dial *dial);

/* How many prompts there were so far. */
unsigned dial_prompts(const struct dial *dial);

/* Shuts its connection down, so that it soon fails; who is being asked is left in peace. */
void dial_shutdown(struct dial *dial);

/* `done` will not be called; the connection is shut down so that the thread ends soon. The mailbox
 * must live until dial_running says 0. */
void dial_cancel(struct dial *dial);

/* How many dial threads have not been joined yet, of all mailboxes. */
unsigned dial_running(void);

/* Calls `idle` once, when the last of them has been joined; there must be one. */
void dial_when_idle(void (*idle)(void *arg), void *arg);

#endif
