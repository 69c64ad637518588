/* A handshake: options, key exchange, host key, authentication; then the session is ready for a
 * worker. */
#include "session_libssh/handshake.h"

#include "base/ip.h"
#include "base/log.h"
#include "base/mem.h"
#include "session/post_quantum.h"
#include "session_libssh/integrity.h"
#include "session_libssh/server_words.h"

#include <fcntl.h>
#include <libssh/callbacks.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* One option; NULL values are left at libssh's default. */
static bool set_option(struct handshake *h, enum ssh_options_e option, const void *value,
                       const char *what)
{
    if (value == NULL || ssh_options_set(h->handle, option, value) == 0)
        return true;
    handshake_fail(h, DIAL_TRANSPORT, "%s \"%s\" cannot be used: libssh says \"%s\"", what,
                   (const char *)value, ssh_get_error(h->handle));
    return false;
}

/* SSH_OPTIONS_FD keeps 16 bits of it. */
#define LIBSSH_FD_MAX 0xffff

#define SSH_PORT 22

/* (libssh counts blocks, of which there is at least one, and seconds.) */
static void set_rekey_limits(ssh_session handle, const struct config_upstream *u)
{
    uint64_t bytes = u->rekey_bytes;
    uint32_t seconds = (uint32_t)((u->rekey_time_ms + 999) / 1000);

    if (bytes > 0)
        ssh_options_set(handle, SSH_OPTIONS_REKEY_DATA, &bytes);
    if (seconds > 0)
        ssh_options_set(handle, SSH_OPTIONS_REKEY_TIME, &seconds);
}

static bool set_options(struct handshake *h, int fd)
{
    const struct config_upstream *u = h->upstream;
    const char *compression = u->compression ? "yes" : "no";
    unsigned port = h->port;
    long seconds = (long)(u->connect_timeout_ms / 1000);
    int rsa_bits = (int)u->required_rsa_size;
    long microseconds = (long)(u->connect_timeout_ms % 1000) * 1000;
    int no = 0;

    if (fd > LIBSSH_FD_MAX) {
        handshake_fail(h, DIAL_TRANSPORT,
                       "too many files are open for libssh, which takes descriptors up to %d: "
                       "lower the limit (ulimit -n)",
                       LIBSSH_FD_MAX);
        return false;
    }
    /* (What libssh reads of ssh_config goes before the usual lists, the configuration before that.)
     */
    if (!algorithms_set(h, false))
        return false;
    if (u->libssh_config && !libssh_config_read(h->handle, u, h->alias)) {
        handshake_fail(h, DIAL_TRANSPORT, "ssh_config: libssh says \"%s\"",
                       ssh_get_error(h->handle));
        return false;
    }
    /* libssh must look up nothing by itself: not the name, not ~/.ssh/config, and no host key,
     * neither for the order of algorithms nor at a rekey. It requires some name of a host. */
    if (!set_option(h, SSH_OPTIONS_HOST, "server", "host") || !algorithms_set(h, true) ||
        !set_option(h, SSH_OPTIONS_COMPRESSION, compression, "compression") ||
        !set_option(h, SSH_OPTIONS_USER, u->user, "user") ||
        !set_option(h, SSH_OPTIONS_KNOWNHOSTS, "/dev/null", "known_hosts") ||
        !set_option(h, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null", "known_hosts"))
        return false;
    ssh_options_set(h->handle, SSH_OPTIONS_PROCESS_CONFIG, &no);
    ssh_options_set(h->handle, SSH_OPTIONS_PORT, &port);
    ssh_options_set(h->handle, SSH_OPTIONS_FD, &fd);
    ssh_options_set(h->handle, SSH_OPTIONS_TIMEOUT, &seconds);
    ssh_options_set(h->handle, SSH_OPTIONS_TIMEOUT_USEC, &microseconds);
    ssh_options_set(h->handle, SSH_OPTIONS_RSA_MIN_SIZE, &rsa_bits);
    set_rekey_limits(h->handle, u);
    return true;
}

/* getsockname(2) or getpeername(2) of the connection. */
static bool find_address(const struct handshake *h,
                         int (*find)(int, struct sockaddr *, socklen_t *), struct ip *ip,
                         uint16_t *port)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);

    return find(h->requests.connection, (struct sockaddr *)&address, &length) == 0 &&
           ip_from_sockaddr((struct sockaddr *)&address, ip, port);
}

bool handshake_peer(const struct handshake *h, struct ip *ip, uint16_t *port)
{
    return find_address(h, getpeername, ip, port);
}

void handshake_heard(struct handshake *h, const char *function, const char *text)
{
    static const char disconnected[] = "Received SSH_MSG_DISCONNECT ";
    const char *found = strstr(text, disconnected);

    if (found != NULL && strcmp(function, "ssh_packet_disconnect_callback") == 0) {
        snprintf(h->disconnection, sizeof(h->disconnection), "%s",
                 found + sizeof(disconnected) - 1);
        return;
    }
    /* (libssh closes the socket then. What was to be written to it fails in the same turn, and
     * takes the place of these words.) */
    found = strstr(text, UNMATCHED);
    if (found != NULL && (strcmp(function, "ssh_kex_select_methods") == 0 ||
                          strcmp(function, "ssh_client_connection_callback") == 0))
        snprintf(h->unmatched, sizeof(h->unmatched), "%s", found);
    if (strstr(text, "enabling C->S") != NULL && strstr(text, "compression") != NULL)
        snprintf(h->info.compression, sizeof(h->info.compression), "%s",
                 strstr(text, "delayed") != NULL ? "zlib@openssh.com" : "zlib");
}

