/* Tests of io/packets, and of io/memory_file, whose files go by them. */
#include "io/packets.h"
#include "io_test.h"

#include "base/mem.h"
#include "io/memory_file.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/mman.h>

#define PACKET_MAX ((size_t)4096)
#define MANY 5000

static struct loop *loop;
static struct packets *packets; /* of end 0 */
static int other;               /* end 1 */

static size_t received;
static size_t last_length;
static unsigned last_number;
static char last_text[64]; /* of the file that came with a packet */
static bool ended;
static bool all_received;

static void on_packet(void *arg, struct span packet, int *fd)
{
    (void)arg;
    received++;
    last_length = packet.length;
    memcpy(&last_number, packet.bytes, sizeof(last_number));
    if (*fd >= 0) {
        ssize_t n = read(*fd, last_text, sizeof(last_text) - 1);
        assert_true(n >= 0);
        last_text[n] = '\0';
        close(*fd);
        *fd = -1;
    }
    all_received = received == MANY;
}

static void on_end(void *arg)
{
    (void)arg;
    assert_false(ended);
    ended = true;
}

static const struct packets_options options = {PACKET_MAX, on_packet, on_end, NULL, 0};

static int set_up(void **state)
{
    int ends[2];

    (void)state;
    received = 0;
    ended = false;
    all_received = false;
    last_text[0] = '\0';
    loop = loop_new();
    if (!packet_pair(ends))
        return -1;
    packets = packets_new(loop, ends[0], &options);
    other = ends[1];
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    packets_free(packets);
    if (other >= 0)
        close(other);
    loop_free(loop);
    return 0;
}

static struct span number_packet(unsigned *number)
{
    return (struct span){(const uint8_t *)number, sizeof(*number)};
}

/* How many descriptors this process has. */
static size_t descriptor_count(void)
{
    DIR *all = opendir("/proc/self/fd");
    size_t count = 0;

    while (readdir(all) != NULL)
        count++;
    closedir(all);
    return count;
}

static void packets_keep_their_bounds_and_their_order(void **state)
{
    struct packets *sender = packets_new(loop, other, &options);

    (void)state;
    other = -1;
    for (unsigned i = 0; i < 3; i++)
        packets_send(sender, number_packet(&i), -1);
    run_now(loop);
    assert_int_equal(received, 3);
    assert_int_equal(last_number, 2);
    assert_int_equal(last_length, sizeof(unsigned));
    packets_free(sender);
    run_until(loop, &ended);
}

/* More than the kernel holds, each with a file: nothing is lost, and no descriptor stays. */
static void what_finds_no_room_waits(void **state)
{
    struct packets *sender = packets_new(loop, other, &options);
    size_t before = descriptor_count();

    (void)state;
    other = -1;
    for (unsigned i = 0; i < MANY; i++)
        packets_send(sender, number_packet(&i), i % 10 == 9 ? dup(0) : -1);
    run_until(loop, &all_received);
    assert_int_equal(last_number, MANY - 1);
    assert_int_equal(descriptor_count(), before);
    packets_free(sender);
}

static void what_waits_is_dropped_with_its_descriptors(void **state)
{
    struct packets *sender = packets_new(loop, other, &options);
    size_t before = descriptor_count();

    (void)state;
    other = -1;
    for (unsigned i = 0; i < MANY; i++)
        packets_send(sender, number_packet(&i), i % 100 == 99 ? dup(0) : -1);
    packets_free(sender);
    packets_free(packets);
    packets = NULL;
    run_now(loop);
    assert_true(descriptor_count() <= before);
}

static void a_file_in_memory_goes_with_a_packet_and_cannot_be_changed(void **state)
{
    struct packets *sender = packets_new(loop, other, &options);
    unsigned number = 7;
    int fd = memory_file_new("test", "its text", 8);

    (void)state;
    other = -1;
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(fd, 0), -1);
    packets_send(sender, number_packet(&number), fd);
    run_now(loop);
    assert_int_equal(last_number, 7);
    assert_string_equal(last_text, "its text");
    packets_free(sender);
}

static void a_packet_may_be_as_long_as_it_may(void **state)
{
    uint8_t bytes[PACKET_MAX + 1] = {0};

    (void)state;
    assert_int_equal(send(other, bytes, PACKET_MAX, 0), PACKET_MAX);
    run_now(loop);
    assert_int_equal(last_length, PACKET_MAX);
    assert_false(ended);
    assert_int_equal(send(other, bytes, PACKET_MAX + 1, 0), PACKET_MAX + 1);
    run_now(loop);
    assert_int_equal(received, 1);
    assert_true(ended);
}

