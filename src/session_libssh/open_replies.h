/* How each libssh reports the server's reply to an open: the one place where 0.10 and 0.11 differ.
 *
 * 0.10 has no callback for it, ssh_get_error keeps only the last of a batch, and the channel's
 * number has no accessor. But its log, which is the thread's own, has both: "Creating a channel %d"
 * (level PROTOCOL) inside the open call, "Channel opening failure: channel %u error (%u) text"
 * (level WARN) for every refusal, and "Received a CHANNEL_OPEN_CONFIRMATION for channel %d:%d" with
 * "Remote window : %u, maxpacket : %u" (level PROTOCOL) for every confirmation. So the log is read,
 * at that level while a reply is awaited; 0.10 writes no line for a packet of data there.
 * expectations.h tells when a line does not come; then libssh is asked.
 *
 * 0.11 has channel_open_response_function, and ssh_get_error is exact inside it. Its log has those
 * lines at level PACKET, which has several lines for each packet besides. So the log is at that
 * level only inside the open call, and only for adit's debug log, which gets the channel's number
 * from it. The maximum packet size is not known there (channel.c measures each write). */
#ifndef ADIT_SESSION_LIBSSH_OPEN_REPLIES_H
#define ADIT_SESSION_LIBSSH_OPEN_REPLIES_H

#include "session/session.h"

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#define OPEN_REPLY_TEXT_MAX 256

/* Embedded in a channel that is being opened. */
struct open_reply {
    TAILQ_ENTRY(open_reply) link;
    ssh_channel handle;
    uint32_t number; /* the local channel's; 0.11: only for the debug log */
    bool numbered;
    uint32_t packet_max; /* 0.10: the maximum packet size that was confirmed; for the log */
    bool confirmed;      /* by the server, even if the server has closed the channel since */
    bool refused;
    uint32_t reason; /* RFC 4254 section 5.1 */
    char text[OPEN_REPLY_TEXT_MAX];
    struct ssh_channel_callbacks_struct callbacks; /* 0.11: of its own, beside the channel's */
};

/* The opens of one session that await a reply. */
struct open_replies {
    TAILQ_HEAD(, open_reply) waiting;
    struct open_reply *creating;   /* the one whose open call is on the stack */
    struct open_reply *confirming; /* 0.10: the one whose confirmation libssh is reading */
};

void open_replies_init(struct open_replies *open_replies);

/* Reads a line of libssh's log while this thread works for their session. Returns NULL, or how the
 * server broke the protocol by its reply, a constant. */
const char *open_replies_read_log(struct open_replies *open_replies, int priority,
                                  const char *function, const char *text);

/* The level that libssh's log has to have. */
int open_replies_log_level(const struct open_replies *open_replies);

/* The channel was closed while its reply was awaited. True: reply->confirmed says whether it had
 * been confirmed. False: it is not known that libssh's log has what it should. */
bool open_replies_are_certain(const struct open_reply *reply);

/* The channel is open: libssh's log should have had the confirmation. */
void open_replies_check_confirmed(const struct open_reply *reply);

/* How much of libssh's log has been found not to be as expected. */
enum open_replies_asking {
    OPEN_REPLIES_ARE_READ, /* nothing: an answer is never missed */
    OPEN_REPLIES_UNTRIED,  /* no refusal has come yet: an open that takes long is asked about */
    OPEN_REPLIES_ARE_ASKED /* something: libssh is asked about each open when packets have come */
};
enum open_replies_asking open_replies_asking(void);

/* Asks libssh itself whether the open was refused (and sets `refused`); to be called on a session
 * that is alive, outside of libssh's callbacks. It may process input. */
void open_replies_ask(ssh_session session, struct open_reply *reply);

/* Where a channel shall lead. */
struct open_target {
    const char *path; /* of a unix socket at the server; NULL: `tcp` */
    const struct tcp_target *tcp;
    bool shell; /* a channel of type "session" */
};

/* Asks for a channel on a new `handle` and watches for the reply. Returns what
 * ssh_channel_open_forward does. */
int open_replies_open_forward(struct open_replies *open_replies, struct open_reply *reply,
                              ssh_channel handle, const struct open_target *target);

/* Stops watching; to be called once the reply was acted upon. */
void open_replies_forget(struct open_replies *open_replies, struct open_reply *reply);

#endif
