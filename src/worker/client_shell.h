/* What a client that is a stream of an ssh(1) at the control socket has besides its channel
 * (client_shell.c). For the files of a client; on its worker's thread. */
#ifndef ADIT_WORKER_CLIENT_SHELL_H
#define ADIT_WORKER_CLIENT_SHELL_H

#include "shared/internal_stream.h"
#include "worker/client_parts.h"

/* The client's internal connection is a stream of an ssh(1), maybe a shell. */
void client_shell_begin(struct client *client, struct internal_stream *stream);

static inline bool client_is_shell(const struct client *client)
{
    return client->shell != NULL;
}

/* What is opened; empty: the client is no shell. */
struct shell_target client_shell_target(struct client *client);

/* The open was refused. True: the client is a shell, and the session has as many as it may. */
bool client_shell_refused(struct client *client, const struct open_failure *failure);

/* Sends the size of the terminal, if it has changed. */
void client_shell_look(struct client *client);

/* The relay has ended. True: client_relay_ended follows when standard error has been passed on. */
bool client_shell_waits(struct client *client, const struct relay_result *result);

/* Cuts standard error. */
void client_shell_stop(struct client *client);

#endif
