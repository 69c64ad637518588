/* The server's proof of its host key, as it went over the wire: what an agent wants to see before
 * it signs with a key that it lends for certain hosts only (OpenSSH, PROTOCOL.agent,
 * session-bind@openssh.com). libssh verifies the proof and keeps it to itself, so it is read from
 * what libssh receives before the connection is encrypted. Only for this room. */
#ifndef ADIT_SESSION_LIBSSH_HOST_PROOF_H
#define ADIT_SESSION_LIBSSH_HOST_PROOF_H

#include "base/buffer.h"
#include "base/ssh_bytes.h"

#include <stdbool.h>

/* All zero at first. */
struct host_proof {
    struct buffer heard; /* what was received and not looked at yet */
    bool is_past_version;
    bool over;               /* nothing more is wanted */
    struct buffer host_key;  /* both empty until they are known: K_S of RFC 4253 section 8, */
    struct buffer signature; /* and the signature of H */
};

/* Of the dial's thread: `length` bytes came from the server. */
void host_proof_hear(struct host_proof *proof, const void *bytes, size_t length);

/* Whether the proof is known. It does not change afterwards: any thread that was started then may
 * read it. */
bool host_proof_known(const struct host_proof *proof);

/* Appends the request by which an agent binds its connection to the session of that identifier
 * (RFC 4253 section 7.2: the first H). */
void host_proof_request(const struct host_proof *proof, struct span session_id,
                        struct buffer *request);

void host_proof_clear(struct host_proof *proof);

#endif
