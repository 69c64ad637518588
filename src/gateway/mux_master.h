/* adit as the ControlMaster of ssh(1), scp, sftp, git, rsync and Ansible: what the mux clients at
 * the control sockets ask for (control/mux_connection), each by the upstream whose socket it is.
 * Main thread only. */
#ifndef ADIT_GATEWAY_MUX_MASTER_H
#define ADIT_GATEWAY_MUX_MASTER_H

#include "gateway/gateway.h"

struct forward_orders;
struct mux_master;

struct mux_master *mux_master_new(struct gateway *gateway, struct forward_orders *orders);

/* A mux client; takes `fd`. `via` is the upstream that serves it; NULL: it is told that no ssh is
 * served here. */
void mux_master_accept(struct mux_master *master, int fd, const char *via);

/* Whether somebody is served whose session would be cut. */
bool mux_master_is_busy(const struct mux_master *master);

/* SIGWINCH, which mux clients send to the process that they were told: each terminal is asked for
 * its size. */
void mux_master_window_changed(struct mux_master *master);

/* Cuts all that is served. */
void mux_master_cut(struct mux_master *master);

/* NULL is fine. */
void mux_master_free(struct mux_master *master);

#endif
