/* The table of a client's states and events. doc/DESIGN.md ("A client's states") tells it in short.
 */
#include "worker/client_machine.h"

#include <assert.h>

#define GO(to, does)                                                                               \
    {                                                                                              \
        .next = CLIENT_##to, .actions = (does)                                                     \
    }
#define STAY(state) GO(state, 0)
#define REFUSE GO(LINGERING, CLIENT_REFUSE | CLIENT_LINGER)
#define REFUSE_AS(what)                                                                            \
    {                                                                                              \
        .next = CLIENT_LINGERING, .actions = CLIENT_REFUSE | CLIENT_LINGER,                        \
        .outcome = OUTCOME_##what                                                                  \
    }
#define END GO(ENDED, CLIENT_END)
#define CUT GO(ENDED, CLIENT_RESET | CLIENT_END)
#define NEVER(why)                                                                                 \
    {                                                                                              \
        .reason = (why)                                                                            \
    }

/* Why an event cannot come in a state. Each of these follows from what this process does, whatever
 * a peer sends and whenever. */
#define NO_EVENT "an action that finds nothing out raises no event"
#define ONLY_ASKING "only asking reads the request"
#define ONLY_ROUTING "only routing decides where to go"
#define ONLY_ANSWERING "only answering tells the client of success"
#define NOT_ASKED_FOR "what it answers was not asked for, or was cancelled when its state ended"
#define NO_OPEN "no channel is being opened"
#define NO_EXCHANGE "no HTTP exchange is under way"
#define NO_DEADLINE "no deadline runs in this state"
#define OWN_LIMIT "no deadline runs in this state: what is awaited has a time limit of its own"
#define MOMENTARY "the state ends before another event from outside is handled"
#define IN_NO_LOOP "the client is in no loop, and the kernel keeps what comes meanwhile"
#define AT_RELAY "the relay or the exchange has the client's endpoint"
#define FREED "the client is freed"

/* clang-format off */

/* The endpoint's events while something else is awaited: the bytes and the end of data are kept for
 * what comes next. */
#define KEEPS(state)                                                                               \
    [CLIENT_BYTES] = GO(state, CLIENT_KEEP),                                                       \
    [CLIENT_EOF] = STAY(state),                                                                    \
    [CLIENT_CLOSED] = END,                                                                         \
    [CLIENT_FAILED] = CUT,                                                                         \
    [CLIENT_TAKEN] = STAY(state)

/* How a relay ends. */
#define RELAYS                                                                                     \
    [CLIENT_BYTES ... CLIENT_EOF] = NEVER(AT_RELAY),                                               \
    [CLIENT_CLOSED] = END,                                                                         \
    [CLIENT_FAILED] = END,                                                                         \
    [CLIENT_TAKEN] = NEVER(AT_RELAY),                                                              \
    [CLIENT_TIMED_OUT] = CUT /* nothing has passed for idle_timeout */

#define READS_NOTHING [CLIENT_TRUNCATED ... CLIENT_REQUESTED] = NEVER(ONLY_ASKING)
#define ROUTES_NOTHING [CLIENT_NAME ... CLIENT_KEPT] = NEVER(ONLY_ROUTING)
#define ANSWERS_NOTHING                                                                            \
    [CLIENT_ANSWERED ... CLIENT_FORWARDED] = NEVER(ONLY_ANSWERING),                                \
    [CLIENT_EXCHANGED ... CLIENT_STALE] = NEVER(NO_EXCHANGE)

