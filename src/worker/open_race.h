/* The attempts to open one channel: at first one, and beside it, while it goes without an answer,
 * another one to another address (RFC 8305) or on another session. The first channel that opens is
 * the result, and the other attempt is cancelled.
 *
 * An open cannot be taken back from a server. A cancelled one is abandoned: its session waits for
 * the late answer and closes the channel then. A race abandons OPEN_RACE_ATTEMPTS opens at most,
 * and adds nothing to a session that waits for OPEN_RACE_ABANDONED answers to abandoned opens.
 *
 * A race belongs to the thread of its sessions. It is embedded in its owner's struct, zeroed. */
#ifndef ADIT_WORKER_OPEN_RACE_H
#define ADIT_WORKER_OPEN_RACE_H

#include "session/session.h"

/* Attempts that can be under way at a time. */
#define OPEN_RACE_ATTEMPTS 2

/* A session with so many abandoned opens gets no attempt beside another one. */
#define OPEN_RACE_ABANDONED 64

struct open_race_events {
    /* A channel is open: it is paused and the owner's. `attempt` is the number that
     * open_race_start gave it. The race is over. */
    void (*opened)(void *arg, unsigned attempt, struct endpoint *channel);
    /* An attempt has failed while another one is under way; the owner may start one in its place.
     * NULL: the owner need not know. */
    void (*failed)(void *arg, unsigned attempt);
    /* All attempts have failed, and the race is over. The failure is the last one that a server
     * stated; only if there is none is it a lost session. Its text is valid during the call. */
    void (*refused)(void *arg, const struct open_failure *failure);
};

struct open_attempt {
    struct open_race *race;
    struct session_open *open; /* NULL: not under way */
};

struct open_race {
    const struct open_race_events *events;
    void *arg;
    struct open_attempt attempts[OPEN_RACE_ATTEMPTS];
    struct open_failure failure; /* of an attempt that failed while another was under way */
    char *failure_text;          /* failure.text, owned; NULL: there was none */
};

/* What is to be reached: a shell, a path at the server, or else a TCP target. */
struct race_target {
    const struct shell_target *shell; /* NULL: path */
    const char *path;                 /* NULL: tcp */
    struct tcp_target tcp;
};

/* Begins a race; none may be under way. `opened` or `refused` is called once, as its last act, and
 * no event comes from inside a function of this header. */
void open_race_begin(struct open_race *race, const struct open_race_events *events, void *arg);

/* Starts an attempt. Its number, from 0; or -1 if there are too many, or if it is not the first and
 * the session has abandoned opens enough. The first attempt is always started. */
int open_race_start(struct open_race *race, struct session *session,
                    const struct race_target *target);

/* Gives one attempt up, of several that are under way; no event comes of it. */
void open_race_abandon(struct open_race *race, unsigned attempt);

/* Whether this open is one of the race's attempts. */
bool open_race_has(const struct open_race *race, const struct session_open *open);

/* Cancels what is under way: no event comes any more. A race that is over is left alone. */
void open_race_cancel(struct open_race *race);

#endif
