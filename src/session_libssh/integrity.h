/* The guard of AES-GCM's authentication tag. Only for this room.
 *
 * libssh checks the tag of a received packet by EVP_DecryptFinal(3), which returns 0 when the tag
 * is wrong. Several releases take only negative results for a failure (CVE-2026-59847), so that a
 * packet changed on the wire is delivered; the version number does not tell which ones, as
 * distributions mend it without a new one. So this room defines EVP_DecryptFinal in the program,
 * where the dynamic linker finds it before libcrypto's, and reports a wrong tag as -1. */
#ifndef ADIT_SESSION_LIBSSH_INTEGRITY_H
#define ADIT_SESSION_LIBSSH_INTEGRITY_H

#include <stdbool.h>

/* How many tags were checked by the guard on this thread. */
unsigned long integrity_checks(void);

/* A session is ready on this thread; `checks` is what integrity_checks() gave before it connected,
 * `cipher` what the server encrypts with. False: it is AES-GCM, but libssh does not call the guard
 * (it was built with another crypto library, or linked with libcrypto statically). From then on
 * integrity_gcm_allowed() is false, in all threads. */
bool integrity_holds(const char *cipher, unsigned long checks);

/* Whether AES-GCM may be offered. Any thread. */
bool integrity_gcm_allowed(void);

#endif
