/* System calls on sockets for the rooms above io/. */
#include "io/socket_calls.h"

#include <netinet/in.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

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

bool socket_peer_user(int fd, uid_t *user)
{
    struct ucred peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &(socklen_t){sizeof(peer)}) != 0)
        return false;
    *user = peer.uid;
    return true;
}

bool socket_peer_address(int fd, struct ip *peer)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    uint16_t port;

    return getpeername(fd, (struct sockaddr *)&address, &length) == 0 &&
           ip_from_sockaddr((struct sockaddr *)&address, peer, &port);
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
