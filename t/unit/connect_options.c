/* Tests of io/connect: where a connection comes from, its socket's options, further attempts. */
#include "connect_test.h"

#include <limits.h>

static void it_comes_from_the_interface_that_was_asked_for(void **state)
{
    uint16_t port = 0;
    int listener = tcp_listen("127.0.0.7", &port, 1);
    char expected[200];

    (void)state;
    /* (To 127.0.0.7 the system would choose 127.0.0.7 itself.) */
    caller.more.interface = "lo";
    STARTS(port, 5000, "127.0.0.7");
    run_until(caller.loop, &caller.done);
    assert_true(caller.connected);
    assert_string_not_equal(caller.local, "127.0.0.7");
    for (int six = 0; six < 2; six++) {
        caller = (struct caller){.loop = caller.loop, .more.interface = "nowhere"};
        STARTS(port, 5000, six ? "::1" : "127.0.0.7");
        run_until(caller.loop, &caller.done);
        assert_false(caller.connected);
        snprintf(expected, sizeof expected,
                 "%s port %u: the network interface nowhere is not there, is down, or has no IPv%d "
                 "address to connect from (BindInterface)",
                 six ? "::1" : "127.0.0.7", port, six ? 6 : 4);
        assert_string_equal(caller.error, expected);
    }
    close(listener);
}

static void an_address_goes_before_an_interface(void **state)
{
    uint16_t port = 0;
    int listener = tcp_listen("127.0.0.1", &port, 1);
    struct ip from;

    (void)state;
    assert_true(ip_parse("127.0.0.7", &from));
    caller.from = &from;
    caller.more.interface = "nowhere";
    STARTS(port, 5000, "127.0.0.1");
    run_until(caller.loop, &caller.done);
    assert_true(caller.connected);
    assert_string_equal(caller.local, "127.0.0.7");
    close(listener);
}

static void the_socket_has_the_options_that_were_asked_for(void **state)
{
    static const char *const addresses[] = {"127.0.0.1", "::1"};

    (void)state;
    for (size_t i = 0; i < (has_ipv6() ? 2 : 1); i++) {
        uint16_t port = 0;
        int listener = tcp_listen(addresses[i], &port, 1);
        caller = (struct caller){.loop = caller.loop};
        starts(&addresses[i], 1, port, 5000);
        run_until(caller.loop, &caller.done);
        assert_int_equal(i == 0 ? caller.service : caller.class, 0);
        assert_int_equal(caller.keepalive, 1);
        caller =
            (struct caller){.loop = caller.loop, .more = {.service = 0xb8, .no_keepalive = true}};
        starts(&addresses[i], 1, port, 5000);
        run_until(caller.loop, &caller.done);
        assert_int_equal(i == 0 ? caller.service : caller.class, 0xb8);
        assert_int_equal(caller.keepalive, 0);
        close(listener);
    }
}

/* A listener appears in the pause after the first round. */
static void all_addresses_are_tried_again(void **state)
{
    uint16_t port = closed_port();

    (void)state;
    caller.more.again = 2;
    STARTS(port, 5000, "127.0.0.1", "127.0.0.2");
    for (int i = 0; i < 50; i++)
        uv_run(loop_uv(caller.loop), UV_RUN_NOWAIT);
    assert_false(caller.done);
    int listener = tcp_listen("127.0.0.2", &port, 1);
    run_until(caller.loop, &caller.done);
    assert_true(caller.connected);
    assert_string_equal(caller.address, "127.0.0.2");
    assert_true(caller.ended - caller.began >= CONNECT_PAUSE_MS);
    close(listener);
}

static void attempts_come_to_an_end(void **state)
{
    uint16_t port = closed_port();

    (void)state;
    caller.more.again = 2;
    STARTS(port, 5000, "127.0.0.1");
    run_until(caller.loop, &caller.done);
    assert_false(caller.connected);
    assert_non_null(strstr(caller.error, "Connection refused"));
    assert_true(caller.ended - caller.began >= 2 * CONNECT_PAUSE_MS);
}

static void it_can_be_called_off_between_attempts(void **state)
{
    uint16_t port = closed_port();

    (void)state;
    caller.more.again = 1;
    STARTS(port, 5000, "127.0.0.1");
    for (int i = 0; i < 50; i++)
        uv_run(loop_uv(caller.loop), UV_RUN_NOWAIT);
    connect_cancel(caller.connect);
    assert_false(caller.done);
}

static void without_addresses_nothing_is_tried_again(void **state)
{
    (void)state;
    caller.more.again = UINT_MAX;
    starts(NULL, 0, 22, 5000);
    run_until(caller.loop, &caller.done);
    assert_false(caller.connected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_comes_from_the_interface_that_was_asked_for),
        TEST(an_address_goes_before_an_interface),
        TEST(the_socket_has_the_options_that_were_asked_for),
        TEST(all_addresses_are_tried_again),
        TEST(attempts_come_to_an_end),
        TEST(it_can_be_called_off_between_attempts),
        TEST(without_addresses_nothing_is_tried_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
