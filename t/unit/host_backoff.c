/* Tests of gateway/host_backoff. */
#include "gateway/host_backoff.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SAMPLES 300
#define START 1000000 /* any time will do, but the first millisecond */

/* What a dial can come to, but success. */
enum { UNREACHABLE, NO_SSH, OTHER_KEY, NOT_LET_IN };

static const struct trouble {
    bool reached;
    enum dial_status status;
    uint64_t first_ms;
    uint64_t longest_ms;
    bool needs_a_person;
} troubles[] = {
    [UNREACHABLE] = {false, DIAL_TRANSPORT, 250, 30000, false},
    [NO_SSH] = {true, DIAL_TRANSPORT, 1000, 60000, false},
    [OTHER_KEY] = {true, DIAL_HOST_KEY, 10000, 300000, true},
    [NOT_LET_IN] = {true, DIAL_AUTHENTICATION, 10000, 300000, true},
};

static const struct trouble *const unreachable = &troubles[UNREACHABLE];
static const struct trouble *const no_ssh = &troubles[NO_SSH];

static struct host_backoff *any_host(struct host_backoffs *hosts)
{
    return host_backoffs_get(hosts, "host.example", 22);
}

/* A dial that takes no time; how long the host is left alone then. */
static uint64_t fails(struct host_backoff *host, uint64_t now, const struct trouble *trouble)
{
    host_backoff_begin(host);
    host_backoff_end(host, now, now, trouble->reached, trouble->status);
    return host_backoff_wait(host, now, false);
}

static void succeeds(struct host_backoff *host, uint64_t now)
{
    host_backoff_begin(host);
    host_backoff_end(host, now, now, true, DIAL_OK);
}

static void assert_half_to_whole(uint64_t wait, uint64_t whole)
{
    assert_in_range(wait, whole / 2, whole);
}

/* ---- the record */

static void a_host_and_port_has_one_record(void **state)
{
    struct host_backoffs *hosts = host_backoffs_new();
    struct host_backoff *host = host_backoffs_get(hosts, "a.example", 22);

    (void)state;
    assert_ptr_equal(host_backoffs_get(hosts, "a.example", 22), host);
    assert_ptr_not_equal(host_backoffs_get(hosts, "a.example", 222), host);
    assert_ptr_not_equal(host_backoffs_get(hosts, "b.example", 22), host);
    fails(host, START, unreachable);
    assert_true(host_backoff_wait(host_backoffs_get(hosts, "a.example", 22), START, false) > 0);
    assert_int_equal(host_backoff_wait(host_backoffs_get(hosts, "a.example", 222), START, false),
                     0);
    assert_int_equal(host_backoff_wait(host_backoffs_get(hosts, "b.example", 22), START, false), 0);
    host_backoffs_free(hosts);
    host_backoffs_free(NULL);
}

/* ---- how long */

static void waits_double_from_the_first_to_the_longest(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(troubles); i++) {
        const struct trouble *trouble = &troubles[i];
        struct host_backoffs *hosts = host_backoffs_new();
        struct host_backoff *host = any_host(hosts);
        uint64_t now = START;
        uint64_t whole = trouble->first_ms;

        for (int n = 0; n < 100; n++) {
            uint64_t wait = fails(host, now, trouble);
            assert_half_to_whole(wait, whole);
            assert_int_equal(host_backoff_wait(host, now + wait - 1, false), 1);
            assert_int_equal(host_backoff_wait(host, now + wait, false), 0);
            assert_int_equal(host_backoff_wait(host, now + wait + 1, false), 0);
            now += wait + 1;
            whole = whole * 2 < trouble->longest_ms ? whole * 2 : trouble->longest_ms;
        }
        host_backoffs_free(hosts);
    }
}

static void waits_are_spread_from_half_to_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(troubles); i++) {
        const struct trouble *trouble = &troubles[i];
        uint64_t least = UINT64_MAX;
        uint64_t most = 0;

        for (int n = 0; n < SAMPLES; n++) {
            struct host_backoffs *hosts = host_backoffs_new();
            uint64_t wait = fails(any_host(hosts), START, trouble);
            assert_half_to_whole(wait, trouble->first_ms);
            least = wait < least ? wait : least;
            most = wait > most ? wait : most;
            host_backoffs_free(hosts);
        }
        assert_true(least < trouble->first_ms * 5 / 8);
        assert_true(most > trouble->first_ms * 7 / 8);
    }
}

