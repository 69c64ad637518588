/* Answers of a person that a server or a key accepted, kept for the life of the process, so that
 * later dials do not ask again. Any thread. */
#ifndef ADIT_BASE_SECRETS_H
#define ADIT_BASE_SECRETS_H

/* A copy of the secret that is kept under `key`, which the caller frees by secret_free. NULL: there
 * is none. */
char *secrets_get(const char *key);

/* Keeps a copy, in memory that is neither swapped (if the limits allow) nor dumped, in place of
 * what was kept under the key. */
void secrets_keep(const char *key, const char *secret);

/* Forgets a secret that was refused, unless another one is kept under the key by now. */
void secrets_drop(const char *key, const char *secret);

/* Overwrites and forgets all secrets. Also called at exit(3). */
void secrets_forget(void);

/* Overwrites and frees. NULL is fine. */
void secret_free(char *secret);

#endif
