/* System calls on sockets for the rooms above io/, which make none themselves: pairs of sockets,
 * what is known of a peer, and the options of a session's connection. Any thread. */
#ifndef ADIT_IO_SOCKET_CALLS_H
#define ADIT_IO_SOCKET_CALLS_H

#include "base/hostport.h"
#include "base/ip.h"

#include <stdbool.h>
#include <sys/types.h>

/* Two connected stream sockets, close-on-exec, which block or not; they are the caller's. False:
 * errno says why. */
bool socket_pair(bool blocks, int ends[static 2]);

/* Ends both directions: whatever reads or writes there returns (shutdown(2)). */
void socket_shutdown(int fd);

/* Ends sending: the other side sees the end, and may still send. */
void socket_shutdown_sending(int fd);

/* The user of the process that connected to a unix socket (SO_PEERCRED, unix(7)). */
bool socket_peer_user(int fd, uid_t *user);

/* The process that listened at a unix socket, or connected to it, at that time; 0: it is of no PID
 * namespace that is seen from here, or it is not known. */
pid_t socket_peer_process(int fd);

/* The address of the other end; false: the socket is no connected TCP socket. */
bool socket_peer_address(int fd, struct ip *peer);

/* Both ends as "192.0.2.1:50000"; empty where that is no TCP. */
void socket_names(int fd, char local[HOSTPORT_TEXT_MAX], char remote[HOSTPORT_TEXT_MAX]);

/* Whether the other end has acknowledged all that was sent (SIOCOUTQ, tcp(7)). */
bool socket_is_acknowledged(int fd);

/* Whether the peer may still have to read what was sent: more than one byte is not acknowledged, or
 * the last was sent, or the connection made, within so many milliseconds (SIOCOUTQ and TCP_INFO,
 * tcp(7)). A socket that is not TCP does not tell: true. */
bool socket_sent_lately(int fd, unsigned milliseconds);

/* The error that waits at the socket, which is taken from it (SO_ERROR, socket(7)); 0: none. */
int socket_error(int fd);

/* Receives at most `size` bytes, without waiting, and the descriptors that were passed along with
 * them (SCM_RIGHTS, unix(7)): they are stored at `fds`, close-on-exec and the caller's, and counted
 * in `*count`, which never exceeds `max`. Returns the bytes, 0 at the end of data, or -errno; with
 * -EPROTO more descriptors came than `max` allows, and those of this call were closed. */
ssize_t socket_receive_passed(int fd, void *bytes, size_t size, int *fds, unsigned *count,
                              unsigned max);

/* The first byte that waits at the socket, which is left there: 0 to 255; -1: none has come yet;
 * -2: none will come. */
int socket_first_byte(int fd);

/* Whether the other end of a unix stream socket was closed, rather than that its sending has ended
 * (POLLHUP, poll(2)). */
bool socket_is_hung_up(int fd);

/* Sends bytes with a descriptor beside them (SCM_RIGHTS, unix(7)), which stays the caller's; -1:
 * none. Waits until there is room, or not (EAGAIN). 0, or an errno; no SIGPIPE comes. A stream
 * socket may take fewer bytes, but the descriptor goes with the first. */
int socket_send_beside(int fd, const void *bytes, size_t length, int passed, bool waits);

/* The same with one byte, which is 0, and without waiting. */
int socket_send_passed(int fd, int passed);

/* Receives what has come, without waiting. Returns the bytes, 0 at the end of data, or -errno
 * (-EAGAIN: nothing has come). */
ssize_t socket_receive_now(int fd, void *bytes, size_t size);

/* Sends what the kernel takes at once. Returns the bytes, or -errno; no SIGPIPE comes. */
ssize_t socket_send_now(int fd, const void *bytes, size_t length);

/* The options of an SSH connection: no delay, and little unsent data in the kernel,
 * as a small request shall not wait behind what an upload has queued there. They mean nothing to a
 * socket that is not TCP. */
void socket_prepare_ssh(int fd);

#endif
