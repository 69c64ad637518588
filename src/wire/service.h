/* The messages of a service line: what a thread of the gateway asks the keeper to do for it while
 * clients are served. One message is one packet, with one descriptor at most beside it:
 *
 *     byte      the kind
 *     uint32    each of the kind's numbers (RFC 4251 section 5); the first is the request's
 *     string    each of its texts, none of which holds a NUL
 *
 * A request names things of the configuration, which the keeper has read itself: no message holds a
 * path or a command. Parsing and writing are pure; any thread. */
#ifndef ADIT_WIRE_SERVICE_H
#define ADIT_WIRE_SERVICE_H

#include "base/ssh_bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a whole packet. */
#define SERVICE_PACKET_MAX ((size_t)8 * 1024)

#define SERVICE_NUMBERS_MAX 4
#define SERVICE_TEXTS_MAX 3

enum service_kind {
    /* From the gateway. */
    SERVICE_PASSWORD, /* numbers: the request, the source's number (two), whether it is the status
                         server that asks; texts: listener ("" for the status server), user,
                         password */
    SERVICE_FORWARD,  /* to connect to a remote forward's unix socket; text: the forward */
    SERVICE_AGENT,    /* to connect to the agent that is forwarded; text: the upstream */
    SERVICE_MASTER,  /* to connect to the master that is joined (join_master); text: the upstream */
    SERVICE_LISTEN,  /* to listen on a unix socket of its own for the connections of a remote
                        forward that an ssh(1) brings; text: the forward */
    SERVICE_COMMAND, /* to run a ProxyCommand; texts: the upstream, one of its hosts as its `hosts`
                        or an SRV record has it (conf/upstream_host) */
    SERVICE_FORGET,  /* the request's answer is not wanted; its command gets SIGHUP */
    SERVICE_LEAVE,   /* the same, but its command goes on */
    /* From the keeper. */
    SERVICE_VERDICT,   /* numbers: the request, enum service_verdict */
    SERVICE_CONNECTED, /* the descriptor is the connection */
    SERVICE_LISTENING, /* the descriptor is the socket; text: its path */
    SERVICE_INPUT,     /* the descriptor is the command's standard input; SERVICE_OUTPUT follows */
    SERVICE_OUTPUT,    /* the descriptor is its standard output */
    SERVICE_FAILED,    /* numbers: the request, why it cannot be done (errno(3)) */
    SERVICE_EXITED,    /* numbers: the command's request, its exit status, the signal that killed
                          it or 0 */
    SERVICE_RENEWED,   /* another program is the keeper: what has not been answered is forgotten */
    /* Masters: ssh(1) that carries an upstream's sessions (engine = openssh). From the gateway: */
    SERVICE_START_MASTER, /* to start one; texts: the upstream, its host as the configuration has
                             it; the descriptor is the connection to the server. Given up
                             (SERVICE_FORGET), ssh is ended; left (SERVICE_LEAVE), it goes on
                             if it is up */
    SERVICE_REACH_MASTER, /* to connect to one; numbers: the request, the master's */
    /* From the keeper: */
    SERVICE_MASTER_ASKS,  /* numbers: the request, whether a person is waited for */
    SERVICE_MASTER_UP,    /* numbers: the request, the master's; text: what ssh has said of the
                             connection (session/login.h); the descriptor is a connection to it */
    SERVICE_MASTER_ENDED, /* numbers: the request, enum service_master_end; text: why */
    /* From the gateway, and the answer: */
    SERVICE_ASK_CAUSE, /* why the server has refused an open; numbers: the request, the master's,
                          the port as in the request to the master (wire/mux.h); text: the host or
                          the path */
    SERVICE_CAUSE,     /* numbers: the request, the reason (RFC 4254 section 5.1), 0: it is not
                          known; text: the server's words */
    SERVICE_KINDS
};

enum service_verdict {
    SERVICE_WRONG,     /* of a password */
    SERVICE_RIGHT,     /* likewise */
    SERVICE_UNCHECKED, /* too many are to be checked, or there is no such listener */
    SERVICE_VERDICTS
};

/* What ended a master. */
enum service_master_end {
    SERVICE_MASTER_LOST,     /* the connection, or ssh itself */
    SERVICE_MASTER_HOST_KEY, /* a person has to look */
    SERVICE_MASTER_DENIED,   /* the login: likewise */
    SERVICE_MASTER_ENDS
};

struct service_message {
    enum service_kind kind;
    uint32_t numbers[SERVICE_NUMBERS_MAX];
    struct span texts[SERVICE_TEXTS_MAX]; /* inside the packet */
};

/* Reads a whole packet that the gateway (`from_gateway`) or the keeper has sent, with or without a
 * descriptor. False: no such message. */
bool service_message_parse(struct span packet, bool has_descriptor, bool from_gateway,
                           struct service_message *message);

/* Appends a packet: all numbers and texts of the kind, which have no NUL. False: it would be longer
 * than SERVICE_PACKET_MAX, and nothing was appended. */
bool service_message_write(struct buffer *packet, enum service_kind kind, const uint32_t *numbers,
                           const char *const *texts);

/* The request's number in a packet that was written, as another one. */
void service_message_renumber(uint8_t *packet, uint32_t request);

#endif
