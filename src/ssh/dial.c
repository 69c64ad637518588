/* A dial: one thread, one libssh session in blocking mode, one message with what became of it. */
#include "ssh/dial.h"

#include "base/mem.h"
#include "ssh/dialled.h"
#include "ssh/handshake.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libssh/callbacks.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#if defined(__aarch64__)
#include <sys/auxv.h>
#include <asm/hwcap.h>
#endif

struct dial {
    struct message message; /* goes back once, when the thread is done */
    uv_thread_t thread;
    struct mailbox *reply;
    struct config *config;
    const struct config_upstream *upstream;
    char host[HOST_MAX + 1];
    uint16_t port;
    int fd;       /* the thread's; libssh closes it */
    int watch_fd; /* ours: a dup of fd, for cancelling and for polling the session later */
    void (*done)(void *arg, enum dial_status status, struct dialled *dialled, const char *error);
    void *arg;
    bool cancelled;
    /* What the thread found; read after it was joined. */
    enum dial_status status;
    struct dialled *dialled;
    char error[sizeof(((struct handshake *)0)->error)];
};

/* Of the main thread. */
static unsigned running;
static void (*when_idle)(void *arg);
static void *when_idle_arg;

unsigned dial_running(void)
{
    return running;
}

void dial_when_idle(void (*idle)(void *arg), void *arg)
{
    assert(running > 0);
    when_idle = idle;
    when_idle_arg = arg;
}

const char *dial_status_name(enum dial_status status)
{
    static const char *const names[DIAL_STATUSES] = {"ok", "transport", "host-key",
                                                     "authentication"};
    return names[status];
}

enum dial_status handshake_fail(struct handshake *h, enum dial_status status, const char *format,
                                ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(h->error, sizeof(h->error), format, arguments);
    va_end(arguments);
    return status;
}

char *secret_read(const char *path)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    char *secret;

    if (file == NULL)
        return NULL;
    setvbuf(file, NULL, _IONBF, 0); /* no copy of the secret in a stdio buffer */
    length = getline(&line, &size, file);
    fclose(file);
    if (length < 0) {
        free(line);
        errno = ENODATA;
        return NULL;
    }
    secret = mem_strndup(line, strcspn(line, "\r\n"));
    mem_free_secret(line, size);
    return secret;
}

/* AES-GCM in hardware is twice as fast as anything else here; without it ChaCha20 is. */
static bool processor_has_aes(void)
{
#if defined(__x86_64__) || defined(__i386__)
    return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#elif defined(__aarch64__)
    return (getauxval(AT_HWCAP) & HWCAP_AES) != 0;
#else
    return false;
#endif
}

#define CIPHERS_GCM "aes128-gcm@openssh.com,aes256-gcm@openssh.com"
#define CIPHERS_CHACHA "chacha20-poly1305@openssh.com"
#define CIPHERS_CTR "aes128-ctr,aes192-ctr,aes256-ctr"

static const char *default_ciphers(void)
{
    return processor_has_aes() ? CIPHERS_GCM "," CIPHERS_CHACHA "," CIPHERS_CTR
                               : CIPHERS_CHACHA "," CIPHERS_GCM "," CIPHERS_CTR;
}

/* One option; NULL values are left at libssh's default. */
static bool set_option(struct handshake *h, enum ssh_options_e option, const void *value,
                       const char *what)
{
    if (value == NULL || ssh_options_set(h->handle, option, value) == 0)
        return true;
    handshake_fail(h, DIAL_TRANSPORT, "%s \"%s\" cannot be used: %s", what, (const char *)value,
                   ssh_get_error(h->handle));
    return false;
}

static bool set_algorithms(struct handshake *h)
{
    const struct config_upstream *u = h->upstream;
    const char *ciphers = u->ciphers != NULL ? u->ciphers : default_ciphers();
    const char *compression = u->compression ? "yes" : "no";

    return set_option(h, SSH_OPTIONS_CIPHERS_C_S, ciphers, "ciphers") &&
           set_option(h, SSH_OPTIONS_CIPHERS_S_C, ciphers, "ciphers") &&
           set_option(h, SSH_OPTIONS_KEY_EXCHANGE, u->kex, "kex") &&
           set_option(h, SSH_OPTIONS_HMAC_C_S, u->macs, "macs") &&
           set_option(h, SSH_OPTIONS_HMAC_S_C, u->macs, "macs") &&
           set_option(h, SSH_OPTIONS_HOSTKEYS, u->host_key_algorithms, "host_key_algorithms") &&
           set_option(h, SSH_OPTIONS_COMPRESSION, compression, "compression");
}

static bool set_options(struct handshake *h, int fd)
{
    const struct config_upstream *u = h->upstream;
    const struct string_list *known = &u->known_hosts;
    unsigned port = h->port;
    long seconds = (long)(u->connect_timeout_ms / 1000);
    long microseconds = (long)(u->connect_timeout_ms % 1000) * 1000;
    int no = 0;

    /* libssh must look nothing up by itself: not the name, not ~/.ssh/config. */
    if (!set_option(h, SSH_OPTIONS_HOST, h->host, "host") || !set_algorithms(h) ||
        !set_option(h, SSH_OPTIONS_USER, u->user, "user") ||
        !set_option(h, SSH_OPTIONS_KNOWNHOSTS, known->count > 0 ? known->items[0] : "/dev/null",
                    "known_hosts") ||
        !set_option(h, SSH_OPTIONS_GLOBAL_KNOWNHOSTS,
                    known->count > 1 ? known->items[1] : "/dev/null", "known_hosts"))
        return false;
    ssh_options_set(h->handle, SSH_OPTIONS_PROCESS_CONFIG, &no);
    ssh_options_set(h->handle, SSH_OPTIONS_PORT, &port);
    ssh_options_set(h->handle, SSH_OPTIONS_FD, &fd);
    ssh_options_set(h->handle, SSH_OPTIONS_TIMEOUT, &seconds);
    ssh_options_set(h->handle, SSH_OPTIONS_TIMEOUT_USEC, &microseconds);
    if (u->rekey_bytes > 0) {
        uint64_t bytes = u->rekey_bytes;
        ssh_options_set(h->handle, SSH_OPTIONS_REKEY_DATA, &bytes);
    }
    return true;
}

