/* SOCKS5 as a client speaks it. */
#include "load.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define PATIENCE 60 /* seconds a blocking connection may be silent */

static uint32_t origin_address(unsigned n)
{
    return htonl(0x7f000101 + n % ADDRESSES);
}

void socks_request(uint8_t request[static SOCKS_REQUEST_SIZE], unsigned n, uint16_t port)
{
    uint32_t address = origin_address(n);
    uint16_t number = htons(port);

    memcpy(request, "\x05\x01\x00\x01", 4); /* CONNECT, to an IPv4 address */
    memcpy(request + 4, &address, 4);
    memcpy(request + 8, &number, 2);
}

size_t socks_reply_length(const uint8_t *reply, size_t length)
{
    if (length < 5)
        return 0;
    return reply[3] == 1 ? 10 : reply[3] == 4 ? 22 : (size_t)7 + reply[4];
}

size_t socks_greeting(uint8_t greeting[static SOCKS_REPLY_MAX], const char *password)
{
    int length;

    if (password == NULL) {
        memcpy(greeting, SOCKS_GREETING, 3);
        return 3;
    }
    length = snprintf((char *)greeting, SOCKS_REPLY_MAX, "\x05\x01\x02\x01%c%s%c%s",
                      (char)strlen(SOCKS_USER), SOCKS_USER, (char)strlen(password), password);
    return (size_t)length;
}

int socks_socket(const struct setting *setting, unsigned n, int flags)
{
    return socks_socket_from(setting, 1 + n % ADDRESSES, flags);
}

int socks_socket_from(const struct setting *setting, unsigned host, int flags)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000 + host)};
    struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons(setting->proxy),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };

    if (fd < 0)
        die("socket");
    /* The port is chosen by connect(2), which can share it among destinations. */
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int));
    if (bind(fd, (struct sockaddr *)&from, sizeof(from)) != 0)
        die("bind");
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 || (flags & SOCK_NONBLOCK) != 0)
        return fd;
    close(fd);
    return -1;
}

static bool ask(int fd, const void *bytes, size_t length)
{
    return send(fd, bytes, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static bool answered(int fd, uint8_t *bytes, size_t length)
{
    return recv(fd, bytes, length, MSG_WAITALL) == (ssize_t)length;
}

int socks_connect(const struct setting *setting, uint16_t port)
{
    uint8_t request[SOCKS_REQUEST_SIZE];
    uint8_t reply[SOCKS_REPLY_MAX];
    int fd = socks_socket(setting, 0, 0);
    struct timeval patience = {.tv_sec = PATIENCE};

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    socks_request(request, 0, port);
    if (ask(fd, SOCKS_GREETING, 3) && answered(fd, reply, 2) && reply[1] == 0 &&
        ask(fd, request, sizeof(request)) && answered(fd, reply, 5) && reply[1] == 0 &&
        answered(fd, reply + 5, socks_reply_length(reply, 5) - 5))
        return fd;
    close(fd);
    return -1;
}

int socks_ask_name(const struct setting *setting, const char *name, uint16_t port)
{
    uint8_t request[SOCKS_REQUEST_SIZE + 256] = "\x05\x01\x00\x03"; /* CONNECT, to a name */
    size_t length = strlen(name);
    uint16_t number = htons(port);
    uint8_t reply[2];
    int fd = socks_socket(setting, 0, 0);

    request[4] = (uint8_t)length;
    memcpy(request + 5, name, length);
    memcpy(request + 5 + length, &number, 2);
    if (fd < 0 || (ask(fd, SOCKS_GREETING, 3) && answered(fd, reply, 2) && reply[1] == 0 &&
                   ask(fd, request, 7 + length)))
        return fd;
    close(fd);
    return -1;
}
