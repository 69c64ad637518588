/* The gateway's process, from its first message to its exit. */
#ifndef ADIT_GATEWAY_PROCESS_H
#define ADIT_GATEWAY_PROCESS_H

struct login_engine;

/* Runs the gateway that the keeper (keeper/keeper.h) tells this process to be, at descriptor
 * OWN_PROGRAM_FD. Before there are threads. Returns the exit status, which becomes adit's. */
int gateway_process_run(const struct login_engine *engine, const struct login_engine *join_engine);

#endif
