/* Tests of shared/session_table. */
#include "shared/session_table.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MOST 4
#define ME 7 /* the worker that asks */

/* What the others published of one slot. */
struct told {
    enum slot_state state;
    int worker;
    unsigned channels;
    unsigned abandoned;
    unsigned rate;
    bool overdue;
    bool streaming;
};

static void tell(struct session_table *table, int slot, const struct told *told)
{
    struct session_slot *s = &table->slots[slot];

    atomic_store(&s->worker, told->worker);
    atomic_store(&s->channels, told->channels);
    atomic_store(&s->abandoned, told->abandoned);
    atomic_store(&s->rate, told->rate);
    atomic_store(&s->overdue, told->overdue);
    atomic_store(&s->streaming, told->streaming);
    session_table_set_slot(table, slot, told->state);
}

static unsigned channels(const struct session_table *table, int slot)
{
    return atomic_load(&table->slots[slot].channels);
}

static struct session_table *table_with(unsigned max_channels, unsigned max_sessions)
{
    struct session_table *table = session_table_new("bastion", NULL);

    atomic_store(&table->max_channels, max_channels);
    atomic_store(&table->max_sessions, max_sessions);
    return table;
}

static int set_up(void **state)
{
    *state = table_with(10, MOST);
    return 0;
}

static int tear_down(void **state)
{
    session_table_unref(*state);
    return 0;
}

/* ---- reserve and release */

static void a_new_board_has_no_session(void **state)
{
    struct session_table *table = *state;
    bool grow = false;

    assert_string_equal(table->upstream, "bastion");
    for (int i = 0; i < SESSION_TABLE_SLOTS; i++)
        assert_int_equal(session_table_slot_state(table, i), SLOT_EMPTY);
    assert_int_equal(session_table_reserve(table, ME, false, &grow), -1);
    assert_true(grow);
    assert_int_equal(session_table_hint(table, -1), -1);
}

static void what_is_reserved_counts_until_it_is_released(void **state)
{
    struct session_table *table = *state;
    bool grow;

    tell(table, 3, &(struct told){.state = SLOT_UP});
    tell(table, 5, &(struct told){.state = SLOT_UP});
    for (unsigned n = 0; n < 4; n++) {
        assert_int_equal(session_table_reserve(table, ME, false, &grow), 3);
        assert_int_equal(session_table_reserve(table, ME, false, &grow), 5);
        assert_int_equal(channels(table, 3), n + 1);
        assert_int_equal(channels(table, 5), n + 1);
    }
    session_table_release(table, 5);
    assert_int_equal(channels(table, 5), 3);
    assert_int_equal(session_table_reserve(table, ME, false, &grow), 5);
    for (int n = 0; n < 4; n++) {
        session_table_release(table, 3);
        session_table_release(table, 5);
    }
    assert_int_equal(channels(table, 3), 0);
    assert_int_equal(channels(table, 5), 0);
}

static void a_reservation_outlives_its_session(void **state)
{
    struct session_table *table = *state;
    bool grow;

    tell(table, 0, &(struct told){.state = SLOT_UP});
    assert_int_equal(session_table_reserve(table, ME, false, &grow), 0);
    session_table_set_slot(table, 0, SLOT_EMPTY);
    assert_int_equal(session_table_reserve(table, ME, false, &grow), -1);
    assert_int_equal(channels(table, 0), 1);
    session_table_set_slot(table, 0, SLOT_UP); /* a newer one */
    assert_int_equal(session_table_reserve(table, ME, false, &grow), 0);
    assert_int_equal(channels(table, 0), 2);
    session_table_release(table, 0);
    session_table_release(table, 0);
    assert_int_equal(channels(table, 0), 0);
}

static void the_last_slot_is_as_good_as_any(void **state)
{
    struct session_table *table = *state;
    bool grow;

    atomic_store(&table->max_sessions, SESSION_TABLE_SLOTS);
    for (int i = 0; i < SESSION_TABLE_SLOTS; i++)
        tell(table, i, &(struct told){.state = SLOT_UP, .worker = i, .channels = 10});
    tell(table, SESSION_TABLE_SLOTS - 1,
         &(struct told){.state = SLOT_UP, .worker = 1, .channels = 9});
    assert_int_equal(session_table_hint(table, -1), 1);
    assert_int_equal(session_table_reserve(table, ME, false, &grow), SESSION_TABLE_SLOTS - 1);
    assert_false(grow);
    assert_int_equal(session_table_reserve(table, ME, false, &grow),
                     ME); /* the local one, as all are full */
    assert_false(grow);
}

/* ---- the choice */

#define UP(n) .state = SLOT_UP, .channels = (n)

