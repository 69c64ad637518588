/* The servers behind the proxy: echo for many connections, a source and a sink for fast ones. */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK (256 * 1024)

static uint8_t block[BLOCK]; /* what is sent, and where what is read goes */

/* What an event of epoll is about. */
enum kind {
    STDIN,
    ECHO_LISTENER,
    SOURCE_LISTENER,
    SINK_LISTENER,
    ANSWER_LISTENER,
    ECHO_CONNECTION
};

static uint64_t tag(enum kind kind, int fd)
{
    return (uint64_t)kind << 32 | (uint32_t)fd;
}

static void watch(int epoll, enum kind kind, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = tag(kind, fd)};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        die("epoll_ctl");
}

/* Listens on all origin addresses, on one port; returns it. */
static uint16_t listen_everywhere(int epoll, enum kind kind)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t size = sizeof(at);

    for (unsigned n = 0; n < ADDRESSES; n++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        at.sin_addr.s_addr = htonl(0x7f000101 + n);
        if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) != 0 || listen(fd, 4096) != 0 ||
            getsockname(fd, (struct sockaddr *)&at, &size) != 0)
            die("listen");
        watch(epoll, kind, fd);
    }
    return ntohs(at.sin_port);
}

/* Reads a length and sends so many bytes. */
static bool answer(int fd)
{
    uint64_t left;

    if (recv(fd, &left, sizeof(left), MSG_WAITALL) != sizeof(left))
        return false;
    left = big_endian(left);
    while (left > 0) {
        ssize_t n = send(fd, block, left < BLOCK ? left : BLOCK, 0);
        if (n <= 0)
            return false;
        left -= (uint64_t)n;
    }
    return true;
}

static void *serve_source(void *arg)
{
    int fd = (int)(intptr_t)arg;

    answer(fd);
    close(fd);
    return NULL;
}

static void *serve_answers(void *arg)
{
    int fd = (int)(intptr_t)arg;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    while (answer(fd))
        continue;
    close(fd);
    return NULL;
}

static void *serve_sink(void *arg)
{
    int fd = (int)(intptr_t)arg;
    uint64_t total = 0;
    ssize_t n;

    /* tcp(7): MSG_TRUNC throws the bytes away without copying them. */
    while ((n = recv(fd, block, BLOCK, MSG_TRUNC)) > 0)
        total += (uint64_t)n;
    total = big_endian(total);
    if (n == 0 && send(fd, &total, sizeof(total), 0) < 0)
        perror("load: sink");
    close(fd);
    return NULL;
}

/* (Only of those that a thread serves.) */
static void *(*server(enum kind kind))(void *)
{
    return kind == SOURCE_LISTENER ? serve_source
           : kind == SINK_LISTENER ? serve_sink
                                   : serve_answers;
}

/* A port of the first origin address that nobody is answered at: its queue is full. Returns it. */
static uint16_t listen_to_nobody(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000101)};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) != 0 || listen(fd, 0) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) != 0)
        die("listen");
    for (int i = 0; i < 3; i++) { /* (Linux has room for one more than listen(2) was told.) */
        int caller = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (caller < 0)
            die("socket");
        connect(caller, (struct sockaddr *)&at, size);
    }
    return ntohs(at.sin_port);
}

static void accept_all(int epoll, enum kind kind, int listener)
{
    int flags = SOCK_CLOEXEC | (kind == ECHO_LISTENER ? SOCK_NONBLOCK : 0);
    int fd;

    while ((fd = accept4(listener, NULL, NULL, flags)) >= 0) {
        if (kind == ECHO_LISTENER) {
            watch(epoll, ECHO_CONNECTION, fd);
            continue;
        }
        pthread_t thread;
        if (pthread_create(&thread, NULL, server(kind), (void *)(intptr_t)fd) != 0)
            die("pthread_create");
        pthread_detach(thread);
    }
    if (errno != EAGAIN && errno != ECONNABORTED)
        die("accept");
}

static void echo(int fd)
{
    uint8_t bytes[4096];
    ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || send(fd, bytes, (size_t)n, 0) != n)
        close(fd);
}

void origin_run(void)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[256];

    if (epoll < 0)
        die("epoll_create1");
    signal(SIGPIPE, SIG_IGN);
    watch(epoll, STDIN, STDIN_FILENO);
    uint16_t echo_port = listen_everywhere(epoll, ECHO_LISTENER);
    uint16_t source_port = listen_everywhere(epoll, SOURCE_LISTENER);
    uint16_t sink_port = listen_everywhere(epoll, SINK_LISTENER);
    uint16_t answer_port = listen_everywhere(epoll, ANSWER_LISTENER);
    printf("{\"echo\": %u, \"source\": %u, \"sink\": %u, \"answer\": %u, \"hole\": %u}\n",
           echo_port, source_port, sink_port, answer_port, listen_to_nobody());
    for (;;) {
        int count = epoll_wait(epoll, events, sizeof(events) / sizeof(events[0]), -1);
        for (int i = 0; i < count; i++) {
            enum kind kind = (enum kind)(events[i].data.u64 >> 32);
            int fd = (int)(uint32_t)events[i].data.u64;
            if (kind == STDIN)
                return;
            if (kind == ECHO_CONNECTION)
                echo(fd);
            else
                accept_all(epoll, kind, fd);
        }
    }
}
