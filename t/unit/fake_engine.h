/* An engine over memory: session/login.h and session/session.h without a network, scripted by the
 * test.
 *
 * The engine keeps the contract of those headers and of io/endpoint.h: no event comes from inside
 * an operation, what a dial came to comes through the mailbox, answers come in a later turn. It
 * fails the test where a caller breaks its own part: a session freed before its channels, an
 * operation on what has ended, an operation inside a data event, something never given back (found
 * by fake_engine_check at the end of a test).
 *
 * Every object outlives its end, so that the test can look at what became of it; fake_engine_check
 * frees them. Everything belongs to one thread. */
#ifndef ADIT_T_FAKE_ENGINE_H
#define ADIT_T_FAKE_ENGINE_H

#include "base/buffer.h"
#include "session/login.h"
#include "session/session.h"

extern const struct login_engine fake_engine;

enum fake_answer {
    FAKE_YES,  /* in a later turn of the loop */
    FAKE_NO,   /* likewise */
    FAKE_NEVER /* when the test says so */
};

/* What is done from now on; all zero at the beginning of a test. */
struct fake_script {
    /* Dials. */
    enum fake_answer dials;       /* NO: they end with `dial_status` */
    enum dial_status dial_status; /* of FAKE_NO */
    bool dials_ask;               /* a person is being asked at each (with FAKE_NEVER) */
    bool asks_anew;               /* connection_info.asks_anew of each session */
    bool no_descriptors;          /* session_new fails */
    /* Opens. */
    enum fake_answer opens;
    uint32_t reason; /* of FAKE_NO */
    const char *text;
    size_t window;      /* how much a channel takes at first; 0: FAKE_WINDOW */
    bool window_closed; /* a channel takes nothing at first */
    /* Listens. */
    enum fake_answer listens;
};

#define FAKE_WINDOW ((size_t)1 << 20)

struct fake_dial {
    struct dial base;
    TAILQ_ENTRY(fake_dial) link;
    struct message message;
    struct dial_request request;
    char host[HOST_MAX + 1];
    enum dial_status status;
    bool asking;
    unsigned prompts;
    bool asks_anew;
    bool shut;      /* dial_shutdown was called */
    bool cancelled; /* dial_cancel was called */
    bool ended;     /* its message is on its way, or was read */
};

enum fake_state {
    FAKE_WAITING,  /* for an answer */
    FAKE_UP,       /* it was answered yes */
    FAKE_REFUSED,  /* it was answered no */
    FAKE_LOST,     /* its session died before */
    FAKE_RELEASED, /* cancelled, freed or closed by its owner */
    FAKE_ABORTED,  /* a channel: closed with `abort` */
};

struct fake_channel {
    struct endpoint endpoint;
    TAILQ_ENTRY(fake_channel) link;
    struct fake_session *session;
    enum fake_state state; /* FAKE_UP, FAKE_LOST, FAKE_RELEASED, FAKE_ABORTED */
    /* From the far side. */
    struct buffer in; /* sent, and not taken by the owner yet */
    bool sent_eof;
    bool sent_close;
    struct later news;
    /* To the far side. */
    size_t window; /* how much it takes */
    bool owes_writable;
    struct buffer got;
    bool got_eof;
};

struct fake_open {
    struct session_open base;
    TAILQ_ENTRY(fake_open) link;
    struct fake_session *session;
    enum fake_state state;
    bool cancelled;
    char host[HOST_MAX + 1]; /* or the path */
    uint16_t port;
    char origin[IP_TEXT_MAX];
    uint16_t origin_port;
    bool is_unix;
    session_opened_fn *opened;
    void *arg;
    enum fake_answer answer;
    struct later answering;
    uint32_t reason;
    const char *text;
    struct fake_channel *channel; /* in FAKE_UP; of an abandoned open: NULL */
};

struct fake_listen {
    struct session_listen base;
    TAILQ_ENTRY(fake_listen) link;
    struct fake_session *session;
    enum fake_state state;
    char bind[HOST_MAX + 1];
    uint16_t port; /* asked for, then listened on */
    struct session_listen_events events;
    void *arg;
    enum fake_answer answer;
    struct later answering;
};

struct fake_forwarded {
    struct forwarded_open base;
    TAILQ_ENTRY(fake_forwarded) link;
    struct fake_session *session;
    enum fake_state state;
    forwarded_open_lost_fn *lost;
    void *arg;
    struct fake_channel *channel; /* in FAKE_UP */
};

struct fake_session {
    struct session base;
    TAILQ_ENTRY(fake_session) link;
    struct loop *loop;
    struct session_options options;
    char *name;
    bool dying; /* its owner is being told */
    bool dead;
    bool freed;
    struct later cutting;
    const char *cut_why; /* NULL: it was not cut */
    unsigned probes;
    unsigned checks;
    unsigned ticks;
    struct session_state added; /* to what the engine counts: set by the test */
    TAILQ_HEAD(, fake_open) opens;
    TAILQ_HEAD(, fake_channel) channels;
    TAILQ_HEAD(, fake_listen) listens;
    TAILQ_HEAD(, fake_forwarded) forwarded;
};

/* What there is, and what there was in this test. */
struct fake_world {
    struct fake_script script;
    TAILQ_HEAD(, fake_dial) dials;                        /* oldest first */
    TAILQ_HEAD(fake_session_list, fake_session) sessions; /* likewise */
    unsigned dials_started;
    unsigned dials_running;
    unsigned most_running; /* at the same time */
    unsigned logged_in;    /* sessions that no thread drives yet */
    unsigned operations;   /* that are on the stack */
    unsigned data_events;  /* likewise */
    uint16_t next_port;
    void (*idle)(void *arg);
    void *idle_arg;
};
extern struct fake_world fake;

/* Before a test, and after it: fails the test if a caller has kept anything; frees all. */
void fake_engine_reset(void);
void fake_engine_check(void);

/* A session as a dial makes it. */
struct logged_in *fake_logged_in(void);

/* The nth of those under way, oldest first; NULL: there are not as many. */
struct fake_dial *fake_dial_at(unsigned n);
struct fake_session *fake_session_at(unsigned n);                         /* not freed, not dead */
struct fake_open *fake_open_at(struct fake_session *session, unsigned n); /* unanswered */
struct fake_listen *fake_listen_at(struct fake_session *session, unsigned n);   /* not released */
struct fake_channel *fake_channel_at(struct fake_session *session, unsigned n); /* open */

/* What the other side does, from outside of any operation. */

void fake_dial_end(struct fake_dial *dial, enum dial_status status);
void fake_dial_answer(struct fake_dial *dial, enum dial_status status); /* a person has answered */

void fake_session_die(struct fake_session *session, const char *why);

/* The channel; of an abandoned open NULL. */
struct fake_channel *fake_open_confirm(struct fake_open *open);
void fake_open_refuse(struct fake_open *open, uint32_t reason, const char *text);

void fake_listen_answer(struct fake_listen *listen, bool yes);
struct fake_forwarded *fake_connects(struct fake_listen *listen, const char *origin, uint16_t port);

void fake_channel_send(struct fake_channel *channel, const void *bytes, size_t length);
void fake_channel_say(struct fake_channel *channel, const char *text);
void fake_channel_eof(struct fake_channel *channel);
void fake_channel_close(struct fake_channel *channel);
void fake_channel_fail(struct fake_channel *channel, const char *why);
void fake_channel_window(struct fake_channel *channel, size_t more);

/* Whether the far side has got these bytes in all, no more and no less. */
bool fake_channel_has(const struct fake_channel *channel, const char *text);

#endif
