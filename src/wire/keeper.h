/* The messages between the keeper, which is the first process, and the gateway, which is its child
 * (keeper/keeper.h). One message is one packet of their pair of sockets, with one descriptor at
 * most beside it:
 *
 *     byte      the kind
 *     uint32    each of the kind's numbers (RFC 4251 section 5)
 *     string    each of its texts, none of which holds a NUL
 *
 * What does not fit a packet (a configuration, the problems of one) is a file in memory, whose
 * descriptor goes with the message. Parsing and writing are pure; any thread. */
#ifndef ADIT_WIRE_KEEPER_H
#define ADIT_WIRE_KEEPER_H

#include "base/ssh_bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a whole packet: a request at the control socket, which is shorter, becomes one. */
#define KEEPER_PACKET_MAX ((size_t)96 * 1024)

#define KEEPER_NUMBERS_MAX 5

enum keeper_message_kind {
    /* From the keeper. START, SOCKET for each socket and CONFIG are the first. */
    KEEPER_START,  /* numbers: process, verbose, flags, port of -W; texts: upstream, host, path of
                      -W, and the upstreams that --try names, a line each; descriptor: the log */
    KEEPER_SOCKET, /* numbers: identifier, index of the listener (config_listen_at) or one of those
                      below, port, whether it is never shut down; text: its
                      name; descriptor: the listening socket, unless it was
                      sent before */
    KEEPER_CONFIG, /* number: which change (0: the first configuration), whether there is a
                      configuration; text: the error; descriptor: the configuration, or the problems
                      of it, a line each */
    KEEPER_SIGNAL, /* number: enum keeper_signal */
    KEEPER_LOG,    /* descriptor: the log's file, opened again */
    KEEPER_DETACH, /* number: whether standard error stays */
    KEEPER_LISTEN, /* it shall listen at the sockets sent, which are those of its configuration */
    KEEPER_RETIRE, /* another gateway listens there: it shall drain */
    KEEPER_FILE,   /* number: enum system_file; descriptor: a copy of it, as it is at a reload */
    /* From the gateway. */
    GATEWAY_READY,    /* it listens */
    GATEWAY_UP,       /* every upstream has a session */
    GATEWAY_DETACHED, /* it has left the terminal */
    GATEWAY_CHANGE,   /* numbers: which change, its kind; texts: four for each forward (kind, what
                         -L, -R or -D take, upstream, name), "" for none */
    GATEWAY_CHANGED,  /* numbers: which change, whether it is in use */
    GATEWAY_NOTIFY,   /* number: enum keeper_notice; text: the status */
    GATEWAY_UPGRADE,  /* an upgrade is asked for */
    GATEWAY_CLOSED,   /* it accepts nothing any more, but at the status server */
    GATEWAY_SERVICE,  /* descriptor: the keeper's end of a service line (wire/service.h) */
    GATEWAY_LOGIN,    /* texts: an upstream, one of its hosts as its `hosts` or an SRV record
                         has it (conf/upstream_host);
                         descriptor: the keeper's end of a login line (wire/login_line.h), unless
                         the keeper had no room for it */
    GATEWAY_EVENT,    /* number: enum keeper_event; texts: an upstream, a forward of it or "", the
                         reason or "" */
    KEEPER_MESSAGE_KINDS
};

/* The flags of KEEPER_START. */
#define KEEPER_FLAG_MAY_ASK 1u
#define KEEPER_FLAG_FIRST_FAILURE_ENDS 2u
#define KEEPER_FLAG_STDIO 4u       /* -W */
#define KEEPER_FLAG_READS_AGAIN 8u /* a command line's configuration can be read again */
#define KEEPER_FLAG_LOG_FILE 16u   /* the log is no standard error */
#define KEEPER_FLAG_UP 32u         /* everything was up once, in a gateway before this one */
#define KEEPER_FLAG_TRY 64u        /* --try: it tries upstreams, says what it saw, and ends */
#define KEEPER_FLAG_JSON 128u      /* ... as JSON */

/* In the place of a listener's index: the sockets of control/, and those of the status server. */
#define KEEPER_CONTROL UINT32_MAX
#define KEEPER_STATUS (UINT32_MAX - 1)

enum keeper_signal {
    KEEPER_SIGNAL_END,    /* SIGTERM, SIGINT */
    KEEPER_SIGNAL_RELOAD, /* SIGHUP */
    KEEPER_SIGNAL_STATE,  /* SIGUSR1 */
    KEEPER_SIGNAL_WINDOW, /* SIGWINCH, by ssh(1) that is served */
    KEEPER_SIGNALS
};

/* What the gateway may ask the keeper to make of the configuration in use. */
enum config_change_kind {
    CONFIG_RELOAD,                /* what the configuration in use was read from is read again */
    CONFIG_ADD_FORWARDS,          /* those that are there already stay */
    CONFIG_REMOVE_FORWARDS,       /* all, or none if one is not there */
    CONFIG_REMOVE_NAMED_FORWARDS, /* by the names of their sections; those that have gone are left
                                     out */
    CONFIG_CHANGE_KINDS
};

/* What on_change is told of. */
enum keeper_event {
    KEEPER_EVENT_UPSTREAM_UP, /* its first session is up */
    KEEPER_EVENT_UPSTREAM_DOWN,
    KEEPER_EVENT_FORWARD_UP, /* the server listens for the remote forward */
    KEEPER_EVENT_FORWARD_DOWN,
    KEEPER_EVENTS
};

enum keeper_notice {
    KEEPER_NOTICE_READY,
    KEEPER_NOTICE_RELOADING,
    KEEPER_NOTICE_STOPPING,
    KEEPER_NOTICE_STATUS,
    KEEPER_NOTICES
};

struct keeper_message {
    enum keeper_message_kind kind;
    uint32_t numbers[KEEPER_NUMBERS_MAX];
    struct span texts; /* for keeper_message_text; inside the packet */
    size_t text_count;
    bool has_descriptor;
};

/* Reads a whole packet that the gateway (`from_gateway`) or the keeper has sent, with or without a
 * descriptor. False: no such message. */
bool keeper_message_parse(struct span packet, bool has_descriptor, bool from_gateway,
                          struct keeper_message *message);

/* Takes the next of the texts, of which there are `text_count`. */
struct span keeper_message_text(struct keeper_message *message);

/* Appends a packet: all numbers of the kind, and so many texts (NULL stands for ""). False: it
 * would be longer than KEEPER_PACKET_MAX, and nothing was appended. */
bool keeper_message_write(struct buffer *packet, enum keeper_message_kind kind,
                          const uint32_t *numbers, const char *const *texts, size_t text_count);

#endif
