/* A flood: one source opens connections at a steady rate and does something wrong with each. A
 * thread of its own opens those that are due a hundred times a second, so that what others see is
 * the proxy's doing and not the lack of a processor. */
#include "load.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SOURCE 66 /* 127.0.0.66 */
#define TURN_NS 10000000
#define READER_BYTES (UINT64_C(1) << 30)
#define SIP 1024     /* what a slow reader reads ... */
#define SIP_TURNS 10 /* ... each so many turns */

struct flood {
    const struct setting *setting;
    uint8_t words[512]; /* what each connection says, all at once */
    size_t length;
    bool reads; /* slowly; and those that are open stay */
    double rate;
    unsigned most;
    int epoll;
    int *fds; /* a ring of `most`; -1: closed */
    unsigned at;
    unsigned begun, ended; /* ended: by the proxy */
    atomic_bool over;
    pthread_t thread;
};

static struct flood flood;

static void add(const void *bytes, size_t length)
{
    memcpy(flood.words + flood.length, bytes, length);
    flood.length += length;
}

static void add_request(uint16_t port)
{
    uint8_t request[SOCKS_REQUEST_SIZE];

    add(SOCKS_GREETING, 3);
    socks_request(request, 0, port);
    add(request, sizeof(request));
}

/* False: there is no such kind. */
static bool find_words(const char *kind)
{
    uint8_t greeting[SOCKS_REPLY_MAX];
    uint64_t bytes = big_endian(READER_BYTES);

    flood.length = 0;
    if (strcmp(kind, "connections") == 0)
        return true;
    if (strcmp(kind, "heads") == 0) {
        add("CONNECT a:1 HTTP/1.1\r\nx: ", 25);
    } else if (strcmp(kind, "readers") == 0) {
        add_request(flood.setting->source);
        add(&bytes, sizeof(bytes));
        flood.reads = true;
    } else if (strcmp(kind, "holes") == 0) {
        add_request(flood.setting->hole);
    } else if (strcmp(kind, "passwords") == 0) {
        add(greeting, socks_greeting(greeting, "wrong"));
    } else {
        return false;
    }
    return true;
}

static void drop(unsigned slot)
{
    if (flood.fds[slot] >= 0)
        close(flood.fds[slot]);
    flood.fds[slot] = -1;
}

static void begin_one(void)
{
    struct epoll_event event = {.events = EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.u32 = flood.at};
    int fd = socks_socket_from(flood.setting, SOURCE, SOCK_NONBLOCK);

    drop(flood.at);
    if (fd < 0 || epoll_ctl(flood.epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        die("flood");
    flood.fds[flood.at] = fd;
    flood.at = (flood.at + 1) % flood.most;
    flood.begun++;
}

static void process_events(void)
{
    struct epoll_event events[256];
    int count = epoll_wait(flood.epoll, events, sizeof(events) / sizeof(events[0]), 0);

    for (int i = 0; i < count; i++) {
        unsigned slot = events[i].data.u32;
        if (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
            flood.ended++;
            drop(slot);
        } else if (events[i].events & EPOLLOUT) {
            struct epoll_event event = {.events = EPOLLRDHUP, .data.u32 = slot};
            send(flood.fds[slot], flood.words, flood.length, MSG_NOSIGNAL);
            epoll_ctl(flood.epoll, EPOLL_CTL_MOD, flood.fds[slot], &event);
        }
    }
}

static void read_slowly(void)
{
    uint8_t sip[SIP];

    for (unsigned slot = 0; slot < flood.most; slot++)
        if (flood.fds[slot] >= 0)
            recv(flood.fds[slot], sip, sizeof(sip), MSG_DONTWAIT);
}

static bool one_is_due(double began)
{
    return flood.begun < (now() - began) * flood.rate && !flood.over &&
           (!flood.reads || flood.begun < flood.most);
}

static void *run(void *arg)
{
    double began = now();

    (void)arg;
    for (unsigned turn = 0; !flood.over; turn++) {
        while (one_is_due(began))
            begin_one();
        process_events();
        if (flood.reads && turn % SIP_TURNS == 0)
            read_slowly();
        nanosleep(&(struct timespec){.tv_nsec = TURN_NS}, NULL);
    }
    return NULL;
}

bool flood_begin(const struct setting *setting, const char *kind, unsigned most, double rate)
{
    flood = (struct flood){.setting = setting, .rate = rate, .most = most};
    if (!find_words(kind))
        return false;
    flood.epoll = epoll_create1(EPOLL_CLOEXEC);
    flood.fds = malloc(most * sizeof(int));
    if (flood.epoll < 0 || flood.fds == NULL)
        die("flood");
    memset(flood.fds, -1, most * sizeof(int));
    if (pthread_create(&flood.thread, NULL, run, NULL) != 0)
        die("pthread_create");
    return true;
}

void flood_end(void)
{
    unsigned open = 0;

    flood.over = true;
    pthread_join(flood.thread, NULL);
    for (unsigned slot = 0; slot < flood.most; slot++) {
        open += flood.fds[slot] >= 0;
        drop(slot);
    }
    close(flood.epoll);
    free(flood.fds);
    printf("{\"begun\": %u, \"ended\": %u, \"open\": %u}\n", flood.begun, flood.ended, open);
}
