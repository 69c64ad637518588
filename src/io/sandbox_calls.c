/* The list of system calls, by libseccomp: seccomp_rule_add(3). A filter sees numbers and not what
 * a pointer leads to: which file is opened is Landlock's part, where a connection leads nobody's.
 *
 * What a call is needed for differs between versions of glibc, libuv, c-ares, OpenSSL and libssh.
 * What is not listed fails with ENOSYS, as on a kernel that does not have it: these libraries then
 * do without (clone3, io_uring_setup, which libuv tries). */
#include "io/sandbox.h"

#ifdef HAVE_LIBSECCOMP

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The bit of O_TMPFILE that is its own. */
#define TMPFILE ((uint32_t)(O_TMPFILE & ~O_DIRECTORY))

#define CALL_NAME_MAX 40

/* The argument of clone(2) that has the flags. */
#ifdef __s390__
#define CLONE_FLAGS_AT 1
#else
#define CLONE_FLAGS_AT 0
#endif

/* A program has no business with these: whoever calls one has taken the process over. */
static const char deadly[] =
    "execve execveat ptrace process_vm_readv process_vm_writev process_madvise pidfd_getfd "
    "kcmp bpf perf_event_open userfaultfd mount umount umount2 move_mount open_tree fsopen "
    "fsconfig fsmount fspick mount_setattr pivot_root chroot unshare setns setuid setuid32 "
    "setgid setgid32 setreuid setreuid32 setregid setregid32 setresuid setresuid32 setresgid "
    "setresgid32 setfsuid setfsuid32 setfsgid setfsgid32 setgroups setgroups32 capset keyctl "
    "add_key request_key init_module finit_module delete_module kexec_load kexec_file_load "
    "reboot swapon swapoff acct quotactl open_by_handle_at iopl ioperm modify_ldt personality "
    "settimeofday clock_settime adjtimex sethostname setdomainname vhangup";

/* Changes to files, and what makes a process or a server of this one: they fail with EACCES. */
static const char refused[] =
    "creat truncate truncate64 unlink unlinkat rename renameat renameat2 link linkat symlink "
    "symlinkat mkdir mkdirat rmdir mknod mknodat chmod fchmod fchmodat fchmodat2 chown fchown "
    "lchown fchownat utime utimes utimensat futimesat setxattr lsetxattr fsetxattr "
    "removexattr lremovexattr fremovexattr fork vfork listen memfd_create memfd_secret";

/* Allowed with any arguments. */
static const char allowed[] =
    /* Descriptors. */
    "read readv pread64 preadv write writev pwrite64 close close_range dup dup2 dup3 lseek "
    "_llseek pipe pipe2 poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64 "
    "epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd "
    "eventfd2 timerfd_create timerfd_settime timerfd_settime64 timerfd_gettime "
    "timerfd_gettime64 fsync fdatasync fadvise64 fadvise64_64 "
    /* Sockets. */
    "connect bind accept accept4 shutdown getsockname getpeername getsockopt send sendto "
    "sendmsg sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64 "
    /* What is known of files. */
    "stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat statx statfs statfs64 "
    "fstatfs fstatfs64 access faccessat faccessat2 readlink readlinkat getdents getdents64 "
    "getcwd "
    /* Memory, without PROT_EXEC: below. */
    "brk munmap mremap madvise mlock mlock2 munlock membarrier "
    /* Threads and signals of this process. */
    "futex futex_time64 set_robust_list get_robust_list rseq set_tid_address sched_yield "
    "sched_getaffinity sched_getparam sched_getscheduler sched_get_priority_max "
    "sched_get_priority_min getcpu arch_prctl set_thread_area "
    "get_thread_area set_tls rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending "
    "rt_sigtimedwait rt_sigtimedwait_time64 rt_sigsuspend sigaltstack sigreturn "
    "restart_syscall pause exit exit_group setsid "
    /* Who and when. */
    "getpid gettid getppid getpgrp getpgid getsid getuid getuid32 geteuid geteuid32 getgid "
    "getgid32 getegid getegid32 getresuid getresuid32 getresgid getresgid32 getgroups "
    "getgroups32 uname sysinfo getrusage getrlimit ugetrlimit times time gettimeofday "
    "clock_gettime clock_gettime64 clock_getres clock_getres_time64 nanosleep clock_nanosleep "
    "clock_nanosleep_time64 getrandom";

/* ioctl(2): libssh and c-ares; isatty(3), the terminals of ssh(1) that is served; interfaces. */
static const unsigned long ioctls[] = {
    FIONBIO,   FIONREAD,  FIOCLEX,      TCGETS,      TIOCGWINSZ,
    TIOCGPGRP, TIOCNOTTY, SIOCGIFINDEX, SIOCGIFNAME, SIOCOUTQ,
};

/* fcntl(2): none that has signals sent or locks a file. */
static const int fcntls[] = {
    F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GET_SEALS, F_GETPIPE_SZ,
};

