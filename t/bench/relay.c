/* A link that t/bench puts between client and server: a TCP relay on 127.0.0.1 that delays.
 *
 *     relay PORT DELAY_MS [MBIT QUEUE_KIB]     to PORT of 127.0.0.1, DELAY_MS each way
 *
 * Prints {"port": N}, where it listens; ends when its standard input does. With MBIT each direction
 * is a bottleneck that all connections share, behind a queue of QUEUE_KIB: bytes wait their turn in
 * that queue, then for the delay. While the queue is full nothing is read, so TCP holds the sender
 * back, where a real bottleneck would drop and TCP would find out. Who is read first changes from
 * slice to slice, and what was read leaves in that order: first in, first out.
 *
 * What stands in the kernel's buffers before the relay would be a queue that nobody asked for. At a
 * bottleneck its receive buffers are small therefore; without one it reads as fast as bytes come.
 * The sender's own buffer is as it would be: what TCP grants a window of ten segments of loopback's
 * size is about what it would grant the window that such a link needs.
 *
 * Not simulated: connect(2) does not take a round trip, nothing is lost, and TCP has nothing to
 * find out about the link before it is as fast as that. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* Nanoseconds, of a monotonic clock. */
#define MILLISECOND UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)

/* What is due is sent together at multiples of this: else each slice would be a wake-up. */
#define GRAIN (MILLISECOND / 4)

#define SLICE (64 * 1024)         /* read at a time */
#define BOTTLENECK_SLICE 4096     /* there: a third of a millisecond of 100 Mbit/s */
#define BOTTLENECK_BUFFER (32768) /* SO_RCVBUF there */
#define SLICES_A_TURN 16

/* What may be under way from one end: the window that TCP would have at most, and more than any
 * stream here fills. */
#define UNDER_WAY_MAX ((size_t)64 << 20)

struct chunk {
    STAILQ_ENTRY(chunk) next;
    struct end *to;
    uint64_t due;
    size_t begin, length; /* what is left of `bytes`; nothing at first: the end of data */
    uint8_t bytes[];
};
STAILQ_HEAD(chunks, chunk);

/* One socket of a connection: its bytes go to `peer`. */
struct end {
    struct connection *connection;
    struct end *peer;
    struct way *way; /* what is read here takes */
    int fd;
    bool readable;           /* on way->readable */
    bool full;               /* UNDER_WAY_MAX is under way from here: it waits for `peer` */
    bool read_out;           /* its end of data was read */
    bool blocked;            /* it takes no more for now */
    bool shut;               /* all that there was was written to it */
    size_t coming;           /* bytes under way to it */
    struct chunks forwarded; /* that it has not taken yet */
    TAILQ_ENTRY(end) link;
};

struct connection {
    struct end ends[2]; /* the client's, the server's */
    unsigned chunks;    /* under way */
    bool closed;        /* the sockets are */
    LIST_ENTRY(connection) grave;
};

/* One direction of the link. */
struct way {
    struct chunks under_way; /* in the order in which they are due */
    TAILQ_HEAD(, end) readable;
    uint64_t free_at; /* when the last byte in the queue has left it */
};

static struct {
    uint16_t port; /* of the server */
    uint64_t delay;
    uint64_t rate;  /* bytes a second; 0: no bottleneck */
    uint64_t queue; /* as the time that it takes to empty */
    size_t slice;
    struct way ways[2];             /* to the server, to the client */
    LIST_HEAD(, connection) graves; /* closed, to be freed when nothing refers to them */
    int epoll, timer, listener;
} relay;

static _Noreturn void die(const char *what)
{
    fputs("relay: ", stderr);
    perror(what);
    exit(1);
}

static uint64_t now(void)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * SECOND + (uint64_t)at.tv_nsec;
}

/* ---- Connections. */

static void watch(int fd, uint32_t events, void *what)
{
    struct epoll_event event = {.events = events, .data.ptr = what};

    if (epoll_ctl(relay.epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        die("epoll_ctl");
}

static void end_open(struct connection *c, int which, int fd)
{
    struct end *e = &c->ends[which];

    *e = (struct end){
        .connection = c, .peer = &c->ends[!which], .way = &relay.ways[which], .fd = fd};
    STAILQ_INIT(&e->forwarded);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    watch(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, e);
}

static void small_buffer(int fd)
{
    if (relay.rate > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){BOTTLENECK_BUFFER}, sizeof(int));
}

/* To the server; -1: it does not listen. */
static int dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(relay.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        die("socket");
    small_buffer(fd);
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0) {
        fcntl(fd, F_SETFL, O_NONBLOCK);
        return fd;
    }
    close(fd);
    return -1;
}

