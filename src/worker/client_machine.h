/* What an event means in a state of a client, as one table. Pure: the table performs nothing, and
 * knows no client; worker/client.c looks each event up here and performs the actions.
 *
 * An event comes from outside (the client's endpoint, a deadline, the resolver, the server), or it
 * is what an action found out. An action that finds something out is the last one of its
 * transition, and its finding is handled at once, before any event from outside. */
#ifndef ADIT_WORKER_CLIENT_MACHINE_H
#define ADIT_WORKER_CLIENT_MACHINE_H

#include "wire/outcome.h"

#include <stdbool.h>

enum client_state {
    CLIENT_IDLE,       /* HTTP: its last response is whole; no byte of its next request has come */
    CLIENT_ASKING,     /* its request is read, as far as it has come */
    CLIENT_CHECKING,   /* its password is checked, on another thread */
    CLIENT_ROUTING,    /* momentary: it is decided how its target is reached */
    CLIENT_RESOLVING,  /* its target's name is looked up */
    CLIENT_WAITING,    /* no session is up, or none may be used */
    CLIENT_MOVING,     /* it is a message to the worker that has the session */
    CLIENT_CONNECTING, /* this machine connects to the target (remote forwards) */
    CLIENT_OPENING,    /* the server was asked for a channel */
    CLIENT_BINDING, /* the server was asked to listen; then a connection to that port is awaited */
    CLIENT_ANSWERING,  /* momentary: the target is reached, and the client is told */
    CLIENT_RELAYING,   /* bytes flow; the relay has the client's endpoint */
    CLIENT_EXCHANGING, /* an HTTP request and its response pass; the exchange has the endpoint */
    CLIENT_LINGERING,  /* it was refused, and its endpoint has not taken the whole reply */
    CLIENT_ENDED,      /* its access line is written, and it is freed */
};
#define CLIENT_STATES (CLIENT_ENDED + 1)

enum client_event {
    CLIENT_NOTHING, /* of an action: it found nothing out; never looked up */

    /* The client's endpoint, until the relay takes it; then the relay. */
    CLIENT_BYTES,  /* bytes came (the client's) */
    CLIENT_EOF,    /* the client sends no more, and may still be answered */
    CLIENT_CLOSED, /* the client has gone; of a relay: it has ended in order */
    CLIENT_FAILED, /* the client's connection was cut; of a relay: it was cut */
    CLIENT_TAKEN,  /* the endpoint has taken all that the client was told */

    /* What reading the request finds. */
    CLIENT_TRUNCATED,   /* the client's end of data has come before its request was whole */
    CLIENT_UNSERVED,    /* the first byte is of a protocol that is not served here */
    CLIENT_CREDENTIALS, /* a name and a password are to be checked */
    CLIENT_REQUESTED,   /* the request is whole */

    /* What routing finds. */
    CLIENT_NAME,       /* the target's name is to be looked up */
    CLIENT_NEAR,       /* this machine is to connect to the target */
    CLIENT_NO_SESSION, /* no session is up: one is to be waited for */
    CLIENT_ELSEWHERE,  /* the session that was chosen is another worker's (also while opening) */
    CLIENT_LISTEN,     /* the session that was chosen is to listen (BIND) */
    CLIENT_KEPT,       /* a connection to the target was kept, from a request before */

    /* Answers to what was asked for. */
    CLIENT_CHECKED,   /* the password is right */
    CLIENT_RESOLVED,  /* the name has addresses that the rules allow */
    CLIENT_SESSION,   /* a session is up (waiting); one of this worker was chosen (routing) */
    CLIENT_MOVED,     /* the message has reached the worker, and the client is one of its own */
    CLIENT_LISTENING, /* the server listens (BIND) */
    CLIENT_OPENED,    /* the target is reached; for BIND: a connection has come in */
    CLIENT_LOST,      /* the session ended before the server answered: another one may do */
    CLIENT_NEXT,      /* this did not lead there, but there is another address or another look-up */
    CLIENT_REFUSED,   /* this did not lead there, and nothing else is left; or it is not allowed */
    CLIENT_OVERDUE,   /* the server of the session has been silent for long while it is asked */
    CLIENT_DELAYED,   /* it is time to try the next address beside (RFC 8305 section 5) */

