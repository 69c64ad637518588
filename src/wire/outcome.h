/* The outcomes of a request, and the one table with their codes and texts in each protocol. Pure;
 * any thread. */
#ifndef ADIT_WIRE_OUTCOME_H
#define ADIT_WIRE_OUTCOME_H

#include <stdint.h>

enum outcome {
    OUTCOME_OK,
    OUTCOME_PROHIBITED,          /* RFC 4254 section 5.1 reason 1 */
    OUTCOME_REFUSED,             /* reason 2: connection refused */
    OUTCOME_NETWORK_UNREACHABLE, /* reason 2: network is unreachable */
    OUTCOME_HOST_UNREACHABLE,    /* reason 2: no route to host, and anything else */
    OUTCOME_CONNECT_TIMED_OUT,   /* reason 2: connection timed out */
    OUTCOME_UNKNOWN_HOST,        /* reason 2: the name did not resolve, at the server or here */
    OUTCOME_UNKNOWN_CHANNEL,     /* reason 3 */
    OUTCOME_SHORTAGE,            /* reason 4 */
    OUTCOME_DENIED,              /* a rule of adit denies it */
    OUTCOME_NO_SESSION,          /* no session was there within `hold` */
    OUTCOME_OPEN_TIMEOUT,        /* the server did not answer within open_timeout */
    OUTCOME_AUTHENTICATION,      /* credentials missing or wrong */
    OUTCOME_COMMAND,             /* command (method) not supported */
    OUTCOME_ADDRESS_TYPE,        /* address type not supported */
    OUTCOME_MALFORMED,           /* not in the form of the protocol that its first byte announces */
    OUTCOME_HANDSHAKE_TIMEOUT,   /* the client did not finish its request in time */
    OUTCOME_HEAD_TOO_LARGE,      /* the head of an HTTP request is longer than HTTP_HEAD_MAX */
    OUTCOME_SCHEME,              /* a URL of another scheme than http: */
    OUTCOME_NO_PROXY_REQUEST,    /* a request as for a web server: no URL, only a path */
    OUTCOME_LAST_HOP,            /* Max-Forwards is 0: adit itself answers OPTIONS */
    OUTCOME_BAD_RESPONSE,        /* the origin's response has no HTTP head */
    OUTCOME_NO_RESPONSE,         /* the origin ended before its response's head was whole */
    OUTCOME_RESPONSE_TOO_LARGE,  /* the head of its response is longer than HTTP_HEAD_MAX */
    OUTCOME_LIMITED,             /* a [limit] of the client's source or user */
    OUTCOME_FULL,                /* a [limit] of all, or max_connections */
    OUTCOME_GIVEN_UP,            /* the client went before it was answered, or before it asked */
};
#define OUTCOMES (OUTCOME_GIVEN_UP + 1)

struct outcome_row {
    const char *name;         /* for the log: "refused", "no-session", ... */
    uint8_t socks5;           /* RFC 1928 section 6 REP */
    uint8_t socks4;           /* 0x5a to 0x5d */
    uint16_t http;            /* RFC 9110 section 15 */
    const char *http_reason;  /* "Bad Gateway" */
    const char *proxy_status; /* RFC 9209 section 2.3 error type; NULL: no failure */
    const char *cause;        /* a sentence for a person: "connection refused" */
};

/* The row of an outcome; never NULL. */
const struct outcome_row *outcome_row(enum outcome outcome);

/* The outcome that a CHANNEL_OPEN_FAILURE stands for: RFC 4254 section 5.1's reason code, and for
 * code 2 OpenSSH's text ("Connection refused", "Name or service not known", ...), looked for
 * without regard to case. */
enum outcome outcome_from_open_failure(uint32_t reason, const char *text);

#endif
