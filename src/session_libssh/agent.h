/* The authentication agent between it and libssh: which of its keys are offered, and in what order
 * (ssh-agent(1), draft-miller-ssh-agent). Only for this room. */
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

/* From a .pub file's line, "TYPE BASE64 COMMENT"; false: it is none, or cannot be read, and
 * blob->bytes is nothing to free. Else the caller frees it. */
bool key_blob_read(const char *path, struct key_blob *blob);
/* The public half of a key of libssh; false: libssh cannot give it. Else the caller frees it. */
bool key_blob_export(ssh_key key, struct key_blob *blob);
bool key_blob_equal(const struct key_blob *a, const struct key_blob *b);
/* Whether `certificate` certifies the key (PROTOCOL.certkeys of OpenSSH). */
bool key_blob_certifies(const struct key_blob *certificate, const struct key_blob *key);

struct agent;

/* Asks the agent for its keys; NULL: it does not answer (`*error`, static text or strerror's).
 * Certificates of its keys are offered with them. `connection`: once it is shut down, nothing is
 * waited for; `waiting` is set while the agent is asked to sign, as it may ask its person. */
struct agent *agent_open(const char *path, const struct key_blob *certificates, size_t count,
                         int connection, atomic_bool *waiting, const char **error);

/* Says that this key was named: agent_offer tells the two kinds apart. */
void agent_name(struct agent *agent, const struct key_blob *key);

/* Whether it holds the key. */
bool agent_has(const struct agent *agent, const struct key_blob *key);

/* From now on libssh sees of it only the keys that were named, or only the others. Returns how many
 * these are. */
size_t agent_offer(struct agent *agent, bool named);

/* Gives libssh the agent, in place of the one it would find. False: no descriptors. */
bool agent_serve(struct agent *agent, ssh_session handle);

/* libssh must not use it any longer. NULL is fine. */
void agent_close(struct agent *agent);

#endif
