/* The inside of this room: what its files share. Everything but a login belongs to the thread of
 * the session's loop. */
#ifndef ADIT_SESSION_OPENSSH_PARTS_H
#define ADIT_SESSION_OPENSSH_PARTS_H

#include "session/login.h"
#include "wire/mux.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct master_call;
struct master_session;

/* login.c */

/* A master that has answered, on the way from a dial's thread to a worker. */
struct master_logged_in {
    struct logged_in base;
    char *path; /* of its socket */
    int fd;     /* a connection there, on which both have said HELLO; -1: taken */
    bool own;   /* the keeper has started it for this session */
};

static inline struct master_logged_in *master_logged_in_of(struct logged_in *logged_in)
{
    return container_of(logged_in, struct master_logged_in, base);
}

/* about.c: what the keeper knows of a master that it has started (wire/service.h,
 * SERVICE_MASTER_UP), as what was agreed. `number` is its own, `process` what it says. */
void master_about(struct connection_info *info, const char *about, uint32_t number, pid_t process);

/* call.c: a connection to a master, as its client. */

/* Called for each answer but HELLO; then, once, with NULL: the connection has ended, or the master
 * has sent what the protocol does not have. The callee may end the call in either. */
typedef void call_answered_fn(void *arg, const struct mux_answer *answer);

/* Takes the descriptor over, on success only. NULL: the loop cannot watch it. */
struct master_call *call_new(struct loop *loop, int fd, call_answered_fn *answered, void *arg);

/* Sends a request, and so many descriptors behind it, which stay the caller's. What the kernel does
 * not take at once (a master that reads nothing) ends the connection, which is told later. */
void call_send(struct master_call *call, const struct mux_request *request, const int *fds,
               unsigned count);

/* What it tells from now on. */
void call_own(struct master_call *call, call_answered_fn *answered, void *arg);

/* Closes the connection. NULL is fine. */
void call_end(struct master_call *call);

/* Leaves the connection for the master to close, which ends a channel at once whose connection is
 * closed: for CALL_LINGER_MS at most, or until calls_end. It is the list's, and tells no more. */
#define CALL_LINGER_MS 30000
LIST_HEAD(call_list, master_call);
void call_linger(struct master_call *call, struct call_list *list);
void calls_end(struct call_list *list);

/* reaching.c: a connection for one request. */

/* The connection, which is the callee's, and tells what reach_start was given. NULL: there is none;
 * `why` is static, or valid until the next call. `closed`: there will be none. */
typedef void master_reached_fn(void *arg, struct master_call *call, const char *why, bool closed);

struct master_reach {
    struct master_session *session;
    struct session_reach *asked; /* NULL: `again` is armed, or it has ended */
    struct deadline again;
    call_answered_fn *answered;
    master_reached_fn *reached;
    void *arg;
};

/* Asks for one; a master that has no room for it is asked again. `reached` is called once, never
 * inside the call. */
void reach_start(struct master_reach *reach, struct master_session *session,
                 call_answered_fn *answered, master_reached_fn *reached, void *arg);

/* It will not be called. Fine for one that was not started, and for one that has ended. */
void reach_cancel(struct master_reach *reach);

/* stream.c: a channel. */

struct master_stream;

/* The endpoint of a channel that was opened. `in` and `out` are our ends of the pairs that the
 * master has got, `call` the connection that it was opened by: all are the stream's. NULL, and they
 * are not: the loop cannot watch them. */
struct endpoint *stream_new(struct master_session *session, int in, int out,
                            struct master_call *call);

/* The same of a connection that the master has made, whose descriptor is taken over. One that the
 * loop cannot watch is cut. */
struct endpoint *stream_new_forwarded(struct master_session *session, int fd);

/* The end of data was seen, and the master has answered after it. */
void stream_eof_is_sure(struct master_stream *stream);

/* The session is lost. */
void stream_cut(struct master_stream *stream, const char *why);

