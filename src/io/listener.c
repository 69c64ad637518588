/* Listening sockets, TCP and unix. */
#include "io/listener.h"

#include "base/hostport.h"
#include "base/mem.h"
#include "io/passed_sockets.h"
#include "io/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* The kernel cuts it down to net.core.somaxconn. */
#define LISTENER_BACKLOG 4096

struct listener {
    atomic_uint references;
    atomic_bool closed;
    atomic_bool shared; /* another process listens there, too: it is not shut down */
    int fd;
    char *name;
    uint16_t port;
    /* Of a unix socket that is bound: its path, and the file that was there then. Only the owner
     * uses them. */
    char *path;
    dev_t device;
    ino_t inode;
};

static int listener_socket(int family)
{
    return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* Whether the file is a socket that no process listens on any more. */
static bool is_stale_socket(const struct sockaddr_un *at)
{
    struct stat st;
    bool stale;
    int fd;

    if (lstat(at->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return false;
    fd = listener_socket(AF_UNIX);
    if (fd < 0)
        return false;
    stale = connect(fd, (const struct sockaddr *)at, sizeof *at) != 0 && errno == ECONNREFUSED;
    close(fd);
    return stale;
}

/* Both bind and listen; false: errno says why not. */

static bool listen_unix(struct listener *l, const struct listener_address *address)
{
    const char *path = address->path;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    const struct sockaddr *sa = (struct sockaddr *)&at;
    struct stat st;

    if (strlen(path) >= sizeof at.sun_path) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(at.sun_path, path, strlen(path) + 1);
    /* Linux gives the file the mode of its socket: there is no moment in which others may connect,
     * and the umask, which all threads share, is left alone. */
    fchmod(l->fd, address->mode ? address->mode : S_IRUSR | S_IWUSR);
    if (address->unlink)
        unlink(path);
    if (bind(l->fd, sa, sizeof at) != 0) {
        if (errno != EADDRINUSE)
            return false;
        if (!is_stale_socket(&at)) {
            errno = EADDRINUSE;
            return false;
        }
        if (unlink(path) != 0 || bind(l->fd, sa, sizeof at) != 0)
            return false;
    }
    if (stat(path, &st) == 0) {
        l->path = mem_strdup(path);
        l->device = st.st_dev;
        l->inode = st.st_ino;
    }
    return listen(l->fd, LISTENER_BACKLOG) == 0;
}

static bool listen_ip(struct listener *l, const struct ip *ip, uint16_t port)
{
    struct sockaddr_storage at;
    socklen_t length = ip_to_sockaddr(ip, port, &at);
    struct ip bound;

    setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (at.ss_family == AF_INET6)
        setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){1}, sizeof(int));
    if (bind(l->fd, (struct sockaddr *)&at, length) != 0 || listen(l->fd, LISTENER_BACKLOG) != 0 ||
        getsockname(l->fd, (struct sockaddr *)&at, &length) != 0)
        return false;
    return ip_from_sockaddr((struct sockaddr *)&at, &bound, &l->port);
}

/* A descriptor of its own of a socket that was passed. False: errno says why not; ENOENT: there is
 * none of the name, EINVAL: it is no stream that listens. */
static bool take_passed(struct listener *l, const struct listener_address *address)
{
    int fd = passed_socket(address->path, address->index);
    int listens = 0, type = 0;

    errno = ENOENT;
    if (fd < 0)
        return false;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &(socklen_t){sizeof listens}) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &(socklen_t){sizeof type}) != 0 || !listens ||
        type != SOCK_STREAM) {
        errno = EINVAL;
        return false;
    }
    atomic_store(&l->shared, true);
    l->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (l->fd < 0 || fcntl(l->fd, F_SETFL, O_NONBLOCK) != 0)
        return false;
    socket_prepare(l->fd);
    return true;
}

/* What a socket is bound to, that was passed. */
static char *passed_name(struct listener *l, const char *name)
{
    struct sockaddr_storage at = {0};
    const struct sockaddr_un *local = (struct sockaddr_un *)&at;
    char host[IP_TEXT_MAX], text[HOSTPORT_TEXT_MAX];
    struct ip ip;

    if (getsockname(l->fd, (struct sockaddr *)&at, &(socklen_t){sizeof at}) != 0)
        return mem_printf("systemd:%s", name);
    if (ip_from_sockaddr((struct sockaddr *)&at, &ip, &l->port))
        return mem_strdup(hostport_format(ip_format(&ip, host), l->port, text));
    return at.ss_family == AF_UNIX && local->sun_path[0] == '/'
               ? mem_printf("unix:%.*s", (int)sizeof local->sun_path, local->sun_path)
               : mem_printf("systemd:%s", name);
}

