/* Tests of io/socket: a socket that changes its owner. */
#include "socket_owner.h"

/* A second owner of the same endpoint; `first` keeps the loop and the far end. */
static void gets_owner(struct owner *first, struct owner *second)
{
    *second = (struct owner){.loop = first->loop, .endpoint = first->endpoint, .room = 1000};
    second->in_operation = true;
    endpoint_own(second->endpoint, &owner_events, second);
    second->in_operation = false;
}

static void a_new_owner_gets_nothing_before_it_resumes(void **state)
{
    struct owner *first = *state;
    struct owner second;

    resumes(first);
    far_says(first, "for the first");
    run_now(first->loop);
    assert_got(first, "for the first");
    gets_owner(first, &second);
    far_says(first, "for the second");
    shutdown(first->far, SHUT_WR);
    run_now(first->loop);
    assert_got(&second, "");
    assert_false(second.eof);
    assert_true(run_for(first->loop, 50) < 10);
    resumes(&second);
    run_until(first->loop, &second.eof);
    assert_got(&second, "for the second");
    assert_false(first->eof);
    assert_got(first, "for the first");
}

static void each_owner_is_told_of_the_end_of_data_once_it_has_resumed(void **state)
{
    struct owner *first = *state;
    struct owner others[3];

    resumes(first);
    shutdown(first->far, SHUT_WR);
    run_until(first->loop, &first->eof);
    for (int i = 0; i < 3; i++) {
        gets_owner(first, &others[i]);
        run_now(first->loop);
        assert_int_equal(others[i].eofs, 0);
        resumes(&others[i]);
        assert_int_equal(others[i].eofs, 0);
        run_until(first->loop, &others[i].eof);
        resumes(&others[i]);
        run_now(first->loop);
        assert_int_equal(others[i].eofs, 1);
        assert_true(run_for(first->loop, 20) < 10);
    }
    assert_int_equal(first->eofs, 1);
}

/* (The end was to be reported to the former owner later in the turn.) */
static void an_end_that_the_former_owner_is_owed_goes_to_the_new_one(void **state)
{
    struct owner *first = *state;
    struct owner second, third;

    resumes(first);
    shutdown(first->far, SHUT_WR);
    run_until(first->loop, &first->eof);
    gets_owner(first, &second);
    resumes(&second);
    gets_owner(first, &third);
    run_now(first->loop);
    assert_int_equal(second.eofs, 0);
    assert_int_equal(third.eofs, 0);
    resumes(&third);
    run_until(first->loop, &third.eof);
    assert_int_equal(second.eofs, 0);
}

static void a_reset_behind_an_end_that_was_reported_fails_the_new_owner(void **state)
{
    struct owner *first = *state;
    struct owner second;

    resumes(first);
    writes(first, "unread", 6);
    shutdown(first->far, SHUT_WR);
    run_until(first->loop, &first->eof);
    gets_owner(first, &second);
    close_far(first); /* with bytes unread: RST */
    run_until(first->loop, &second.failed);
    assert_false(first->failed);
    assert_false(second.eof);
}

static void a_message_that_the_kernel_does_not_take_goes_out_before_other_bytes(void **state)
{
    struct owner *owner = *state;
    size_t written = writes_until_full(owner), read = 0;
    char last[32] = "";
    bool eof;

    owner->in_operation = true;
    endpoint_send(owner->endpoint, "the ", 4);
    endpoint_send(owner->endpoint, "message", 7);
    owner->in_operation = false;
    assert_true(endpoint_is_draining(owner->endpoint));
    assert_int_equal(writes(owner, "x", 1), 0);
    while (read < written) {
        static char bytes[65536];
        size_t left = written - read;
        ssize_t n = recv(owner->far, bytes, left < sizeof bytes ? left : sizeof bytes, 0);
        assert_true(n > 0);
        read += (size_t)n;
        run_now(owner->loop);
    }
    run_until(owner->loop, &owner->writable);
    assert_false(endpoint_is_draining(owner->endpoint));
    assert_int_equal(writes(owner, "!", 1), 1);
    assert_int_equal(recv(owner->far, last, 12, MSG_WAITALL), 12);
    assert_string_equal(last, "the message!");
    assert_int_equal(far_reads(owner, &eof), 0);
}

static void a_released_socket_gives_its_unsent_message_back(void **state)
{
    struct owner *owner = *state;
    struct buffer unsent = {0};
    int fd;

    writes_until_full(owner);
    endpoint_send(owner->endpoint, "message", 7);
    fd = socket_endpoint_release(owner->endpoint, &unsent);
    owner->endpoint = NULL;
    assert_true(buffer_length(&unsent) >= 7); /* (Other bytes may have waited before it.) */
    assert_memory_equal(buffer_data(&unsent) + buffer_length(&unsent) - 7, "message", 7);
    buffer_clear(&unsent);
    close(fd);
}

static void a_close_with_an_unsent_message_resets_the_peer(void **state)
{
    struct owner *owner = *state;
    bool eof;

    writes_until_full(owner);
    endpoint_send(owner->endpoint, "message", 7);
    closes(owner, false);
    run_now(owner->loop);
    assert_int_equal(far_reads(owner, &eof), -ECONNRESET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_new_owner_gets_nothing_before_it_resumes),
        BOTH(each_owner_is_told_of_the_end_of_data_once_it_has_resumed),
        BOTH(an_end_that_the_former_owner_is_owed_goes_to_the_new_one),
        BOTH(a_reset_behind_an_end_that_was_reported_fails_the_new_owner),
        BOTH(a_message_that_the_kernel_does_not_take_goes_out_before_other_bytes),
        BOTH(a_released_socket_gives_its_unsent_message_back),
        TCP(a_close_with_an_unsent_message_resets_the_peer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
