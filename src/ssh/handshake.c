/* A handshake: options, key exchange, host key, authentication; then the session is ready for a
 * worker. */
#include "ssh/handshake.h"

#include <fcntl.h>
#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

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

/* SSH_OPTIONS_FD keeps 16 bits of it. */
#define LIBSSH_FD_MAX 0xffff

static bool set_options(struct handshake *h, int fd)
{
    const struct config_upstream *u = h->upstream;
    const struct string_list *known = &u->known_hosts;
    unsigned port = h->port;
    long seconds = (long)(u->connect_timeout_ms / 1000);
    long microseconds = (long)(u->connect_timeout_ms % 1000) * 1000;
    int no = 0;

    if (fd > LIBSSH_FD_MAX) {
        handshake_fail(h, DIAL_TRANSPORT, "too many open files for libssh");
        return false;
    }
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

enum dial_status handshake(struct handshake *h, int fd)
{
    enum dial_status status;

    h->handle = ssh_new();
    if (h->handle == NULL)
        return handshake_fail(h, DIAL_TRANSPORT, "libssh: no memory for a session");
    if (!set_options(h, fd))
        return DIAL_TRANSPORT;
    if (ssh_connect(h->handle) != SSH_OK)
        return handshake_fail(h, DIAL_TRANSPORT, "%s", ssh_get_error(h->handle));
    status = host_key_verify(h);
    if (status == DIAL_OK)
        status = authenticate(h);
    if (status == DIAL_OK)
        release_to_worker(h);
    return status;
}
