/* Bulk: as many bytes as asked for, checked by their number at the far end. */
#include "load.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK (256 * 1024)
#define STREAMS_MAX 64

struct stream {
    const struct setting *setting;
    uint64_t bytes;
    bool good;
};

static uint8_t block[BLOCK]; /* what is sent, and where what is read goes */

static bool send_all(int fd, uint64_t left)
{
    while (left > 0) {
        ssize_t n = send(fd, block, left < BLOCK ? left : BLOCK, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        left -= (uint64_t)n;
    }
    return true;
}

static void *go_down(void *arg)
{
    struct stream *stream = arg;
    int fd = socks_connect(stream->setting, stream->setting->source);
    uint64_t wanted = big_endian(stream->bytes);
    uint64_t total = 0;
    ssize_t n;

    if (fd < 0 || send(fd, &wanted, sizeof(wanted), MSG_NOSIGNAL) != sizeof(wanted))
        return NULL;
    while ((n = recv(fd, block, BLOCK, MSG_TRUNC)) > 0)
        total += (uint64_t)n;
    stream->good = n == 0 && total == stream->bytes;
    close(fd);
    return NULL;
}

static void *go_up(void *arg)
{
    struct stream *stream = arg;
    int fd = socks_connect(stream->setting, stream->setting->sink);
    uint64_t total = 0;

    stream->good = fd >= 0 && send_all(fd, stream->bytes) && shutdown(fd, SHUT_WR) == 0 &&
                   recv(fd, &total, sizeof(total), MSG_WAITALL) == sizeof(total) &&
                   big_endian(total) == stream->bytes;
    if (fd >= 0)
        close(fd);
    return NULL;
}

void stream_run(const struct setting *setting, bool up, unsigned streams, uint64_t bytes)
{
    struct stream all[STREAMS_MAX];
    pthread_t threads[STREAMS_MAX];
    unsigned failed = 0;
    double began = now();

    if (streams > STREAMS_MAX)
        streams = STREAMS_MAX;
    for (unsigned i = 0; i < streams; i++) {
        all[i] = (struct stream){.setting = setting, .bytes = bytes / streams};
        if (pthread_create(&threads[i], NULL, up ? go_up : go_down, &all[i]) != 0)
            die("pthread_create");
    }
    for (unsigned i = 0; i < streams; i++) {
        pthread_join(threads[i], NULL);
        failed += !all[i].good;
    }
    printf("{\"seconds\": %.6f, \"bytes\": %" PRIu64 ", \"failed\": %u}\n", now() - began,
           bytes / streams * streams, failed);
}
