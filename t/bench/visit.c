/* Many connections to the echo server. A proxy may say yes before it knows (ssh -D does), so a
 * connection counts as open only when a byte has come back through it. */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define PARALLEL_MAX 1024
#define HOLD_PARALLEL 64
#define TAIL 10 /* seconds for those under way when the time is over */
#define ECHO_SAMPLES_MAX 5000
#define ECHO_PATIENCE 30 /* seconds */

enum state { FREE, CONNECTING, GREETED, ASKED, ECHOING };

struct visit {
    enum state state;
    int fd;
    double began;
    size_t length; /* of `reply` */
    uint8_t reply[SOCKS_REPLY_MAX];
};

/* One command's visits. */
struct tour {
    const struct setting *setting;
    int epoll;
    bool keep;
    double rate; /* how many begin a second; 0: one when another one is done */
    unsigned under_way;
    unsigned failed;
    struct samples latency;
    double last; /* when the last one was done */
    struct visit visits[PARALLEL_MAX];
};

static int *held;
static unsigned held_count;
static unsigned serial; /* spreads connections over the addresses */

static void hold(int fd)
{
    held = realloc(held, (held_count + 1) * sizeof(int));
    if (held == NULL)
        die("realloc");
    held[held_count++] = fd;
}

static void poll_for(struct tour *t, struct visit *v, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = v};

    if (epoll_ctl(t->epoll, operation, v->fd, &event) != 0)
        die("epoll_ctl");
}

