/* What a person answered and a server or a key took: kept for the process's life, so that healing
 * and a pool that grows do not ask again. Any thread. Only for this room. */
#ifndef ADIT_SESSION_LIBSSH_SECRETS_H
#define ADIT_SESSION_LIBSSH_SECRETS_H

/* A copy of what is kept under `key`, the caller's to free with secret_free; NULL: nothing is. */
char *secrets_get(const char *key);

/* Keeps a copy, in memory that is neither swapped (if the limits allow) nor dumped, in the place of
 * what was there. */
void secrets_keep(const char *key, const char *secret);

/* `secret` was refused: forgets it, unless another one is kept there by now. */
void secrets_drop(const char *key, const char *secret);

/* Overwrites and forgets all; done at exit by itself. */
void secrets_forget(void);

/* Overwrites and frees. NULL is fine. */
void secret_free(char *secret);

#endif
