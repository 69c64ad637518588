/* The percent tokens and variables of ssh_config values, ssh_config(5) TOKENS, ENVIRONMENT
 * VARIABLES. */
#ifndef ADIT_CONF_SSH_TOKENS_H
#define ADIT_CONF_SSH_TOKENS_H

#include <stdbool.h>

/* What they are made from; NULL is as good as "". */
struct ssh_tokens {
    const char *host;  /* %n: as it was given */
    const char *name;  /* %h: HostName */
    const char *port;  /* %p */
    const char *user;  /* %r; NULL: the user who runs adit */
    const char *jump;  /* %j: ProxyJump */
    const char *alias; /* %k: HostKeyAlias; NULL: as `host` */
};

/* The value with its tokens replaced; NULL: one is unknown. The caller frees. */
char *ssh_tokens_expand(const char *text, const struct ssh_tokens *tokens);

/* The same for a file's name: also ${VARIABLE}, and ~/ or ~user/ at its beginning. NULL also where
 * a variable is not set or a user unknown. */
char *ssh_tokens_expand_path(const char *text, const struct ssh_tokens *tokens);

/* The same for a forward's socket: also ${VARIABLE}. NULL also where a variable is not set. */
char *ssh_tokens_expand_socket(const char *text, const struct ssh_tokens *tokens);

/* A name with ~/ or ~user/ at its beginning expanded; NULL: the user is unknown. The caller frees.
 */
char *ssh_tilde_expand(const char *path);

#endif
