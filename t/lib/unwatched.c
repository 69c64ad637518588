/* Linked into t/lib/adit-unwatched in the place of ssh/integrity: adit as it would be with a libssh
 * that does not call the guard of AES-GCM's tags. t/e2e/integrity.t shows that it sends no secret
 * then. */
#include "session_libssh/integrity.h"

#include <stdatomic.h>
#include <string.h>

static atomic_bool unguarded;

unsigned long integrity_checks(void)
{
    return 0;
}

bool integrity_holds(const char *cipher, unsigned long before)
{
    (void)before;
    if (strstr(cipher, "gcm") == NULL)
        return true;
    atomic_store(&unguarded, true);
    return false;
}

bool integrity_gcm_allowed(void)
{
    return !atomic_load(&unguarded);
}
