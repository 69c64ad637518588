/* The room keeper/ knows the first process: the one that was started, whose number, signals and
 * exit status are adit's. It reads the configuration, binds what is listened on, opens the log, and
 * starts the gateway, a child process that does all else. It talks to nobody over the network.
 *
 * The gateway is this program, executed once more (gateway/process.h). Both have one end of a pair
 * of sockets, over which the messages of wire/keeper.h go. If the gateway is killed or crashes, the
 * keeper starts another one, which gets the listening sockets that the keeper has kept. If the
 * keeper ends, the gateway sees the end of the pair, drains, and ends.
 *
 * All of it runs on the main thread, but for the making of a configuration (keeper/change), which
 * has a thread. main.c calls it. */
#ifndef ADIT_KEEPER_KEEPER_H
#define ADIT_KEEPER_KEEPER_H

#include "keeper/change.h"

/* How the process of a gateway is called in argv, which is nothing that a person would type. */
#define KEEPER_GATEWAY_NAME "adit: gateway"

/* The variable of the environment that tells a keeper which was executed by an upgrade what it was
 * before, and the option that asks a new program whether it could be that: it is --check, and a
 * program that does not know it cannot. Its number becomes another one with each change of what is
 * in that variable's file (keeper/upgrade_state.c) or of the messages between keeper and gateway
 * (wire/keeper.h, wire/service.h, wire/login_line.h): the gateway from before talks to the new
 * keeper while it drains. */
#define UPGRADE_STATE "ADIT_UPGRADE_STATE"
#define UPGRADE_CHECK "--check-upgrade-2"

/* Runs what `options` (MODE_RUN) asks for, until it ends. Takes the reference to the configuration.
 * Returns the exit status. */
int keeper_run(struct options *options, find_hosts_fn *find_hosts);

/* Runs a configuration, to which it takes the reference, until all is up, with the questions of its
 * logins. Returns 0 if that worked. */
int keeper_try(struct config *config, find_hosts_fn *find_hosts);

#endif