/* prctl(2): names of threads, and of memory (glibc 2.40 and later). */
static const int prctls[] = {PR_SET_NAME, PR_GET_NAME, PR_SET_PDEATHSIG,
                             0x53564d41 /* PR_SET_VMA */};

/* setsockopt(2): none that attaches a program, or sends from another interface or address. */
static const int sockopts[][2] = {
    {SOL_SOCKET, SO_REUSEADDR},
    {SOL_SOCKET, SO_KEEPALIVE},
    {SOL_SOCKET, SO_LINGER},
    {SOL_SOCKET, SO_SNDBUF},
    {SOL_SOCKET, SO_RCVBUF},
    {SOL_SOCKET, SO_SNDTIMEO},
    {SOL_SOCKET, SO_RCVTIMEO},
    {SOL_SOCKET, SO_PASSCRED},
    {SOL_SOCKET, SO_PRIORITY},
    {IPPROTO_TCP, TCP_NODELAY},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT},
    {IPPROTO_TCP, TCP_KEEPIDLE},
    {IPPROTO_TCP, TCP_KEEPINTVL},
    {IPPROTO_TCP, TCP_KEEPCNT},
    {IPPROTO_TCP, TCP_USER_TIMEOUT},
    {IPPROTO_TCP, TCP_QUICKACK},
    {IPPROTO_TCP, TCP_FASTOPEN_CONNECT},
    {IPPROTO_IP, IP_TOS},
    {IPPROTO_IP, IP_RECVERR},
    {IPPROTO_IPV6, IPV6_TCLASS},
    {IPPROTO_IPV6, IPV6_V6ONLY},
    {IPPROTO_IPV6, IPV6_RECVERR},
};

/* A filter under construction. */
struct call_filter {
    scmp_filter_ctx context;
    bool ok;
};

/* Arguments that are of 32 bits are compared so: the kernel does not look at the others. */
static struct scmp_arg_cmp arg_masked(unsigned at, uint32_t mask, uint32_t value)
{
    return (struct scmp_arg_cmp){at, SCMP_CMP_MASKED_EQ, mask, value};
}

static struct scmp_arg_cmp arg_is(unsigned at, uint32_t value)
{
    return arg_masked(at, UINT32_MAX, value);
}

static struct scmp_arg_cmp arg_is_null(unsigned at)
{
    return (struct scmp_arg_cmp){at, SCMP_CMP_EQ, 0, 0};
}

/* Calls that this architecture, or libseccomp, does not know are left out. */
static void add_rule(struct call_filter *f, uint32_t action, const char *name,
                     const struct scmp_arg_cmp *arguments, unsigned count)
{
    int number = seccomp_syscall_resolve_name(name);

    if (number != __NR_SCMP_ERROR)
        f->ok = seccomp_rule_add_array(f->context, action, number, count, arguments) == 0 && f->ok;
}

/* One rule: each condition must hold. */
#define ALLOW_IF(filter, name, ...)                                                                \
    add_rule(filter, SCMP_ACT_ALLOW, name, (const struct scmp_arg_cmp[]){__VA_ARGS__},             \
             COUNT(((const struct scmp_arg_cmp[]){__VA_ARGS__})))

/* The same rule for each of the names, which have a space between them. */
static void add_list(struct call_filter *f, uint32_t action, const char *names)
{
    char name[CALL_NAME_MAX];

    while (*names != '\0') {
        size_t length = strcspn(names, " ");
        snprintf(name, sizeof(name), "%.*s", (int)length, names);
        add_rule(f, action, name, NULL, 0);
        names += length + strspn(names + length, " ");
    }
}

/* A rule without conditions would take the place of those with some: so what is refused has its
 * condition, too, where a call is allowed for some arguments. */
static void add_memory(struct call_filter *f)
{
    static const char *const calls[] = {"mmap", "mmap2", "mprotect"};

    for (size_t i = 0; i < COUNT(calls); i++) {
        struct scmp_arg_cmp with = arg_masked(2, PROT_EXEC, PROT_EXEC);
        ALLOW_IF(f, calls[i], arg_masked(2, PROT_EXEC, 0));
        add_rule(f, SCMP_ACT_ERRNO(EACCES), calls[i], &with, 1);
    }
}

/* Only for reading. */
static void add_open(struct call_filter *f)
{
    static const uint32_t writing[] = {O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, TMPFILE};
    static const struct {
        const char *name;
        unsigned flags_at;
    } calls[] = {{"open", 1}, {"openat", 2}};

    for (size_t i = 0; i < COUNT(calls); i++) {
        uint32_t all = 0;
        for (size_t k = 0; k < COUNT(writing); k++) {
            struct scmp_arg_cmp has = arg_masked(calls[i].flags_at, writing[k], writing[k]);
            add_rule(f, SCMP_ACT_ERRNO(EACCES), calls[i].name, &has, 1);
            all |= writing[k];
        }
        ALLOW_IF(f, calls[i].name, arg_masked(calls[i].flags_at, all, 0));
    }
}

