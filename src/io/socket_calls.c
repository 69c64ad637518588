/* System calls on sockets for the rooms above io/. */
#include "io/socket_calls.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bytes that the kernel queues before it says that the socket is full; the rest of an upload waits
 * with its client. */
#define NOTSENT_LOWAT (128 * 1024)

bool socket_pair(bool blocks, int ends[static 2])
{
    int type = SOCK_STREAM | SOCK_CLOEXEC | (blocks ? 0 : SOCK_NONBLOCK);

    return socketpair(AF_UNIX, type, 0, ends) == 0;
}

void socket_shutdown(int fd)
{
    shutdown(fd, SHUT_RDWR);
}

void socket_shutdown_sending(int fd)
{
    shutdown(fd, SHUT_WR);
}

bool socket_peer_user(int fd, uid_t *user)
{
    struct ucred peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &(socklen_t){sizeof(peer)}) != 0)
        return false;
    *user = peer.uid;
    return true;
}

pid_t socket_peer_process(int fd)
{
    struct ucred peer;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &(socklen_t){sizeof(peer)}) == 0
               ? peer.pid
               : 0;
}

bool socket_peer_address(int fd, struct ip *peer)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    uint16_t port;

    return getpeername(fd, (struct sockaddr *)&address, &length) == 0 &&
           ip_from_sockaddr((struct sockaddr *)&address, peer, &port);
}

static void name_address(int error, const struct sockaddr_storage *address,
                         char text[HOSTPORT_TEXT_MAX])
{
    char name[IP_TEXT_MAX];
    uint16_t port;
    struct ip ip;

    text[0] = '\0';
    if (error == 0 && ip_from_sockaddr((const struct sockaddr *)address, &ip, &port))
        hostport_format(ip_format(&ip, name), port, text);
}

void socket_names(int fd, char local[HOSTPORT_TEXT_MAX], char remote[HOSTPORT_TEXT_MAX])
{
    struct sockaddr_storage at;
    int error = getsockname(fd, (struct sockaddr *)&at, &(socklen_t){sizeof(at)});

    name_address(error, &at, local);
    error = getpeername(fd, (struct sockaddr *)&at, &(socklen_t){sizeof(at)});
    name_address(error, &at, remote);
}

bool socket_is_acknowledged(int fd)
{
    int left = 0;

    return ioctl(fd, SIOCOUTQ, &left) == 0 && left == 0;
}

bool socket_sent_lately(int fd, unsigned milliseconds)
{
    struct tcp_info info = {0};
    int left = 0;

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &(socklen_t){sizeof(info)}) != 0)
        return true;
    /* (An end of data counts as one byte.) */
    return info.tcpi_last_data_sent < milliseconds || (ioctl(fd, SIOCOUTQ, &left) == 0 && left > 1);
}

/* More than any kernel passes at once (SCM_MAX_FD). */
#define PASSED_MAX 253

/* Takes the descriptors of one message over. False: there are too many, and all were closed. */
static bool keep_passed(const struct cmsghdr *part, int *fds, unsigned *count, unsigned max)
{
    unsigned before = *count;
    size_t passed = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    bool fits = passed <= max - *count;

    for (size_t i = 0; i < passed; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
        if (fits)
            fds[(*count)++] = fd;
        else
            close(fd);
    }
    while (!fits && *count > before)
        close(fds[--*count]);
    return fits;
}

ssize_t socket_receive_passed(int fd, void *bytes, size_t size, int *fds, unsigned *count,
                              unsigned max)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(PASSED_MAX * sizeof(int))];
    } control;
    struct iovec into = {.iov_base = bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &into,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    bool fits = true;
    ssize_t n;

    do
        n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part != NULL;
         part = CMSG_NXTHDR(&message, part))
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS)
            fits = keep_passed(part, fds, count, max) && fits;
    return fits ? n : -EPROTO;
}

int socket_first_byte(int fd)
{
    uint8_t byte;
    ssize_t n;

    do
        n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        return byte;
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? -1 : -2;
}

bool socket_is_hung_up(int fd)
{
    struct pollfd peer = {.fd = fd};

    return poll(&peer, 1, 0) > 0 && (peer.revents & (POLLHUP | POLLERR)) != 0;
}

int socket_send_beside(int fd, const void *bytes, size_t length, int passed, bool waits)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct iovec from = {.iov_base = (void *)bytes, .iov_len = length};
    struct msghdr message = {.msg_iov = &from, .msg_iovlen = 1};
    ssize_t n;

    if (passed >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof(control.bytes);
        control.align.cmsg_level = SOL_SOCKET;
        control.align.cmsg_type = SCM_RIGHTS;
        control.align.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.align), &passed, sizeof(int));
    }
    do
        n = sendmsg(fd, &message, MSG_NOSIGNAL | (waits ? 0 : MSG_DONTWAIT));
    while (n < 0 && errno == EINTR);
    return n < 0 ? errno : 0;
}

int socket_send_passed(int fd, int passed)
{
    return socket_send_beside(fd, "", 1, passed, false);
}

ssize_t socket_receive_now(int fd, void *bytes, size_t size)
{
    ssize_t n;

    do
        n = recv(fd, bytes, size, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

ssize_t socket_send_now(int fd, const void *bytes, size_t length)
{
    ssize_t n;

    do
        n = send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

int socket_error(int fd)
{
    int error = 0;

    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof(error)});
    return error;
}

void socket_prepare_ssh(int fd)
{
    int on = 1;
    int lowat = NOTSENT_LOWAT;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof(lowat));
}