static void the_last_failure_says_of_what_kind_the_wait_is(void **state)
{
    struct host_backoffs *hosts = host_backoffs_new();
    struct host_backoff *host = any_host(hosts);
    uint64_t now = START;

    (void)state;
    now += fails(host, now, unreachable) + 1;
    now += fails(host, now, unreachable) + 1;
    assert_half_to_whole(fails(host, now, no_ssh), 4000);
    now += 4001;
    assert_half_to_whole(fails(host, now, unreachable), 2000);
    host_backoffs_free(hosts);
}

static void failures_count_until_the_host_was_well_for_a_while(void **state)
{
    struct host_backoffs *hosts = host_backoffs_new();
    struct host_backoff *host = any_host(hosts);
    uint64_t now = START;

    (void)state;
    now += fails(host, now, unreachable) + 1;
    now += fails(host, now, unreachable) + 1;
    succeeds(host, now++);
    assert_half_to_whole(fails(host, now, unreachable), 1000);
    host_backoff_well(host);
    assert_int_equal(host_backoff_wait(host, now, false), 0);
    now++;
    assert_half_to_whole(fails(host, now, unreachable), 250);
    host_backoffs_free(hosts);
}

static void only_the_second_of_sessions_lost_too_soon_is_waited_for(void **state)
{
    struct host_backoffs *hosts = host_backoffs_new();
    struct host_backoff *host = any_host(hosts);
    uint64_t now = START;

    (void)state;
    for (int n = 0; n < 2; n++) {
        succeeds(host, now);
        host_backoff_lost(host, now, now + 10);
        host_backoff_lost(host, now, now + 10); /* of the same cause */
        now += 10;
        assert_int_equal(host_backoff_wait(host, now, false), 0);
        succeeds(host, ++now);
        host_backoff_lost(host, now, now + 10);
        now += 10;
        assert_half_to_whole(host_backoff_wait(host, now, false), 2000);
        assert_half_to_whole(host_backoff_wait(host, now, true), 2000);
        now += 2001;
        succeeds(host, now);
        host_backoff_lost(host, now, now + 10);
        now += 10;
        assert_half_to_whole(host_backoff_wait(host, now, false), 4000);
        host_backoff_well(host);
        now++;
    }
    host_backoffs_free(hosts);
}

static void a_dial_refused_in_the_millisecond_of_the_loss_is_waited_for(void **state)
{
    struct host_backoffs *hosts = host_backoffs_new();
    struct host_backoff *host = any_host(hosts);

    (void)state;
    succeeds(host, START);
    host_backoff_lost(host, START, START + 10);
    assert_int_equal(host_backoff_wait(host, START + 10, false), 0);
    assert_half_to_whole(fails(host, START + 10, unreachable), 500);
    assert_half_to_whole(fails(host, START + 10, unreachable), 500);
    host_backoffs_free(hosts);
}

/* ---- a client waits */

static void a_waiting_client_shortens_only_the_unreachable_kind(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(troubles); i++) {
        const struct trouble *trouble = &troubles[i];
        struct host_backoffs *hosts = host_backoffs_new();
        struct host_backoff *host = any_host(hosts);
        uint64_t now = START;

        for (int n = 0; n < 20; n++) {
            uint64_t wait = fails(host, now, trouble);
            bool shorter = !trouble->reached && wait > 1000;
            assert_int_equal(host_backoff_wait(host, now, true), shorter ? 1000 : wait);
            if (shorter)
                assert_int_equal(host_backoff_wait(host, now + 1000, true), 0);
            now += wait + 1;
        }
        host_backoffs_free(hosts);
    }
}

/* ---- several at once */

static void one_at_a_time_until_the_host_has_let_us_in(void **state)
{
    struct host_backoffs *hosts = host_backoffs_new();
    struct host_backoff *host = any_host(hosts);

    (void)state;
    assert_int_equal(host_backoff_wait(host, START, true), 0);
    host_backoff_begin(host);
    assert_true(host_backoff_wait(host, START, false) == UINT64_MAX);
    assert_true(host_backoff_wait(host, START, true) == UINT64_MAX);
    host_backoff_abandon(host); /* which proves nothing, and is no failure */
    assert_int_equal(host_backoff_wait(host, START, false), 0);
    host_backoff_begin(host);
    assert_true(host_backoff_wait(host, START, false) == UINT64_MAX);
    host_backoff_end(host, START, START, true, DIAL_OK);
    host_backoff_begin(host);
    assert_int_equal(host_backoff_wait(host, START, false), 0);
    host_backoff_abandon(host);
    host_backoffs_free(hosts);
}

