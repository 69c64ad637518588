/* What a server says to a person while it logs one in: banners, and why it disconnects. On the dial
 * thread. Only for this room. */
#ifndef ADIT_SESSION_LIBSSH_SERVER_WORDS_H
#define ADIT_SESSION_LIBSSH_SERVER_WORDS_H

#include "session_libssh/handshake.h"

/* Shows a banner (RFC 4252 section 5.4) that has come and was not shown yet: each line is a warning
 * on a command line, where ssh(1) shows it, too, unless the same server has said it before; else it
 * is an info line. One login shows 100 lines at most. */
void server_words_show(struct handshake *h);

/* Fails the dial because the connection has ended: with the server's words where it disconnected by
 * RFC 4253 section 11.1. `when` stands behind them, " while logging in". Returns the status:
 * DIAL_AUTHENTICATION if the server says that it was about that. */
enum dial_status server_words_fail(struct handshake *h, const char *when);

#endif
