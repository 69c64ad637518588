/* Tests of policy/balance. */
#include "policy/balance.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MOST 4

/* A session's state in few letters. */
#define UP(n, r)                                                                                   \
    {                                                                                              \
        .usable = true, .local = true, .channels = (n), .rate = (r)                                \
    }
#define AWAY(n, r)                                                                                 \
    {                                                                                              \
        .usable = true, .channels = (n), .rate = (r)                                               \
    }
#define LATE(n, r)                                                                                 \
    {                                                                                              \
        .usable = true, .local = true, .overdue = true, .channels = (n), .rate = (r)               \
    }
#define STEADY(n, r)                                                                               \
    {                                                                                              \
        .usable = true, .local = true, .streaming = true, .channels = (n), .rate = (r)             \
    }
#define STEADY_LATE(n, r)                                                                          \
    {                                                                                              \
        .usable = true, .local = true, .streaming = true, .overdue = true, .channels = (n),        \
        .rate = (r)                                                                                \
    }
#define DOWN                                                                                       \
    {                                                                                              \
        .local = true                                                                              \
    }

static void the_least_burdened_session_is_chosen(void **state)
{
    static const struct balance_limits limits = {.channels = 100, .max_sessions = MOST};
    static const struct {
        const char *what;
        struct balance_session sessions[MOST];
        size_t count;
        int index;
        bool grow;
    } cases[] = {
        {"none at all", {DOWN}, 0, -1, true},
        {"none usable", {DOWN, DOWN}, 2, -1, true},
        {"none usable and no room", {DOWN, DOWN, DOWN, DOWN}, 4, -1, false},
        {"one idle", {UP(0, 0)}, 1, 0, false},
        {"unusable ones are passed over", {DOWN, UP(99, 0)}, 2, 1, false},
        {"fewer channels", {UP(5, 0), UP(4, 0), UP(6, 0)}, 3, 1, false},
        {"the first of equals", {UP(5, 0), UP(5, 0)}, 2, 0, false},
        {"local first of equals", {AWAY(5, 0), UP(5, 0)}, 2, 1, false},
        {"local with two more", {AWAY(0, 0), UP(2, 0)}, 2, 1, false},
        {"not with three more than none", {AWAY(0, 0), UP(3, 0)}, 2, 0, false},
        {"local with half as many again, and two", {AWAY(20, 0), UP(32, 0)}, 2, 1, false},
        {"not with more", {AWAY(20, 0), UP(33, 0)}, 2, 0, false},
        {"local with 18 more", {AWAY(60, 0), UP(78, 0)}, 2, 1, false},
        {"not with 19, however many", {AWAY(60, 0), UP(79, 0)}, 2, 0, false},
        {"the fewer channels of two that are away", {AWAY(5, 0), AWAY(4, 0)}, 2, 1, false},
        {"rate before local", {UP(5, 64), AWAY(5, 63)}, 2, 1, false},
        {"rates under 64 are alike", {UP(5, 0), UP(4, 63)}, 2, 1, false},
        {"64 is another class", {UP(5, 63), UP(4, 64)}, 2, 0, false},
        {"rates of one power of two are alike", {UP(5, 64), UP(4, 127)}, 2, 1, false},
        {"rates of two powers are not", {UP(5, 127), UP(4, 128)}, 2, 0, false},
        {"rate before channels", {UP(0, 1024), UP(90, 0)}, 2, 1, false},
        {"below the limit before the rate", {UP(100, 0), UP(99, 2047)}, 2, 1, false},
        {"all at the limit", {UP(101, 0), UP(100, 0)}, 2, 1, true},
        {"all at the limit in a full pool",
         {UP(103, 0), UP(102, 0), UP(101, 0), UP(100, 0)},
         4,
         3,
         false},
        {"on time before below the limit", {LATE(0, 0), UP(200, 9999)}, 2, 1, true},
        {"overdue when nothing else is there", {DOWN, LATE(3, 0), LATE(2, 0)}, 3, 2, true},
        {"bulk wants another session", {UP(1, BALANCE_BULK_RATE)}, 1, 0, true},
        {"just under bulk does not", {UP(1, BALANCE_BULK_RATE - 1)}, 1, 0, false},
        {"a free one elsewhere is enough", {UP(100, 0), AWAY(0, 0)}, 2, 1, false},
        {"being dialled counts for the bound", {UP(100, 0), DOWN, DOWN, DOWN}, 4, 0, false},
        {"the largest numbers",
         {UP(UINT32_MAX, UINT32_MAX), UP(UINT32_MAX, UINT32_MAX)},
         2,
         0,
         true},
        {"overdue outweighs the largest numbers",
         {LATE(0, 0), AWAY(UINT32_MAX, UINT32_MAX)},
         2,
         1,
         true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct balance_choice choice =
            balance_choose(cases[i].sessions, cases[i].count, &limits, false);
        if (choice.index != cases[i].index || choice.grow != cases[i].grow)
            fail_msg("%s: %d%s", cases[i].what, choice.index, choice.grow ? " and grow" : "");
    }
}

/* By a name that may keep the whole session waiting. */
static void an_open_that_may_block_goes_past_streaming_sessions(void **state)
{
    static const struct balance_limits limits = {
        .channels = 100, .max_sessions = MOST, .quiet_sessions = 2};
    static const struct {
        const char *what;
        struct balance_session sessions[MOST];
        size_t count;
        int index;
        bool grow;
        int sure; /* what another open would get */
        bool sure_grow;
    } cases[] = {
        {"none at all", {DOWN}, 0, -1, true, -1, true},
        {"one quiet", {UP(5, 0)}, 1, 0, false, 0, false},
        {"one streaming: there, and a quiet one is wanted", {STEADY(5, 20)}, 1, 0, true, 0, false},
        {"a quiet one with more to do", {STEADY(1, 0), UP(9, 0)}, 2, 1, false, 0, false},
        {"a quiet one that is late", {STEADY(1, 0), LATE(9, 0)}, 2, 1, true, 0, false},
        {"of two late ones the quiet", {STEADY_LATE(1, 0), LATE(9, 0)}, 2, 1, true, 0, true},
        {"a quiet one that is full", {STEADY(1, 0), UP(100, 0)}, 2, 1, false, 0, false},
        {"two streaming ones are enough", {STEADY(5, 20), STEADY(4, 20)}, 2, 1, false, 1, false},
        {"but late ones do not count", {STEADY(5, 20), LATE(4, 0)}, 2, 1, true, 0, false},
        {"and one that is coming does", {STEADY(5, 20), DOWN}, 2, 0, false, 0, false},
        {"bulk always wants another", {STEADY(1, 9999), STEADY(1, 4000)}, 2, 1, true, 1, true},
        {"others leave the last quiet one", {STEADY(5, 1000), UP(0, 0)}, 2, 1, false, 0, false},
        {"unless the rest carries bulk", {STEADY(5, 2048), UP(0, 0)}, 2, 1, false, 1, false},
        {"or is late", {STEADY_LATE(5, 0), UP(9, 0)}, 2, 1, false, 1, false},
        {"or full", {STEADY(100, 0), UP(9, 0)}, 2, 1, false, 1, false},
        {"of two they take one", {STEADY(5, 64), UP(1, 0), UP(2, 0)}, 3, 1, false, 1, false},
        {"a full pool", {STEADY(5, 0), LATE(4, 0), LATE(3, 0), LATE(5, 0)}, 4, 2, false, 0, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct balance_choice choice =
            balance_choose(cases[i].sessions, cases[i].count, &limits, true);
        struct balance_choice sure =
            balance_choose(cases[i].sessions, cases[i].count, &limits, false);
        if (choice.index != cases[i].index || choice.grow != cases[i].grow)
            fail_msg("%s: %d%s", cases[i].what, choice.index, choice.grow ? " and grow" : "");
        if (sure.index != cases[i].sure || sure.grow != cases[i].sure_grow)
            fail_msg("%s: sure: %d%s", cases[i].what, sure.index, sure.grow ? " and grow" : "");
    }
}

/* Every channel stays where it was put; the pool gets a session when it asks for one. */
static void channels_spread_evenly_and_the_pool_grows_only_when_full(void **state)
{
    static const struct balance_limits limits = {.channels = 10, .max_sessions = MOST};
    struct balance_session sessions[MOST] = {UP(0, 0)};
    size_t count = 1;

    (void)state;
    for (unsigned channels = 0; channels < 10 * MOST; channels++) {
        struct balance_choice choice = balance_choose(sessions, count, &limits, false);
        if (choice.grow) {
            assert_int_equal(channels, 10 * count);
            sessions[count++] = (struct balance_session)UP(0, 0);
            choice = balance_choose(sessions, count, &limits, false);
        }
        sessions[choice.index].channels++;
    }
    assert_int_equal(count, MOST);
    for (size_t i = 0; i < MOST; i++)
        assert_int_equal(sessions[i].channels, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_burdened_session_is_chosen),
        cmocka_unit_test(an_open_that_may_block_goes_past_streaming_sessions),
        cmocka_unit_test(channels_spread_evenly_and_the_pool_grows_only_when_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
