/* Stands between libssh and the authentication agent, and decides which keys libssh sees and in
 * what order (ssh-agent(1), draft-miller-ssh-agent). Used on dial threads; a thread of its own
 * serves libssh. Only for this room. */
#ifndef ADIT_SESSION_LIBSSH_AGENT_H
#define ADIT_SESSION_LIBSSH_AGENT_H

#include <libssh/libssh.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A public key or certificate as it travels (RFC 4253 section 6.6). */
struct key_blob {
    uint8_t *bytes;
    size_t length;
};

/* Reads the line of a .pub file, "TYPE BASE64 COMMENT". False: the file cannot be read or has no
 * such line, and there is nothing to free. Else the caller frees blob->bytes. */
bool key_blob_read(const char *path, struct key_blob *blob);
/* The public half of a key of libssh; false: libssh cannot give it. Else the caller frees it. */
bool key_blob_export(ssh_key key, struct key_blob *blob);
bool key_blob_equal(const struct key_blob *a, const struct key_blob *b);
/* Whether its type is that of a certificate. */
bool key_blob_is_certificate(const struct key_blob *blob);
/* Whether `certificate` certifies the key as that of a user, not of a host (PROTOCOL.certkeys of
 * OpenSSH). */
bool key_blob_certifies(const struct key_blob *certificate, const struct key_blob *key);

struct agent;
struct host_proof;

/* What an agent is opened with. */
struct agent_options {
    const char *path;
    const struct key_blob *certificates; /* those of keys of the agent are offered; copied */
    size_t certificate_count;
    int connection;       /* once it is shut down, nothing is waited for; -1: none */
    atomic_bool *waiting; /* set while the agent is asked to sign, as it may ask its user */
    const struct host_proof *proof; /* for keys that it lends for some hosts only; NULL: none */
};

/* Connects to the agent and asks for its keys. NULL: `*error` says why not, static text or
 * strerror's. */
struct agent *agent_open(const struct agent_options *options, const char **error);

/* Marks a key as named by the configuration. */
void agent_name(struct agent *agent, const struct key_blob *key);

/* Whether the agent holds the key. */
bool agent_has(const struct agent *agent, const struct key_blob *key);

/* The keys, with certificates of them before each, are numbered from 0. */
size_t agent_count(const struct agent *agent);
bool agent_is_named(const struct agent *agent, size_t key);
bool agent_is_certificate(const struct agent *agent, size_t key);
const char *agent_comment(const struct agent *agent, size_t key);

/* The key as libssh has it, which the caller frees; NULL: libssh does not know its type. */
ssh_key agent_public_key(const struct agent *agent, size_t key);

/* From now on libssh sees only this key; none at first. One at a time, as libssh gives all keys up
 * when the agent refuses to sign with one. */
void agent_offer(struct agent *agent, size_t key);

/* Whether the agent has refused to sign, or has ended, since agent_offer. */
bool agent_has_refused(const struct agent *agent);

/* Gives libssh this agent, in place of the one of SSH_AUTH_SOCK. False: no descriptors are left. */
bool agent_serve(struct agent *agent, ssh_session handle);

/* Ends the agent, which libssh must not use any longer. NULL is fine. */
void agent_close(struct agent *agent);

#endif