static char *listener_name_of(const struct listener_address *address, uint16_t port)
{
    char host[IP_TEXT_MAX];
    char text[HOSTPORT_TEXT_MAX];

    if (address->is_passed)
        return mem_printf("systemd:%s", address->path);
    if (address->is_unix)
        return mem_printf("unix:%s", address->path);
    return mem_strdup(hostport_format(ip_format(&address->ip, host), port, text));
}

static void listener_free(struct listener *l)
{
    if (l->fd >= 0)
        close(l->fd);
    free(l->name);
    free(l);
}

bool listener_has_path(const struct listener *l)
{
    struct stat st;

    return l->path != NULL && lstat(l->path, &st) == 0 && st.st_dev == l->device &&
           st.st_ino == l->inode;
}

void listener_take_path(struct listener *l, const char *path)
{
    struct stat st;

    if (lstat(path, &st) != 0)
        return;
    l->path = mem_strdup(path);
    l->device = st.st_dev;
    l->inode = st.st_ino;
}

void listener_leave(struct listener *l)
{
    atomic_store(&l->shared, true); /* (acceptors look at it) */
}

bool listener_is_left(const struct listener *l)
{
    return atomic_load(&l->shared);
}

void listener_remove_path(struct listener *l)
{
    if (listener_has_path(l))
        unlink(l->path);
    free(l->path);
    l->path = NULL;
}

static bool listener_start(struct listener *l, const struct listener_address *address)
{
    l->fd = -1;
    if (address->is_passed)
        return take_passed(l, address);
    l->fd = listener_socket(address->is_unix         ? AF_UNIX
                            : ip_is_v4(&address->ip) ? AF_INET
                                                     : AF_INET6);
    if (l->fd < 0)
        return false;
    socket_prepare(l->fd); /* on Linux the connections that are accepted inherit the options */
    return address->is_unix ? listen_unix(l, address) : listen_ip(l, &address->ip, address->port);
}

static void explain_passed(const char *name, int why, char *error, size_t error_size)
{
    char *names = passed_sockets_names();

    if (why == ENOENT)
        snprintf(
            error, error_size,
            "%s: systemd has passed no socket of that name; the names (FileDescriptorName= of a "
            "socket unit) are: %s",
            name, names);
    else if (why == EINVAL)
        snprintf(error, error_size,
                 "%s: the socket is no stream that listens: its unit needs ListenStream= and "
                 "Accept=no",
                 name);
    else
        snprintf(error, error_size, "%s: %s", name, strerror(why));
    free(names);
}

struct listener *listener_new(const struct listener_address *address, char *error,
                              size_t error_size)
{
    struct listener *l = mem_zalloc(sizeof *l);

    atomic_store(&l->references, 1);
    if (!listener_start(l, address)) {
        int why = errno;

        l->name = listener_name_of(address, address->port);
        if (address->is_passed)
            explain_passed(l->name, why, error, error_size);
        else
            snprintf(error, error_size, "%s: %s", l->name, strerror(why));
        listener_remove_path(l);
        listener_free(l);
        errno = why;
        return NULL;
    }
    l->name =
        address->is_passed ? passed_name(l, address->path) : listener_name_of(address, l->port);
    return l;
}

struct listener *listener_adopt(int fd, const char *name, uint16_t port)
{
    struct listener *l = mem_zalloc(sizeof *l);

    atomic_store(&l->references, 1);
    l->fd = fd;
    l->name = mem_strdup(name);
    l->port = port;
    return l;
}

struct listener *listener_ref(struct listener *l)
{
    atomic_fetch_add(&l->references, 1);
    return l;
}

void listener_unref(struct listener *l)
{
    if (atomic_fetch_sub(&l->references, 1) == 1)
        listener_free(l);
}

void listener_close(struct listener *l)
{
    if (l == NULL)
        return;
    listener_remove_path(l);
    atomic_store(&l->closed, true); /* before an acceptor can notice the shutdown */
    if (!atomic_load(&l->shared))
        shutdown(l->fd, SHUT_RDWR);
    listener_unref(l);
}

int listener_fd(const struct listener *l)
{
    return l->fd;
}

bool listener_is_closed(const struct listener *l)
{
    return atomic_load(&l->closed);
}

bool listener_leaves_queue(const struct listener *l)
{
    return atomic_load(&l->shared) && listener_is_closed(l);
}

uint16_t listener_port(const struct listener *l)
{
    return l->port;
}

const char *listener_name(const struct listener *l)
{
    return l->name;
}
