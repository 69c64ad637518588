/* sendmsg(2) and recvmsg(2) with SCM_RIGHTS. */
#include "io/packets.h"

#include "base/log.h"
#include "base/mem.h"
#include "io/socket_calls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SCM_PIDFD /* of Linux 6.5 */
#define SCM_PIDFD 0x04
#endif

/* A packet that waits for room. */
struct queued_packet {
    STAILQ_ENTRY(queued_packet) link;
    size_t length;
    int fd;
    uint8_t bytes[];
};

struct packets {
    uv_poll_t poll;
    struct packets_options options;
    int end;
    bool ended;
    STAILQ_HEAD(, queued_packet) queue;
    size_t queued;
    uint8_t *buffer; /* one byte more than a packet may have */
};

bool packet_pair(int ends[static 2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0;
}

bool packet_is_end(int fd)
{
    int domain, type;

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &(socklen_t){sizeof(domain)}) == 0 &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &(socklen_t){sizeof(type)}) == 0 &&
           domain == AF_UNIX && type == SOCK_SEQPACKET;
}

/* The descriptor beside a message; -1: none. (That of a process, which an end gets whose other
 * owner has set SO_PASSPIDFD there, is not wanted.) */
static int taken_descriptor(struct msghdr *message)
{
    struct cmsghdr *control = CMSG_FIRSTHDR(message);
    int fd = -1;

    if (control == NULL || control->cmsg_level != SOL_SOCKET ||
        control->cmsg_len != CMSG_LEN(sizeof(int)))
        return -1;
    memcpy(&fd, CMSG_DATA(control), sizeof(int));
    if (control->cmsg_type == SCM_RIGHTS)
        return fd;
    if (control->cmsg_type == SCM_PIDFD && fd >= 0)
        close(fd);
    return -1;
}

/* Receives one packet of at most `max` bytes into room for one more. Its length; 0: the end, or no
 * packet as it should be; -1: errno. */
static ssize_t receive_packet(int end, uint8_t *bytes, size_t max, int flags, int *fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec into = {.iov_base = bytes, .iov_len = max + 1};
    struct msghdr message = {
        .msg_iov = &into,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = CMSG_LEN(sizeof(int)), /* (a second descriptor has no room) */
    };
    ssize_t n;

    do
        n = recvmsg(end, &message, MSG_CMSG_CLOEXEC | flags);
    while (n < 0 && errno == EINTR);
    *fd = -1;
    if (n < 0)
        return n;
    *fd = taken_descriptor(&message);
    /* (A descriptor for which this process has no room is cut off, and is the sender's fault no
     * more than a packet without one.) */
    if (n > 0 && (size_t)n <= max && (message.msg_flags & MSG_TRUNC) == 0 &&
        ((message.msg_flags & MSG_CTRUNC) == 0 || *fd < 0))
        return n;
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return 0;
}

bool packet_wait(int end, size_t max, struct buffer *packet, int *fd)
{
    ssize_t n = receive_packet(end, buffer_reserve(packet, max + 1), max, 0, fd);

    if (n > 0)
        buffer_commit(packet, (size_t)n);
    return n > 0;
}

bool packet_pass(int end, struct span packet, int fd)
{
    return socket_send_beside(end, packet.bytes, packet.length, fd, true) == 0;
}

static void drop_first(struct packets *p)
{
    struct queued_packet *first = STAILQ_FIRST(&p->queue);

    STAILQ_REMOVE_HEAD(&p->queue, link);
    p->queued--;
    if (first->fd >= 0)
        close(first->fd);
    mem_free_secret(first, sizeof(*first) + first->length);
}

static void watch_packets(struct packets *p);

static void send_queued(struct packets *p)
{
    struct queued_packet *first;

    while ((first = STAILQ_FIRST(&p->queue)) != NULL) {
        struct span packet = {first->bytes, first->length};
        int error = socket_send_beside(p->end, packet.bytes, packet.length, first->fd, false);
        if (error == EAGAIN || error == ENOBUFS)
            break;
        drop_first(p); /* (an end that has closed is told by the read) */
    }
    watch_packets(p);
}

static void packets_end(struct packets *p)
{
    p->ended = true;
    uv_poll_stop(&p->poll);
    p->options.ended(p->options.arg);
}

/* (One packet a turn: the callee may free the packets.) */
static void receive_next(struct packets *p)
{
    int fd;
    ssize_t n = receive_packet(p->end, p->buffer, p->options.max, MSG_DONTWAIT, &fd);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        packets_end(p);
        return;
    }
    p->options.received(p->options.arg, (struct span){p->buffer, (size_t)n}, &fd);
    if (fd >= 0)
        close(fd);
}

static void on_packets_polled(uv_poll_t *poll, int status, int events)
{
    struct packets *p = container_of(poll, struct packets, poll);

    if (status < 0) {
        packets_end(p);
        return;
    }
    if (events & UV_WRITABLE)
        send_queued(p);
    if (events & UV_READABLE)
        receive_next(p);
}

static void watch_packets(struct packets *p)
{
    bool receives = p->options.queue_max == 0 || p->queued <= p->options.queue_max;

    if (!p->ended)
        uv_poll_start(&p->poll,
                      (receives ? UV_READABLE : 0) | (STAILQ_EMPTY(&p->queue) ? 0 : UV_WRITABLE),
                      on_packets_polled);
}

struct packets *packets_new(struct loop *loop, int end, const struct packets_options *options)
{
    struct packets *p = mem_zalloc(sizeof(*p));

    p->options = *options;
    p->end = end;
    STAILQ_INIT(&p->queue);
    if (uv_poll_init(loop_uv(loop), &p->poll, end) != 0) {
        log_error("the pair of sockets between the processes cannot be watched");
        close(end);
        free(p);
        return NULL;
    }
    p->buffer = mem_zalloc(options->max + 1);
    watch_packets(p);
    return p;
}

void packets_send(struct packets *p, struct span packet, int fd)
{
    int error = p->ended ? EPIPE : EAGAIN;
    struct queued_packet *queued;

    if (!p->ended && STAILQ_EMPTY(&p->queue))
        error = socket_send_beside(p->end, packet.bytes, packet.length, fd, false);
    if (error != EAGAIN && error != ENOBUFS) {
        if (fd >= 0)
            close(fd);
        return;
    }
    queued = mem_zalloc(sizeof(*queued) + packet.length);
    queued->length = packet.length;
    queued->fd = fd;
    memcpy(queued->bytes, packet.bytes, packet.length);
    STAILQ_INSERT_TAIL(&p->queue, queued, link);
    p->queued++;
    watch_packets(p);
}

int packets_descriptor(const struct packets *p)
{
    return p->end;
}

bool packets_are_sent(const struct packets *p)
{
    return STAILQ_EMPTY(&p->queue);
}

static void on_packets_closed(uv_handle_t *handle)
{
    struct packets *p = container_of((uv_poll_t *)handle, struct packets, poll);

    free(p->buffer);
    free(p);
}

void packets_free(struct packets *p)
{
    if (p == NULL)
        return;
    p->ended = true;
    while (!STAILQ_EMPTY(&p->queue))
        drop_first(p);
    uv_poll_stop(&p->poll);
    close(p->end);
    uv_close((uv_handle_t *)&p->poll, on_packets_closed);
}