static void send_with(const int *fds, size_t count)
{
    union {
        char bytes[CMSG_SPACE(8 * sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct iovec from = {.iov_base = (void *)"1234", .iov_len = 4};
    struct msghdr message = {
        .msg_iov = &from,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = CMSG_SPACE(count * sizeof(int)),
    };

    control.align.cmsg_level = SOL_SOCKET;
    control.align.cmsg_type = SCM_RIGHTS;
    control.align.cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(&control.align), fds, count * sizeof(int));
    assert_int_equal(sendmsg(other, &message, 0), 4);
}

static void several_descriptors_are_no_packet_and_do_not_stay(void **state)
{
    static const int fds[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    size_t before = descriptor_count();

    (void)state;
    for (size_t count = 2; count <= 8; count += 6) {
        send_with(fds, count);
        run_now(loop);
        assert_int_equal(received, 0);
        assert_true(ended);
        assert_int_equal(descriptor_count(), before);
        packets_free(packets);
        close(other);
        run_now(loop);
        loop_free(loop);
        assert_int_equal(set_up(state), 0);
    }
}

/* Who sends an end to another process shares it, and may set options of it (unix(7),
 * SO_PASSPIDFD). */
static void the_descriptor_of_a_process_does_not_stay(void **state)
{
    const int so_passpidfd = 76;
    unsigned number = 1;
    size_t before;

    (void)state;
    if (setsockopt(packets_descriptor(packets), SOL_SOCKET, so_passpidfd, &(int){1}, sizeof(int)) !=
        0) {
        skip(); /* (of Linux 6.5) */
    }
    before = descriptor_count();
    for (int i = 0; i < 3; i++) {
        assert_true(packet_pass(other, number_packet(&number), -1));
        run_now(loop);
    }
    assert_int_equal(received, 3);
    assert_int_equal(descriptor_count(), before);
}

static void an_end_is_told_from_other_descriptors(void **state)
{
    int ends[2];

    (void)state;
    assert_true(packet_is_end(other));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_false(packet_is_end(ends[0]));
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_false(packet_is_end(ends[0]));
    close(ends[0]);
    close(ends[1]);
}

/* Who sends much and reads nothing waits. */
static void nothing_is_received_while_too_much_is_queued(void **state)
{
    struct packets_options bounded = options;
    unsigned number = 1;
    struct buffer packet = {0};
    int ends[2];
    int fd;
    struct packets *p;

    (void)state;
    assert_true(packet_pair(ends));
    bounded.queue_max = 3;
    p = packets_new(loop, ends[0], &bounded);
    while (packets_are_sent(p))
        packets_send(p, number_packet(&number), -1);
    for (int i = 0; i < 3; i++)
        packets_send(p, number_packet(&number), -1);
    assert_true(packet_pass(ends[1], number_packet(&number), -1));
    run_now(loop);
    assert_int_equal(received, 0);
    assert_true(packet_wait(ends[1], PACKET_MAX, &packet, &fd));
    while (received == 0) {
        assert_true(packet_wait(ends[1], PACKET_MAX, &packet, &fd));
        run_now(loop);
    }
    assert_int_equal(received, 1);
    close(ends[1]);
    run_until(loop, &ended);
    packets_free(p);
    buffer_clear(&packet);
}

static void the_end_is_reported_once(void **state)
{
    unsigned number = 1;

    (void)state;
    close(other);
    other = -1;
    run_now(loop);
    assert_true(ended);
    packets_send(packets, number_packet(&number), dup(0)); /* to nobody */
    run_now(loop);
}

static void a_packet_is_waited_for_without_a_loop(void **state)
{
    struct buffer packet = {0};
    unsigned number = 9;
    int fd;

    (void)state;
    packets_send(packets, number_packet(&number), memory_file_new("test", "", 0));
    assert_true(packet_wait(other, PACKET_MAX, &packet, &fd));
    assert_int_equal(buffer_length(&packet), sizeof(number));
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    close(fd);
    packets_free(packets);
    packets = NULL;
    assert_false(packet_wait(other, PACKET_MAX, &packet, &fd));
    assert_int_equal(fd, -1);
    buffer_clear(&packet);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(packets_keep_their_bounds_and_their_order),
        TEST(what_finds_no_room_waits),
        TEST(what_waits_is_dropped_with_its_descriptors),
        TEST(a_file_in_memory_goes_with_a_packet_and_cannot_be_changed),
        TEST(a_packet_may_be_as_long_as_it_may),
        TEST(several_descriptors_are_no_packet_and_do_not_stay),
        TEST(the_descriptor_of_a_process_does_not_stay),
        TEST(an_end_is_told_from_other_descriptors),
        TEST(nothing_is_received_while_too_much_is_queued),
        TEST(the_end_is_reported_once),
        TEST(a_packet_is_waited_for_without_a_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
