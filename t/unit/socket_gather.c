/* Tests of what io/socket gathers of a turn's bytes before it sends them. The test stands in for
 * send(2), so that it counts the calls and says how much the kernel takes. */
#include "io/relay.h"
#include "io/socket.h"
#include "io_test.h"

#include "base/mem.h"

#include <poll.h>

/* What an SSH channel brings at once, and what is too little and too much to be gathered. */
#define PACKET 32000
#define LITTLE 16383
#define MUCH 65537

#define ENDLESS ((size_t)1 << 40)

/* A socket's far end, and what it got. */
struct far_end {
    struct endpoint *endpoint; /* NULL: closed */
    int near_fd, fd;
    size_t capacity; /* what the kernel takes now */
    int error;       /* what it says instead; 0: nothing */
    unsigned sends;
    size_t said; /* by the test, to the endpoint */
    size_t got;
    bool eof, failed;
    unsigned writables;
};

struct scene {
    struct loop *loop;
    struct far_end one, two;
};

static struct scene *the_scene;

ssize_t send(int fd, const void *bytes, size_t length, int flags)
{
    struct far_end *far = fd == the_scene->two.near_fd ? &the_scene->two : &the_scene->one;
    size_t taken = length < far->capacity ? length : far->capacity;
    ssize_t sent;

    far->sends++;
    if (taken == 0 || far->error != 0) {
        errno = far->error != 0 ? far->error : EAGAIN;
        return -1;
    }
    sent = sendto(fd, bytes, taken, flags, NULL, 0);
    far->capacity -= sent > 0 ? (size_t)sent : 0;
    return sent;
}

/* ---- the owner */

static size_t on_room(void *owner)
{
    (void)owner;
    return ENDLESS;
}

static bool on_data(void *owner, const uint8_t *bytes, size_t length)
{
    (void)owner;
    (void)bytes;
    (void)length;
    return true;
}

static void on_eof(void *owner)
{
    (void)owner;
}

static void on_writable(void *owner)
{
    assert_false(endpoint_is_draining(((struct far_end *)owner)->endpoint));
    ((struct far_end *)owner)->writables++;
}

static void on_failed(void *owner, const char *why)
{
    (void)why;
    ((struct far_end *)owner)->failed = true;
}

static const struct endpoint_events owner_events = {
    .room = on_room,
    .data = on_data,
    .eof = on_eof,
    .writable = on_writable,
    .failed = on_failed,
};

/* The bytes of a stream, each told from its neighbours. */
static char nth(size_t n)
{
    return (char)(n % 251);
}

/* Writes the next bytes of the stream; says how many were taken. */
static size_t writes(struct far_end *far, size_t length)
{
    char *bytes = mem_zalloc(length);
    size_t taken;

    for (size_t i = 0; i < length; i++)
        bytes[i] = nth(far->said + i);
    taken = endpoint_write(far->endpoint, (uint8_t *)bytes, length);
    far->said += taken;
    free(bytes);
    return taken;
}