    /* What answering finds. */
    CLIENT_ANSWERED,  /* the client knows that it is connected */
    CLIENT_FORWARDED, /* the client will be answered by the origin of its HTTP request */

    /* How an HTTP exchange ends, but for CLIENT_CLOSED and CLIENT_FAILED. */
    CLIENT_EXCHANGED, /* the response is whole, and the client may ask again */
    CLIENT_UPGRADED,  /* client and origin speak another protocol from here on */
    CLIENT_STALE,     /* the kept connection was closed, and the request can be asked again */

    /* Anything. */
    CLIENT_TIMED_OUT, /* the state has lasted as long as it may */
    CLIENT_ABORTED,   /* the gateway ends */
};
#define CLIENT_EVENTS (CLIENT_ABORTED + 1)

/* Actions, in the order in which they are performed. Those that may find an event out follow
 * CLIENT_DOES_NOT_FIND: a transition has one of them at most. */
enum client_action {
    CLIENT_KEEP = 1 << 0,       /* keep the bytes that came, as many as a request may have */
    CLIENT_DROP = 1 << 1,       /* drop the bytes that came */
    CLIENT_RESET = 1 << 2,      /* cut the client's connection, so that it sees that */
    CLIENT_REFUSE = 1 << 3,     /* tell it why not, in the words of its protocol */
    CLIENT_TELL_BOUND = 1 << 4, /* tell it where the server listens */
    CLIENT_BEGIN = 1 << 5,      /* another request begins: its time runs */

    CLIENT_PARSE = 1 << 6,    /* parse the bytes that have come */
    CLIENT_CHECK = 1 << 7,    /* have the password checked */
    CLIENT_ROUTE = 1 << 8,    /* judge the request, and decide */
    CLIENT_ROUTE_ON = 1 << 9, /* decide about the next address, or the next way to look up */
    CLIENT_CHOOSE = 1 << 10,  /* choose a session (again) for the same target */
    CLIENT_LOOK_UP = 1 << 11, /* have the name looked up */
    CLIENT_CONNECT = 1 << 12, /* connect from this machine */
    CLIENT_WAIT = 1 << 13,    /* begin to wait for a session */
    CLIENT_MOVE = 1 << 14,    /* send the client to the other worker, whose it is from here on */
    CLIENT_OPEN = 1 << 15,    /* ask the server for a channel */
    CLIENT_OPEN_ELSEWHERE = 1 << 16, /* ask for the same on another session, if there is one */
    CLIENT_OPEN_NEXT = 1 << 17,      /* ask for a channel to the next address, too */
    CLIENT_BIND = 1 << 18,           /* ask the server to listen */
    CLIENT_ANSWER = 1 << 19,         /* tell it that it is connected */
    CLIENT_RELAY = 1 << 20,          /* start the relay */
    CLIENT_EXCHANGE = 1 << 21,       /* start the HTTP exchange */
    CLIENT_RENEW = 1 << 22,   /* write the request's access line, and wait for the next request */
    CLIENT_LINGER = 1 << 23,  /* stop all that is under way; wait until the reply is taken */
    CLIENT_END = 1 << 24,     /* write its access line, stop all that is under way, free it */
    CLIENT_DISCARD = 1 << 25, /* free it without an access line */
};
#define CLIENT_ACTIONS 26
#define CLIENT_DOES_NOT_FIND (CLIENT_PARSE - 1)

struct client_step {
    enum client_state next;
    unsigned actions;     /* of enum client_action */
    enum outcome outcome; /* of CLIENT_REFUSE; OUTCOME_OK: what the event's source has set */
    const char *reason;   /* NULL, or why the event cannot come in this state */
};

/* What the event means in the state; never NULL. */
const struct client_step *client_machine_step(enum client_state state, enum client_event event);

/* Whether a deadline runs in the state. In all others it is cancelled when the state begins. */
bool client_state_has_deadline(enum client_state state);

/* "asking", "waiting", ... */
const char *client_state_name(enum client_state state);

/* "bytes", "timed out", ... */
const char *client_event_name(enum client_event event);

#endif
