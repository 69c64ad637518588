/* Tests of io/socket: reading and writing, over socket pairs and TCP on loopback. */
#include "socket_owner.h"

/* ---- reading */

static void nothing_is_read_before_it_is_asked_for(void **state)
{
    struct owner *owner = *state;

    far_says(owner, "hello");
    run_for(owner->loop, 20);
    assert_got(owner, "");
    resumes(owner);
    assert_got(owner, "");
    run_now(owner->loop);
    assert_got(owner, "hello");
}

static void no_more_is_read_than_there_is_room_for(void **state)
{
    struct owner *owner = *state;

    owner->room = 5;
    far_says(owner, "hello world");
    resumes(owner);
    run_now(owner->loop);
    assert_got(owner, "hello");
    assert_true(run_for(owner->loop, 50) < 10);
    owner->room = 3;
    resumes(owner);
    run_now(owner->loop);
    assert_got(owner, "hello wo");
    owner->room = 100;
    resumes(owner);
    far_says(owner, "!");
    run_now(owner->loop);
    assert_got(owner, "hello world!");
}

static void the_end_of_data_comes_once_and_then_nothing_spins(void **state)
{
    struct owner *owner = *state;

    resumes(owner);
    far_says(owner, "bye");
    shutdown(owner->far, SHUT_WR);
    run_until(owner->loop, &owner->eof);
    assert_got(owner, "bye");
    assert_true(run_for(owner->loop, 50) < 10);
    resumes(owner);
    assert_true(run_for(owner->loop, 50) < 10);
    assert_int_equal(owner->eofs, 1);
    assert_false(owner->failed);
}

static void after_the_end_of_data_one_can_still_write(void **state)
{
    struct owner *owner = *state;
    bool eof;

    resumes(owner);
    shutdown(owner->far, SHUT_WR);
    run_until(owner->loop, &owner->eof);
    assert_int_equal(writes(owner, "answer", 6), 6);
    assert_int_equal(far_reads(owner, &eof), 6);
    assert_false(eof);
    writes_eof(owner);
    far_reads(owner, &eof);
    assert_true(eof);
    run_for(owner->loop, 20);
    assert_true(run_for(owner->loop, 50) < 10);
}

static void a_paused_socket_whose_peer_has_ended_does_not_spin(void **state)
{
    struct owner *owner = *state;

    owner->room = 0;
    resumes(owner);
    far_says(owner, "bye");
    shutdown(owner->far, SHUT_WR);
    run_now(owner->loop);
    assert_true(run_for(owner->loop, 50) < 10);
    close_far(owner);
    run_now(owner->loop);
    assert_true(run_for(owner->loop, 50) < 10);
    owner->room = 100;
    resumes(owner);
    run_until(owner->loop, &owner->eof);
    assert_got(owner, "bye");
}

static void a_turn_reads_only_so_much_of_a_busy_socket(void **state)
{
    static char block[1 << 20];
    struct owner *owner = *state;

    resumes(owner);
    set_nonblocking(owner->far);
    for (int turn = 0; turn < 200; turn++) {
        uint64_t before = owner->total;
        (void)!write(owner->far, block, sizeof block);
        uv_run(loop_uv(owner->loop), UV_RUN_NOWAIT);
        assert_true(owner->total - before <= 4 * LOOP_SCRATCH_SIZE);
    }
    assert_true(owner->total > 100 * LOOP_SCRATCH_SIZE);
}

/* ---- writing */

static void what_does_not_fit_is_said_and_room_is_told_once(void **state)
{
    struct owner *owner = *state;
    size_t written = writes_until_full(owner);
    size_t read = 0;
    bool eof;

    assert_int_equal(writes(owner, "x", 1), 0);
    run_for(owner->loop, 20);
    assert_int_equal(owner->writables, 0);
    while (!owner->writable) {
        ssize_t n = far_reads(owner, &eof);
        assert_true(n > 0);
        read += (size_t)n;
        run_now(owner->loop);
    }
    assert_true(endpoint_room(owner->endpoint) > 0);
    assert_true(run_for(owner->loop, 50) < 10);
    assert_int_equal(owner->writables, 1);
    assert_int_equal(writes(owner, "x", 1), 1);
    while (read < written + 1)
        read += (size_t)far_reads(owner, &eof);
    assert_int_equal(read, written + 1);
}

static void a_failed_write_is_told_later(void **state)
{
    struct owner *owner = *state;

    reset_far(owner);
    assert_int_equal(writes(owner, "hello", 5), 0);
    assert_int_equal(endpoint_room(owner->endpoint), 0);
    run_until(owner->loop, &owner->failed);
    assert_true(run_for(owner->loop, 50) < 10);
}

/* (recv stops at an urgent byte, which is not handed over.) */
static void what_is_behind_an_urgent_byte_is_read_too(void **state)
{
    struct owner *owner = *state;

    far_says(owner, "before");
    assert_int_equal(send(owner->far, "!", 1, MSG_OOB), 1);
    far_says(owner, " and after");
    resumes(owner);
    run_for(owner->loop, 50);
    assert_got(owner, "before and after");
}

static void no_event_comes_after_a_close_that_follows_a_failed_write(void **state)
{
    struct owner *owner = *state;

    reset_far(owner);
    writes(owner, "hello", 5);
    writes(owner, "hello", 5);
    closes(owner, false);
    run_for(owner->loop, 20);
    assert_false(owner->failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(nothing_is_read_before_it_is_asked_for),
        BOTH(no_more_is_read_than_there_is_room_for),
        BOTH(the_end_of_data_comes_once_and_then_nothing_spins),
        BOTH(after_the_end_of_data_one_can_still_write),
        BOTH(a_paused_socket_whose_peer_has_ended_does_not_spin),
        BOTH(a_turn_reads_only_so_much_of_a_busy_socket),
        BOTH(what_does_not_fit_is_said_and_room_is_told_once),
        BOTH(a_failed_write_is_told_later),
        TCP(what_is_behind_an_urgent_byte_is_read_too),
        BOTH(no_event_comes_after_a_close_that_follows_a_failed_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
