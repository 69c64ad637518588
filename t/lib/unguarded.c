/* Linked into t/lib/adit-unguarded in the place of ssh/integrity: adit as it would be with a libssh
 * that takes a wrong tag of AES-GCM for a right one. t/e2e/integrity.t must see the difference. */
#include "session_libssh/integrity.h"

#include <openssl/evp.h>

int EVP_DecryptFinal(EVP_CIPHER_CTX *context, unsigned char *out, int *length)
{
    EVP_DecryptFinal_ex(context, out, length);
    return 1;
}

unsigned long integrity_checks(void)
{
    return 0;
}

bool integrity_holds(const char *cipher, unsigned long before)
{
    (void)cipher, (void)before;
    return true;
}

bool integrity_gcm_allowed(void)
{
    return true;
}
