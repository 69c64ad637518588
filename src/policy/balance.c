/* The choice of a session, as one number for each: what it already bears. */
#include "policy/balance.h"

#define QUIET_RATE_BITS 6 /* under 64 KiB/s all are alike */

#define AWAY_MAX 16 /* beside more channels than that a move is little */

/* What a session weighs by its channels. Another worker's, to which the client would have to move,
 * weighs half as much again and two channels more. */
static uint64_t weight(const struct balance_session *session)
{
    uint64_t channels = session->channels;
    uint64_t half = channels / 2 < AWAY_MAX ? channels / 2 : AWAY_MAX;

    return session->local ? channels : channels + half + 2;
}

/* 0 for a quiet session, one more each time the rate doubles. */
static unsigned rate_class(uint32_t rate)
{
    uint32_t loud = rate >> QUIET_RATE_BITS;

    return loud == 0 ? 0 : 32 - (unsigned)__builtin_clz(loud);
}

/* The criteria of balance_choose as digits of one number, the most important first: the session
 * with the least burden is chosen. */
static uint64_t burden(const struct balance_session *session, const struct balance_limits *limits,
                       bool may_block, bool kept)
{
    uint64_t sum = may_block && session->streaming;

    sum = sum << 1 | session->overdue;
    sum = sum << 1 | (session->channels >= limits->channels);
    sum = sum << 5 | rate_class(kept && session->rate < BALANCE_BULK_RATE ? BALANCE_BULK_RATE - 1
                                                                          : session->rate);
    sum = sum << 33 | weight(session);
    return sum << 1 | !session->local;
}

static bool may_take_another(const struct balance_session *session,
                             const struct balance_limits *limits)
{
    return !session->overdue && session->channels < limits->channels &&
           session->rate < BALANCE_BULK_RATE;
}

/* Whether the pool may grow to get a session that is not streaming. */
static bool quiet_is_wanted(const struct balance_session *sessions, size_t count,
                            const struct balance_limits *limits)
{
    size_t well = 0;

    for (size_t i = 0; i < count; i++)
        well += !sessions[i].overdue;
    return well < limits->quiet_sessions;
}

static bool is_quiet(const struct balance_session *session)
{
    return session->usable && !session->streaming && !session->overdue;
}

/* The last quiet session, which others than may-block opens leave alone while they have one without
 * bulk; -1: there are several, or none. */
static int last_quiet(const struct balance_session *sessions, size_t count)
{
    int last = -1;

    for (size_t i = 0; i < count; i++) {
        if (!is_quiet(&sessions[i]))
            continue;
        if (last >= 0)
            return -1;
        last = (int)i;
    }
    return last;
}

struct balance_choice balance_choose(const struct balance_session *sessions, size_t count,
                                     const struct balance_limits *limits, bool may_block)
{
    bool want_quiet = may_block && quiet_is_wanted(sessions, count, limits);
    int kept = may_block ? -1 : last_quiet(sessions, count);
    struct balance_choice choice = {.index = -1, .grow = count < limits->max_sessions};
    uint64_t least = UINT64_MAX;

    for (size_t i = 0; i < count; i++) {
        if (!sessions[i].usable)
            continue;
        uint64_t mine = burden(&sessions[i], limits, may_block, (int)i == kept);
        if (mine < least) {
            least = mine;
            choice.index = (int)i;
        }
        if (may_take_another(&sessions[i], limits) && !(want_quiet && sessions[i].streaming))
            choice.grow = false;
    }
    return choice;
}
