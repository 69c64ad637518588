/* Which lines of libssh's log say that the server breaks the protocol in a way that must end the
 * session. libssh itself goes on: it takes data beyond the window and throws it away later, and a
 * second confirmation redirects a channel. Only for this room. */
#ifndef ADIT_SESSION_LIBSSH_BREACH_H
#define ADIT_SESSION_LIBSSH_BREACH_H

#include <stdbool.h>
#include <stdint.h>

/* RFC 4253 section 6.1 asks for 32,768 bytes at least; below this a packet is mostly header, and
 * libssh 0.10 sends packets of no data for ever where it is 10. */
#define BREACH_PACKET_MIN 1024

/* `priority`, `function` and `text` are those that libssh's log callback gets. NULL: the line is
 * about no breach; else what the server did, for the log, a constant. */
const char *breach_of_log(int priority, const char *function, const char *text);

/* The same for the text of an SSH_FATAL error of the session: from 0.11 on libssh does not log the
 * errors that it sets, and goes on after some of them. No server's words begin such a text. */
const char *breach_of_error(const char *text);

/* Whether this libssh has all the texts that the two look for. Searches once. */
bool breach_texts_are_known(void);

/* The same for the maximum packet size of a channel. */
const char *breach_of_packet_size(uint32_t size);

#endif
