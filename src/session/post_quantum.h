/* Key exchanges that withstand a quantum computer: the hybrids that OpenSSH and libssh have, of a
 * classical exchange and of ML-KEM or Streamlined NTRU Prime (draft-ietf-sshm-mlkem-hybrid-kex,
 * draft-ietf-sshm-ntruprime-ssh). What was recorded of a session with any other one can be read
 * once there is such a computer. Pure; any thread. */
#ifndef ADIT_SESSION_POST_QUANTUM_H
#define ADIT_SESSION_POST_QUANTUM_H

#include <stdbool.h>
#include <string.h>

/* In the order of preference, as a comma list. */
#define POST_QUANTUM_KEX                                                                           \
    "mlkem768x25519-sha256,sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com,"             \
    "mlkem768nistp256-sha256,mlkem1024nistp384-sha384"

static inline bool kex_is_post_quantum(const char *kex)
{
    size_t length = strlen(kex);

    for (const char *at = POST_QUANTUM_KEX; *at != '\0'; at += strcspn(at, ","), at += *at == ',')
        if (strcspn(at, ",") == length && strncmp(at, kex, length) == 0)
            return true;
    return false;
}

#endif
