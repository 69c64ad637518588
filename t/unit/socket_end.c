/* Tests of io/socket: how sockets end, by resets and by being closed. */
#include "socket_owner.h"

/* ---- resets */

static void a_reset_fails_a_socket_that_reads(void **state)
{
    struct owner *owner = *state;

    resumes(owner);
    reset_far(owner);
    run_until(owner->loop, &owner->failed);
    assert_string_equal(owner->why, "Connection reset by peer");
    assert_true(run_for(owner->loop, 50) < 10);
}

static void a_reset_is_noticed_while_there_is_no_room(void **state)
{
    struct owner *owner = *state;

    owner->room = 0;
    resumes(owner);
    far_says(owner, "hello");
    run_now(owner->loop);
    reset_far(owner);
    run_until(owner->loop, &owner->failed);
    assert_got(owner, "");
}

static void a_reset_is_noticed_after_the_end_of_data(void **state)
{
    struct owner *owner = *state;

    resumes(owner);
    writes(owner, "unread", 6);
    shutdown(owner->far, SHUT_WR);
    run_until(owner->loop, &owner->eof);
    run_now(owner->loop);
    close_far(owner); /* with bytes unread: RST */
    run_until(owner->loop, &owner->failed);
    assert_true(run_for(owner->loop, 50) < 10);
}

static void a_reset_right_behind_the_end_of_data_is_noticed(void **state)
{
    struct owner *owner = *state;

    resumes(owner);
    writes(owner, "unread", 6);
    shutdown(owner->far, SHUT_WR);
    close_far(owner); /* with bytes unread: RST */
    run_until(owner->loop, &owner->failed);
    assert_true(run_for(owner->loop, 50) < 10);
}

static void a_reset_is_noticed_while_waiting_to_write(void **state)
{
    struct owner *owner = *state;

    writes_until_full(owner);
    reset_far(owner);
    run_until(owner->loop, &owner->failed);
    assert_int_equal(owner->writables, 0);
}

static void what_came_before_a_reset_is_still_read(void **state)
{
    struct owner *owner = *state;

    far_says(owner, "the answer");
    writes(owner, "unread", 6);
    reset_far(owner);
    resumes(owner);
    run_until(owner->loop, &owner->failed);
    assert_got(owner, "the answer");
}

/* ---- closing */

static void an_abort_resets_the_peer(void **state)
{
    struct owner *owner = *state;
    bool eof;

    writes(owner, "hello", 5);
    closes(owner, true);
    run_now(owner->loop);
    assert_int_equal(far_reads(owner, &eof), -ECONNRESET);
}

static void a_close_lets_the_peer_read_all_though_it_still_writes(void **state)
{
    struct owner *owner = *state;
    bool eof;

    far_says(owner, "not read by the owner");
    assert_int_equal(writes(owner, "sorry", 5), 5);
    closes(owner, false);
    for (int i = 0; i < 10; i++) {
        far_says(owner, "more of this");
        run_now(owner->loop);
    }
    assert_int_equal(far_reads(owner, &eof), 5);
    assert_true(eof);
    close_far(owner);
    run_now(owner->loop);
    /* Nothing lingers now: tear_down's loop_free would say so. */
    loop_free(owner->loop);
    owner->loop = loop_new();
}

static void a_close_after_the_peers_end_does_not_linger(void **state)
{
    struct owner *owner = *state;

    resumes(owner);
    shutdown(owner->far, SHUT_WR);
    run_until(owner->loop, &owner->eof);
    closes(owner, false);
    loop_free(owner->loop);
    owner->loop = loop_new();
}

static void lingering_sockets_can_be_cut(void **state)
{
    struct owner *owner = *state;

    closes(owner, false);
    far_says(owner, "not read by the owner");
    socket_linger_abort(owner->loop);
    loop_free(owner->loop);
    owner->loop = loop_new();
    assert_int_equal(send(owner->far, "x", 1, MSG_NOSIGNAL), -1);
}

static void provoke(struct owner *owner, const char *event)
{
    if (strcmp(event, "writable") == 0) {
        bool eof;
        writes_until_full(owner);
        run_now(owner->loop);
        far_reads(owner, &eof);
        far_says(owner, "and readable, too");
    } else if (strcmp(event, "failed") == 0) {
        reset_far(owner);
    } else {
        far_says(owner, "hello");
        shutdown(owner->far, SHUT_WR);
    }
}

static void the_owner_may_close_inside_any_event(void **state)
{
    static const char *const events[] = {"data", "eof", "writable", "failed"};

    (void)state;
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        for (int abort = 0; abort < 2; abort++) {
            struct owner *owner = owner_new(tcp_pair);
            owner->close_in = events[i];
            owner->abort = abort;
            resumes(owner);
            provoke(owner, events[i]);
            while (!owner->closed) {
                bool eof;
                if (strcmp(events[i], "writable") == 0)
                    far_reads(owner, &eof);
                uv_run(loop_uv(owner->loop), UV_RUN_NOWAIT);
            }
            run_for(owner->loop, 10);
            tear_down((void **)&owner);
        }
    }
}

static void a_released_socket_keeps_its_unread_bytes(void **state)
{
    struct owner *owner = *state;
    struct buffer unsent = {0};
    char bytes[16];
    int fd;

    far_says(owner, "hello");
    owner->room = 2;
    resumes(owner);
    run_now(owner->loop);
    fd = socket_endpoint_release(owner->endpoint, &unsent);
    /* At once usable on this loop or another. */
    owner->endpoint = socket_endpoint_new(owner->loop, fd);
    assert_non_null(owner->endpoint);
    endpoint_own(owner->endpoint, &owner_events, owner);
    run_now(owner->loop);
    assert_int_equal(socket_endpoint_release(owner->endpoint, &unsent), fd);
    assert_int_equal(buffer_length(&unsent), 0);
    owner->endpoint = NULL;
    assert_int_equal(read(fd, bytes, sizeof bytes), 3);
    assert_memory_equal(bytes, "llo", 3);
    close(fd);
}

static void what_cannot_be_polled_is_refused(void **state)
{
    struct owner *owner = *state;
    FILE *file = tmpfile();

    assert_non_null(file);
    assert_null(socket_endpoint_new(owner->loop, fileno(file)));
    assert_int_equal(errno, EPERM);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TCP(a_reset_fails_a_socket_that_reads),
        TCP(a_reset_is_noticed_while_there_is_no_room),
        BOTH(a_reset_is_noticed_after_the_end_of_data),
        TCP(a_reset_right_behind_the_end_of_data_is_noticed),
        BOTH(a_reset_is_noticed_while_waiting_to_write),
        BOTH(what_came_before_a_reset_is_still_read),
        TCP(an_abort_resets_the_peer),
        BOTH(a_close_lets_the_peer_read_all_though_it_still_writes),
        BOTH(a_close_after_the_peers_end_does_not_linger),
        BOTH(lingering_sockets_can_be_cut),
        TCP(the_owner_may_close_inside_any_event),
        BOTH(a_released_socket_keeps_its_unread_bytes),
        TCP(what_cannot_be_polled_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
