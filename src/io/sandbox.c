/* Privileges, and the order of the parts. */
#include "io/sandbox.h"

#include "base/mem.h"

#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* (glibc has no wrappers. A service manager may forbid capset(2), and has taken them all then.) */
static bool drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    struct __user_cap_data_struct found[_LINUX_CAPABILITY_U32S_3];

    /* (Only a process with CAP_SETPCAP can drop from the bounding set; another one has no way to
     * what is in it, once it can execute nothing with more privileges.) */
    for (unsigned long i = 0; prctl(PR_CAPBSET_DROP, i, 0, 0, 0) == 0; i++)
        continue;
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return syscall(SYS_capset, &header, none) == 0 ||
           (syscall(SYS_capget, &header, found) == 0 && memcmp(found, none, sizeof(none)) == 0);
}

/* No other process of the same user can look into this one, and it leaves no core. */
static bool give_up_privileges(void)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

static void add_lack(char **lacks, const char *lack)
{
    char *longer = *lacks == NULL ? mem_strdup(lack) : mem_printf("%s, and no %s", *lacks, lack);

    free(*lacks);
    *lacks = longer;
}

bool sandbox_is_left_out(void)
{
#ifdef ADIT_SANITIZED
    return true;
#else
    return false;
#endif
}

char *sandbox_enter(void)
{
    char *lacks = NULL;
    const char *lack;

    if (sandbox_is_left_out()) {
        add_lack(&lacks, "lock in a build with sanitizers");
    } else {
        if (!drop_capabilities())
            add_lack(&lacks, "way to drop capabilities");
        if (!give_up_privileges())
            add_lack(&lacks, "way to give up new privileges in this kernel");
        if (!sandbox_limit_files(&lack))
            add_lack(&lacks, lack);
        if (!sandbox_limit_calls(&lack))
            add_lack(&lacks, lack);
    }
    return lacks;
}
