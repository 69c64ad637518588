/* libssh's socket as adit would have it: larger reads, fewer writes, and cheaper padding. Only for
 * this room; doc/libssh.md tells what it is worth.
 *
 * libssh takes 4,096 bytes from its socket at a time, polls before each, and sends every packet by
 * itself: half a million system calls a GiB, and a wake-up of the server for every packet of a
 * short connection. It calls recv(2) and poll(2) by their names, so this room defines them. While a
 * session is entered on a thread, that session's input comes from a buffer, and its output waits in
 * libssh's own buffer until the end of the turn. All other calls, by whomever and about whatever
 * descriptor, get the kernel's.
 *
 * libssh also asks OpenSSL for each packet's padding, a dozen bytes, by RAND_bytes(3), which costs
 * more than encrypting a small packet: a getpid(2), a lock, the setting up of a cipher. So that is
 * defined here too: while a session is entered, short requests are served from a block that is
 * drawn at once, each byte once. A request that is long enough for a key, and every request while
 * no session is entered, is OpenSSL's.
 *
 * A libssh that was linked in another way does not call these functions. Each dial watches for
 * that, and a session whose dial did not see the calls is driven without a buffer. */
#ifndef ADIT_SESSION_LIBSSH_TRANSPORT_H
#define ADIT_SESSION_LIBSSH_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>

/* Who is told of a login's calls; each may be NULL. `wait` is called before libssh waits for the
 * server, `received` with what libssh has received. */
typedef void transport_wait_fn(void *arg);
typedef void transport_received_fn(void *arg, const void *bytes, size_t length);
struct transport_watcher {
    transport_wait_fn *wait;
    transport_received_fn *received;
    void *arg;
};

/* Watches what this thread's libssh calls are made of while it logs in on `fd`, and nothing is
 * entered. While that is watched a wait for a socket that libssh has closed itself, as it does when
 * the server disconnects, fails at once: libssh would wait until its time is up. A line before the
 * server's version may be longer than libssh takes: what goes beyond comes to libssh as blank
 * lines. */
void transport_watch(int fd, const struct transport_watcher *watcher);

/* What the server said first, while that was watched: a string without the NULs that came. Where
 * the server speaks another protocol, this tells which. */
#define TRANSPORT_GREETING_MAX 128
const char *transport_greeting(void);

/* Whether libssh's reads and polls on that descriptor came by this room: only then may the session
 * be entered with `buffered`. Ends the watching. */
bool transport_is_called(void);

/* From now on this thread's libssh calls are about a session whose socket libssh knows as `fd`. To
 * stand around every libssh call of a session that is driven: the number may be somebody else's as
 * soon as libssh has closed it. Without `buffered` its input and output are the kernel's. */
void transport_enter(int fd, bool buffered);

/* From now on they are about none. */
void transport_leave(void);

/* What follows is about the session that was entered with `buffered`. */

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