static void accept_all(void)
{
    int client, server;

    while ((client = accept4(relay.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        server = dial();
        if (server < 0) {
            close(client);
            continue;
        }
        struct connection *c = calloc(1, sizeof(*c));
        if (c == NULL)
            die("calloc");
        end_open(c, 0, client);
        end_open(c, 1, server);
    }
    if (errno != EAGAIN && errno != ECONNABORTED)
        die("accept");
}

static void not_readable(struct end *e)
{
    if (e->readable)
        TAILQ_REMOVE(&e->way->readable, e, link);
    e->readable = false;
}

static void is_readable(struct end *e)
{
    if (e->readable || e->full || e->read_out)
        return;
    e->readable = true;
    TAILQ_INSERT_TAIL(&e->way->readable, e, link);
}

static void chunk_free(struct chunk *chunk)
{
    chunk->to->connection->chunks--;
    free(chunk);
}

/* Both ways at once; what is under way is dropped where it is. */
static void connection_close(struct connection *c)
{
    if (c->closed)
        return;
    c->closed = true;
    for (int i = 0; i < 2; i++) {
        struct chunk *chunk;
        not_readable(&c->ends[i]);
        close(c->ends[i].fd);
        while ((chunk = STAILQ_FIRST(&c->ends[i].forwarded)) != NULL) {
            STAILQ_REMOVE_HEAD(&c->ends[i].forwarded, next);
            chunk_free(chunk);
        }
    }
    LIST_INSERT_HEAD(&relay.graves, c, grave);
}

/* At the end of a turn, when no event can be about them any more. */
static void bury(void)
{
    struct connection *c = LIST_FIRST(&relay.graves);

    while (c != NULL) {
        struct connection *next = LIST_NEXT(c, grave);
        if (c->chunks == 0) {
            LIST_REMOVE(c, grave);
            free(c);
        }
        c = next;
    }
}

/* ---- What comes out of the link. */

static void shut(struct end *e)
{
    e->shut = true;
    shutdown(e->fd, SHUT_WR);
    if (e->peer->shut)
        connection_close(e->connection);
}

/* Writes what has arrived. */
static void push(struct end *e)
{
    struct chunk *chunk;

    while (!e->connection->closed && !e->blocked && (chunk = STAILQ_FIRST(&e->forwarded)) != NULL) {
        bool last = chunk->length == 0;
        ssize_t n =
            last ? 0 : send(e->fd, chunk->bytes + chunk->begin, chunk->length, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            e->blocked = true;
        } else if (n < 0) {
            connection_close(e->connection);
        } else {
            e->coming -= (size_t)n;
            chunk->begin += (size_t)n;
            chunk->length -= (size_t)n;
            if (chunk->length > 0)
                continue;
            STAILQ_REMOVE_HEAD(&e->forwarded, next);
            chunk_free(chunk);
            if (last)
                shut(e);
        }
    }
    if (!e->connection->closed && e->peer->full && e->coming <= UNDER_WAY_MAX / 2) {
        e->peer->full = false;
        is_readable(e->peer);
    }
}

static void deliver(struct way *way, uint64_t at)
{
    struct chunk *chunk;

    while ((chunk = STAILQ_FIRST(&way->under_way)) != NULL && chunk->due <= at) {
        STAILQ_REMOVE_HEAD(&way->under_way, next);
        if (chunk->to->connection->closed) {
            chunk_free(chunk);
        } else {
            STAILQ_INSERT_TAIL(&chunk->to->forwarded, chunk, next);
            push(chunk->to);
        }
    }
}

/* ---- What goes into it. */

static void enter(struct end *e, const uint8_t *bytes, size_t length, uint64_t at)
{
    struct way *way = e->way;
    struct chunk *chunk = malloc(sizeof(*chunk) + length);
    uint64_t left_at = at;

    if (chunk == NULL)
        die("malloc");
    if (relay.rate > 0) {
        way->free_at = (way->free_at > at ? way->free_at : at) + length * SECOND / relay.rate;
        left_at = way->free_at;
    }
    *chunk = (struct chunk){.to = e->peer,
                            .due = (left_at + relay.delay + GRAIN - 1) / GRAIN * GRAIN,
                            .length = length};
    memcpy(chunk->bytes, bytes, length);
    STAILQ_INSERT_TAIL(&way->under_way, chunk, next);
    e->connection->chunks++;
    e->peer->coming += length;
    if (e->peer->coming >= UNDER_WAY_MAX)
        e->full = true;
}

static bool has_room(const struct way *way, uint64_t at)
{
    return relay.rate == 0 || way->free_at <= at + relay.queue;
}

/* One slice from each that has something, in turn, while there is room. */
static void take_in(struct way *way, uint64_t at)
{
    static uint8_t bytes[SLICE];
    struct end *e;

    for (unsigned slices = 0; (relay.rate > 0 || slices < SLICES_A_TURN) && has_room(way, at) &&
                              (e = TAILQ_FIRST(&way->readable)) != NULL;
         slices++) {
        ssize_t n = recv(e->fd, bytes, relay.slice, 0);
        not_readable(e);
        if (n < 0 && errno == EAGAIN)
            continue;
        if (n < 0) {
            connection_close(e->connection);
            continue;
        }
        e->read_out = n == 0;
        enter(e, bytes, (size_t)n, at);
        is_readable(e);
    }
}

/* When there is something to do without an event; 0: now, UINT64_MAX: never. */
static uint64_t next_time(const struct way *way, uint64_t at)
{
    const struct chunk *chunk = STAILQ_FIRST(&way->under_way);
    uint64_t next = chunk != NULL ? chunk->due : UINT64_MAX;

    if (!TAILQ_EMPTY(&way->readable)) {
        if (has_room(way, at))
            return 0;
        if (way->free_at - relay.queue + GRAIN < next)
            next = way->free_at - relay.queue + GRAIN;
    }
    return next;
}

/* ---- The loop. */

static void handle(const struct epoll_event *event)
{
    struct end *e = event->data.ptr;

    if (event->data.ptr == &relay.listener) {
        accept_all();
    } else if (event->data.ptr == &relay.timer) {
        uint64_t expirations;
        while (read(relay.timer, &expirations, sizeof(expirations)) > 0)
            continue;
    } else if (event->data.ptr == NULL) {
        exit(0);
    } else if (!e->connection->closed) {
        if ((event->events & EPOLLOUT) != 0 && e->blocked) {
            e->blocked = false;
            push(e);
        }
        if ((event->events & ~(uint32_t)EPOLLOUT) != 0 && !e->connection->closed)
            is_readable(e);
    }
}

/* Whether to wait for events: if so, not longer than until something is due. */
static bool may_wait(void)
{
    static uint64_t armed = UINT64_MAX;
    uint64_t at = now();
    uint64_t next = next_time(&relay.ways[0], at);
    uint64_t other = next_time(&relay.ways[1], at);

    if (other < next)
        next = other;
    if (next <= at)
        return false;
    if (next != armed) {
        struct itimerspec when = {.it_value = {0, 0}};
        if (next != UINT64_MAX)
            when.it_value = (struct timespec){(time_t)(next / SECOND), (long)(next % SECOND)};
        if (timerfd_settime(relay.timer, TFD_TIMER_ABSTIME, &when, NULL) != 0)
            die("timerfd_settime");
        armed = next;
    }
    return true;
}

static void run(void)
{
    struct epoll_event events[64];

    for (;;) {
        int count = epoll_wait(relay.epoll, events, sizeof(events) / sizeof(events[0]),
                               may_wait() ? -1 : 0);
        for (int i = 0; i < count; i++)
            handle(&events[i]);
        uint64_t at = now();
        for (int i = 0; i < 2; i++) {
            deliver(&relay.ways[i], at);
            take_in(&relay.ways[i], at);
        }
        bury();
    }
}

/* Returns the port. */
static uint16_t begin_listening(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(here);

    relay.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (relay.listener < 0)
        die("socket");
    small_buffer(relay.listener); /* what it accepts has it too */
    if (bind(relay.listener, (struct sockaddr *)&here, size) != 0 ||
        listen(relay.listener, 1024) != 0 ||
        getsockname(relay.listener, (struct sockaddr *)&here, &size) != 0)
        die("listen");
    return ntohs(here.sin_port);
}

int main(int argc, char **argv)
{
    if (argc != 3 && argc != 5) {
        fputs("usage: relay PORT DELAY_MS [MBIT QUEUE_KIB]\n", stderr);
        return 64;
    }
    signal(SIGPIPE, SIG_IGN);
    mallopt(M_TRIM_THRESHOLD, INT32_MAX); /* what was under way will be again */
    mallopt(M_MMAP_THRESHOLD, INT32_MAX);
    relay.port = (uint16_t)atoi(argv[1]);
    relay.delay = (uint64_t)(atof(argv[2]) * (double)MILLISECOND);
    relay.slice = SLICE;
    if (argc == 5) {
        relay.rate = (uint64_t)(atof(argv[3]) * 1e6 / 8);
        relay.queue = strtoull(argv[4], NULL, 10) * 1024 * SECOND / relay.rate;
        relay.slice = BOTTLENECK_SLICE;
    }
    for (int i = 0; i < 2; i++) {
        STAILQ_INIT(&relay.ways[i].under_way);
        TAILQ_INIT(&relay.ways[i].readable);
    }
    relay.epoll = epoll_create1(EPOLL_CLOEXEC);
    relay.timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (relay.epoll < 0 || relay.timer < 0)
        die("epoll_create1");
    printf("{\"port\": %u}\n", begin_listening());
    fflush(stdout);
    watch(STDIN_FILENO, EPOLLIN, NULL);
    watch(relay.timer, EPOLLIN, &relay.timer);
    watch(relay.listener, EPOLLIN, &relay.listener);
    run();
}
