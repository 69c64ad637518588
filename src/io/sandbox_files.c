/* Landlock, by its system calls: glibc has no wrappers, and the kernel's headers of Debian 12 are
 * older than the rights below. Source: landlock(7) and Documentation/userspace-api/landlock.rst. */
#include "io/sandbox.h"

#include "io/system_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444 /* the same number on every architecture */
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH 1

/* Rights to files and folders. */
#define READ_FILE (UINT64_C(1) << 2)
#define READ_DIR (UINT64_C(1) << 3)

/* In the highest version that is known here: things of other processes. */
#define SCOPE_ABSTRACT_UNIX_SOCKET (UINT64_C(1) << 0)
#define SCOPE_SIGNAL (UINT64_C(1) << 1)

struct ruleset_attr {
    uint64_t handled_access_fs;
    uint64_t handled_access_net; /* from version 4 on; TCP is what the gateway is for */
    uint64_t scoped;             /* from version 6 on */
};

struct path_beneath_attr {
    uint64_t allowed_access;
    int32_t parent_fd;
} __attribute__((packed));

/* What each version of Landlock can forbid: everything is, but what a rule allows. */
static const struct {
    uint64_t files;
    uint64_t scoped;
    size_t attr_size;
} versions[] = {
    {(UINT64_C(1) << 13) - 1, 0, offsetof(struct ruleset_attr, handled_access_net)},
    {(UINT64_C(1) << 14) - 1, 0, offsetof(struct ruleset_attr, handled_access_net)}, /* REFER */
    {(UINT64_C(1) << 15) - 1, 0, offsetof(struct ruleset_attr, handled_access_net)}, /* TRUNCATE */
    {(UINT64_C(1) << 15) - 1, 0, offsetof(struct ruleset_attr, scoped)}, /* (TCP ports) */
    {(UINT64_C(1) << 16) - 1, 0, offsetof(struct ruleset_attr, scoped)}, /* IOCTL_DEV */
    {(UINT64_C(1) << 16) - 1, SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL,
     sizeof(struct ruleset_attr)},
};

#define VERSIONS ((long)(sizeof(versions) / sizeof(versions[0])))

/* What can be read, each if it is there. A rule holds for the file that has the name now: where a
 * symbolic link leads to a folder in which files are replaced, that folder is named, too. */
static const char *const readable[] = {
    /* c-ares, and glibc's getpwuid(3), which libssh calls. */
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/passwd",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/connman",
    "/run/NetworkManager/resolv.conf",
    "/run/NetworkManager/no-stub-resolv.conf",
    /* The time zone. */
    "/etc/localtime",
    "/etc/timezone",
    "/usr/share/zoneinfo",
    /* glibc and libuv: memory and processors; the process's own figures. */
    "/proc/self",
    "/proc/meminfo",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
    /* OpenSSL and libssh. */
    "/etc/ssl/openssl.cnf",
    "/dev/null",
    "/dev/urandom",
    "/dev/random",
};

/* Those that could be opened before they were all that could be. Written before there are threads.
 */
#define READABLE (sizeof(readable) / sizeof(readable[0]))
static bool was_readable[READABLE];

static bool can_open(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* A file of proc(5) may be another one when it is looked up again, if nobody has it open. */
static bool must_stay_open(const char *path)
{
    return strncmp(path, "/proc/", strlen("/proc/")) == 0;
}

/* 1 and more; 0: the kernel has no Landlock, or it is off. */
static long landlock_version(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);

    return version > VERSIONS ? VERSIONS : version < 0 ? 0 : version;
}

static bool allow_reading(int ruleset, const char *path)
{
    struct path_beneath_attr beneath = {.allowed_access = READ_FILE};
    struct stat st;
    int fd = open(path, O_PATH | O_CLOEXEC);

    if (fd < 0)
        return true; /* there is nothing to read */
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        beneath.allowed_access |= READ_DIR;
    beneath.parent_fd = fd;
    bool ok = syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &beneath, 0) == 0;
    if (!must_stay_open(path))
        close(fd);
    return ok;
}

bool sandbox_limit_files(const char **lack)
{
    long version = landlock_version();
    bool ok = version > 0;
    int ruleset = -1;

    *lack =
        "Landlock in this kernel (it needs Linux 5.13 or later, with landlock in its lsm= list)";
    if (ok) {
        struct ruleset_attr attr = {
            .handled_access_fs = versions[version - 1].files,
            .scoped = versions[version - 1].scoped,
        };
        ruleset =
            (int)syscall(SYS_landlock_create_ruleset, &attr, versions[version - 1].attr_size, 0);
        ok = ruleset >= 0;
    }
    for (size_t i = 0; ok && i < READABLE; i++) {
        was_readable[i] = can_open(readable[i]);
        ok = allow_reading(ruleset, readable[i]);
    }
    ok = ok && syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
    if (ruleset >= 0)
        close(ruleset);
    return ok;
}

/* Of those that a reload renews. */
static bool is_system_file(const char *path)
{
    return system_files_are_held() &&
           (strcmp(path, "/etc/hosts") == 0 || strcmp(path, "/etc/resolv.conf") == 0);
}

const char *sandbox_lost_file(void)
{
    for (size_t i = 0; i < READABLE; i++)
        if (was_readable[i] && !is_system_file(readable[i]) && !can_open(readable[i]) &&
            errno == EACCES)
            return readable[i];
    return NULL;
}
