/* What is said to an ssh-agent(1), and what it answers (draft-miller-ssh-agent; OpenSSH,
 * PROTOCOL.agent), and which of it a process that has no keys may say. A message is here without
 * the uint32 of its length. Parsing is pure; any thread. */
#ifndef ADIT_WIRE_AGENT_MESSAGES_H
#define ADIT_WIRE_AGENT_MESSAGES_H

#include "base/ssh_bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* draft-miller-ssh-agent section 6.1 */
enum agent_number {
    AGENT_FAILURE = 5,
    AGENT_SUCCESS = 6,
    AGENT_REQUEST_IDENTITIES = 11,
    AGENT_IDENTITIES_ANSWER = 12,
    AGENT_SIGN_REQUEST = 13,
    AGENT_SIGN_RESPONSE = 14,
    AGENT_REMOVE_IDENTITY = 18,
    AGENT_EXTENSION = 27,
};

/* Flags of a SIGN_REQUEST, section 6.2 */
#define AGENT_RSA_SHA2_256 2
#define AGENT_RSA_SHA2_512 4

#define AGENT_MESSAGE_MAX ((size_t)256 * 1024) /* as OpenSSH's */
#define AGENT_KEYS_MAX 1024                    /* as libssh's */

/* What a login asks of an agent. */
enum agent_request_kind {
    AGENT_ASKS_KEYS,      /* REQUEST_IDENTITIES */
    AGENT_ASKS_SIGNATURE, /* SIGN_REQUEST, of a request to log in (RFC 4252 section 7) */
    AGENT_BINDS_SESSION,  /* session-bind@openssh.com, for a login and not for forwarding */
    AGENT_ASKS_OTHER,     /* all else, also a message that is none */
};

/* Tells a request; `*key` becomes the key that is to sign, which lies in the message. What is to be
 * signed must be a login by public key: with "publickey" or "publickey-hostbound-v00@openssh.com"
 * for the service "ssh-connection", and nothing behind it. So a program that may ask for signatures
 * gets none for a file, a commit or a certificate. */
enum agent_request_kind agent_request_kind(struct span message, struct span *key);

/* Gives a SIGN_REQUEST of a login by RSA the flags of the signature that the login names (RFC 8332
 * section 3): libssh gives those of the best one that the server knows. Leaves all else alone. */
void agent_sign_as_named(uint8_t *message, size_t length);

/* The keys of an IDENTITIES_ANSWER, one by one. */
struct agent_keys {
    struct ssh_reader reader; /* `bad`: the message is none */
    uint32_t left;
};

struct agent_keys agent_keys_read(struct span message);

/* Takes the next key, as it travels (RFC 4253 section 6.6), and its comment. False: there is none,
 * or AGENT_KEYS_MAX were taken. */
bool agent_keys_next(struct agent_keys *keys, struct span *key, struct span *comment);

/* Appends an IDENTITIES_ANSWER with the one key of another such answer, or with none where it is
 * not in there. False: that is no such answer. */
bool agent_keys_answer_one(struct span answer, struct span key, struct buffer *out);

#endif
