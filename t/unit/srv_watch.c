/* Tests of gateway/srv_watch: when SRV records are asked for, and what comes of each kind of
 * answer. Time passes when a test says so. */
#include "gateway/srv_watch.h"

#include "dns_server.h"
#include "io_test.h"
#include "test_clock.h"

#include <stdio.h>

enum { SERVFAIL = 2, NXDOMAIN = 3 };

static struct watch_scene {
    struct loop *loop;
    struct dns_server server;
    struct resolver *resolver;
    struct srv_watch *watch;
    unsigned changes, unknown;
    char hosts[400]; /* of the last change */
} w;

static void on_change(void *arg, const struct target *targets, size_t count)
{
    size_t used = 0;

    (void)arg;
    w.changes++;
    w.hosts[0] = '\0';
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(w.hosts + used, sizeof(w.hosts) - used, "%s%s:%u",
                                 i > 0 ? " " : "", targets[i].name, targets[i].port);
}

static void on_unknown(void *arg, const char *why)
{
    (void)arg;
    assert_non_null(why);
    w.unknown++;
}

static int watch_set_up(void **state)
{
    struct resolver_server server;

    (void)state;
    memset(&w, 0, sizeof(w));
    w.loop = loop_new();
    dns_server_start(&w.server, w.loop);
    w.server.service_ttl = 60;
    w.server.service[0] = "10 1 22 a.example";
    ip_parse("127.0.0.1", &server.ip);
    server.port = w.server.port;
    w.resolver =
        resolver_new(w.loop, &(struct resolver_options){.servers = &server, .server_count = 1});
    w.watch = srv_watch_new(&(struct srv_watch_request){.resolver = w.resolver,
                                                        .name = "office",
                                                        .service = "_live._tcp.example",
                                                        .changed = on_change,
                                                        .unknown = on_unknown});
    assert_int_equal(w.changes, 0); /* (not from inside) */
    return 0;
}

static int watch_tear_down(void **state)
{
    (void)state;
    srv_watch_free(w.watch);
    resolver_free(w.resolver);
    dns_server_stop(&w.server);
    loop_free(w.loop);
    return 0;
}

static struct srv_watch_state watch_state(void)
{
    struct srv_watch_state state;

    srv_watch_state(w.watch, &state);
    return state;
}

/* Until the question under way has its answer: the `number`th in all. */
static void answered(unsigned number)
{
    while (w.server.questions < number || watch_state().next_ms == 0)
        uv_run(loop_uv(w.loop), UV_RUN_ONCE);
    run_now(w.loop);
    assert_int_equal(w.server.questions, number);
}

/* It is asked after so long, and not before. */
static void asks_after(uint64_t milliseconds, unsigned number)
{
    assert_int_equal(watch_state().next_ms, milliseconds);
    clock_skip(w.loop, milliseconds - 1);
    run_now(w.loop);
    assert_int_equal(w.server.questions, number - 1);
    clock_skip(w.loop, 1);
    answered(number);
}

static void it_is_asked_again_when_the_time_to_live_is_over(void **state)
{
    (void)state;
    answered(1);
    assert_string_equal(w.hosts, "a.example:22");
    asks_after(60000, 2);
    assert_int_equal(w.changes, 1); /* the same */
    w.server.service_ttl = 0;
    asks_after(60000, 3);
    asks_after(5000, 4);
    w.server.service_ttl = 86400;
    asks_after(5000, 5);
    assert_int_equal(watch_state().next_ms, 3600000);
    assert_null(watch_state().error);
}

static void a_change_is_told_in_order(void **state)
{
    (void)state;
    answered(1);
    w.server.service[0] = "20 1 22 B.Example";
    w.server.service[1] = "10 1 2222 c.example";
    asks_after(60000, 2);
    assert_int_equal(w.changes, 2);
    assert_string_equal(w.hosts, "c.example:2222 b.example:22");
    w.server.service[0] = "10 1 2222 c.example"; /* in another order */
    w.server.service[1] = "20 1 22 b.example";
    asks_after(60000, 3);
    assert_int_equal(w.changes, 2);
    w.server.service[0] = "10 9 2222 c.example"; /* of another weight */
    asks_after(60000, 4);
    assert_int_equal(w.changes, 3);
}

/* The waits double from 1 s to 60 s, and up to a half is left to chance. */
static void fails_with(const char *error, unsigned number, uint64_t at_most)
{
    answered(number);
    assert_string_equal(watch_state().error, error);
    assert_in_range(watch_state().next_ms, at_most / 2, at_most);
    clock_skip(w.loop, watch_state().next_ms);
}

