/* What libssh sees of its socket: larger reads, fewer writes. And of random numbers: more at once.
 * Only for this room.
 *
 * libssh takes 4,096 bytes from its socket at a time, polls before each, and sends every packet by
 * itself: half a million system calls a GiB, and a wake-up of the server for every packet of a
 * short connection. It calls recv(2) and poll(2) by their names, so this room defines them. On a
 * thread that drives a session its input comes from a buffer, and its output waits in libssh's own
 * buffer until the end of the turn. Whatever else calls these functions gets the kernel's.
 *
 * It also asks OpenSSL for each packet's padding, a dozen bytes, by RAND_bytes(3), which costs as
 * much as encrypting a small packet: a getpid(2), a lock, the setting up of a cipher. So that is
 * defined here too: a thread that drives sessions draws 1 KiB at a time and hands it out from
 * there, each byte once. Whatever is long enough to be a secret is drawn by itself. */
#ifndef ADIT_SESSION_LIBSSH_TRANSPORT_H
#define ADIT_SESSION_LIBSSH_TRANSPORT_H

#include <stdbool.h>

/* From now on this thread's libssh calls are about `fd`; -1: about none, and calls are the
 * kernel's. To stand around every libssh call of a session that is driven: the number may be
 * somebody else's as soon as libssh has closed it. */
void transport_enter(int fd);

/* What follows is said of the descriptor that was entered. */

/* Its turn begins: reads what the socket has, as much as the buffer takes, by `socket`, a duplicate
 * that libssh does not close. False: nothing is there. (An end or an error is for libssh to find:
 * then there is something.) */
bool transport_fill(int socket);

/* Whether that read filled the buffer: there may be more. */
bool transport_filled(void);

/* Whether libssh has not had all of it yet. */
bool transport_pending(void);

/* Its turn ends: the buffer is empty, or the session is dead. */
void transport_drop(void);

/* Whether libssh may send; it may not at first. */
void transport_let_out(bool out);

/* How many packets libssh may still make on this thread: at 0 it gets no padding, and the call
 * fails. A bound for calls that send packets for ever (a maximum packet size of 10 in 0.10, of 0
 * for an accepted channel in 0.12). TRANSPORT_UNLIMITED at first. Returns what it was. */
#define TRANSPORT_UNLIMITED 0xffffffff
unsigned transport_limit(unsigned packets);

#endif