static const struct client_step table[CLIENT_STATES][CLIENT_EVENTS] = {
    [CLIENT_IDLE] = {
        [CLIENT_NOTHING] = NEVER(NO_EVENT),
        [CLIENT_BYTES] = GO(ASKING, CLIENT_KEEP | CLIENT_BEGIN | CLIENT_PARSE),
        [CLIENT_EOF] = GO(ENDED, CLIENT_DISCARD), /* its last request has its access line */
        [CLIENT_CLOSED] = GO(ENDED, CLIENT_DISCARD),
        [CLIENT_FAILED] = GO(ENDED, CLIENT_DISCARD),
        [CLIENT_TAKEN] = STAY(IDLE),
        READS_NOTHING,
        ROUTES_NOTHING,
        [CLIENT_CHECKED ... CLIENT_REFUSED] = NEVER(NOT_ASKED_FOR),
        [CLIENT_OVERDUE ... CLIENT_DELAYED] = NEVER(NO_OPEN),
        ANSWERS_NOTHING,
        [CLIENT_TIMED_OUT] = GO(ENDED, CLIENT_DISCARD),
        [CLIENT_ABORTED] = GO(ENDED, CLIENT_RESET | CLIENT_DISCARD),
    },
    [CLIENT_ASKING] = {
        [CLIENT_NOTHING] = NEVER(NO_EVENT),
        [CLIENT_BYTES] = GO(ASKING, CLIENT_KEEP | CLIENT_PARSE),
        [CLIENT_EOF] = GO(ASKING, CLIENT_PARSE),
        [CLIENT_CLOSED] = END,
        [CLIENT_FAILED] = CUT,
        [CLIENT_TAKEN] = STAY(ASKING),
        [CLIENT_TRUNCATED] = GO(LINGERING, CLIENT_LINGER),
        [CLIENT_UNSERVED] = END,
        [CLIENT_CREDENTIALS] = GO(CHECKING, CLIENT_CHECK),
        [CLIENT_REQUESTED] = GO(ROUTING, CLIENT_ROUTE),
        ROUTES_NOTHING,
        [CLIENT_CHECKED ... CLIENT_NEXT] = NEVER(NOT_ASKED_FOR),
        [CLIENT_REFUSED] = REFUSE,
        [CLIENT_OVERDUE ... CLIENT_DELAYED] = NEVER(NO_OPEN),
        ANSWERS_NOTHING,
        [CLIENT_TIMED_OUT] = REFUSE_AS(HANDSHAKE_TIMEOUT),
        [CLIENT_ABORTED] = CUT,
    },
    [CLIENT_CHECKING] = {
        [CLIENT_NOTHING] = NEVER(NO_EVENT),
        KEEPS(CHECKING),
        READS_NOTHING,
        ROUTES_NOTHING,
        [CLIENT_CHECKED] = GO(ASKING, CLIENT_PARSE),
        [CLIENT_RESOLVED ... CLIENT_NEXT] = NEVER(NOT_ASKED_FOR),
        [CLIENT_REFUSED] = REFUSE,
        [CLIENT_OVERDUE ... CLIENT_DELAYED] = NEVER(NO_OPEN),
        ANSWERS_NOTHING,
        [CLIENT_TIMED_OUT] = REFUSE_AS(HANDSHAKE_TIMEOUT),
        [CLIENT_ABORTED] = CUT,
    },
    [CLIENT_ROUTING] = {
        [CLIENT_NOTHING] = NEVER(NO_EVENT),
        [CLIENT_BYTES ... CLIENT_TAKEN] = NEVER(MOMENTARY),
        READS_NOTHING,
        [CLIENT_NAME] = GO(RESOLVING, CLIENT_LOOK_UP),
        [CLIENT_NEAR] = GO(CONNECTING, CLIENT_CONNECT),
        [CLIENT_NO_SESSION] = GO(WAITING, CLIENT_WAIT),
        [CLIENT_ELSEWHERE] = GO(MOVING, CLIENT_MOVE),
        [CLIENT_LISTEN] = GO(BINDING, CLIENT_BIND),
        [CLIENT_KEPT] = GO(ANSWERING, CLIENT_ANSWER),
        [CLIENT_CHECKED ... CLIENT_RESOLVED] = NEVER(NOT_ASKED_FOR),
        [CLIENT_SESSION] = GO(OPENING, CLIENT_OPEN),
        [CLIENT_MOVED ... CLIENT_NEXT] = NEVER(NOT_ASKED_FOR),
        [CLIENT_REFUSED] = REFUSE,
        [CLIENT_OVERDUE ... CLIENT_DELAYED] = NEVER(NO_OPEN),
        ANSWERS_NOTHING,
        [CLIENT_TIMED_OUT] = NEVER(NO_DEADLINE),
        [CLIENT_ABORTED] = CUT,
    },
    [CLIENT_RESOLVING] = {
        [CLIENT_NOTHING] = NEVER(NO_EVENT),
        KEEPS(RESOLVING),
        READS_NOTHING,
        ROUTES_NOTHING,
        [CLIENT_CHECKED] = NEVER(NOT_ASKED_FOR),
        [CLIENT_RESOLVED] = GO(ROUTING, CLIENT_ROUTE_ON),
        [CLIENT_SESSION ... CLIENT_LOST] = NEVER(NOT_ASKED_FOR),
        [CLIENT_NEXT] = GO(ROUTING, CLIENT_ROUTE_ON),
        [CLIENT_REFUSED] = REFUSE,
        [CLIENT_OVERDUE ... CLIENT_DELAYED] = NEVER(NO_OPEN),
        ANSWERS_NOTHING,
        [CLIENT_TIMED_OUT] = NEVER(OWN_LIMIT),
        [CLIENT_ABORTED] = CUT,
    },
    [CLIENT_WAITING] = {
        [CLIENT_NOTHING] = NEVER(NO_EVENT),
        KEEPS(WAITING),
        READS_NOTHING,
        ROUTES_NOTHING,
        [CLIENT_CHECKED ... CLIENT_RESOLVED] = NEVER(NOT_ASKED_FOR),
        [CLIENT_SESSION] = GO(ROUTING, CLIENT_CHOOSE),
        [CLIENT_MOVED ... CLIENT_REFUSED] = NEVER(NOT_ASKED_FOR),
        [CLIENT_OVERDUE ... CLIENT_DELAYED] = NEVER(NO_OPEN),
        ANSWERS_NOTHING,
        [CLIENT_TIMED_OUT] = REFUSE_AS(NO_SESSION),
        [CLIENT_ABORTED] = CUT,
    },
    [CLIENT_MOVING] = {
        [CLIENT_NOTHING] = NEVER(NO_EVENT),
        [CLIENT_BYTES ... CLIENT_CLOSED] = NEVER(IN_NO_LOOP),
        [CLIENT_FAILED] = CUT, /* the new worker's loop cannot take the socket */
        [CLIENT_TAKEN] = NEVER(IN_NO_LOOP),
        READS_NOTHING,
        ROUTES_NOTHING,
        [CLIENT_CHECKED ... CLIENT_SESSION] = NEVER(NOT_ASKED_FOR),
        [CLIENT_MOVED] = GO(ROUTING, CLIENT_CHOOSE),
        [CLIENT_LISTENING ... CLIENT_REFUSED] = NEVER(NOT_ASKED_FOR),
        [CLIENT_OVERDUE ... CLIENT_DELAYED] = NEVER(NO_OPEN),
        ANSWERS_NOTHING,
        [CLIENT_TIMED_OUT] = NEVER(NO_DEADLINE),
        [CLIENT_ABORTED] = GO(ENDED, CLIENT_DISCARD),
    },
    [CLIENT_CONNECTING] = {
        [CLIENT_NOTHING] = NEVER(NO_EVENT),
        KEEPS(CONNECTING),
        READS_NOTHING,
        ROUTES_NOTHING,
        [CLIENT_CHECKED ... CLIENT_LISTENING] = NEVER(NOT_ASKED_FOR),
        [CLIENT_OPENED] = GO(ANSWERING, CLIENT_ANSWER),
        [CLIENT_LOST ... CLIENT_NEXT] = NEVER(NOT_ASKED_FOR),
        [CLIENT_REFUSED] = REFUSE,
        [CLIENT_OVERDUE ... CLIENT_DELAYED] = NEVER(NO_OPEN),
        ANSWERS_NOTHING,
        [CLIENT_TIMED_OUT] = NEVER(OWN_LIMIT),
        [CLIENT_ABORTED] = CUT,
    },
    [CLIENT_OPENING] = {
        [CLIENT_NOTHING] = NEVER(NO_EVENT),
        KEEPS(OPENING),
        READS_NOTHING,
        [CLIENT_NAME ... CLIENT_NO_SESSION] = NEVER(ONLY_ROUTING),
        [CLIENT_ELSEWHERE] = GO(MOVING, CLIENT_MOVE), /* found by CLIENT_OPEN_ELSEWHERE */
        [CLIENT_LISTEN ... CLIENT_KEPT] = NEVER(ONLY_ROUTING),
        [CLIENT_CHECKED ... CLIENT_LISTENING] = NEVER(NOT_ASKED_FOR),
        [CLIENT_OPENED] = GO(ANSWERING, CLIENT_ANSWER),
        [CLIENT_LOST] = GO(ROUTING, CLIENT_CHOOSE),
        [CLIENT_NEXT] = GO(ROUTING, CLIENT_ROUTE_ON),
        [CLIENT_REFUSED] = REFUSE,
        [CLIENT_OVERDUE] = GO(OPENING, CLIENT_OPEN_ELSEWHERE),
        [CLIENT_DELAYED] = GO(OPENING, CLIENT_OPEN_NEXT),
        ANSWERS_NOTHING,
        [CLIENT_TIMED_OUT] = REFUSE_AS(OPEN_TIMEOUT),
        [CLIENT_ABORTED] = CUT,
    },
    [CLIENT_BINDING] = {
        [CLIENT_NOTHING] = NEVER(NO_EVENT),
        [CLIENT_BYTES] = GO(BINDING, CLIENT_KEEP),
        [CLIENT_EOF] = GO(LINGERING, CLIENT_LINGER), /* nobody would take the connection */
        [CLIENT_CLOSED] = END,
        [CLIENT_FAILED] = CUT,
        [CLIENT_TAKEN] = STAY(BINDING),
        READS_NOTHING,
        ROUTES_NOTHING,
        [CLIENT_CHECKED ... CLIENT_MOVED] = NEVER(NOT_ASKED_FOR),
        [CLIENT_LISTENING] = GO(BINDING, CLIENT_TELL_BOUND),
        [CLIENT_OPENED] = GO(ANSWERING, CLIENT_ANSWER),
        [CLIENT_LOST ... CLIENT_NEXT] = NEVER(NOT_ASKED_FOR),
        [CLIENT_REFUSED] = REFUSE,
        [CLIENT_OVERDUE ... CLIENT_DELAYED] = NEVER(NO_OPEN),
        ANSWERS_NOTHING,
        [CLIENT_TIMED_OUT] = REFUSE_AS(OPEN_TIMEOUT),
        [CLIENT_ABORTED] = CUT,
    },
    [CLIENT_ANSWERING] = {
        [CLIENT_NOTHING] = NEVER(NO_EVENT),
        [CLIENT_BYTES ... CLIENT_TAKEN] = NEVER(MOMENTARY),
        READS_NOTHING,
        ROUTES_NOTHING,
        [CLIENT_CHECKED ... CLIENT_REFUSED] = NEVER(NOT_ASKED_FOR),
        [CLIENT_OVERDUE ... CLIENT_DELAYED] = NEVER(NO_OPEN),
        [CLIENT_ANSWERED] = GO(RELAYING, CLIENT_RELAY),
        [CLIENT_FORWARDED] = GO(EXCHANGING, CLIENT_EXCHANGE),
        [CLIENT_EXCHANGED ... CLIENT_STALE] = NEVER(NO_EXCHANGE),
        [CLIENT_TIMED_OUT] = NEVER(NO_DEADLINE),
        [CLIENT_ABORTED] = CUT,
    },
    [CLIENT_RELAYING] = {
        [CLIENT_NOTHING] = NEVER(NO_EVENT),
        RELAYS,
        READS_NOTHING,
        ROUTES_NOTHING,
        [CLIENT_CHECKED ... CLIENT_REFUSED] = NEVER(NOT_ASKED_FOR),
        [CLIENT_OVERDUE ... CLIENT_DELAYED] = NEVER(NO_OPEN),
        ANSWERS_NOTHING,
        [CLIENT_ABORTED] = CUT,
    },
    [CLIENT_EXCHANGING] = {
        [CLIENT_NOTHING] = NEVER(NO_EVENT),
        RELAYS,
        READS_NOTHING,
        ROUTES_NOTHING,
        [CLIENT_CHECKED ... CLIENT_REFUSED] = NEVER(NOT_ASKED_FOR),
        [CLIENT_OVERDUE ... CLIENT_DELAYED] = NEVER(NO_OPEN),
        [CLIENT_ANSWERED ... CLIENT_FORWARDED] = NEVER(ONLY_ANSWERING),
        [CLIENT_EXCHANGED] = GO(IDLE, CLIENT_RENEW),
        [CLIENT_UPGRADED] = GO(RELAYING, CLIENT_RELAY),
        [CLIENT_STALE] = GO(ROUTING, CLIENT_ROUTE),
        [CLIENT_ABORTED] = CUT,
    },
    [CLIENT_LINGERING] = {
        [CLIENT_NOTHING] = NEVER(NO_EVENT),
        [CLIENT_BYTES] = GO(LINGERING, CLIENT_DROP),
        [CLIENT_EOF] = STAY(LINGERING), /* it may still read its reply */
        [CLIENT_CLOSED] = END,
        [CLIENT_FAILED] = CUT,
        [CLIENT_TAKEN] = END,
        READS_NOTHING,
        ROUTES_NOTHING,
        [CLIENT_CHECKED ... CLIENT_REFUSED] = NEVER(NOT_ASKED_FOR),
        [CLIENT_OVERDUE ... CLIENT_DELAYED] = NEVER(NO_OPEN),
        ANSWERS_NOTHING,
        [CLIENT_TIMED_OUT] = CUT,
        [CLIENT_ABORTED] = CUT,
    },
    [CLIENT_ENDED] = {
        [CLIENT_NOTHING ... CLIENT_ABORTED] = NEVER(FREED),
    },
};
/* clang-format on */

