/* Tests of a relay between two sockets: bulk, backpressure, resets. */
#include "io/relay.h"
#include "io/socket.h"
#include "io_test.h"

#include <pthread.h>
#include <stdio.h>

#define BULK ((size_t)32 << 20)

struct stream {
    int fd;
    size_t limit;
    uint64_t sum;
    size_t length;
    unsigned pause_us; /* now and then */
};

static void mix(struct stream *stream, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        stream->sum = stream->sum * 31 + bytes[i];
    stream->length += length;
}

static void *writes_bulk(void *arg)
{
    struct stream *stream = arg;
    uint8_t block[4099];

    while (stream->length < stream->limit) {
        size_t left = stream->limit - stream->length;
        ssize_t n;
        for (size_t i = 0; i < sizeof block; i++)
            block[i] = (uint8_t)((stream->length + i) * 2654435761u >> 13);
        n = write(stream->fd, block, left < sizeof block ? left : sizeof block);
        if (n <= 0)
            break;
        mix(stream, block, (size_t)n);
    }
    shutdown(stream->fd, SHUT_WR);
    return NULL;
}

static void *reads_bulk(void *arg)
{
    struct stream *stream = arg;
    uint8_t block[16384];
    ssize_t n;

    while ((n = read(stream->fd, block, sizeof block)) > 0) {
        if (stream->length % 64 == 0)
            usleep(stream->pause_us);
        mix(stream, block, (size_t)n);
    }
    return NULL;
}

struct bulk {
    bool done;
    struct relay_result result;
    char reason[64];
};

static void bulk_done(void *arg, const struct relay_result *result)
{
    struct bulk *bulk = arg;

    bulk->result = *result;
    snprintf(bulk->reason, sizeof bulk->reason, "%s", result->reason);
    bulk->done = true;
}

static struct relay *relay_over(struct loop *loop, int a, int b, struct bulk *bulk)
{
    struct endpoint *left = socket_endpoint_new(loop, a);
    struct endpoint *right = socket_endpoint_new(loop, b);

    assert_true(left != NULL && right != NULL);
    return relay_new(loop,
                     &(struct relay_start){.a = left, .b = right, .done = bulk_done, .arg = bulk});
}

static void a_relay_of_sockets_carries_bulk_both_ways(void **state)
{
    struct loop *loop = loop_new();
    struct bulk bulk = {0};
    struct stream streams[4];
    pthread_t threads[4];
    int left[2], right[2];

    (void)state;
    tcp_pair(left);
    unix_pair(right);
    relay_over(loop, left[0], right[0], &bulk);
    streams[0] = (struct stream){.fd = left[1], .limit = BULK};
    streams[1] = (struct stream){.fd = right[1], .pause_us = 100};
    streams[2] = (struct stream){.fd = right[1], .limit = BULK};
    streams[3] = (struct stream){.fd = left[1]};
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, i % 2 == 0 ? writes_bulk : reads_bulk, &streams[i]);
    run_until(loop, &bulk.done);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i += 2) {
        assert_int_equal(streams[i].length, BULK);
        assert_int_equal(streams[i + 1].length, BULK);
        assert_true(streams[i].sum == streams[i + 1].sum);
        assert_int_equal(bulk.result.bytes[i / 2], BULK);
    }
    assert_string_equal(bulk.reason, "closed");
    close(left[1]);
    close(right[1]);
    loop_free(loop);
}

/* When the other end is not read, a relay takes no more than what the kernel holds and one
 * turn's bytes. */
static void a_relay_holds_little_for_a_reader_that_does_not_read(void **state)
{
    struct loop *loop = loop_new();
    struct bulk bulk = {0};
    struct relay *relay;
    static const char zeroes[4096];
    size_t swallowed = 0;
    int left[2], right[2];

    (void)state;
    unix_pair(left);
    unix_pair(right);
    relay = relay_over(loop, left[0], right[0], &bulk);
    set_nonblocking(left[1]);
    for (int idle = 0; idle < 10;) {
        ssize_t n = write(left[1], zeroes, sizeof zeroes);
        if (n > 0)
            swallowed += (size_t)n;
        else
            idle++;
        uv_run(loop_uv(loop), UV_RUN_NOWAIT);
    }
    assert_true(swallowed > 65536);
    assert_true(swallowed < (size_t)1 << 20);
    assert_true(run_for(loop, 50) < 10);
    relay_abort(relay);
    close(left[1]);
    close(right[1]);
    loop_free(loop);
}

static void a_reset_of_one_side_resets_the_other(void **state)
{
    struct loop *loop = loop_new();
    struct bulk bulk = {0};
    int left[2], right[2];
    char byte;

    (void)state;
    tcp_pair(left);
    tcp_pair(right);
    relay_over(loop, left[0], right[0], &bulk);
    assert_int_equal(
        setsockopt(left[1], SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger)),
        0);
    close(left[1]);
    run_until(loop, &bulk.done);
    assert_int_equal(bulk.result.failed, 0);
    assert_string_equal(bulk.reason, "Connection reset by peer");
    assert_int_equal(read(right[1], &byte, 1), -1);
    assert_int_equal(errno, ECONNRESET);
    close(right[1]);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_relay_of_sockets_carries_bulk_both_ways),
        cmocka_unit_test(a_relay_holds_little_for_a_reader_that_does_not_read),
        cmocka_unit_test(a_reset_of_one_side_resets_the_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
