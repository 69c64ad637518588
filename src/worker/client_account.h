/* What is told and counted of a client, besides its access line: for lists and /metrics. */
#ifndef ADIT_WORKER_CLIENT_ACCOUNT_H
#define ADIT_WORKER_CLIENT_ACCOUNT_H

struct client;

/* Where the client comes from, as the access line tells it (the caller frees); its protocol, or
 * NULL while that is not known. */
char *client_source(const struct client *client);
const char *client_protocol_name(const struct client *client);

/* The client came in by its listener. */
void client_count_accepted(struct client *client);

#endif