/* From here on one worker drives it without blocking. */
static void release_to_worker(struct handshake *h)
{
    int fd = ssh_get_fd(h->handle);

    /* libssh opens the known_hosts files again at every rekey; the key is verified once and pinned
     * by the session, so a worker shall not wait for a disk. */
    ssh_options_set(h->handle, SSH_OPTIONS_KNOWNHOSTS, "/dev/null");
    ssh_options_set(h->handle, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null");
    /* Both: a blocking descriptor blocks in write(2) whatever libssh was told. */
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    ssh_set_blocking(h->handle, 0);
}

static enum dial_status handshake(struct handshake *h, int fd)
{
    enum dial_status status;

    h->handle = ssh_new();
    if (h->handle == NULL) {
        close(fd);
        return handshake_fail(h, DIAL_TRANSPORT, "libssh: no memory for a session");
    }
    if (!set_options(h, fd)) {
        close(fd);
        return DIAL_TRANSPORT;
    }
    if (ssh_connect(h->handle) != SSH_OK)
        return handshake_fail(h, DIAL_TRANSPORT, "%s", ssh_get_error(h->handle));
    status = host_key_verify(h);
    if (status == DIAL_OK)
        status = authenticate(h);
    if (status == DIAL_OK)
        release_to_worker(h);
    return status;
}

static void forward_log(int priority, const char *function, const char *text, void *userdata)
{
    (void)priority;
    (void)function;
    log_debug("%s: libssh: %s", (const char *)userdata, text);
}

static void dial_thread(void *arg)
{
    struct dial *d = arg;
    struct handshake h = {.upstream = d->upstream, .host = d->host, .port = d->port};

    /* Of this thread only. */
    ssh_set_log_callback(forward_log);
    ssh_set_log_userdata(d->host);
    ssh_set_log_level(log_wants(LOG_DEBUG) ? SSH_LOG_PROTOCOL : SSH_LOG_NOLOG);

    d->status = handshake(&h, d->fd);
    memcpy(d->error, h.error, sizeof(d->error));
    if (d->status == DIAL_OK)
        d->dialled = dialled_new(h.handle);
    else if (h.handle != NULL) {
        ssh_disconnect(h.handle);
        ssh_free(h.handle);
    }
    mailbox_post(d->reply, &d->message);
}

static void dial_free(struct dial *d)
{
    dialled_free(d->dialled);
    close(d->watch_fd);
    config_unref(d->config);
    free(d);
}

static void dial_ended(struct message *message, void *owner)
{
    struct dial *d = container_of(message, struct dial, message);
    struct dialled *dialled;

    (void)owner;
    uv_thread_join(&d->thread);
    running--;
    dialled = d->dialled;
    d->dialled = NULL;
    if (d->cancelled) {
        dialled_free(dialled);
    } else {
        if (dialled != NULL)
            dialled_watch(dialled, dup(d->watch_fd));
        d->done(d->arg, d->status, dialled, d->error);
    }
    dial_free(d);
    if (running == 0 && when_idle != NULL) {
        void (*idle)(void *arg) = when_idle;
        when_idle = NULL;
        idle(when_idle_arg);
    }
}

static void dial_dropped(struct message *message)
{
    struct dial *d = container_of(message, struct dial, message);

    uv_thread_join(&d->thread);
    running--;
    dial_free(d);
}

/* A small request shall not wait behind what an upload has queued in the kernel; the rest of the
 * upload waits with its client. */
#define NOTSENT_LOWAT (128 * 1024)

static void prepare_socket(int fd)
{
    int on = 1;
    int lowat = NOTSENT_LOWAT;

    /* (A proxied connection may be no TCP socket: then these mean nothing.) */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof(lowat));
}

struct dial *dial_start(struct mailbox *reply, int fd, struct config *config,
                        const struct config_upstream *upstream, const char *host, uint16_t port,
                        void (*done)(void *arg, enum dial_status status, struct dialled *dialled,
                                     const char *error),
                        void *arg)
{
    struct dial *d = mem_zalloc(sizeof(*d));
    int flags = fcntl(fd, F_GETFL);

    *d = (struct dial){.message = {.run = dial_ended, .drop = dial_dropped},
                       .reply = reply,
                       .config = config_ref(config),
                       .upstream = upstream,
                       .port = port,
                       .fd = fd,
                       .watch_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3),
                       .done = done,
                       .arg = arg};
    snprintf(d->host, sizeof(d->host), "%s", host);
    fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    prepare_socket(fd);
    if (uv_thread_create(&d->thread, dial_thread, d) != 0) {
        /* Without threads there is no session; and no worker would run either. */
        log_error("cannot create a thread");
        abort();
    }
    running++;
    return d;
}

void dial_cancel(struct dial *d)
{
    assert(!d->cancelled);
    d->cancelled = true;
    shutdown(d->watch_fd, SHUT_RDWR);
}