/* Reads what is there, which must be the next of the stream. */
static void read_all(struct far_end *far)
{
    static char bytes[65536];
    ssize_t n;

    while ((n = recv(far->fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            if (bytes[i] != nth(far->got + (size_t)i))
                fail_msg("byte %zu is another", far->got + (size_t)i);
        far->got += (size_t)n;
    }
    far->eof |= n == 0;
}

static void assert_got(struct far_end *far, size_t length, unsigned sends)
{
    read_all(far);
    assert_int_equal(far->got, length);
    assert_int_equal(far->sends, sends);
}

/* The kernel takes so much more, and says so. (A unix socket does when its far end is read.) */
static void takes(struct scene *scene, struct far_end *far, size_t more)
{
    far->capacity += more;
    read_all(far);
    run_now(scene->loop);
}

/* One packet has just gone through; the kernel will take so much more, and only that is counted. */
static void start(struct scene *scene, struct far_end *far, size_t capacity)
{
    int fds[2];

    unix_pair(fds);
    *far = (struct far_end){.near_fd = fds[0], .fd = fds[1], .capacity = PACKET};
    far->endpoint = socket_endpoint_new(scene->loop, fds[0]);
    assert_non_null(far->endpoint);
    endpoint_own(far->endpoint, &owner_events, far);
    assert_int_equal(writes(far, PACKET), PACKET);
    assert_got(far, PACKET, 1);
    far->capacity = capacity;
    far->got = far->said = 0;
    far->sends = 0;
}

static void finish(struct scene *scene, struct far_end *far)
{
    if (far->endpoint != NULL)
        endpoint_close(far->endpoint, true);
    close(far->fd);
    run_now(scene->loop);
}

static int set_up(void **state)
{
    struct scene *scene = mem_zalloc(sizeof *scene);

    scene->loop = loop_new();
    the_scene = scene;
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;

    socket_linger_abort(scene->loop);
    loop_free(scene->loop);
    free(scene);
    return 0;
}

/* ---- what is gathered */

static void a_turns_packets_are_one_send(void **state)
{
    struct scene *scene = *state;
    struct far_end *one = &scene->one;

    start(scene, one, ENDLESS);
    for (unsigned turn = 1; turn <= 3; turn++) {
        assert_int_equal(writes(one, PACKET), PACKET);
        assert_int_equal(writes(one, PACKET), PACKET);
        assert_int_equal(writes(one, 1), 1); /* behind the others, however little it is */
        assert_int_equal(one->sends, turn - 1);
        run_now(scene->loop);
        assert_got(one, one->said, turn);
    }
    finish(scene, one);
}

static void little_does_not_wait(void **state)
{
    struct scene *scene = *state;
    struct far_end *one = &scene->one;

    start(scene, one, ENDLESS);
    assert_int_equal(writes(one, LITTLE), LITTLE);
    assert_got(one, LITTLE, 1);
    assert_int_equal(writes(one, 1), 1);
    assert_got(one, LITTLE + 1, 2);
    assert_int_equal(writes(one, LITTLE + 1), LITTLE + 1);
    assert_int_equal(one->sends, 2);
    finish(scene, one);
}

static void much_is_sent_by_itself_behind_what_was_gathered(void **state)
{
    struct scene *scene = *state;
    struct far_end *one = &scene->one;

    start(scene, one, ENDLESS);
    assert_int_equal(writes(one, MUCH), MUCH);
    assert_got(one, MUCH, 1);
    assert_int_equal(writes(one, PACKET), PACKET);
    assert_got(one, MUCH, 1);
    assert_int_equal(writes(one, MUCH), MUCH);
    assert_got(one, MUCH + PACKET + MUCH, 3);
    finish(scene, one);
}

static void when_the_buffer_is_full_it_is_sent(void **state)
{
    struct scene *scene = *state;
    struct far_end *one = &scene->one;
    size_t fit = LOOP_SCRATCH_SIZE / PACKET;

    start(scene, one, ENDLESS);
    for (size_t i = 0; i < fit; i++)
        assert_int_equal(writes(one, PACKET), PACKET);
    assert_got(one, 0, 0);
    assert_int_equal(writes(one, PACKET), PACKET);
    assert_got(one, fit * PACKET, 1);
    run_now(scene->loop);
    assert_got(one, (fit + 1) * PACKET, 2);
    finish(scene, one);
}

static void each_socket_gets_its_own(void **state)
{
    struct scene *scene = *state;
    struct far_end *one = &scene->one, *two = &scene->two;

    start(scene, one, ENDLESS);
    assert_int_equal(writes(one, PACKET), PACKET);
    start(scene, two, ENDLESS);
    assert_got(one, 0, 0);
    assert_int_equal(writes(two, PACKET + 1), PACKET + 1);
    assert_got(one, PACKET, 1);
    assert_int_equal(writes(one, PACKET), PACKET);
    assert_got(one, 2 * PACKET, 2); /* (It was not the last.) */
    assert_int_equal(writes(one, PACKET), PACKET);
    assert_got(two, PACKET + 1, 1);
    assert_int_equal(writes(two, PACKET), PACKET);
    assert_got(two, 2 * PACKET + 1, 2);
    assert_got(one, 2 * PACKET, 2);
    run_now(scene->loop);
    assert_got(one, 3 * PACKET, 3);
    assert_got(two, 2 * PACKET + 1, 2);
    finish(scene, one);
    finish(scene, two);
}

/* ---- what the kernel does not take */

static void what_the_kernel_does_not_take_is_kept_and_goes_first(void **state)
{
    struct scene *scene = *state;
    struct far_end *one = &scene->one;

    start(scene, one, PACKET + 1);
    assert_int_equal(writes(one, PACKET), PACKET);
    assert_int_equal(writes(one, PACKET), PACKET);
    run_now(scene->loop);
    assert_true(endpoint_is_draining(one->endpoint));
    assert_int_equal(endpoint_room(one->endpoint), 0);
    assert_int_equal(writes(one, PACKET), 0);
    takes(scene, one, 1);
    assert_int_equal(one->writables, 0);
    takes(scene, one, ENDLESS);
    assert_int_equal(one->writables, 1);
    read_all(one);
    assert_int_equal(one->got, 2 * PACKET);
    assert_int_equal(writes(one, PACKET), PACKET);
    run_now(scene->loop);
    read_all(one);
    assert_int_equal(one->got, 3 * PACKET);
    finish(scene, one);
}

static void what_comes_upon_too_much_is_not_taken(void **state)
{
    struct scene *scene = *state;
    struct far_end *one = &scene->one;
    size_t fit = LOOP_SCRATCH_SIZE / PACKET;

    for (int much = 0; much < 2; much++) {
        start(scene, one, 1);
        for (size_t i = 0; i < fit; i++)
            assert_int_equal(writes(one, PACKET), PACKET);
        assert_int_equal(writes(one, much ? MUCH : PACKET), 0);
        assert_int_equal(one->sends, 1);
        assert_int_equal(endpoint_room(one->endpoint), 0);
        takes(scene, one, ENDLESS);
        assert_int_equal(one->writables, 1);
        read_all(one);
        assert_int_equal(one->got, fit * PACKET);
        finish(scene, one);
    }
}

static void a_message_behind_gathered_bytes_is_kept_behind_them(void **state)
{
    struct scene *scene = *state;
    struct far_end *one = &scene->one;
    size_t fit = LOOP_SCRATCH_SIZE / PACKET * PACKET;
    char *message = mem_zalloc(ENDPOINT_MESSAGES_MAX);

    start(scene, one, 1);
    while (one->said < fit)
        assert_int_equal(writes(one, PACKET), PACKET);
    for (size_t i = 0; i < ENDPOINT_MESSAGES_MAX; i++)
        message[i] = nth(fit + i);
    endpoint_send(one->endpoint, message, ENDPOINT_MESSAGES_MAX);
    free(message);
    assert_int_equal(one->sends, 1);
    assert_true(endpoint_is_draining(one->endpoint));
    one->capacity = ENDLESS;
    while (one->writables == 0)
        takes(scene, one, 0);
    read_all(one);
    assert_int_equal(one->got, fit + ENDPOINT_MESSAGES_MAX);
    finish(scene, one);
}

static void the_end_of_data_is_behind_it(void **state)
{
    struct scene *scene = *state;
    struct far_end *one = &scene->one;

    for (int at_once = 0; at_once < 2; at_once++) {
        start(scene, one, at_once ? ENDLESS : 1);
        assert_int_equal(writes(one, PACKET), PACKET);
        endpoint_write_eof(one->endpoint);
        assert_int_equal(endpoint_is_draining(one->endpoint), !at_once);
        read_all(one);
        assert_int_equal(one->eof, at_once);
        takes(scene, one, ENDLESS);
        assert_int_equal(one->writables, !at_once);
        read_all(one);
        assert_true(one->eof);
        assert_int_equal(one->got, PACKET);
        finish(scene, one);
    }
}

/* ---- ends */

static void what_was_gathered_is_sent_before_a_close_and_before_an_abort(void **state)
{
    struct scene *scene = *state;
    struct far_end *one = &scene->one;

    for (int abort = 0; abort < 2; abort++) {
        start(scene, one, ENDLESS);
        assert_int_equal(writes(one, PACKET), PACKET);
        endpoint_close(one->endpoint, abort);
        one->endpoint = NULL;
        assert_got(one, PACKET, 1);
        finish(scene, one);
    }
}

static void what_was_gathered_is_sent_before_a_release(void **state)
{
    struct scene *scene = *state;
    struct far_end *one = &scene->one;
    struct buffer unsent = {0};

    start(scene, one, 1000);
    assert_int_equal(writes(one, PACKET), PACKET);
    assert_int_equal(socket_endpoint_release(one->endpoint, &unsent), one->near_fd);
    one->endpoint = NULL;
    assert_got(one, 1000, 1);
    assert_int_equal(buffer_length(&unsent), PACKET - 1000);
    assert_int_equal(buffer_data(&unsent)[0], (uint8_t)nth(1000));
    buffer_clear(&unsent);
    run_now(scene->loop);
    close(one->near_fd);
    finish(scene, one);
}

/* (So that bytes that were lost do not count as delivered.) */
static void a_socket_that_fails_drains_until_its_owner_is_told(void **state)
{
    struct scene *scene = *state;
    struct far_end *one = &scene->one;

    for (int eof = 0; eof < 2; eof++) {
        start(scene, one, ENDLESS);
        assert_int_equal(writes(one, PACKET), PACKET);
        one->error = EPIPE;
        if (eof) {
            endpoint_write_eof(one->endpoint);
            assert_true(endpoint_is_draining(one->endpoint));
            assert_false(one->failed);
        }
        run_now(scene->loop);
        run_now(scene->loop);
        assert_true(one->failed);
        assert_int_equal(one->writables, 0);
        assert_int_equal(one->sends, 1);
        finish(scene, one);
    }
}

static void relay_done(void *arg, const struct relay_result *result)
{
    *(struct relay_result *)arg = *result;
}

/* Both sides have ended, and one keeps bytes that it has taken. */
static void a_relay_ends_when_all_has_been_sent(void **state)
{
    struct scene *scene = *state;
    struct far_end *one = &scene->one, *two = &scene->two;
    struct relay_result result = {0};
    struct buffer early = {0};
    char packet[PACKET];

    start(scene, two, ENDLESS);
    start(scene, one, 1000);
    for (size_t i = 0; i < PACKET; i++)
        packet[i] = nth(i);
    buffer_append(&early, packet, PACKET);
    shutdown(one->fd, SHUT_WR);
    shutdown(two->fd, SHUT_WR);
    relay_new(scene->loop, &(struct relay_start){.a = one->endpoint,
                                                 .b = two->endpoint,
                                                 .early_b = &early,
                                                 .done = relay_done,
                                                 .arg = &result});
    buffer_clear(&early);
    run_now(scene->loop);
    assert_null(result.reason);
    takes(scene, one, 1000);
    assert_null(result.reason);
    takes(scene, one, ENDLESS);
    assert_string_equal(result.reason, "closed");
    assert_int_equal(result.bytes[1], PACKET);
    read_all(one);
    assert_int_equal(one->got, PACKET);
    assert_true(one->eof);
    one->endpoint = two->endpoint = NULL;
    finish(scene, one);
    finish(scene, two);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_turns_packets_are_one_send),
        TEST(little_does_not_wait),
        TEST(much_is_sent_by_itself_behind_what_was_gathered),
        TEST(when_the_buffer_is_full_it_is_sent),
        TEST(each_socket_gets_its_own),
        TEST(what_the_kernel_does_not_take_is_kept_and_goes_first),
        TEST(what_comes_upon_too_much_is_not_taken),
        TEST(a_message_behind_gathered_bytes_is_kept_behind_them),
        TEST(the_end_of_data_is_behind_it),
        TEST(what_was_gathered_is_sent_before_a_close_and_before_an_abort),
        TEST(what_was_gathered_is_sent_before_a_release),
        TEST(a_socket_that_fails_drains_until_its_owner_is_told),
        TEST(a_relay_ends_when_all_has_been_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
