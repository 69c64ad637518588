/* How long a socket that was closed reads on, and when it does not. */
#include "io_test.h"
#include "socket_owner.h"
#include "test_clock.h"

#include "io/socket_calls.h"

#include <sched.h>

/* Nothing lingers on the owner's loop any more. */
static void nothing_lingers(struct owner *owner)
{
    loop_free(owner->loop); /* (asserts that) */
    owner->loop = loop_new();
}

/* The next bytes of the peer find nobody: the first brings the reset, the second sees it. */
static void far_is_reset(struct owner *owner)
{
    struct pollfd hung_up = {.fd = owner->far};

    send(owner->far, "x", 1, MSG_NOSIGNAL);
    assert_int_equal(poll(&hung_up, 1, 10000), 1);
    assert_int_equal(send(owner->far, "x", 1, MSG_NOSIGNAL), -1);
}

/* So much time passes, and what was due happens. */
static void time_passes(struct owner *owner, uint64_t milliseconds)
{
    clock_skip(owner->loop, milliseconds);
    run_now(owner->loop);
}

static void a_silent_peer_is_left_after_a_while(void **state)
{
    struct owner *owner = *state;
    bool eof;

    assert_int_equal(writes(owner, "sorry", 5), 5);
    closes(owner, false);
    time_passes(owner, SOCKET_LINGER_MS - 1);
    assert_int_equal(far_reads(owner, &eof), 5);
    assert_true(eof);
    far_says(owner, "dropped");
    run_now(owner->loop);
    time_passes(owner, SOCKET_LINGER_MS - 1); /* (it has spoken since) */
    assert_int_equal(send(owner->far, "x", 1, MSG_NOSIGNAL), 1);
    run_now(owner->loop);
    time_passes(owner, SOCKET_LINGER_MS);
    far_is_reset(owner);
    nothing_lingers(owner);
}

static void a_peer_that_never_falls_silent_is_left_at_last(void **state)
{
    struct owner *owner = *state;
    uint64_t spent = 0;

    assert_int_equal(writes(owner, "sorry", 5), 5);
    closes(owner, false);
    for (; spent + 1000 < SOCKET_LINGER_MOST_MS; spent += 1000) {
        far_says(owner, "more of this");
        run_now(owner->loop);
        time_passes(owner, 1000);
    }
    far_says(owner, "more of this");
    run_now(owner->loop);
    time_passes(owner, SOCKET_LINGER_MOST_MS - spent);
    far_is_reset(owner);
    nothing_lingers(owner);
}

static void a_peer_without_an_answer_learns_at_once(void **state)
{
    struct owner *owner = *state;

    owner->endpoint->unanswered = true;
    closes(owner, false);
    far_is_reset(owner);
    nothing_lingers(owner);
}

static void what_was_sent_long_ago_was_read(void **state)
{
    int ends[2], others[2];

    (void)state;
    tcp_pair(ends);
    assert_int_equal(send(ends[0], "sorry", 5, MSG_NOSIGNAL), 5);
    assert_true(socket_sent_lately(ends[0], 60000));
    /* (It is acknowledged at once on loopback, and 0 ms ago is not within 0 ms.) */
    for (int i = 0; i < 10000 && !socket_is_acknowledged(ends[0]); i++)
        sched_yield();
    assert_false(socket_sent_lately(ends[0], 0));
    /* An end of data alone is no answer, also while it is not acknowledged. */
    shutdown(ends[0], SHUT_WR);
    assert_false(socket_sent_lately(ends[0], 0));
    unix_pair(others);
    assert_true(socket_sent_lately(others[0], 0));
    close(ends[0]);
    close(ends[1]);
    close(others[0]);
    close(others[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_silent_peer_is_left_after_a_while),
        BOTH(a_peer_that_never_falls_silent_is_left_at_last),
        BOTH(a_peer_without_an_answer_learns_at_once),
        cmocka_unit_test(what_was_sent_long_ago_was_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