/* The slots that a case does not name are empty. */
static void the_slot_is_chosen_from_what_is_published(void **state)
{
    static const struct {
        const char *what;
        struct told slots[MOST];
        int slot;
        bool grow;
    } cases[] = {
        {"one idle", {{UP(0)}}, 0, false},
        {"not the first slot", {{0}, {0}, {UP(0)}}, 2, false},
        {"fewer channels", {{UP(5)}, {UP(4)}, {UP(6)}}, 1, false},
        {"mine of equals", {{UP(5)}, {UP(5), .worker = ME}}, 1, false},
        {"less rate", {{UP(1), .rate = 500}, {UP(5)}}, 1, false},
        {"an empty one is not chosen", {{0}, {UP(9)}}, 1, false},
        {"nor one that is dialled", {{.state = SLOT_DIALLING}, {UP(9)}}, 1, false},
        {"nor one that retires", {{.state = SLOT_RETIRING}, {UP(9)}}, 1, false},
        {"only empty", {{0}}, -1, true},
        {"only dialling", {{.state = SLOT_DIALLING}}, -1, true},
        {"only retiring", {{.state = SLOT_RETIRING}}, -1, true},
        {"none up, but all that may be are coming",
         {{.state = SLOT_DIALLING},
          {.state = SLOT_DIALLING},
          {.state = SLOT_DIALLING},
          {.state = SLOT_DIALLING}},
         -1,
         false},
        {"retiring ones leave room for others",
         {{.state = SLOT_RETIRING},
          {.state = SLOT_RETIRING},
          {.state = SLOT_RETIRING},
          {.state = SLOT_RETIRING}},
         -1,
         true},
        {"one below the limit", {{UP(10)}, {UP(9)}}, 1, false},
        {"all at the limit", {{UP(10)}, {UP(11)}}, 0, true},
        {"full, and others are coming",
         {{UP(10)}, {.state = SLOT_DIALLING}, {.state = SLOT_DIALLING}, {.state = SLOT_DIALLING}},
         0,
         false},
        {"full", {{UP(13)}, {UP(12)}, {UP(11)}, {UP(12)}}, 2, false},
        {"full of bulk", {{UP(1), .rate = 2048}}, 0, true},
        {"abandoned opens count", {{UP(1), .abandoned = 3}, {UP(3)}}, 1, false},
        {"and for the limit", {{UP(4), .abandoned = 6}}, 0, true},
        {"and only what there is", {{UP(1), .abandoned = 1}, {UP(3)}}, 0, false},
        {"overdue is avoided", {{UP(0), .overdue = true}, {UP(9)}}, 1, false},
        {"even for a full one", {{UP(0), .overdue = true}, {UP(10)}}, 1, true},
        {"unless there is nothing else", {{UP(0), .overdue = true}}, 0, true},
        {"the better of two overdue",
         {{UP(5), .overdue = true}, {UP(4), .overdue = true}},
         1,
         true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct session_table *table = table_with(10, MOST);
        bool grow = !cases[i].grow;
        int slot;

        for (int n = 0; n < MOST; n++)
            tell(table, n, &cases[i].slots[n]);
        slot = session_table_reserve(table, ME, false, &grow);
        if (slot != cases[i].slot || grow != cases[i].grow)
            fail_msg("%s: %d%s", cases[i].what, slot, grow ? " and grow" : "");
        for (int n = 0; n < MOST; n++)
            assert_int_equal(channels(table, n), cases[i].slots[n].channels + (n == slot));
        session_table_unref(table);
    }
}

static void the_pool_wants_to_grow_once_every_session_is_full(void **state)
{
    struct session_table *table = *state;
    bool grow;

    atomic_store(&table->max_channels, 2);
    atomic_store(&table->max_sessions, 2);
    tell(table, 0, &(struct told){.state = SLOT_UP});
    for (int n = 0; n < 2; n++) {
        assert_int_equal(session_table_reserve(table, ME, false, &grow), 0);
        assert_false(grow);
    }
    assert_int_equal(session_table_reserve(table, ME, false, &grow), 0);
    assert_true(grow);
    session_table_set_slot(table, 1, SLOT_DIALLING);
    assert_int_equal(session_table_reserve(table, ME, false, &grow), 0);
    assert_false(grow);
    session_table_set_slot(table, 1, SLOT_UP);
    for (int n = 0; n < 4; n++) {
        assert_int_equal(session_table_reserve(table, ME, false, &grow), 1);
        assert_false(grow);
    }
    atomic_store(&table->max_sessions, 3); /* a reload */
    session_table_reserve(table, ME, false, &grow);
    assert_true(grow);
}

static void a_quiet_session_is_wanted_beside_streaming_ones(void **state)
{
    struct session_table *table = *state;
    bool grow;

    atomic_store(&table->quiet_sessions, 3);
    tell(table, 0, &(struct told){.state = SLOT_UP, .streaming = true, .channels = 1});
    assert_false(session_table_wants_quiet(table, -1));
    session_table_expect_names(table);
    assert_true(session_table_wants_quiet(table, -1));
    assert_int_equal(session_table_reserve(table, ME, true, &grow), 0);
    assert_true(grow);
    assert_int_equal(session_table_reserve(table, ME, false, &grow), 0);
    assert_false(grow);
    tell(table, 2, &(struct told){.state = SLOT_UP, .channels = 5});
    assert_false(session_table_wants_quiet(table, -1));
    assert_true(session_table_wants_quiet(table, 2)); /* so it stays */
    assert_false(session_table_wants_quiet(table, 0));
    assert_int_equal(session_table_reserve(table, ME, true, &grow), 2);
    assert_int_equal(session_table_reserve(table, ME, false, &grow), 0);
    tell(table, 2, &(struct told){.state = SLOT_UP, .overdue = true, .channels = 5});
    assert_true(session_table_wants_quiet(table, -1));
    assert_int_equal(session_table_reserve(table, ME, true, &grow), 2);
    atomic_store(&table->max_sessions, 2);
    assert_false(session_table_wants_quiet(table, -1));
}

/* The same numbers each time, and any would do. */
static unsigned next_random(unsigned below)
{
    static uint32_t seed = 1;

    seed = seed * 1664525 + 1013904223;
    return (seed >> 16) % below;
}

static void of_equal_sessions_the_hint_is_ones_own(void **state)
{
    struct session_table *table = *state;

    for (int i = 0; i < 3; i++)
        tell(table, i, &(struct told){.state = SLOT_UP, .worker = i, .channels = 9});
    for (int i = 0; i < 3; i++)
        assert_int_equal(session_table_hint(table, i), i);
    tell(table, 1, &(struct told){.state = SLOT_UP, .worker = 1, .channels = 0});
    assert_int_equal(session_table_hint(table, 2), 1);
}

static void a_client_that_follows_the_hint_stays_there(void **state)
{
    int up = 0;

    (void)state;
    for (int n = 0; n < 2000; n++) {
        struct session_table *table = table_with(3, MOST);
        int from = (int)next_random(4) - 1; /* the worker that accepted it */
        bool grow;
        int hinted;
        int slot;

        for (int i = 0; i < MOST; i++)
            tell(table, i,
                 &(struct told){.state = (enum slot_state)next_random(SLOT_RETIRING + 1),
                                .worker = (int)next_random(3),
                                .channels = next_random(5),
                                .abandoned = next_random(2),
                                .rate = next_random(3) * 60,
                                .overdue = next_random(4) == 0});
        hinted = session_table_hint(table, from);
        slot = session_table_reserve(table, hinted, false, &grow);
        assert_int_equal(slot < 0, hinted < 0);
        if (slot >= 0) {
            up++;
            assert_int_equal(session_table_slot_state(table, slot), SLOT_UP);
            assert_int_equal(atomic_load(&table->slots[slot].worker), hinted);
            session_table_release(table, slot);
            assert_int_equal(session_table_hint(table, from), hinted); /* it reserves nothing */
        }
        session_table_unref(table);
    }
    assert_in_range(up, 1000, 1900);
}

/* ---- references and successors */

static unsigned references(const struct session_table *table)
{
    return atomic_load(&table->references);
}

static void a_table_lives_until_its_last_reference_goes(void **state)
{
    struct session_table *table = session_table_new("bastion", NULL);

    (void)state;
    assert_int_equal(references(table), 1);
    assert_ptr_equal(session_table_ref(table), table);
    assert_int_equal(references(table), 2);
    session_table_unref(table);
    assert_int_equal(references(table), 1);
    assert_string_equal(table->upstream, "bastion");
    session_table_unref(table);
    session_table_unref(NULL);
}

/* The pools' own references go as reloads happen; only a client still holds the first session
 * table. */
static void a_table_leads_to_the_last_of_its_successors(void **state)
{
    struct session_table *tables[MOST];

    (void)state;
    for (int i = 0; i < MOST; i++)
        tables[i] = session_table_new("bastion", NULL);
    assert_ptr_equal(session_table_current(tables[0]), tables[0]);
    for (int i = 1; i < MOST; i++) {
        session_table_succeed(tables[i - 1], tables[i]);
        assert_int_equal(references(tables[i]), 2);
        for (int n = 0; n <= i; n++)
            assert_ptr_equal(session_table_current(tables[n]), tables[i]);
        assert_int_equal(references(tables[i]), 2); /* which borrows only */
    }
    for (int i = 1; i < MOST; i++) {
        session_table_unref(tables[i]);
        assert_int_equal(references(tables[i]), 1);
    }
    assert_ptr_equal(session_table_current(tables[0]), tables[MOST - 1]);
    assert_int_equal(references(tables[0]), 1);
    session_table_unref(tables[0]);
}

static void a_successor_outlives_the_table_that_named_it(void **state)
{
    struct session_table *old = session_table_new("bastion", NULL);
    struct session_table *current = session_table_new("bastion", NULL);

    (void)state;
    session_table_succeed(old, current);
    session_table_ref(old);
    session_table_unref(old);
    assert_int_equal(references(current), 2);
    session_table_unref(old);
    assert_int_equal(references(current), 1);
    assert_ptr_equal(session_table_current(current), current);
    session_table_unref(current);
}

/* ---- names */

static void the_states_have_names(void **state)
{
    (void)state;
    assert_string_equal(slot_state_name(SLOT_EMPTY), "empty");
    assert_string_equal(slot_state_name(SLOT_DIALLING), "dialling");
    assert_string_equal(slot_state_name(SLOT_UP), "up");
    assert_string_equal(slot_state_name(SLOT_RETIRING), "retiring");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* Shells of ssh(1), of which a server allows a session so many. */

static unsigned shells(const struct session_table *table, int slot)
{
    return atomic_load(&table->slots[slot].shells);
}

static void a_shell_reserves_both(void **state)
{
    struct session_table *table = *state;
    bool grow;

    tell(table, 0, &(struct told){.state = SLOT_UP, .worker = ME});
    assert_int_equal(session_table_reserve_shell(table, ME, 1, &grow), 0);
    assert_int_equal(session_table_reserve_shell(table, ME, 1, &grow), 0);
    assert_int_equal(shells(table, 0), 2);
    assert_int_equal(channels(table, 0), 2);
    session_table_release_shell(table, 0);
    session_table_release(table, 0);
    assert_int_equal(shells(table, 0), 1);
    assert_int_equal(channels(table, 0), 1);
}

/* A refusal shows how many a session may have: the next shell goes elsewhere, or waits for a
 * session that is still to be dialled. */
static void a_refused_shell_goes_elsewhere(void **state)
{
    struct session_table *table = *state;
    bool grow;

    tell(table, 0, &(struct told){.state = SLOT_UP, .worker = ME});
    tell(table, 1, &(struct told){.state = SLOT_UP, .worker = ME, .channels = 5});
    for (int i = 0; i < 3; i++)
        assert_int_equal(session_table_reserve_shell(table, ME, 1, &grow), 0);
    assert_true(session_table_shell_refused(table, 0, 1));
    session_table_release_shell(table, 0);
    session_table_release(table, 0);
    assert_int_equal(session_table_reserve_shell(table, ME, 1, &grow), 1);
    assert_int_equal(session_table_reserve_shell(table, ME, 1, &grow), 1);
    assert_int_equal(session_table_reserve_shell(table, ME, 1, &grow), -1);
    assert_true(grow);
    /* Channels that are no shells still go there. */
    assert_int_equal(session_table_reserve(table, ME, false, &grow), 0);
    /* A server that counts a shell for a moment after its end does not fix the limit for ever. */
    assert_true(session_table_reserve_shell(table, ME, 60001, &grow) >= 0);
}

/* Without others there it is the server that does not allow it. */
static void a_session_without_shells_that_refuses_one(void **state)
{
    struct session_table *table = *state;
    bool grow;

    tell(table, 0, &(struct told){.state = SLOT_UP, .worker = ME});
    assert_int_equal(session_table_reserve_shell(table, ME, 1, &grow), 0);
    assert_false(session_table_shell_refused(table, 0, 1));
    session_table_release_shell(table, 0);
    session_table_release(table, 0);
    assert_int_equal(session_table_reserve_shell(table, ME, 1, &grow), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_board_has_no_session),
        TEST(what_is_reserved_counts_until_it_is_released),
        TEST(a_reservation_outlives_its_session),
        TEST(the_last_slot_is_as_good_as_any),
        cmocka_unit_test(the_slot_is_chosen_from_what_is_published),
        TEST(the_pool_wants_to_grow_once_every_session_is_full),
        TEST(a_quiet_session_is_wanted_beside_streaming_ones),
        TEST(of_equal_sessions_the_hint_is_ones_own),
        cmocka_unit_test(a_client_that_follows_the_hint_stays_there),
        cmocka_unit_test(a_table_lives_until_its_last_reference_goes),
        cmocka_unit_test(a_table_leads_to_the_last_of_its_successors),
        cmocka_unit_test(a_successor_outlives_the_table_that_named_it),
        cmocka_unit_test(the_states_have_names),
        TEST(a_shell_reserves_both),
        TEST(a_refused_shell_goes_elsewhere),
        TEST(a_session_without_shells_that_refuses_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
