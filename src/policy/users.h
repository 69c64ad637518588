/* The users of a listener and their passwords, as an htpasswd(1) file has them. Pure, but
 * users_verify takes the time of crypt(3). */
#ifndef ADIT_POLICY_USERS_H
#define ADIT_POLICY_USERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A file is read up to this size, in bytes, by all who read one. */
#define USERS_FILE_MAX ((size_t)16 << 20)

struct users; /* immutable once built; opaque; may be read from any thread */

/* Takes what is wrong with a line. */
typedef void users_report_fn(void *arg, unsigned line, const char *message);

/* Builds from the text of an htpasswd file: NAME:HASH lines (what follows a second colon is a
 * comment), '#' comments, blank lines. A hash crypt(3) does not know (apr1, SHA1 "{SHA}", plain
 * text), one that protects nothing (DES, NT), takes too long to verify (policy/hash_cost.h) or is
 * cut short, a name twice, an empty name or hash are errors: each is reported as `report(arg, line,
 * message)`, and NULL comes back. */
struct users *users_new(const char *text, size_t length, users_report_fn *report, void *arg);
void users_free(struct users *users);

/* The text of an htpasswd file with the same users in the same order; the caller frees. It holds
 * their password hashes. */
char *users_text(const struct users *users);

size_t users_count(const struct users *users);

/* Whether the password is the user's: crypt_r(3) on the hash, compared in constant time. Takes up
 * to a second of processor time for strong hashes: never call it on a worker's thread. A
 * refusal costs one hash of each kind (method and cost) that the file has, whether the user is
 * known or not. */
bool users_verify(const struct users *users, const char *name, const char *password);

/* Why no file can have a user of that name, in words of the program; NULL: one can. */
const char *users_name_wrong(const char *name);

/* Why no client could log in with that password; NULL: one can. */
const char *users_password_wrong(const char *password);

/* A salted hash of the password by the method that crypt(3) of this system prefers (yescrypt on
 * Debian). The caller frees. NULL: errno says why there is none. */
char *users_hash(const char *password);

/* The text of an htpasswd file in which the user has this hash: in the user's first line if there
 * is one (comments and all other lines stay as they are), else in a new line at the end. The caller
 * frees. `name` and `hash` are right. `*known` says whether the user was there. */
char *users_text_with(const char *text, const char *name, const char *hash, bool *known);

/* A cache of credentials that were verified a short time ago, as HMAC-SHA256 under a random key of
 * this process, so that a core dump holds no password. Bounded; one thread uses a cache at a time.
 * Only what was verified is kept. */
struct credential_cache;
struct credential_cache *credential_cache_new(size_t capacity, uint64_t lifetime_ms);
void credential_cache_free(struct credential_cache *cache);
/* `tag` identifies the users file and its generation: credentials of one count for no other. */
bool credential_cache_has(struct credential_cache *cache, uint64_t tag, const char *name,
                          const char *password, uint64_t now_ms);
void credential_cache_add(struct credential_cache *cache, uint64_t tag, const char *name,
                          const char *password, uint64_t now_ms);

#endif
