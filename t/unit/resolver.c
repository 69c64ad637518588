/* Tests of io/resolver: answers, sharing, caching, cancelling. */
#include "io/resolver_cache.h"
#include "resolver_world.h"

#include <limits.h>

/* ---- answers */

static const struct {
    const char *name;
    enum resolve_status status;
    const char *addresses;
} answers[] = {
    {"both.example", RESOLVE_FOUND, BOTH},
    {"four.example", RESOLVE_FOUND, "192.0.2.4"},
    {"six.example", RESOLVE_FOUND, "2001:db8::6"},
    {"twice.example", RESOLVE_FOUND, "192.0.2.7"},
    {"mapped.example", RESOLVE_FOUND, "2001:db8::9 192.0.2.9"},
    {"alias.example", RESOLVE_FOUND, "192.0.2.4"},
    {"negative.example", RESOLVE_FOUND, "192.0.2.11"},
    {"dangling.example", RESOLVE_NO_SUCH_NAME, ""},
    {"absent.example", RESOLVE_NO_SUCH_NAME, ""},
    {"text.example", RESOLVE_NO_SUCH_NAME, ""},
    {"single", RESOLVE_NO_SUCH_NAME, ""},
    {"notlocalhost", RESOLVE_NO_SUCH_NAME, ""},
    {"a..b", RESOLVE_NO_SUCH_NAME, ""},
    {"servfail.example", RESOLVE_FAILED, ""},
    {"refused.example", RESOLVE_FAILED, ""},
    {"hangup.example", RESOLVE_FAILED, ""},
};

static void expect_answers(struct world *w)
{
    for (size_t i = 0; i < COUNT(answers); i++)
        look_up_and_expect(w, answers[i].name, answers[i].status, answers[i].addresses);
}

static void each_answer_has_its_status_and_order_over_tcp(void **state)
{
    struct world *w = *state;

    expect_answers(w);
    assert_int_equal(w->dials, 0);
}

static void each_answer_has_its_status_and_order_over_a_dialled_stream(void **state)
{
    struct world *w = *state;

    use_server(w, "2001:db8::53", 5353, dial_pair, 0);
    expect_answers(w);
    assert_int_equal(w->dials, w->server.connections);
    assert_string_equal(w->logged_in, "2001:db8::53 5353");
}

static void look_ups_at_a_time_each_get_their_answer(void **state)
{
    struct world *w = *state;
    struct result results[COUNT(answers)] = {0};

    for (size_t i = 0; i < COUNT(answers); i++) {
        if (strcmp(answers[i].name, "hangup.example") != 0)
            look_up(w, answers[i].name, &results[i]);
    }
    await(w);
    for (size_t i = 0; i < COUNT(answers); i++) {
        if (strcmp(answers[i].name, "hangup.example") != 0)
            expect(&results[i], answers[i].name, answers[i].status, answers[i].addresses);
    }
    assert_int_equal(w->server.connections, 1);
}

static void localhost_is_answered_without_a_question(void **state)
{
    struct world *w = *state;

    look_up_and_expect(w, "localhost", RESOLVE_FOUND, "::1 127.0.0.1");
    look_up_and_expect(w, "a.b.localhost", RESOLVE_FOUND, "::1 127.0.0.1");
    assert_int_equal(w->server.questions, 0);
}

static void no_more_addresses_are_kept_than_would_be_tried(void **state)
{
    struct world *w = *state;
    struct result result = {0};
    unsigned count = 1;

    look_up(w, "many.example", &result);
    await(w);
    for (const char *space = result.addresses; (space = strchr(space, ' ')) != NULL; space++)
        count++;
    assert_int_equal(count, RESOLVER_ADDRESSES_MAX);
}

/* ---- sharing and the cache */

static void look_ups_of_one_name_share_one_query(void **state)
{
    struct world *w = *state;
    struct result results[5] = {0};

    for (size_t i = 0; i < COUNT(results); i++)
        look_up(w, "both.example", &results[i]);
    await(w);
    for (size_t i = 0; i < COUNT(results); i++)
        expect(&results[i], "both.example", RESOLVE_FOUND, BOTH);
    assert_int_equal(w->server.questions, 2);
}

