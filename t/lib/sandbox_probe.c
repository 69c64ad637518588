/* Linked into t/lib/adit-probing: adit whose gateway tries, at the beginning of each of its
 * threads, what its lock forbids, as an attacker would who has taken that thread over. On standard
 * error, for each thread and try, "probe THREAD: TRY: RESULT", where THREAD is "main", or the file
 * of the thread's function and its place in it. The environment says what is tried:
 *
 *     ADIT_PROBE=NAME[,NAME...]     what is tried; "all": all that should not kill the process
 *     ADIT_PROBE_AT=THREAD          in such threads only
 *     ADIT_PROBE_FILE=PATH          a file that is the user's
 *     ADIT_PROBE_LANDLOCK=VERSION   the Landlock that the kernel has; 0: none */
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define LANDLOCK_CREATE_RULESET 444

/* Each is 0 or more if it succeeded, or -1 and errno. */

static long try_shadow(void)
{
    return open("/etc/shadow", O_RDONLY | O_CLOEXEC);
}

static long try_file(void)
{
    return open(getenv("ADIT_PROBE_FILE"), O_RDONLY | O_CLOEXEC);
}

static long try_folder(void)
{
    return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static long try_append(void)
{
    return open(getenv("ADIT_PROBE_FILE"), O_WRONLY | O_APPEND | O_CLOEXEC);
}

static long try_create(void)
{
    return open("/tmp/adit-probe", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

static long try_nameless(void)
{
    return open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
}

static long try_unlink(void)
{
    return unlink(getenv("ADIT_PROBE_FILE"));
}

static long try_memory_of_keeper(void)
{
    char path[40];

    snprintf(path, sizeof(path), "/proc/%d/mem", (int)getppid());
    return open(path, O_RDONLY | O_CLOEXEC);
}

static long try_environment_of_keeper(void)
{
    char path[40];

    snprintf(path, sizeof(path), "/proc/%d/environ", (int)getppid());
    return open(path, O_RDONLY | O_CLOEXEC);
}

static long try_packet(void)
{
    return socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
}

static long try_unix(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static long try_unix_datagrams(void)
{
    int ends[2];

    return socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends);
}

static long try_raw(void)
{
    return socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
}

static long try_netfilter(void)
{
    return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
}

static long try_listen(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return fd < 0 ? -1 : listen(fd, 1);
}

static long try_filter(void)
{
    struct sock_filter code = {.code = BPF_RET};
    struct sock_fprog program = {1, &code};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    return fd < 0 ? -1 : setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static long try_mmap_exec(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
               ? -1
               : 0;
}

static long try_mprotect_exec(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static long try_memfd(void)
{
    return memfd_create("probe", MFD_CLOEXEC);
}

/* (The child, if there is one, ends at once.) */
static long try_fork(void)
{
    pid_t child = fork();

    if (child == 0)
        _exit(0);
    return child;
}

static int thread_flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                          CLONE_SYSVSEM | CLONE_SETTLS | CLONE_NEWUSER;

static long try_namespace_by_clone(void)
{
    return syscall(SYS_clone, thread_flags, NULL, NULL, NULL, NULL);
}

static long try_clone3(void)
{
    return syscall(SYS_clone3, NULL, 0);
}

static long try_io_uring(void)
{
    char parameters[120] = {0};

    return syscall(SYS_io_uring_setup, 1, parameters);
}

static long try_signal(void)
{
    return kill(getppid(), 0);
}

static long try_thread_signal(void)
{
    return syscall(SYS_tgkill, getppid(), getppid(), 0);
}

static long try_dumpable(void)
{
    return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static long try_type_ahead(void)
{
    return ioctl(STDERR_FILENO, TIOCSTI, "x");
}

static long try_owner(void)
{
    return fcntl(STDERR_FILENO, F_SETOWN, getppid());
}

static long try_limit(void)
{
    uint64_t limit[2] = {4096, 4096};

    return syscall(SYS_prlimit64, 0, 7 /* RLIMIT_NOFILE */, limit, NULL);
}

/* Those that should kill the process. */

static long try_execve(void)
{
    return execl("/bin/true", "true", (char *)NULL);
}

static long try_execveat(void)
{
    char *const argv[] = {(char *)"true", NULL};

    return syscall(SYS_execveat, AT_FDCWD, "/bin/true", argv, NULL, 0);
}

static long try_ptrace(void)
{
    return ptrace(PTRACE_SEIZE, getppid(), NULL, NULL);
}

static long try_vm_read(void)
{
    char byte;
    struct iovec mine = {&byte, 1}, other = {&thread_flags, 1};

    return process_vm_readv(getppid(), &mine, 1, &other, 1, 0);
}

static long try_bpf(void)
{
    return syscall(SYS_bpf, 0, NULL, 0);
}

static long try_mount(void)
{
    return mount("none", "/mnt", "tmpfs", 0, NULL);
}

static long try_setuid(void)
{
    return syscall(SYS_setuid, getuid());
}

static long try_unshare(void)
{
    return unshare(CLONE_NEWUSER);
}

static const struct probe {
    const char *name;
    long (*run)(void);
    bool deadly;
} probes[] = {
    {"shadow", try_shadow, false},
    {"file", try_file, false},
    {"folder", try_folder, false},
    {"append", try_append, false},
    {"create", try_create, false},
    {"nameless", try_nameless, false},
    {"unlink", try_unlink, false},
    {"keeper-memory", try_memory_of_keeper, false},
    {"keeper-environment", try_environment_of_keeper, false},
    {"packet", try_packet, false},
    {"unix", try_unix, false},
    {"unix-datagrams", try_unix_datagrams, false},
    {"raw", try_raw, false},
    {"netfilter", try_netfilter, false},
    {"listen", try_listen, false},
    {"filter", try_filter, false},
    {"mmap-exec", try_mmap_exec, false},
    {"mprotect-exec", try_mprotect_exec, false},
    {"memfd", try_memfd, false},
    {"fork", try_fork, false},
    {"clone-namespace", try_namespace_by_clone, false},
    {"clone3", try_clone3, false},
    {"io_uring", try_io_uring, false},
    {"signal", try_signal, false},
    {"thread-signal", try_thread_signal, false},
    {"dumpable", try_dumpable, false},
    {"type-ahead", try_type_ahead, false},
    {"owner", try_owner, false},
    {"limit", try_limit, false},
    {"execve", try_execve, true},
    {"execveat", try_execveat, true},
    {"ptrace", try_ptrace, true},
    {"vm-read", try_vm_read, true},
    {"bpf", try_bpf, true},
    {"mount", try_mount, true},
    {"setuid", try_setuid, true},
    {"unshare", try_unshare, true},
};

/* Whether the comma list names the probe. */
static bool is_wanted(const char *list, const struct probe *probe)
{
    size_t length = strlen(probe->name);

    if (strcmp(list, "all") == 0)
        return !probe->deadly;
    for (const char *at = list; (at = strstr(at, probe->name)) != NULL; at++)
        if ((at == list || at[-1] == ',') && (at[length] == ',' || at[length] == '\0'))
            return true;
    return false;
}

static void run_probes(const char *thread)
{
    const char *list = getenv("ADIT_PROBE"), *only = getenv("ADIT_PROBE_AT");

    if (list == NULL || (only != NULL && strcmp(only, thread) != 0))
        return;
    for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
        if (!is_wanted(list, &probes[i]))
            continue;
        dprintf(STDERR_FILENO, "probe %s: %s: tried\n", thread, probes[i].name);
        errno = 0;
        long result = probes[i].run();
        dprintf(STDERR_FILENO, "probe %s: %s: %s\n", thread, probes[i].name,
                result >= 0 ? "SUCCEEDED" : strerrorname_np(errno));
    }
}

/* ---- threads */

typedef void *thread_fn(void *);

struct probed_thread {
    thread_fn *run;
    void *arg;
};

static void *probed_run(void *arg)
{
    struct probed_thread thread = *(struct probed_thread *)arg;
    char name[256] = "?";
    Dl_info info;

    free(arg);
    if (dladdr((void *)(uintptr_t)thread.run, &info) != 0) {
        const char *slash = strrchr(info.dli_fname, '/');
        snprintf(name, sizeof(name), "%s+%#zx", slash != NULL ? slash + 1 : info.dli_fname,
                 (size_t)((const char *)(uintptr_t)thread.run - (const char *)info.dli_fbase));
    }
    run_probes(name);
    return thread.run(thread.arg);
}

int pthread_create(pthread_t *handle, const pthread_attr_t *attributes, thread_fn *run, void *arg)
{
    static int (*real)(pthread_t *, const pthread_attr_t *, thread_fn *, void *);
    static bool main_probed;
    struct probed_thread *thread;

    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    if (strcmp(program_invocation_name, "adit: gateway") != 0)
        return real(handle, attributes, run, arg);
    if (!main_probed) { /* (the first thread is created by the main thread) */
        main_probed = true;
        run_probes("main");
    }
    thread = malloc(sizeof(*thread));
    *thread = (struct probed_thread){run, arg};
    return real(handle, attributes, probed_run, thread);
}

/* ---- the kernel */

long syscall(long number, ...)
{
    static long (*real)(long, ...);
    const char *version = getenv("ADIT_PROBE_LANDLOCK");
    long a[6];
    va_list arguments;

    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "syscall");
    va_start(arguments, number);
    for (size_t i = 0; i < 6; i++)
        a[i] = va_arg(arguments, long);
    va_end(arguments);
    if (number == LANDLOCK_CREATE_RULESET && version != NULL && a[0] == 0) {
        errno = ENOSYS;
        return atol(version) > 0 ? atol(version) : -1;
    }
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
