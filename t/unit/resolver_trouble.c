/* Tests of io/resolver when servers are slow, silent, lying or gone. */
#include "resolver_world.h"

#define SHORT_MS 400 /* the time-out of look-ups that are meant to time out */

static void a_malformed_answer_is_a_failure(void **state)
{
    struct world *w = *state;

    use_server(w, "127.0.0.1", w->server.port, NULL, SHORT_MS);
    look_up_and_expect(w, "liar.example", RESOLVE_FAILED, "");
    look_up_and_expect(w, "four.example", RESOLVE_FOUND, "192.0.2.4");
}

static void a_silent_server_fails_the_look_up_in_time(void **state)
{
    struct world *w = *state;
    struct resolver_counts counts;
    uint64_t start;

    use_server(w, "127.0.0.1", w->server.port, NULL, SHORT_MS);
    start = uv_hrtime();
    look_up_and_expect(w, "silent.example", RESOLVE_FAILED, "");
    assert_in_range((uv_hrtime() - start) / 1000000, SHORT_MS / 8, GUARD_MS / 4);
    resolver_counts(w->resolver, &counts);
    assert_int_equal(counts.timed_out, 1);
    assert_int_equal(counts.failed, 0);
    look_up_and_expect(w, "four.example", RESOLVE_FOUND, "192.0.2.4");
}

static void a_connection_that_fell_silent_is_replaced(void **state)
{
    struct world *w = *state;

    use_server(w, "127.0.0.1", 53, dial_pair, 2000);
    look_up_and_expect(w, "four.example", RESOLVE_FOUND, "192.0.2.4");
    dns_server_hang_up(&w->server);
    w->server.mute = 1;
    look_up_and_expect(w, "both.example", RESOLVE_FOUND, BOTH);
    assert_int_equal(w->server.connections, 3);
}

/* Longer than an attempt and than the silence that ends a connection. */
static void a_slow_answer_on_a_connection_that_is_alive_is_waited_for(void **state)
{
    struct world *w = *state;
    struct result slow = {0};
    uint64_t start = uv_hrtime();

    use_server(w, "127.0.0.1", w->server.port, NULL, 4000);
    look_up(w, "slow.example", &slow);
    await_questions(w, 2);
    while ((uv_hrtime() - start) / 1000000 < 1200) {
        struct result brief = {0};
        look_up(w, "brief.example", &brief);
        while (brief.calls == 0)
            run_a_little(w);
    }
    dns_server_release(&w->server);
    await(w);
    expect(&slow, "slow.example", RESOLVE_FOUND, "192.0.2.12");
    assert_int_equal(w->server.connections, 1);
}

/* Longer than a server may be silent that is not the only one. */
static void the_only_server_is_asked_once_however_slow(void **state)
{
    struct world *w = *state;
    struct result slow = {0};
    uint64_t start = uv_hrtime();

    use_server(w, "127.0.0.1", w->server.port, NULL, 6000);
    look_up(w, "slow.example", &slow);
    await_questions(w, 2);
    while ((uv_hrtime() - start) / 1000000 < 1500)
        run_a_little(w);
    dns_server_release(&w->server);
    await(w);
    expect(&slow, "slow.example", RESOLVE_FOUND, "192.0.2.12");
    assert_int_equal(w->server.connections, 1);
    assert_int_equal(w->server.questions, 2);
}

static void addresses_do_not_wait_for_a_late_family(void **state)
{
    static const struct {
        const char *name;
        const char *addresses;
    } cases[] = {{"nosix.example", "192.0.2.13"}, {"nofour.example", "2001:db8::13"}};
    struct world *w = *state;

    use_server(w, "127.0.0.1", w->server.port, NULL, 3600000);
    for (size_t i = 0; i < COUNT(cases); i++) {
        unsigned questions;

        look_up_and_expect(w, cases[i].name, RESOLVE_FOUND, cases[i].addresses);
        questions = w->server.questions; /* (a look-up meanwhile asks nothing) */
        look_up_and_expect(w, cases[i].name, RESOLVE_FOUND, cases[i].addresses);
        assert_int_equal(w->server.questions, questions);
    }
}

/* The look-up's time is over before anybody lost patience. */
static void what_came_in_time_is_not_thrown_away(void **state)
{
    struct world *w = *state;
    struct result first = {0}, second = {0};

    use_server(w, "127.0.0.1", w->server.port, NULL, RESOLVER_LATE_V4_MS / 2);
    look_up_and_expect(w, "nofour.example", RESOLVE_FOUND, "2001:db8::13");
    use_server(w, "127.0.0.1", w->server.port, NULL, 0);
    look_up(w, "nosix.example", &first);
    look_up(w, "nosix.example", &second);
    await(w);
    expect(&first, "nosix.example", RESOLVE_FOUND, "192.0.2.13");
    expect(&second, "nosix.example", RESOLVE_FOUND, "192.0.2.13");
    resolver_flush(w->resolver); /* while the other family is awaited */
    look_up_and_expect(w, "nosix.example", RESOLVE_FOUND, "192.0.2.13");
}

