/* The client's side of OpenSSH's multiplexing protocol (wire/mux.h): requests to an ssh(1) that is
 * the ControlMaster at a path. For `adit -O` and for a tunnel whose ControlPath leads there;
 * blocks, in a process that has no other threads.
 *
 * What the master sends is not trusted: each answer has a deadline and must be the request's own.
 * Reasons are without a full stop and name the master's path. */
#ifndef ADIT_CONTROL_SSH_MASTER_H
#define ADIT_CONTROL_SSH_MASTER_H

#include "conf/config.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ssh_master;

/* Connects, and exchanges HELLO. The path must last as long as the master. NULL: `*why`, the
 * caller's to free, has the reason. */
struct ssh_master *ssh_master_open(const char *path, char **why);
void ssh_master_free(struct ssh_master *master);

/* Each function below returns NULL, or the reason that it failed, which the caller frees. */

/* ALIVE_CHECK: the master's process. */
char *ssh_master_check(struct ssh_master *master, uint32_t *pid);

/* STOP_LISTENING and TERMINATE. */
char *ssh_master_stop(struct ssh_master *master);
char *ssh_master_exit(struct ssh_master *master);

/* EXT_INFO (OpenSSH 10.1 and later): `*text` is the caller's, lines as the master wrote them. */
char *ssh_master_info(struct ssh_master *master, const char *name, char **text);

/* OPEN_FWD. `*port`: the port that the server chose for a remote forward of port 0; else 0. */
char *ssh_master_forward(struct ssh_master *master, const struct config_forward *forward,
                         uint16_t *port);

/* CLOSE_FWD. */
char *ssh_master_cancel(struct ssh_master *master, const struct config_forward *forward);

/* NEW_STDIO_FWD: the master joins copies of the two descriptors to a connection from the server to
 * `target`. Returns once that is open; the master closes its side when the connection has ended. */
char *ssh_master_stdio(struct ssh_master *master, const struct config_place *target, int input,
                       int output);

/* Whether no request can be made any more: an answer was missing, late or malformed. */
bool ssh_master_is_lost(const struct ssh_master *master);

/* Waits until the master closes its side, or a signal asks this process to end (SIGHUP, SIGINT,
 * SIGTERM). True: a signal came. Usable once, by any descriptor of a connection. */
bool ssh_master_wait(struct ssh_master *master);

#endif