static void a_proved_host_is_dialled_at_most_so_often_at_once(void **state)
{
    struct host_backoffs *hosts = host_backoffs_new();
    struct host_backoff *host = any_host(hosts);

    (void)state;
    succeeds(host, START);
    for (int n = 0; n < HOST_DIALS_MAX; n++) {
        assert_int_equal(host_backoff_wait(host, START, true), 0);
        host_backoff_begin(host);
    }
    assert_true(host_backoff_wait(host, START, false) == UINT64_MAX);
    assert_true(host_backoff_wait(host, START, true) == UINT64_MAX);
    host_backoff_abandon(host);
    assert_int_equal(host_backoff_wait(host, START, false), 0);
    host_backoffs_free(hosts);
}

static void one_at_a_time_again_after_a_failure(void **state)
{
    struct host_backoffs *hosts = host_backoffs_new();
    struct host_backoff *host = any_host(hosts);
    uint64_t now = START;

    (void)state;
    succeeds(host, now++);
    now += fails(host, now, unreachable);
    assert_int_equal(host_backoff_wait(host, now, true), 0);
    host_backoff_begin(host);
    assert_true(host_backoff_wait(host, now, true) == UINT64_MAX);
    host_backoff_end(host, now, now + 1, true, DIAL_OK);
    host_backoff_begin(host); /* it let us in, but sessions there may still be short-lived */
    assert_true(host_backoff_wait(host, now + 2, true) == UINT64_MAX);
    host_backoff_well(host);
    assert_int_equal(host_backoff_wait(host, now + 2, true), 0);
    host_backoffs_free(hosts);
}

static void dials_under_way_when_one_failed_count_once(void **state)
{
    struct host_backoffs *hosts = host_backoffs_new();
    struct host_backoff *host = any_host(hosts);
    uint64_t until;

    (void)state;
    succeeds(host, START);
    for (int n = 0; n < HOST_DIALS_MAX; n++)
        host_backoff_begin(host);
    host_backoff_end(host, START + 1, START + 100, true, DIAL_TRANSPORT);
    assert_true(host_backoff_wait(host, START + 100, false) ==
                UINT64_MAX); /* the others are under way */
    host_backoff_end(host, START + 2, START + 200, true, DIAL_TRANSPORT);
    host_backoff_end(host, START + 100, START + 250, true, DIAL_AUTHENTICATION);
    host_backoff_end(host, START + 3, START + 300, false, DIAL_TRANSPORT);
    until = START + 300 + host_backoff_wait(host, START + 300, false);
    assert_in_range(until - (START + 100), no_ssh->first_ms / 2, no_ssh->first_ms);
    assert_half_to_whole(fails(host, until, no_ssh), 2 * no_ssh->first_ms);
    host_backoffs_free(hosts);
}

static void a_dial_called_off_leaves_the_backoff_alone(void **state)
{
    struct host_backoffs *hosts = host_backoffs_new();
    struct host_backoff *host = any_host(hosts);
    uint64_t wait;

    (void)state;
    wait = fails(host, START, unreachable);
    host_backoff_begin(host);
    host_backoff_abandon(host);
    assert_int_equal(host_backoff_wait(host, START, false), wait);
    assert_half_to_whole(fails(host, START + wait, unreachable), 500);
    host_backoffs_free(hosts);
}

/* ---- retry_now */

static void retry_now_forgets_what_may_heal_by_itself(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(troubles); i++) {
        const struct trouble *trouble = &troubles[i];
        struct host_backoffs *hosts = host_backoffs_new();
        struct host_backoff *host = any_host(hosts);
        uint64_t wait;

        host_backoff_retry_now(host); /* when nothing failed yet */
        wait = fails(host, START, trouble);
        host_backoff_retry_now(host);
        assert_int_equal(host_backoff_wait(host, START, false), trouble->needs_a_person ? wait : 0);
        assert_int_equal(host_backoff_wait(host, START, true), trouble->needs_a_person ? wait : 0);
        host_backoff_begin(host); /* still one at a time */
        assert_true(host_backoff_wait(host, START, true) == UINT64_MAX);
        host_backoff_abandon(host);
        assert_half_to_whole(fails(host, START + 1, trouble), 2 * trouble->first_ms);
        host_backoffs_free(hosts);
    }
}