static void answers_are_asked_for_again_unless_cached(void **state)
{
    static const struct {
        const char *name;
        enum resolve_status status;
        const char *addresses;
        bool cached;
    } cases[] = {
        {"both.example", RESOLVE_FOUND, BOTH, true},
        {"absent.example", RESOLVE_NO_SUCH_NAME, "", true},
        {"text.example", RESOLVE_NO_SUCH_NAME, "", true},
        {"servfail.example", RESOLVE_FAILED, "", false},
        {"brief.example", RESOLVE_FOUND, "192.0.2.10", false},
        {"briefalias.example", RESOLVE_FOUND, "192.0.2.4", false},
    };
    struct world *w = *state;
    struct resolver_counts counts;

    for (size_t i = 0; i < COUNT(cases); i++) {
        look_up_and_expect(w, cases[i].name, cases[i].status, cases[i].addresses);
        unsigned before = w->server.questions;
        look_up_and_expect(w, cases[i].name, cases[i].status, cases[i].addresses);
        if ((w->server.questions == before) != cases[i].cached)
            fail_msg("%s: %u more questions", cases[i].name, w->server.questions - before);
    }
    resolver_counts(w->resolver, &counts);
    assert_int_equal(counts.found, 6);
    assert_int_equal(counts.no_such_name, 4);
    assert_int_equal(counts.failed, 2);
    assert_int_equal(counts.timed_out, 0);
    assert_int_equal(counts.cached, 3);
    assert_int_equal(counts.asked, 9);
}

/* Versions of c-ares differ in what they make of a TTL with the top bit (RFC 2181 section 8: 0): as
 * a negative number it is 0, and clamped to the largest it is as long as any. */
static void an_answer_is_believed_for_its_least_ttl_and_not_for_ever(void **state)
{
    static const struct {
        int address, alias;
        uint64_t seconds;
    } cases[] = {
        {300, 300, 300},
        {300, 20, 20},
        {20, 300, 20},
        {0, 300, 0},
        {300, 0, 0},
        {-1, 300, 0},
        {300, -1, 0},
        {INT_MIN, 300, 0},
        {300, INT_MIN, 0},
        {RESOLVER_TTL_MAX, RESOLVER_TTL_MAX, RESOLVER_TTL_MAX},
        {RESOLVER_TTL_MAX + 1, INT_MAX, RESOLVER_TTL_MAX},
        {INT_MAX, INT_MAX, RESOLVER_TTL_MAX},
        {INT_MAX, 1, 1},
    };
    struct answer found = {.status = RESOLVE_FOUND}, failed = {.status = RESOLVE_FAILED},
                  absent = {.status = RESOLVE_NO_SUCH_NAME};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ares_addrinfo_node second = {.ai_ttl = cases[i].address};
        struct ares_addrinfo_node first = {.ai_ttl = INT_MAX, .ai_next = &second};
        struct ares_addrinfo_cname cname = {.ttl = cases[i].alias};
        struct ares_addrinfo records = {.nodes = &first, .cnames = &cname};
        struct ares_addrinfo *const both[] = {&records, &records};
        struct ares_addrinfo *const one[] = {NULL, &records};
        uint64_t seconds = answer_ttl(&found, both);
        if (seconds != cases[i].seconds)
            fail_msg("%d and %d: %llu s", cases[i].address, cases[i].alias,
                     (unsigned long long)seconds);
        assert_int_equal(answer_ttl(&found, one), seconds);
        assert_int_equal(answer_ttl(&failed, both), 0);
        assert_int_equal(answer_ttl(&absent, both), RESOLVER_TTL_NEGATIVE);
    }
}

static void a_flush_forgets_answers_and_asks_again_for_awaited_names(void **state)
{
    struct world *w = *state;
    struct result result = {0};

    look_up_and_expect(w, "four.example", RESOLVE_FOUND, "192.0.2.4");
    resolver_flush(w->resolver);
    w->server.mute = 1;
    look_up(w, "four.example", &result);
    await_questions(w, 4);
    resolver_flush(w->resolver);
    await(w);
    expect(&result, "four.example", RESOLVE_FOUND, "192.0.2.4");
    assert_int_equal(w->server.questions, 6);
    assert_int_equal(w->server.connections, 3);
}

static void so_many_names_are_asked_for_at_a_time_and_no_more(void **state)
{
    struct world *w = *state;
    struct result *results = calloc(RESOLVER_QUESTIONS_MAX, sizeof(*results));
    struct result last = {0};
    char name[32];

    use_server(w, "127.0.0.1", w->server.port, NULL, GUARD_MS);
    for (unsigned i = 0; i < RESOLVER_QUESTIONS_MAX; i++) {
        snprintf(name, sizeof(name), "n%u.example", i);
        look_up(w, name, &results[i]);
    }
    look_up(w, "four.example", &last);
    await(w);
    for (unsigned i = 0; i < RESOLVER_QUESTIONS_MAX; i++)
        expect(&results[i], "nNNN.example", RESOLVE_NO_SUCH_NAME, "");
    expect(&last, "four.example", RESOLVE_FAILED, "");
    look_up_and_expect(w, "four.example", RESOLVE_FOUND, "192.0.2.4");
    free(results);
}

static void the_failure_of_the_only_server_is_told_and_not_asked_for_again(void **state)
{
    struct world *w = *state;
    struct result result = {0};

    look_up(w, "servfail.example", &result);
    await(w);
    expect(&result, "servfail.example", RESOLVE_FAILED, "");
    assert_string_equal(result.error, "DNS server returned general failure");
    assert_int_equal(w->server.questions, 2);
}