struct master_stream {
    struct endpoint endpoint;
    LIST_ENTRY(master_stream) link; /* of its session's */
    struct master_session *session; /* NULL: it is lost */
    struct endpoint *in;            /* reads from the master */
    struct endpoint *out;           /* writes to it; of a connection that the master has made the
                                       same one; NULL: it is cut */
    struct master_call *call;       /* NULL: the master has made the connection */
    uint32_t check;                 /* of the ALIVE_CHECK that its end of data waits for */
    bool eof_seen;                  /* at `in` */
    bool eof_sure;                  /* and it is the server's, not that of a master that has died */
    bool out_gone;                  /* the master takes no more */
    bool failed;
    struct later news; /* to be told to the owner */
};

/* opening.c: an open that the master has not answered. */
struct master_open;
LIST_HEAD(open_list, master_open);

struct session_open *master_open_tcp(struct session *session, const struct tcp_target *target,
                                     session_opened_fn *opened, void *arg);
struct session_open *master_open_unix(struct session *session, const char *path,
                                      session_opened_fn *opened, void *arg);
struct session_open *master_open_shell(struct session *session, const struct shell_target *target,
                                       session_opened_fn *opened, void *arg);
void master_open_cancel(struct session_open *open);

/* The master has answered the question of that number: opens that wait for it have failed. */
void master_opens_alive(struct master_session *session, uint32_t number);

/* Ends all, as the session is lost, or (why NULL) is freed. */
void master_opens_end(struct master_session *session, const char *why);

/* What session_state has of them. */
void master_opens_state(const struct master_session *session, struct session_state *state);

/* listening.c: remote forwards. */
struct master_forwarded;
struct master_listen;
LIST_HEAD(forwarded_list, master_forwarded);
LIST_HEAD(listen_list, master_listen);

struct session_listen *master_listen(struct session *session, const struct listen_place *place,
                                     const struct session_listen_events *events, void *arg);
void master_listen_free(struct session_listen *listen);
void master_forwarded_own(struct forwarded_open *forwarded, forwarded_open_lost_fn *lost,
                          void *arg);
struct endpoint *master_forwarded_accept(struct forwarded_open *forwarded);
void master_forwarded_refuse(struct forwarded_open *forwarded);

/* The master has answered the question of that number. */
void master_listens_alive(struct master_session *session, uint32_t number);

/* Ends all, with those who wait to be answered, as the session is lost, or (`lost` false) is freed.
 */
void master_listens_end(struct master_session *session, bool lost);

/* session.c */

struct master_session {
    struct session base;
    struct loop *loop;
    struct session_options options;
    char *name;
    char *path;
    bool own;                  /* the master ends with the session */
    struct master_call *alive; /* a connection that lives as long as the master */
    pid_t listener;            /* who listens at the path, as the kernel says */
    uint32_t asked;            /* the last ALIVE_CHECK */
    bool closed_to_opens;      /* nobody listens at its socket */
    struct later closing;
    struct later death;
    const char *cut_why; /* NULL: adit has not ended it */
    struct open_list opens;
    unsigned cancelled_opens; /* of these */
    uint32_t open_count;      /* how many opens there were */
    struct listen_list listens;
    struct forwarded_list forwarded;
    unsigned forwarded_count;
    bool refusal_logged; /* of connections, as too many wait */
    LIST_HEAD(, master_stream) streams;
    struct call_list lingering;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t heard; /* when the server's last bytes or answer came */
};

static inline struct master_session *master_session_of(const struct session *session)
{
    return container_of(session, struct master_session, base);
}

struct session *master_session_new(struct loop *loop, struct logged_in *logged_in,
                                   const struct session_options *options);

/* Asks the master whether it lives. Returns the number of the question. */
uint32_t master_session_ask(struct master_session *session);

/* Nobody listens at the master's socket any more: there are no new channels, what runs goes on. */
void master_session_close(struct master_session *session);

#endif
