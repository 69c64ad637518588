/* Stands between libssh and the authentication agent, and decides which keys libssh sees and in
 * what order (ssh-agent(1), draft-miller-ssh-agent). Used on dial threads; a thread of its own
 * serves libssh. Only for this room. */
#ifndef ADIT_SESSION_LIBSSH_AGENT_H
#define ADIT_SESSION_LIBSSH_AGENT_H

#include "conf/key_blob.h"

#include <libssh/libssh.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* The public half of a key of libssh; false: libssh cannot give it. Else the caller frees it. */
bool key_blob_export(ssh_key key, struct key_blob *blob);
/* The key as libssh has it, which the caller frees; NULL: libssh does not know its type. */
ssh_key key_blob_import(const struct key_blob *blob);

struct agent;
struct host_proof;

/* What an agent is opened with. */
struct agent_options {
    int fd;                              /* a connection to it, which is taken over */
    const struct key_blob *certificates; /* those of keys of the agent are offered; copied */
    size_t certificate_count;
    int connection;       /* once it is shut down, nothing is waited for; -1: none */
    atomic_bool *waiting; /* set while the agent is asked to sign, as it may ask its user */
    const struct host_proof *proof; /* for keys that it lends for some hosts only; NULL: none */
};

/* Asks the agent for its keys. NULL: it does not answer, and its connection is closed. */
struct agent *agent_open(const struct agent_options *options);

/* An agent without keys, for those of agent_add. */
struct agent *agent_none(int connection, atomic_bool *waiting);

/* One key that another agent has, behind those that there are. */
struct agent_added_key {
    int fd;                             /* a connection to that one, which is taken over */
    const struct key_blob *key;         /* copied */
    const struct key_blob *certificate; /* that is offered in its place, copied; NULL: none */
    const char *comment;                /* copied */
};

/* Adds the key, and returns its number. Not while libssh uses the agent. */
size_t agent_add(struct agent *agent, const struct agent_added_key *added);

/* Marks a key as named by the configuration. */
void agent_name(struct agent *agent, const struct key_blob *key);

/* Whether the agent holds the key. */
bool agent_has(const struct agent *agent, const struct key_blob *key);

/* The keys, with certificates of them before each, are numbered from 0. */
size_t agent_count(const struct agent *agent);
bool agent_is_named(const struct agent *agent, size_t key);
bool agent_is_certificate(const struct agent *agent, size_t key);
const struct key_blob *agent_key_blob(const struct agent *agent, size_t key);
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
