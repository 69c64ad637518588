/* A way around copies that are slow on some machines. */
#include "base/slow_copies.h"

#include <stdlib.h>
#include <string.h>

#define VARIABLE "GLIBC_TUNABLES"
#define NEVER "glibc.cpu.x86_rep_movsb_threshold=0x7fffffff"

#if defined(__x86_64__) && defined(__GLIBC__)

#include <gnu/libc-version.h>
#include <stdbool.h>
#include <stdio.h>

static bool has_slow_copies(void)
{
    unsigned major = 0;
    unsigned minor = 0;

    return __builtin_cpu_is("amd") &&
           sscanf(gnu_get_libc_version(), "%u.%u", &major, &minor) == 2 && major == 2 && minor < 39;
}

const char *slow_copies_setting(void)
{
    return getenv(VARIABLE) == NULL && has_slow_copies() ? VARIABLE "=" NEVER : NULL;
}

#else

const char *slow_copies_setting(void)
{
    return NULL;
}

#endif

void slow_copies_forget(void)
{
    const char *set = getenv(VARIABLE);

    if (set != NULL && strcmp(set, NEVER) == 0)
        unsetenv(VARIABLE);
}
