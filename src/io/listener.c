/* Listening sockets, TCP and unix, over uv_poll. */
#include "io/listener.h"

#include "base/hostport.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* The kernel cuts it down to net.core.somaxconn. */
#define LISTENER_BACKLOG 4096

/* How many connections one listener accepts in one turn of the loop. */
#define ACCEPT_BURST 64

struct listener {
    struct loop *loop;
    uv_poll_t poll;
    int fd;
    char *name;
    uint16_t port;
    char *path; /* of a unix socket that is bound, and the file it was then */
    dev_t device;
    ino_t inode;
    bool closed;
    bool warned;              /* of starving; until the backlog has been worked off */
    struct deadline starving; /* armed: no descriptor was to be had */
    int last_fd;              /* from this number on descriptors are not for connections */
    void (*accepted)(void *arg, int fd, const struct ip *peer, uint16_t peer_port);
    void *arg;
};

/* Descriptors that connections leave to everything else: a session that has to be dialled again
 * needs some, and without it none of the connections is of use. */
#define DESCRIPTORS_KEPT 64

static int last_descriptor(void)
{
    struct rlimit limit = {.rlim_cur = INT_MAX};
    rlim_t kept;

    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur > INT_MAX)
        return INT_MAX;
    kept = limit.rlim_cur / 4 < DESCRIPTORS_KEPT ? limit.rlim_cur / 4 : DESCRIPTORS_KEPT;
    return (int)(limit.rlim_cur - kept);
}

static int open_socket(int family)
{
    return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* Whether the file is a socket that nobody listens on any more. */
static bool is_stale(const struct sockaddr_un *at)
{
    struct stat st;
    bool stale;
    int fd;

    if (lstat(at->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return false;
    fd = open_socket(AF_UNIX);
    if (fd < 0)
        return false;
    stale = connect(fd, (const struct sockaddr *)at, sizeof *at) != 0 && errno == ECONNREFUSED;
    close(fd);
    return stale;
}

/* These bind and listen; false: errno says why not. */

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
        if (!is_stale(&at)) {
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

static char *name_of(const struct listener_address *address, uint16_t port)
{
    char host[IP_TEXT_MAX];
    char text[HOSTPORT_TEXT_MAX];

    if (address->is_unix)
        return mem_printf("unix:%s", address->path);
    return mem_strdup(hostport_format(ip_format(&address->ip, host), port, text));
}

static void poll_update(struct listener *l);

/* Whether the next descriptor would be one of the last. The kernel gives the lowest that is free.
 */
static bool descriptors_short(const struct listener *l)
{
    int probe = fcntl(l->fd, F_DUPFD_CLOEXEC, 0);

    if (probe >= 0)
        close(probe);
    return probe < 0 || probe >= l->last_fd;
}

static void starving_over(struct deadline *starving)
{
    struct listener *l = container_of(starving, struct listener, starving);

    if (descriptors_short(l))
        deadline_arm(l->loop, &l->starving, LISTENER_STARVED_MS, starving_over);
    else
        poll_update(l);
}

static void starve(struct listener *l, int error)
{
    if (!l->warned)
        log_warning("%s: accepting is suspended: %s", l->name, strerror(error));
    l->warned = true;
    deadline_arm(l->loop, &l->starving, LISTENER_STARVED_MS, starving_over);
    poll_update(l);
}

/* What accept(2) wants taken as "try again": the connection has failed, not the listener. */
static bool is_of_the_connection(int error)
{
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH: return true;
    default: return false;
    }
}

static void hand_over(struct listener *l, int fd, const struct sockaddr *from)
{
    struct ip peer;
    uint16_t port = 0;
    bool known = ip_from_sockaddr(from, &peer, &port);

    l->accepted(l->arg, fd, known ? &peer : NULL, port);
}

static void acceptable(uv_poll_t *poll, int status, int events)
{
    struct listener *l = container_of(poll, struct listener, poll);

    (void)status; /* accept4 says it better */
    (void)events;
    for (int i = 0; i < ACCEPT_BURST && !l->closed; i++) {
        struct sockaddr_storage from = {0};
        int fd = accept4(l->fd, (struct sockaddr *)&from, &(socklen_t){sizeof from},
                         SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            bool last = fd >= l->last_fd;
            hand_over(l, fd, (struct sockaddr *)&from);
            if (last && !l->closed) {
                starve(l, EMFILE);
                return;
            }
        } else if (errno == EAGAIN) {
            l->warned = false;
            return;
        } else if (!is_of_the_connection(errno)) {
            starve(l, errno);
            return;
        }
    }
}

static void poll_update(struct listener *l)
{
    bool accepting = l->starving.queue == NULL;

    uv_poll_start(&l->poll, accepting ? UV_READABLE : 0, acceptable);
}

static void poll_closed(uv_handle_t *poll)
{
    free(container_of(poll, struct listener, poll));
}

/* Closes and forgets everything but the memory. */
static void shut(struct listener *l)
{
    struct stat st;

    l->closed = true;
    deadline_cancel(&l->starving);
    if (l->path != NULL && lstat(l->path, &st) == 0 && st.st_dev == l->device &&
        st.st_ino == l->inode)
        unlink(l->path);
    if (l->fd >= 0)
        close(l->fd);
    free(l->path);
    free(l->name);
}

static bool start(struct listener *l, const struct listener_address *address)
{
    int error;

    l->fd = open_socket(address->is_unix ? AF_UNIX : ip_is_v4(&address->ip) ? AF_INET : AF_INET6);
    if (l->fd < 0)
        return false;
    socket_prepare(l->fd); /* Linux has what is accepted inherit it */
    if (address->is_unix ? !listen_unix(l, address) : !listen_ip(l, &address->ip, address->port))
        return false;
    error = uv_poll_init(loop_uv(l->loop), &l->poll, l->fd);
    errno = -error;
    return error == 0;
}

struct listener *listener_new(struct loop *loop, const struct listener_address *address,
                              void (*accepted)(void *arg, int fd, const struct ip *peer,
                                               uint16_t peer_port),
                              void *arg, char *error, size_t error_size)
{
    struct listener *l = mem_zalloc(sizeof *l);

    l->loop = loop;
    l->accepted = accepted;
    l->arg = arg;
    l->last_fd = address->last ? INT_MAX : last_descriptor();
    if (!start(l, address)) {
        int why = errno;

        l->name = name_of(address, address->port);
        snprintf(error, error_size, "%s: %s", l->name, strerror(why));
        shut(l);
        free(l);
        errno = why;
        return NULL;
    }
    l->name = name_of(address, l->port);
    poll_update(l);
    return l;
}

void listener_free(struct listener *l)
{
    if (l == NULL)
        return;
    uv_close((uv_handle_t *)&l->poll, poll_closed);
    shut(l);
}

uint16_t listener_port(const struct listener *l)
{
    return l->port;
}

const char *listener_name(const struct listener *l)
{
    return l->name;
}