static void start(struct tour *t, struct visit *v, double due)
{
    *v = (struct visit){.state = CONNECTING, .began = due};
    v->fd = socks_socket(t->setting, serial++, SOCK_NONBLOCK);
    setsockopt(v->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    poll_for(t, v, EPOLL_CTL_ADD, EPOLLOUT);
    t->under_way++;
}

static void end(struct tour *t, struct visit *v, bool good)
{
    t->last = now();
    t->under_way--;
    v->state = FREE;
    if (!good) {
        t->failed++;
        close(v->fd);
        return;
    }
    samples_add(&t->latency, (t->last - v->began) * 1e3);
    if (t->keep) {
        poll_for(t, v, EPOLL_CTL_DEL, 0);
        hold(v->fd);
    } else {
        close(v->fd);
    }
}

/* When the n-th visit of a tour is to begin, and whether that is now. */
static bool is_due(const struct tour *t, double began, unsigned n, double *due)
{
    *due = t->rate > 0 ? began + n / t->rate : now();
    return *due <= now();
}

static bool say(struct visit *v, enum state state, const void *bytes, size_t length)
{
    v->state = state;
    v->length = 0;
    return send(v->fd, bytes, length, MSG_NOSIGNAL) == (ssize_t)length;
}

/* The answer to what was said last has come in full: what is next. */
static bool answer(struct tour *t, struct visit *v)
{
    uint8_t request[SOCKS_REQUEST_SIZE];

    if (v->state == GREETED) {
        bool allowed =
            t->setting->password != NULL ? v->reply[1] == 2 && v->reply[3] == 0 : v->reply[1] == 0;
        socks_request(request, serial, t->setting->echo);
        return allowed && say(v, ASKED, request, sizeof(request));
    }
    if (v->state == ASKED)
        return v->reply[1] == 0 && say(v, ECHOING, "!", 1);
    end(t, v, true);
    return true;
}

/* Whether the answer to what was said last is there in full. */
static bool is_complete(const struct tour *t, const struct visit *v)
{
    size_t wanted = v->state == GREETED   ? (t->setting->password != NULL ? 4 : 2)
                    : v->state == ECHOING ? 1
                                          : socks_reply_length(v->reply, v->length);

    return wanted > 0 && v->length >= wanted;
}

static bool advance(struct tour *t, struct visit *v)
{
    uint8_t greeting[SOCKS_REPLY_MAX];
    ssize_t n;

    if (v->state == CONNECTING) {
        poll_for(t, v, EPOLL_CTL_MOD, EPOLLIN);
        return say(v, GREETED, greeting, socks_greeting(greeting, t->setting->password));
    }
    n = recv(v->fd, v->reply + v->length, sizeof(v->reply) - v->length, 0);
    if (n <= 0)
        return n < 0 && errno == EAGAIN;
    v->length += (size_t)n;
    return !is_complete(t, v) || answer(t, v);
}

/* Visits, `parallel` at once, until `wanted_visits` are done or on their way or the time is up. */
static void travel(struct tour *t, unsigned parallel, unsigned wanted_visits, double seconds)
{
    struct epoll_event events[256];
    double began = now();
    double until = began + seconds, due;
    unsigned started = 0;
    bool time_left;

    t->epoll = epoll_create1(EPOLL_CLOEXEC);
    t->last = began;
    if (t->epoll < 0)
        die("epoll_create1");
    for (;;) {
        time_left = now() < until;
        for (unsigned i = 0; i < parallel && time_left && started - t->failed < wanted_visits; i++)
            if (t->visits[i].state == FREE && is_due(t, began, started, &due)) {
                start(t, &t->visits[i], due);
                started++;
            }
        if ((t->under_way == 0 && !(time_left && t->rate > 0)) ||
            now() > until + (t->keep ? 0 : TAIL))
            break;
        int count =
            epoll_wait(t->epoll, events, sizeof(events) / sizeof(events[0]), t->rate > 0 ? 1 : 100);
        for (int i = 0; i < count; i++)
            if (!advance(t, events[i].data.ptr))
                end(t, events[i].data.ptr, false);
    }
    for (unsigned i = 0; i < parallel; i++)
        if (t->visits[i].state != FREE)
            close(t->visits[i].fd);
    close(t->epoll);
    printf("{\"done\": %zu, \"failed\": %u, \"late\": %u, \"seconds\": %.6f, \"held\": %u, "
           "\"p50\": %.4f, \"p99\": %.4f, \"max\": %.4f}\n",
           t->latency.count, t->failed, t->under_way, t->last - began, held_count,
           samples_quantile(&t->latency, 0.5), samples_quantile(&t->latency, 0.99),
           samples_quantile(&t->latency, 1));
    samples_free(&t->latency);
}

void visit_hold(const struct setting *setting, unsigned count, double seconds)
{
    struct tour tour = {.setting = setting, .keep = true};

    travel(&tour, HOLD_PARALLEL, count, seconds);
}

void visit_churn(const struct setting *setting, unsigned parallel, double seconds)
{
    struct tour tour = {.setting = setting};

    travel(&tour, parallel < PARALLEL_MAX ? parallel : PARALLEL_MAX, UINT32_MAX, seconds);
}

void visit_rate(const struct setting *setting, double rate, double seconds)
{
    struct tour tour = {.setting = setting, .rate = rate};

    travel(&tour, PARALLEL_MAX, UINT32_MAX, seconds);
}

/* There and back once: milliseconds. */
static double echo_once(int fd)
{
    char byte = '!';
    double began = now();

    if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1 || recv(fd, &byte, 1, 0) != 1)
        die("echo");
    return (now() - began) * 1e3;
}

void visit_echo(double seconds)
{
    struct timeval patience = {.tv_sec = ECHO_PATIENCE};
    struct samples times = {0};
    double until = now() + seconds;
    int fd;

    if (held_count == 0)
        die("echo: nothing is held");
    fd = held[held_count / 2];
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    while (times.count < ECHO_SAMPLES_MAX && now() < until)
        samples_add(&times, echo_once(fd));
    printf("{\"samples\": %zu, \"p50\": %.4f, \"p99\": %.4f}\n", times.count,
           samples_quantile(&times, 0.5), samples_quantile(&times, 0.99));
    samples_free(&times);
}