static void absence_and_failure_change_nothing(void **state)
{
    unsigned number = 1;
    uint64_t longest = 1000;

    (void)state;
    answered(number);
    w.server.service_rcode = NXDOMAIN;
    clock_skip(w.loop, 60000);
    for (int i = 0; i < 9; i++, longest = longest < 30000 ? 2 * longest : 60000)
        fails_with("there is no such name", ++number, longest);
    w.server.service_rcode = SERVFAIL;
    fails_with("DNS server returned general failure", ++number, 60000);
    w.server.service_rcode = 0;
    w.server.service[0] = NULL;
    fails_with("the name has no SRV record", ++number, 60000);
    w.server.service[0] = "10 1 22 10.0.0.1";
    fails_with("no target is a host's name and port", ++number, 60000);
    assert_int_equal(w.changes, 1);
    w.server.service[0] = "10 1 22 a.example";
    answered(++number);
    assert_null(watch_state().error);
    assert_int_equal(w.changes, 1); /* they are what they were */
    w.server.service_rcode = NXDOMAIN;
    clock_skip(w.loop, 60000);
    fails_with("there is no such name", ++number, 1000); /* as if it were the first */
    assert_int_equal(w.unknown, 0);                      /* a host is known all the time */
}

static void that_no_host_is_known_is_told_at_each_failure(void **state)
{
    (void)state;
    w.server.service_rcode = SERVFAIL;
    answered(1);
    assert_int_equal(w.unknown, 1);
    clock_skip(w.loop, watch_state().next_ms);
    answered(2);
    assert_int_equal(w.unknown, 2);
    w.server.service_rcode = 0;
    w.server.service[0] = "0 0 0 ";
    clock_skip(w.loop, watch_state().next_ms);
    answered(3);
    assert_int_equal(w.unknown, 2); /* (that there is none is an answer) */
    assert_int_equal(w.changes, 1);
    w.server.service_rcode = NXDOMAIN;
    asks_after(60000, 4);
    assert_int_equal(w.unknown, 3);
}

static void silence_is_a_failure(void **state)
{
    (void)state;
    answered(1);
    w.server.service_silent = true;
    clock_skip(w.loop, 60000);
    while (w.server.questions < 2)
        uv_run(loop_uv(w.loop), UV_RUN_ONCE);
    clock_skip(w.loop, RESOLVER_TIMEOUT_MS);
    while (watch_state().next_ms == 0)
        uv_run(loop_uv(w.loop), UV_RUN_ONCE);
    assert_non_null(watch_state().error);
    assert_int_equal(w.changes, 1);
}

static void the_root_says_that_there_is_none(void **state)
{
    (void)state;
    answered(1);
    w.server.service[0] = "0 0 0 ";
    asks_after(60000, 2);
    assert_int_equal(w.changes, 2);
    assert_string_equal(w.hosts, "");
    assert_null(watch_state().error);
    w.server.service[1] = "10 1 22 b.example"; /* (beside others it says nothing) */
    asks_after(60000, 3);
    assert_string_equal(w.hosts, "b.example:22");
}

static void what_can_be_no_host_is_left_out(void **state)
{
    (void)state;
    answered(1);
    w.server.service[1] = "10 1 0 b.example";
    w.server.service[2] = "10 1 22 -c.example";
    asks_after(60000, 2);
    assert_int_equal(w.changes, 1);
    assert_string_equal(w.hosts, "a.example:22");
}

static void it_can_be_asked_before_that(void **state)
{
    (void)state;
    srv_watch_ask_now(w.watch); /* (it is being asked) */
    srv_watch_ask_soon(w.watch);
    answered(1);
    srv_watch_ask_soon(w.watch);
    asks_after(5000, 2);
    clock_skip(w.loop, 6000);
    srv_watch_ask_soon(w.watch);
    assert_int_equal(watch_state().next_ms, 1);
    srv_watch_ask_now(w.watch);
    answered(3);
    assert_int_equal(watch_state().next_ms, 60000);
    w.server.service_ttl = 0;
    srv_watch_ask_now(w.watch);
    answered(4);
    srv_watch_ask_soon(w.watch); /* (no later than it would be) */
    assert_int_equal(watch_state().next_ms, 5000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, watch_set_up, watch_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_asked_again_when_the_time_to_live_is_over),
        TEST(a_change_is_told_in_order),
        TEST(absence_and_failure_change_nothing),
        TEST(that_no_host_is_known_is_told_at_each_failure),
        TEST(silence_is_a_failure),
        TEST(the_root_says_that_there_is_none),
        TEST(what_can_be_no_host_is_left_out),
        TEST(it_can_be_asked_before_that),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