/* A thread, with the flags that glibc gives it. */
static void add_clone(struct call_filter *f)
{
    const uint32_t thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                            CLONE_SYSVSEM | CLONE_SETTLS;
    const uint32_t may =
        CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | (uint32_t)CLONE_DETACHED;
    struct scmp_arg_cmp process = arg_masked(CLONE_FLAGS_AT, CLONE_THREAD, 0);

    ALLOW_IF(f, "clone", arg_masked(CLONE_FLAGS_AT, ~may, thread));
    add_rule(f, SCMP_ACT_ERRNO(EACCES), "clone", &process, 1);
}

/* TCP and UDP, and questions to the kernel about interfaces, getifaddrs(3). Landlock keeps nobody
 * from a unix socket with a path, and connect(2) cannot be judged here, so there is no such socket
 * but a pair: those of streams and packets have their peer for good. */
static void add_sockets(struct call_filter *f)
{
    static const uint32_t families[] = {AF_INET, AF_INET6};
    static const struct {
        uint32_t type, protocol;
    } kinds[] = {
        {SOCK_STREAM, 0}, {SOCK_STREAM, IPPROTO_TCP}, {SOCK_DGRAM, 0}, {SOCK_DGRAM, IPPROTO_UDP}};
    static const uint32_t pairs[] = {SOCK_STREAM, SOCK_SEQPACKET};
    const uint32_t type_bits = ~(uint32_t)(SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct scmp_arg_cmp local = arg_is(0, AF_UNIX);

    for (size_t i = 0; i < COUNT(families); i++)
        for (size_t k = 0; k < COUNT(kinds); k++)
            ALLOW_IF(f, "socket", arg_is(0, families[i]), arg_masked(1, type_bits, kinds[k].type),
                     arg_is(2, kinds[k].protocol));
    ALLOW_IF(f, "socket", arg_is(0, AF_NETLINK), arg_masked(1, type_bits, SOCK_RAW),
             arg_is(2, NETLINK_ROUTE));
    add_rule(f, SCMP_ACT_ERRNO(EACCES), "socket", &local, 1);
    for (size_t i = 0; i < COUNT(pairs); i++)
        ALLOW_IF(f, "socketpair", arg_is(0, AF_UNIX), arg_masked(1, type_bits, pairs[i]),
                 arg_is(2, 0));
}

static void add_listed_values(struct call_filter *f)
{
    for (size_t i = 0; i < COUNT(ioctls); i++)
        ALLOW_IF(f, "ioctl", arg_is(1, (uint32_t)ioctls[i]));
    for (size_t i = 0; i < COUNT(fcntls); i++) {
        ALLOW_IF(f, "fcntl", arg_is(1, (uint32_t)fcntls[i]));
        ALLOW_IF(f, "fcntl64", arg_is(1, (uint32_t)fcntls[i]));
    }
    for (size_t i = 0; i < COUNT(prctls); i++)
        ALLOW_IF(f, "prctl", arg_is(0, (uint32_t)prctls[i]));
    for (size_t i = 0; i < COUNT(sockopts); i++)
        ALLOW_IF(f, "setsockopt", arg_is(1, (uint32_t)sockopts[i][0]),
                 arg_is(2, (uint32_t)sockopts[i][1]));
}

/* Signals to this process, raise(3) and abort(3); limits are read. */
static void add_own(struct call_filter *f)
{
    uint32_t self = (uint32_t)getpid();

    ALLOW_IF(f, "kill", arg_is(0, self));
    ALLOW_IF(f, "tgkill", arg_is(0, self));
    ALLOW_IF(f, "prlimit64", arg_is(0, 0), arg_is_null(2));
    ALLOW_IF(f, "prlimit64", arg_is(0, self), arg_is_null(2));
}

/* (A tree of the numbers is searched: a filter that tries one after the other costs each call as
 * much as a hundred comparisons.) */
static void set_attributes(struct call_filter *f)
{
    f->ok = seccomp_attr_set(f->context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0 &&
            seccomp_attr_set(f->context, SCMP_FLTATR_CTL_OPTIMIZE, 2) == 0;
}

bool sandbox_limit_calls(const char **lack)
{
    struct call_filter f = {.context = seccomp_init(SCMP_ACT_ERRNO(ENOSYS))};

    *lack = "filter of system calls in this kernel (CONFIG_SECCOMP_FILTER)";
    if (f.context == NULL)
        return false;
    set_attributes(&f);
    add_list(&f, SCMP_ACT_KILL_PROCESS, deadly);
    add_list(&f, SCMP_ACT_ERRNO(EACCES), refused);
    add_list(&f, SCMP_ACT_ALLOW, allowed);
    add_memory(&f);
    add_open(&f);
    add_clone(&f);
    add_sockets(&f);
    add_listed_values(&f);
    add_own(&f);
    f.ok = f.ok && seccomp_load(f.context) == 0;
    seccomp_release(f.context);
    return f.ok;
}

#else

bool sandbox_limit_calls(const char **lack)
{
    *lack = "filter of system calls in this build (it was built without libseccomp)";
    return false;
}

#endif
