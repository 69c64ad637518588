/* EVP_DecryptFinal(3) as libssh calls it. */
#include "session_libssh/integrity.h"

#include <openssl/evp.h>
#include <stdatomic.h>
#include <string.h>

static _Thread_local unsigned long checks;
static atomic_bool unguarded;

/* libcrypto's own EVP_DecryptFinal does no more than call EVP_DecryptFinal_ex. */
int EVP_DecryptFinal(EVP_CIPHER_CTX *context, unsigned char *out, int *length)
{
    checks++;
    return EVP_DecryptFinal_ex(context, out, length) == 1 ? 1 : -1;
}

unsigned long integrity_checks(void)
{
    return checks;
}

bool integrity_holds(const char *cipher, unsigned long before)
{
    if (strstr(cipher, "gcm") == NULL || checks != before)
        return true;
    atomic_store(&unguarded, true);
    return false;
}

bool integrity_gcm_allowed(void)
{
    return !atomic_load(&unguarded);
}