/* ---- a minute of it */

#define MINUTE 60000

/* How many dials a host gets that fails each after `dial_ms`, when it is dialled as soon as it may
 * be. `*closest`: the shortest pause between one's end and the next one's begin. */
static int dials_in_a_minute(const struct trouble *trouble, uint64_t dial_ms, bool wanted,
                             uint64_t *closest)
{
    struct host_backoffs *hosts = host_backoffs_new();
    struct host_backoff *host = any_host(hosts);
    uint64_t began = 0;
    uint64_t ended = 0;
    int under_way = 0;
    int dials = 0;

    *closest = UINT64_MAX;
    for (uint64_t now = START; now < START + MINUTE; now++) {
        if (under_way > 0 && now == began + dial_ms) {
            host_backoff_end(host, began, now, trouble->reached, trouble->status);
            under_way--;
            ended = now;
        }
        while (host_backoff_wait(host, now, wanted) == 0) {
            if (dials > 0 && now - ended < *closest)
                *closest = now - ended;
            host_backoff_begin(host);
            began = now;
            under_way++;
            dials++;
            assert_int_equal(under_way, 1);
            if (dial_ms > 0)
                continue;
            host_backoff_end(host, began, now, trouble->reached, trouble->status);
            under_way--;
            ended = now;
        }
    }
    host_backoffs_free(hosts);
    return dials;
}

/* The bounds follow from waits that are all half, and all whole. */
static void a_host_that_fails_is_never_dialled_without_a_pause(void **state)
{
    static const struct {
        const char *what;
        int trouble;
        uint64_t dial_ms;
        bool wanted;
        int least;
        int most;
    } cases[] = {
        {"refused at once", UNREACHABLE, 0, false, 8, 10},
        {"refused at once, a client waits", UNREACHABLE, 0, true, 62, 63},
        {"refused after a while", UNREACHABLE, 200, false, 8, 10},
        {"refused after a while, a client waits", UNREACHABLE, 200, true, 51, 53},
        {"no answer for ten seconds", UNREACHABLE, 10000, false, 4, 6},
        {"no answer for ten seconds, a client waits", UNREACHABLE, 10000, true, 6, 6},
        {"no SSH there", NO_SSH, 20, false, 6, 7},
        {"no SSH there, a client waits", NO_SSH, 20, true, 6, 7},
        {"another host key, a client waits", OTHER_KEY, 20, true, 3, 4},
        {"not let in, a client waits", NOT_LET_IN, 20, true, 3, 4},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct trouble *trouble = &troubles[cases[i].trouble];
        for (int n = 0; n < 10; n++) {
            uint64_t closest;
            int dials = dials_in_a_minute(trouble, cases[i].dial_ms, cases[i].wanted, &closest);
            if (dials < cases[i].least || dials > cases[i].most || closest < trouble->first_ms / 2)
                fail_msg("%s: %d, and %" PRIu64 " ms apart", cases[i].what, dials, closest);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_and_port_has_one_record),
        cmocka_unit_test(waits_double_from_the_first_to_the_longest),
        cmocka_unit_test(waits_are_spread_from_half_to_whole),
        cmocka_unit_test(the_last_failure_says_of_what_kind_the_wait_is),
        cmocka_unit_test(failures_count_until_the_host_was_well_for_a_while),
        cmocka_unit_test(only_the_second_of_sessions_lost_too_soon_is_waited_for),
        cmocka_unit_test(a_dial_refused_in_the_millisecond_of_the_loss_is_waited_for),
        cmocka_unit_test(a_waiting_client_shortens_only_the_unreachable_kind),
        cmocka_unit_test(one_at_a_time_until_the_host_has_let_us_in),
        cmocka_unit_test(a_proved_host_is_dialled_at_most_so_often_at_once),
        cmocka_unit_test(one_at_a_time_again_after_a_failure),
        cmocka_unit_test(dials_under_way_when_one_failed_count_once),
        cmocka_unit_test(a_dial_called_off_leaves_the_backoff_alone),
        cmocka_unit_test(retry_now_forgets_what_may_heal_by_itself),
        cmocka_unit_test(a_host_that_fails_is_never_dialled_without_a_pause),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
