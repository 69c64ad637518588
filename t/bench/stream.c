/* Bulk: as many bytes as asked for, checked by their number at the far end; or as many as there is
 * time for, beside something else. */
#include "load.h"

#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK (256 * 1024)
#define STREAMS_MAX 64
#define ENDLESS (UINT64_MAX / 2)
#define WELL_UNDER_WAY ((uint64_t)4 << 20)

struct stream {
    const struct setting *setting;
    bool up;
    uint64_t bytes;
    bool good;
    pthread_t thread;
    _Atomic uint64_t carried;
    atomic_int fd; /* -1: not connected */
    bool is_well_under_way;
};

static uint8_t block[BLOCK]; /* what is sent, and where what is read goes */

/* The streams of stream_begin. */
static struct stream background[STREAMS_MAX];
static unsigned background_count;
static sem_t begun; /* posted by each once it is well under way, or has failed */
static atomic_bool ending;

static void note_begun(struct stream *stream)
{
    if (stream->bytes != ENDLESS || stream->is_well_under_way)
        return;
    stream->is_well_under_way = true;
    sem_post(&begun);
}

static void note_carried(struct stream *stream, size_t bytes)
{
    atomic_fetch_add(&stream->carried, bytes);
    if (stream->carried >= WELL_UNDER_WAY)
        note_begun(stream);
}

static bool carry_down(struct stream *stream)
{
    uint64_t wanted = big_endian(stream->bytes);
    ssize_t n;

    if (send(stream->fd, &wanted, sizeof(wanted), MSG_NOSIGNAL) != sizeof(wanted))
        return false;
    while ((n = recv(stream->fd, block, BLOCK, MSG_TRUNC)) > 0)
        note_carried(stream, (size_t)n);
    return n == 0 && stream->carried == stream->bytes;
}

static bool carry_up(struct stream *stream)
{
    uint64_t left = stream->bytes;
    uint64_t total = 0;

    while (left > 0) {
        ssize_t n = send(stream->fd, block, left < BLOCK ? left : BLOCK, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        left -= (uint64_t)n;
        note_carried(stream, (size_t)n);
    }
    return shutdown(stream->fd, SHUT_WR) == 0 &&
           recv(stream->fd, &total, sizeof(total), MSG_WAITALL) == sizeof(total) &&
           big_endian(total) == stream->bytes;
}

static void *go(void *arg)
{
    struct stream *stream = arg;
    const struct setting *setting = stream->setting;

    stream->fd = socks_connect(setting, stream->up ? setting->sink : setting->source);
    if (stream->fd >= 0)
        stream->good = stream->up ? carry_up(stream) : carry_down(stream);
    if (ending)
        stream->good = true; /* nobody wanted more of it */
    note_begun(stream);
    return NULL;
}

static void begin(struct stream *stream, const struct setting *setting, bool up, uint64_t bytes)
{
    *stream = (struct stream){.setting = setting, .up = up, .bytes = bytes, .fd = -1};
    if (pthread_create(&stream->thread, NULL, go, stream) != 0)
        die("pthread_create");
}

/* Whether it did well. */
static bool end(struct stream *stream)
{
    pthread_join(stream->thread, NULL);
    if (stream->fd >= 0)
        close(stream->fd);
    return stream->good;
}

static void tell(double seconds, uint64_t bytes, unsigned failed)
{
    printf("{\"seconds\": %.6f, \"bytes\": %" PRIu64 ", \"failed\": %u}\n", seconds, bytes, failed);
}

void stream_run(const struct setting *setting, bool up, unsigned streams, uint64_t bytes)
{
    struct stream all[STREAMS_MAX];
    unsigned failed = 0;
    double began = now();

    if (streams > STREAMS_MAX)
        streams = STREAMS_MAX;
    for (unsigned i = 0; i < streams; i++)
        begin(&all[i], setting, up, bytes / streams);
    for (unsigned i = 0; i < streams; i++)
        failed += !end(&all[i]);
    tell(now() - began, bytes / streams * streams, failed);
}

void stream_flow(const struct setting *setting, unsigned streams, double seconds)
{
    uint64_t bytes[2];
    double began = now();

    stream_begin(setting, streams, 0);
    double left = seconds - (now() - began);
    if (left > 0)
        usleep((useconds_t)(left * 1e6));
    stream_carried(bytes);
    seconds = now() - began;
    tell(seconds, bytes[0], stream_end());
}

void stream_begin(const struct setting *setting, unsigned down, unsigned up)
{
    background_count = down + up < STREAMS_MAX ? down + up : STREAMS_MAX;
    ending = false;
    sem_init(&begun, 0, 0);
    for (unsigned i = 0; i < background_count; i++)
        begin(&background[i], setting, i >= down, ENDLESS);
    for (unsigned i = 0; i < background_count; i++)
        sem_wait(&begun);
}

void stream_carried(uint64_t bytes[static 2])
{
    bytes[0] = bytes[1] = 0;
    for (unsigned i = 0; i < background_count; i++)
        bytes[background[i].up] += background[i].carried;
}

unsigned stream_end(void)
{
    unsigned failed = 0;

    ending = true;
    for (unsigned i = 0; i < background_count; i++)
        if (background[i].fd >= 0)
            shutdown(background[i].fd, SHUT_RDWR);
    for (unsigned i = 0; i < background_count; i++)
        failed += !end(&background[i]);
    background_count = 0;
    return failed;
}
