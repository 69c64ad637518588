/* The percent tokens and variables of ssh_config values, ssh_config(5) TOKENS, ENVIRONMENT
 * VARIABLES. */
#ifndef ADIT_CONF_SSH_TOKENS_H
#define ADIT_CONF_SSH_TOKENS_H

#include <stdbool.h>

/* Those of KnownHostsCommand alone. */
struct ssh_key_tokens {
    const char *invocation;  /* %I: "ORDER", "HOSTNAME" */
    const char *name;        /* %H: as known_hosts has it */
    const char *type;        /* %t: of the server's key, "NONE" before it is known; so the others */
    const char *fingerprint; /* %f */
    const char *base64;      /* %K */
};

/* What they are made from; NULL is as good as "". */
struct ssh_tokens {
    const char *host;                 /* %n: as it was given */
    const char *name;                 /* %h: HostName */
    const char *port;                 /* %p */
    const char *user;                 /* %r; NULL: the user who runs adit */
    const char *jump;                 /* %j: ProxyJump */
    const char *alias;                /* %k: HostKeyAlias; NULL: as `host` */
    const struct ssh_key_tokens *key; /* NULL: these tokens are unknown; else %T is */
};

/* The value with its tokens replaced; NULL: one is unknown. The caller frees. */
char *ssh_tokens_expand(const char *text, const struct ssh_tokens *tokens);

/* The same for a file's name: also ${VARIABLE}, and ~/ or ~user/ at its beginning. NULL also where
 * a variable is not set or a user unknown. */
char *ssh_tokens_expand_path(const char *text, const struct ssh_tokens *tokens);

/* The value, to be expanded once more when a server's key is known: the tokens of `tokens->key`
 * stay, all other tokens and ${VARIABLE} are replaced, and a '%' in what they stand for is doubled.
 * NULL as above. */
char *ssh_tokens_expand_but_key(const char *text, const struct ssh_tokens *tokens);

/* The same for a forward's socket: also ${VARIABLE}. NULL also where a variable is not set. */
char *ssh_tokens_expand_socket(const char *text, const struct ssh_tokens *tokens);

/* A name with ~/ or ~user/ at its beginning expanded; NULL: the user is unknown. The caller frees.
 */
char *ssh_tilde_expand(const char *path);

#endif