static void a_family_that_fails_costs_the_other_nothing(void **state)
{
    struct world *w = *state;

    look_up_and_expect(w, "failsix.example", RESOLVE_FOUND, "192.0.2.14");
}

static void a_connection_closed_in_the_middle_of_an_answer_is_replaced(void **state)
{
    struct world *w = *state;

    w->server.breaking = 1;
    look_up_and_expect(w, "both.example", RESOLVE_FOUND, BOTH);
    assert_int_equal(w->server.connections, 2);
    w->server.breaking = 1000;
    look_up_and_expect(w, "four.example", RESOLVE_FAILED, "");
}

static void a_connection_is_used_again_until_the_server_closes_it(void **state)
{
    struct world *w = *state;

    look_up_and_expect(w, "four.example", RESOLVE_FOUND, "192.0.2.4");
    look_up_and_expect(w, "six.example", RESOLVE_FOUND, "2001:db8::6");
    assert_int_equal(w->server.connections, 1);
    dns_server_hang_up(&w->server);
    run_a_little(w);
    look_up_and_expect(w, "twice.example", RESOLVE_FOUND, "192.0.2.7");
    assert_int_equal(w->server.connections, 2);
}

static void a_server_that_cannot_be_dialled_is_a_failure(void **state)
{
    struct world *w = *state;

    use_server(w, "127.0.0.1", 53, dial_nothing, 0);
    look_up_and_expect(w, "four.example", RESOLVE_FAILED, "");
    assert_int_not_equal(w->dials, 0);
}

static void a_second_server_is_asked_when_the_first_cannot_be_dialled(void **state)
{
    struct world *w = *state;
    struct resolver_server servers[2] = {{.port = 1}, {.port = 53}};
    struct resolver_options options = {
        .servers = servers, .server_count = 2, .dial = dial_but_port_1, .dial_arg = w};

    ip_parse("127.0.0.1", &servers[0].ip);
    ip_parse("127.0.0.1", &servers[1].ip);
    resolver_free(w->resolver);
    w->resolver = resolver_new(w->loop, &options);
    look_up_and_expect(w, "four.example", RESOLVE_FOUND, "192.0.2.4");
    assert_true(w->dials > 1);
    look_up_and_expect(w, "servfail.example", RESOLVE_FAILED, "");
}

/* The first server takes connections and never says anything. */
static void a_server_that_does_not_answer_is_asked_last(void **state)
{
    struct world *w = *state;
    struct resolver_server servers[2] = {{.port = 2}, {.port = 53}};
    struct resolver_options options = {.servers = servers,
                                       .server_count = 2,
                                       .dial = dial_silent_port_2,
                                       .dial_arg = w,
                                       .timeout_ms = 4000};

    ip_parse("127.0.0.1", &servers[0].ip);
    ip_parse("127.0.0.1", &servers[1].ip);
    resolver_free(w->resolver);
    w->resolver = resolver_new(w->loop, &options);
    look_up_and_expect(w, "four.example", RESOLVE_FOUND, "192.0.2.4");
    assert_int_equal(w->silent_dials, 1);
    look_up_and_expect(w, "both.example", RESOLVE_FOUND, BOTH);
    look_up_and_expect(w, "six.example", RESOLVE_FOUND, "2001:db8::6");
    assert_int_equal(w->silent_dials, 1);
    assert_int_equal(w->server.connections, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(a_malformed_answer_is_a_failure),
        test(a_silent_server_fails_the_look_up_in_time),
        test(a_connection_that_fell_silent_is_replaced),
        test(a_slow_answer_on_a_connection_that_is_alive_is_waited_for),
        test(the_only_server_is_asked_once_however_slow),
        test(addresses_do_not_wait_for_a_late_family),
        test(what_came_in_time_is_not_thrown_away),
        test(a_family_that_fails_costs_the_other_nothing),
        test(a_server_that_does_not_answer_is_asked_last),
        test(a_connection_closed_in_the_middle_of_an_answer_is_replaced),
        test(a_connection_is_used_again_until_the_server_closes_it),
        test(a_server_that_cannot_be_dialled_is_a_failure),
        test(a_second_server_is_asked_when_the_first_cannot_be_dialled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
