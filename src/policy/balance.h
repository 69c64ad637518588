/* Which session takes the next channel, and whether the pool wants another one. Pure. */
#ifndef ADIT_POLICY_BALANCE_H
#define ADIT_POLICY_BALANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is known of one session at the moment of the choice. */
struct balance_session {
    bool usable;    /* up, and not retiring */
    bool overdue;   /* an open has waited long for its answer: sshd resolves names one at a time */
    bool streaming; /* carries something all the time, which would be missed if it stood still */
    bool local;     /* belongs to the worker that asks: no move needed */
    uint32_t channels; /* open and opening */
    uint32_t rate;     /* KiB a second that its channels carried of late, both ways */
};

struct balance_limits {
    uint32_t channels;     /* channels a session before another is wanted */
    uint32_t max_sessions; /* the pool's upper bound */
    uint32_t
        quiet_sessions; /* with so many that answer, streaming ones are no reason for another */
};

struct balance_choice {
    int index; /* into the sessions; -1: none is usable */
    bool grow; /* another session is wanted */
};

/* A session whose rate is at or over this carries bulk: interactive traffic is better off
 * elsewhere. */
#define BALANCE_BULK_RATE 2048

/* Chooses the usable session with the least in flight: sessions without an overdue open before
 * those with; then those under the channel limit; then by rate, where rates within the same power
 * of two (and all under 64 KiB/s) count as equal; then by channels, where a local one may have half
 * as many again (16 at most), and two: a move takes as long as an open. Overdue sessions are chosen
 * only when nothing else is usable. `grow` when fewer than max_sessions are there (`count` includes
 * those being dialled, as not usable) and no usable session is without overdue open, under the
 * channel limit and under BALANCE_BULK_RATE.
 *
 * A `may-block` open is one by a name that the server may be long at, with all of its session
 * waiting. It goes past streaming sessions if there is another, be that overdue; and when each that
 * answers is streaming, `grow`, up to quiet_sessions. So that it finds one, the last that is not
 * streaming is taken by others only when the rest carries bulk: it counts as if it nearly did so
 * itself. */
struct balance_choice balance_choose(const struct balance_session *sessions, size_t count,
                                     const struct balance_limits *limits, bool may_block);

#endif