static void copy_found(char *text, size_t size, const char *found)
{
    if (found != NULL)
        snprintf(text, size, "%s", found);
}
#define COPY(text, found) copy_found(text, sizeof(text), found)

static void gather_addresses(struct handshake *h)
{
    char address[IP_TEXT_MAX];
    uint16_t port;
    struct ip ip;

    if (find_address(h, getsockname, &ip, &port))
        hostport_format(ip_format(&ip, address), port, h->info.local);
    if (find_address(h, getpeername, &ip, &port))
        hostport_format(ip_format(&ip, address), port, h->info.remote);
}

static void gather_info(struct handshake *h)
{
    struct connection_info *info = &h->info;

    COPY(info->server, ssh_get_serverbanner(h->handle));
    COPY(info->kex, ssh_get_kex_algo(h->handle));
    snprintf(info->library, sizeof(info->library), "libssh %.*s", (int)strcspn(ssh_version(0), "/"),
             ssh_version(0));
    info->has_post_quantum = algorithms_are_post_quantum();
    COPY(info->cipher_in, ssh_get_cipher_in(h->handle));
    COPY(info->cipher_out, ssh_get_cipher_out(h->handle));
    COPY(info->mac_in, ssh_get_hmac_in(h->handle));
    COPY(info->mac_out, ssh_get_hmac_out(h->handle));
    if (info->compression[0] == '\0')
        COPY(info->compression, "none");
}

/* `post_quantum = require`. */
static enum dial_status check_post_quantum(struct handshake *h)
{
    const struct connection_info *info = &h->info;

    h->info.step = LOGIN_STEP_KEY_EXCHANGE;
    if (h->upstream->post_quantum != POST_QUANTUM_REQUIRE || kex_is_post_quantum(info->kex))
        return DIAL_OK;
    return handshake_fail(h, DIAL_TRANSPORT,
                          "the key exchange %s does not withstand a quantum computer, which "
                          "post_quantum = require asks for: %s%s",
                          info->kex, info->has_post_quantum ? "" : info->library,
                          !info->has_post_quantum ? " knows none that does (0.12 and later do)"
                          : h->upstream->kex != NULL
                              ? "the server, or kex (KexAlgorithms), has none that does"
                              : "the server has none that does (OpenSSH 9.0 and later have)");
}

struct taking {
    ssh_session handle;
    bool taken;
};

/* The first status comes when libssh has put the descriptor into its socket. libssh closes a
 * descriptor that it opened itself in every case, but a descriptor that it was given only in some
 * cases: so libssh is made to forget that it was given this one. (It sets an error text for that,
 * until authentication succeeds or something else fails.) */
static void on_status(void *arg, float status)
{
    struct taking *taking = arg;

    (void)status;
    if (!taking->taken)
        ssh_options_set(taking->handle, SSH_OPTIONS_FD, NULL);
    taking->taken = true;
}

static enum dial_status connect_on(struct handshake *h, int fd)
{
    static struct ssh_callbacks_struct no_callbacks = {.size = sizeof(no_callbacks)};
    struct taking taking = {.handle = h->handle};
    struct ssh_callbacks_struct callbacks = {
        .size = sizeof(callbacks), .userdata = &taking, .connect_status_function = on_status};
    enum dial_status status = DIAL_TRANSPORT;

    if (set_options(h, fd)) {
        ssh_set_callbacks(h->handle, &callbacks);
        status = ssh_connect(h->handle) == SSH_OK
                     ? DIAL_OK
                     : server_words_fail(h, " during the key exchange");
        ssh_set_callbacks(h->handle, &no_callbacks); /* libssh calls them at every rekey */
    }
    if (!taking.taken)
        close(fd);
    return status;
}

/* Prepares the session for a worker, which drives it without blocking. */
static void release_to_worker(struct handshake *h)
{
    int fd = ssh_get_fd(h->handle);

    /* Both are needed: a blocking descriptor blocks in write(2) also when libssh is not to block.
     */
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    ssh_set_blocking(h->handle, 0);
}

bool handshake_is_checked(struct handshake *h)
{
    if (integrity_holds(h->info.cipher_in, h->checks))
        return true;
    log_error(
        "this libssh does not let adit check its AES-GCM packets: AES-GCM is offered no more");
    handshake_fail(h, DIAL_TRANSPORT, "the packets of cipher %s cannot be checked",
                   h->info.cipher_in);
    return false;
}

enum dial_status handshake(struct handshake *h, int fd)
{
    enum dial_status status;

    h->checks = integrity_checks();
    h->handle = ssh_new();
    if (h->handle == NULL) {
        close(fd);
        return handshake_fail(h, DIAL_TRANSPORT, "libssh: no memory for a session");
    }
    gather_addresses(h);
    status = login_read_files(h, algorithms_follow_known_hosts(h->upstream));
    if (status != DIAL_OK) {
        close(fd);
        return status;
    }
    h->info.step = LOGIN_STEP_KEY_EXCHANGE;
    status = connect_on(h, fd);
    if (status != DIAL_OK)
        return status;
    gather_info(h);
    h->info.step = LOGIN_STEP_HOST_KEY;
    status = host_key_verify(h);
    /* (Once it has read a disconnection, libssh waits in vain for whatever it asks.) */
    if (status == DIAL_OK && !ssh_is_connected(h->handle))
        status = server_words_fail(h, " before the login");
    if (status == DIAL_OK)
        status = check_post_quantum(h);
    if (status == DIAL_OK)
        status = handshake_authenticate(h);
    if (status == DIAL_OK)
        release_to_worker(h);
    return status;
}
