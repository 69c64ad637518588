/* A way around copies that are slow on some machines. */
#include "base/slow_copies.h"

#include <stdlib.h>

#if defined(__x86_64__) && defined(__GLIBC__)

#include <gnu/libc-version.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define VARIABLE "GLIBC_TUNABLES"
#define NEVER "glibc.cpu.x86_rep_movsb_threshold=0x7fffffff"

static bool has_slow_copies(void)
{
    unsigned major = 0;
    unsigned minor = 0;

    return __builtin_cpu_is("amd") &&
           sscanf(gnu_get_libc_version(), "%u.%u", &major, &minor) == 2 && major == 2 && minor < 39;
}

void slow_copies_avoid(char **argv)
{
    const char *set = getenv(VARIABLE);
    char path[PATH_MAX];
    ssize_t length;

    if (set != NULL) {
        /* The programs that adit starts shall not inherit the setting. */
        if (strcmp(set, NEVER) == 0)
            unsetenv(VARIABLE);
        return;
    }
    if (!has_slow_copies())
        return;
    length = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (length <= 0 || setenv(VARIABLE, NEVER, 1) != 0)
        return;
    path[length] = '\0';
    execv(path, argv);
    unsetenv(VARIABLE); /* it works without */
}

#else

void slow_copies_avoid(char **argv)
{
    (void)argv;
}

#endif