const struct client_step *client_machine_step(enum client_state state, enum client_event event)
{
    assert((unsigned)state < CLIENT_STATES && (unsigned)event < CLIENT_EVENTS);
    return &table[state][event];
}

bool client_state_has_deadline(enum client_state state)
{
    switch (state) {
    case CLIENT_IDLE:
    case CLIENT_ASKING:
    case CLIENT_CHECKING:
    case CLIENT_WAITING:
    case CLIENT_OPENING:
    case CLIENT_BINDING:
    case CLIENT_RELAYING:
    case CLIENT_EXCHANGING:
    case CLIENT_LINGERING: return true;
    case CLIENT_ROUTING:
    case CLIENT_RESOLVING:
    case CLIENT_MOVING:
    case CLIENT_CONNECTING:
    case CLIENT_ANSWERING:
    case CLIENT_ENDED: return false;
    }
    return false;
}

const char *client_state_name(enum client_state state)
{
    static const char *const names[CLIENT_STATES] = {
        "idle",      "asking",   "checking",   "routing",   "resolving",
        "waiting",   "moving",   "connecting", "opening",   "binding",
        "answering", "relaying", "exchanging", "lingering", "ended",
    };
    return names[state];
}

const char *client_event_name(enum client_event event)
{
    static const char *const names[CLIENT_EVENTS] = {
        [CLIENT_NOTHING] = "nothing",
        [CLIENT_BYTES] = "bytes",
        [CLIENT_EOF] = "eof",
        [CLIENT_CLOSED] = "closed",
        [CLIENT_FAILED] = "failed",
        [CLIENT_TAKEN] = "reply taken",
        [CLIENT_TRUNCATED] = "request truncated",
        [CLIENT_UNSERVED] = "protocol not served",
        [CLIENT_CREDENTIALS] = "credentials",
        [CLIENT_REQUESTED] = "request",
        [CLIENT_NAME] = "name",
        [CLIENT_NEAR] = "near target",
        [CLIENT_NO_SESSION] = "no session",
        [CLIENT_ELSEWHERE] = "session elsewhere",
        [CLIENT_LISTEN] = "listen",
        [CLIENT_KEPT] = "kept connection",
        [CLIENT_CHECKED] = "checked",
        [CLIENT_RESOLVED] = "resolved",
        [CLIENT_SESSION] = "session",
        [CLIENT_MOVED] = "moved",
        [CLIENT_LISTENING] = "listening",
        [CLIENT_OPENED] = "opened",
        [CLIENT_LOST] = "session lost",
        [CLIENT_NEXT] = "next",
        [CLIENT_REFUSED] = "refused",
        [CLIENT_OVERDUE] = "session overdue",
        [CLIENT_DELAYED] = "delayed",
        [CLIENT_ANSWERED] = "answered",
        [CLIENT_FORWARDED] = "forwarded",
        [CLIENT_EXCHANGED] = "exchanged",
        [CLIENT_UPGRADED] = "upgraded",
        [CLIENT_STALE] = "kept connection closed",
        [CLIENT_TIMED_OUT] = "timed out",
        [CLIENT_ABORTED] = "aborted",
    };
    return names[event];
}