/* ---- cancelling and freeing */

static void a_cancelled_look_up_is_never_answered_and_others_are(void **state)
{
    struct world *w = *state;
    struct result gone = {0}, stays = {0}, cached = {0};

    look_up(w, "both.example", &gone);
    look_up(w, "both.example", &stays);
    resolve_cancel(gone.resolve);
    w->waiting--;
    await(w);
    expect(&stays, "both.example", RESOLVE_FOUND, BOTH);

    look_up(w, "both.example", &cached);
    resolve_cancel(cached.resolve);
    w->waiting--;
    resolve_cancel(NULL);
    run_a_little(w);
    assert_int_equal(gone.calls, 0);
    assert_int_equal(cached.calls, 0);
}

static void an_answer_that_nobody_waits_for_any_more_is_cached(void **state)
{
    struct world *w = *state;
    struct result gone = {0};
    struct resolver_counts counts;

    look_up(w, "both.example", &gone);
    resolve_cancel(gone.resolve);
    w->waiting--;
    look_up_and_expect(w, "four.example", RESOLVE_FOUND, "192.0.2.4"); /* comes after it */
    look_up_and_expect(w, "both.example", RESOLVE_FOUND, BOTH);
    resolver_counts(w->resolver, &counts);
    assert_int_equal(counts.cached, 1);
}

static void an_answered_look_up_can_cancel_another_that_shared_its_query(void **state)
{
    struct world *w = *state;
    struct result first = {0}, second = {0};

    first.cancels = &second;
    look_up(w, "both.example", &first);
    look_up(w, "both.example", &second);
    await(w);
    expect(&first, "both.example", RESOLVE_FOUND, BOTH);
    assert_int_equal(second.calls, 0);
}

static void an_answered_look_up_can_start_another(void **state)
{
    struct world *w = *state;
    struct result result = {.looks_up_too = "six.example"};

    look_up(w, "four.example", &result);
    await(w);
    assert_int_equal(result.calls, 2);
    assert_string_equal(result.addresses, "2001:db8::6");
}

static void an_answered_look_up_can_free_the_resolver(void **state)
{
    struct world *w = *state;
    struct result result = {.frees = true};

    look_up(w, "both.example", &result);
    await(w);
    expect(&result, "both.example", RESOLVE_FOUND, BOTH);
}

/* At each stage: before the connection, with the question sent, and with the look-up timed out. */
static void a_resolver_with_questions_under_way_can_be_freed(void **state)
{
    struct world *w = *state;
    struct result result = {0};

    look_up(w, "silent.example", &result);
    resolve_cancel(result.resolve);
    use_server(w, "127.0.0.1", w->server.port, NULL, 0);
    look_up(w, "silent.example", &result);
    await_questions(w, 2);
    resolve_cancel(result.resolve);
    use_server(w, "127.0.0.1", w->server.port, NULL, 10);
    run_a_little(w);
    assert_int_equal(result.calls, 0);
    w->waiting = 0;
    look_up_and_expect(w, "silent.example", RESOLVE_FAILED, "");
}

static void a_resolver_of_this_machine_starts_and_ends(void **state)
{
    struct world *w = *state;
    struct resolver_options options = {0};

    resolver_free(w->resolver);
    w->resolver = resolver_new(w->loop, &options);
    assert_non_null(w->resolver);
    look_up_and_expect(w, "localhost", RESOLVE_FOUND, "::1 127.0.0.1");
    resolver_flush(w->resolver);
    resolver_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(each_answer_has_its_status_and_order_over_tcp),
        test(each_answer_has_its_status_and_order_over_a_dialled_stream),
        test(look_ups_at_a_time_each_get_their_answer),
        test(localhost_is_answered_without_a_question),
        test(no_more_addresses_are_kept_than_would_be_tried),
        test(look_ups_of_one_name_share_one_query),
        test(answers_are_asked_for_again_unless_cached),
        cmocka_unit_test(an_answer_is_believed_for_its_least_ttl_and_not_for_ever),
        test(a_flush_forgets_answers_and_asks_again_for_awaited_names),
        test(so_many_names_are_asked_for_at_a_time_and_no_more),
        test(the_failure_of_the_only_server_is_told_and_not_asked_for_again),
        test(a_cancelled_look_up_is_never_answered_and_others_are),
        test(an_answer_that_nobody_waits_for_any_more_is_cached),
        test(an_answered_look_up_can_cancel_another_that_shared_its_query),
        test(an_answered_look_up_can_start_another),
        test(an_answered_look_up_can_free_the_resolver),
        test(a_resolver_with_questions_under_way_can_be_freed),
        test(a_resolver_of_this_machine_starts_and_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
