/* Requests: the client names a number of bytes, the origin sends them. */
#include "load.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64

/* A page that is being loaded. */
struct page {
    const struct setting *setting;
    atomic_int left; /* objects that nobody has asked for yet */
    uint64_t bytes;  /* of each */
    atomic_uint failed;
};

/* One request on a connection. */
static bool ask(int fd, uint64_t bytes)
{
    uint64_t wanted = big_endian(bytes);
    uint8_t answer[16384];

    if (send(fd, &wanted, sizeof(wanted), MSG_NOSIGNAL) != sizeof(wanted))
        return false;
    while (bytes > 0) {
        ssize_t n = recv(fd, answer, bytes < sizeof(answer) ? bytes : sizeof(answer), 0);
        if (n <= 0)
            return false;
        bytes -= (uint64_t)n;
    }
    return true;
}

static int connect_for_requests(const struct setting *setting)
{
    int fd = socks_connect(setting, setting->answer);

    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return fd;
}

/* One of a browser's connections. */
static void *load_objects(void *arg)
{
    struct page *page = arg;
    int fd = connect_for_requests(page->setting);
    bool good = fd >= 0;

    while (good && atomic_fetch_sub(&page->left, 1) > 0)
        good = ask(fd, page->bytes);
    if (!good)
        page->failed++;
    if (fd >= 0)
        close(fd);
    return NULL;
}

/* Returns how many connections failed. */
static unsigned load_page(const struct setting *setting, unsigned connections, unsigned objects,
                          uint64_t bytes)
{
    struct page page = {.setting = setting, .left = (int)objects, .bytes = bytes};
    pthread_t threads[CONNECTIONS_MAX];

    for (unsigned i = 0; i < connections; i++)
        if (pthread_create(&threads[i], NULL, load_objects, &page) != 0)
            die("pthread_create");
    for (unsigned i = 0; i < connections; i++)
        pthread_join(threads[i], NULL);
    return page.failed;
}

void request_pages(const struct setting *setting, unsigned connections, unsigned objects,
                   uint64_t bytes, double seconds)
{
    struct samples times = {0};
    unsigned failed = 0;
    double until = now() + seconds;

    if (connections > CONNECTIONS_MAX)
        connections = CONNECTIONS_MAX;
    while (now() < until) {
        double began = now();
        failed += load_page(setting, connections, objects, bytes);
        samples_add(&times, (now() - began) * 1e3);
    }
    printf("{\"done\": %zu, \"failed\": %u, \"p50\": %.4f, \"p99\": %.4f}\n", times.count, failed,
           samples_quantile(&times, 0.5), samples_quantile(&times, 0.99));
    samples_free(&times);
}

void request_beside(const struct setting *setting, unsigned down, unsigned up, uint64_t bytes,
                    double seconds)
{
    struct samples times = {0};
    unsigned failed = 0;
    uint64_t before[2], after[2];

    stream_begin(setting, down, up);
    stream_carried(before);
    double first = now();
    while (now() < first + seconds) {
        double began = now();
        int fd = connect_for_requests(setting);
        if (fd >= 0 && ask(fd, bytes))
            samples_add(&times, (now() - began) * 1e3);
        else
            failed++;
        if (fd >= 0)
            close(fd);
    }
    double taken = now() - first;
    stream_carried(after);
    failed += stream_end();
    printf("{\"done\": %zu, \"failed\": %u, \"seconds\": %.6f, \"p50\": %.4f, \"p99\": %.4f, "
           "\"down\": %" PRIu64 ", \"up\": %" PRIu64 "}\n",
           times.count, failed, taken, samples_quantile(&times, 0.5),
           samples_quantile(&times, 0.99), after[0] - before[0], after[1] - before[1]);
    samples_free(&times);
}
