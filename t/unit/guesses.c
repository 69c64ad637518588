/* Tests of policy/guesses. */
#include "policy/guesses.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1000000

static uint64_t delay_of(const struct guesses *g, uint64_t source, const char *user, uint64_t now)
{
    uint64_t until = guesses_wait_until(g, source, user);

    return until > now ? until - now : 0;
}

static void the_wait_for_a_user_doubles_up_to_a_bound(void **state)
{
    static const uint64_t delays[] = {0, 100, 200, 400, 800, 1600, 2000, 2000};
    struct guesses *g = guesses_new();

    (void)state;
    assert_int_equal(guesses_wait_until(g, 1, "alice"), 0);
    for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
        guesses_add_wrong(g, 1, "alice", NOW);
        assert_int_equal(delay_of(g, 1, "alice", NOW), delays[i]);
    }
    guesses_free(g);
}

static void another_source_or_user_does_not_wait(void **state)
{
    struct guesses *g = guesses_new();

    (void)state;
    for (int i = 0; i < 10; i++)
        guesses_add_wrong(g, 1, "alice", NOW);
    assert_int_equal(guesses_wait_until(g, 2, "alice"), 0);
    assert_int_equal(delay_of(g, 1, "bob", NOW), 0);
    assert_int_equal(delay_of(g, 1, "", NOW), 0);
    guesses_free(g);
}

static void who_tries_many_users_waits_for_each(void **state)
{
    struct guesses *g = guesses_new();
    char user[20];

    (void)state;
    for (int i = 0; i < 16; i++) {
        snprintf(user, sizeof(user), "user%d", i);
        guesses_add_wrong(g, 1, user, NOW);
        assert_int_equal(delay_of(g, 1, "next", NOW), 0);
    }
    guesses_add_wrong(g, 1, "one more", NOW);
    assert_int_equal(delay_of(g, 1, "next", NOW), 100);
    guesses_add_wrong(g, 1, "and one more", NOW);
    assert_int_equal(delay_of(g, 1, "next", NOW), 200);
    guesses_add_wrong(g, 1, "a third one more", NOW);
    assert_int_equal(delay_of(g, 1, "next", NOW), 200);
    assert_int_equal(delay_of(g, 2, "next", NOW), 0);
    /* A right password of one user says nothing of the others. */
    guesses_add_right(g, 1, "user0");
    assert_int_equal(delay_of(g, 1, "next", NOW), 200);
    guesses_free(g);
}

static void a_right_password_ends_the_wait_for_its_user(void **state)
{
    struct guesses *g = guesses_new();

    (void)state;
    for (int i = 0; i < 5; i++)
        guesses_add_wrong(g, 1, "alice", NOW);
    guesses_add_right(g, 1, "bob");
    assert_true(delay_of(g, 1, "alice", NOW) > 0);
    guesses_add_right(g, 1, "alice");
    assert_int_equal(delay_of(g, 1, "alice", NOW), 0);
    guesses_free(g);
}

static void a_minute_without_a_wrong_one_is_forgotten(void **state)
{
    struct guesses *g = guesses_new();

    (void)state;
    for (int i = 0; i < 5; i++)
        guesses_add_wrong(g, 1, "alice", NOW);
    guesses_add_wrong(g, 1, "alice", NOW + 60000);
    assert_int_equal(delay_of(g, 1, "alice", NOW + 60000), 0);
    guesses_add_wrong(g, 1, "alice", NOW + 60001 + 59998);
    assert_int_equal(delay_of(g, 1, "alice", NOW + 60001 + 59998), 100);
    guesses_free(g);
}

static void what_is_remembered_is_bounded(void **state)
{
    struct guesses *g = guesses_new();

    (void)state;
    guesses_add_wrong(g, 0, "alice", NOW);
    guesses_add_wrong(g, 0, "alice", NOW);
    for (uint64_t source = 1; source < 20000; source++)
        guesses_add_wrong(g, source, "alice", NOW);
    assert_int_equal(guesses_wait_until(g, 0, "alice"), 0);
    guesses_add_wrong(g, 19999, "alice", NOW);
    assert_int_equal(delay_of(g, 19999, "alice", NOW), 100);
    guesses_free(g);
}

static void a_name_of_any_length_is_taken(void **state)
{
    struct guesses *g = guesses_new();
    char name[1000];

    (void)state;
    memset(name, 'x', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    guesses_add_wrong(g, 1, name, NOW);
    guesses_add_wrong(g, 1, name, NOW);
    assert_int_equal(delay_of(g, 1, name, NOW), 100);
    guesses_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_wait_for_a_user_doubles_up_to_a_bound),
        cmocka_unit_test(another_source_or_user_does_not_wait),
        cmocka_unit_test(who_tries_many_users_waits_for_each),
        cmocka_unit_test(a_right_password_ends_the_wait_for_its_user),
        cmocka_unit_test(a_minute_without_a_wrong_one_is_forgotten),
        cmocka_unit_test(what_is_remembered_is_bounded),
        cmocka_unit_test(a_name_of_any_length_is_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
