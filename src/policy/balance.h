/* Which session takes the next channel, and whether the pool needs another session. Pure; called by
 * workers, from the session table. */
#ifndef ADIT_POLICY_BALANCE_H
#define ADIT_POLICY_BALANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The state of one session at the moment of the choice. */
struct balance_session {
    bool usable;       /* up, and not retiring */
    bool overdue;      /* an open waits long for its answer, and others would wait behind it: sshd
                          resolves one name at a time */
    bool streaming;    /* carries data all the time: a pause would be noticed */
    bool local;        /* belongs to the calling worker: the client need not be moved */
    uint32_t channels; /* open and opening */
    uint32_t rate;     /* KiB a second, both ways, measured over the last ticks */
};

struct balance_limits {
    uint32_t channels;       /* channels a session before another is wanted */
    uint32_t max_sessions;   /* the pool's upper bound */
    uint32_t quiet_sessions; /* sessions without an overdue open from which on streaming sessions
                                are no reason for another */
};

struct balance_choice {
    int index; /* index into the sessions; -1: none is usable */
    bool grow; /* another session is wanted */
};

/* KiB a second from which on a session carries bulk: interactive traffic goes to another session.
 */
#define BALANCE_BULK_RATE 2048

/* Chooses the usable session with the least in flight. Sessions without an overdue open go before
 * those with one; then sessions under the channel limit; then the lower rate, where rates within
 * the same power of two (and all under 64 KiB/s) count as equal; then the fewer channels, where a
 * local session may have two and half as many again (16 at most) more, because to move a client
 * takes as long as an open. So a session with an overdue open is chosen only when no other is
 * usable. `grow` is set when there are fewer than max_sessions (`count` includes those that are
 * dialled, as not usable) and no usable session is without overdue open, under the channel limit
 * and under BALANCE_BULK_RATE.
 *
 * With `may_block` the open is by a name that the server may take long to resolve, while its
 * whole session waits. Such an open avoids streaming sessions, and rather takes one with an overdue
 * open; when each session without an overdue open is streaming, `grow` is set, up to
 * quiet_sessions. To keep a session for such opens, other opens take the last session that is not
 * streaming only when all others carry bulk: its rate counts as just below BALANCE_BULK_RATE. */
struct balance_choice balance_choose(const struct balance_session *sessions, size_t count,
                                     const struct balance_limits *limits, bool may_block);

#endif
