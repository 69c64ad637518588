/* Transfers that run steadily, and how long one of them stands still while names are asked for. The
 * far ends of the transfers are here too, so that both ends are paced and timed. */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK (16 * 1024)
#define TRANSFERS_MAX 64
#define NAMES_MAX 1024

struct transfer {
    int from, to;      /* who writes, who reads */
    unsigned pause_us; /* between two chunks; 0: as fast as it goes */
    pthread_t writer, reader;
    _Atomic double heard; /* when the reader got the last bytes */
    _Atomic double gap;   /* the longest time between two of them, since it was set to 0 */
    atomic_bool broken;
};

static uint8_t chunk[CHUNK]; /* what is sent, and where what is read goes */

static void sleep_until(double when)
{
    struct timespec at = {.tv_sec = (time_t)when,
                          .tv_nsec = (long)((when - (double)(time_t)when) * 1e9)};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        ;
}

static void *write_steadily(void *arg)
{
    struct transfer *t = arg;
    double due = now();

    while (send(t->from, chunk, CHUNK, MSG_NOSIGNAL) > 0) {
        due += t->pause_us / 1e6;
        /* (What was missed while it stood still is not made up for.) */
        if (due < now())
            due = now();
        else
            sleep_until(due);
    }
    return NULL;
}

static void note_gap(struct transfer *t, double at)
{
    double gap = at - atomic_load(&t->heard);

    if (gap > atomic_load(&t->gap))
        atomic_store(&t->gap, gap);
}

static void *read_steadily(void *arg)
{
    struct transfer *t = arg;

    while (recv(t->to, chunk, CHUNK, MSG_TRUNC) > 0) {
        double at = now();
        note_gap(t, at);
        atomic_store(&t->heard, at);
    }
    atomic_store(&t->broken, true);
    return NULL;
}

static void start(pthread_t *thread, void *(*run)(void *), struct transfer *t)
{
    if (pthread_create(thread, NULL, run, t) != 0)
        die("pthread_create");
}

/* Where the transfers lead: the first origin address, for socks_connect. */
static int listen_here(uint16_t *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000101)};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) != 0 || listen(fd, 64) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) != 0)
        die("listen");
    *port = ntohs(at.sin_port);
    return fd;
}

static void begin(struct transfer *t, const struct setting *setting, int listener, uint16_t port,
                  bool up, unsigned pause_us)
{
    int near = socks_connect(setting, port);
    int far = near >= 0 ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;

    if (far < 0)
        die("a transfer");
    setsockopt(up ? near : far, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    *t = (struct transfer){.from = up ? near : far, .to = up ? far : near, .pause_us = pause_us};
    atomic_store(&t->heard, now());
    start(&t->writer, write_steadily, t);
    start(&t->reader, read_steadily, t);
}

static void finish(struct transfer *t)
{
    shutdown(t->from, SHUT_RDWR);
    shutdown(t->to, SHUT_RDWR);
    pthread_join(t->writer, NULL);
    pthread_join(t->reader, NULL);
    close(t->from);
    close(t->to);
}

static void forget_gaps(struct transfer *all, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        atomic_store(&all[i].gap, 0);
}

/* Milliseconds. One that stands still at this moment counts as far as it got. */
static double longest_gap(struct transfer *all, unsigned count)
{
    double longest = 0;

    for (unsigned i = 0; i < count; i++) {
        note_gap(&all[i], now());
        if (atomic_load(&all[i].gap) > longest)
            longest = atomic_load(&all[i].gap);
    }
    return longest * 1e3;
}

static unsigned broken(struct transfer *all, unsigned count)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < count; i++)
        sum += atomic_load(&all[i].broken);
    return sum;
}

void stall_run(const struct setting *setting, const struct stall *stall)
{
    struct transfer all[TRANSFERS_MAX];
    int asked[NAMES_MAX];
    unsigned count = stall->down + stall->up;
    unsigned names = stall->names < NAMES_MAX ? stall->names : NAMES_MAX;
    unsigned answered = 0;
    uint16_t port;
    int listener = listen_here(&port);
    double before, began;

    if (count > TRANSFERS_MAX)
        die("too many transfers");
    for (unsigned i = 0; i < count; i++)
        begin(&all[i], setting, listener, port, i >= stall->down, stall->pause_us);
    sleep_until(now() + STALL_LEAD);
    forget_gaps(all, count);
    sleep_until(now() + STALL_LEAD);
    before = longest_gap(all, count);
    forget_gaps(all, count);
    began = now();
    for (unsigned i = 0; i < names; i++) {
        char name[64];
        snprintf(name, sizeof(name), "n%u.slow.test", i);
        asked[i] = socks_ask_name(setting, name, setting->echo);
        sleep_until(began + (i + 1) * stall->interval_ms / 1e3);
    }
    sleep_until(began + stall->seconds);
    printf("{\"stall_before\": %.3f, \"stall\": %.3f, \"failed\": %u, ", before,
           longest_gap(all, count), broken(all, count));
    for (unsigned i = 0; i < names; i++) {
        uint8_t reply[SOCKS_REPLY_MAX];
        if (asked[i] < 0)
            continue;
        answered += recv(asked[i], reply, sizeof(reply), MSG_DONTWAIT) >= 5 && reply[1] == 0;
        close(asked[i]);
    }
    printf("\"answered\": %u}\n", answered);
    for (unsigned i = 0; i < count; i++)
        finish(&all[i]);
    close(listener);
}
