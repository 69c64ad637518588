/* The room control/ knows the control socket: which users may send requests, the lines of JSON, how
 * answers are printed. It does not know what a command does: its callers (gateway/, and main.c for
 * `adit -O`) do. It runs on the main thread only.
 *
 * This is the server: connections, requests one at a time on each, and limits of time. */
#ifndef ADIT_CONTROL_SERVER_H
#define ADIT_CONTROL_SERVER_H

#include "io/loop.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct control_server;

/* A request that waits for its answer. */
struct control_request;

/* Called for each request, an object with a string "command"; the callee sees to it that
 * control_answer is called for it once, at once or later. It may free the server. */
typedef void control_asked_fn(void *arg, struct control_request *request, const char *command,
                              const json_t *object);

/* A server that does not listen yet. */
struct control_server *control_server_new(struct loop *loop, control_asked_fn *asked, void *arg);

/* Change the path in two steps. The first listens at the new path, a unix socket of mode 0600
 * (io/listener.h: a stale socket is replaced, and the path is removed at the end), unless that is
 * the old path; NULL is no path. False: `error` says why not. The second, whether or not the first
 * succeeded, keeps the new listening socket or the old one and closes the other; clients that are
 * connected stay.
 *
 * Requests of root and of the user that runs this process are answered (SO_PEERCRED, unix(7));
 * those of others get an error. */
bool control_server_prepare(struct control_server *server, const char *path, char *error,
                            size_t error_size);
void control_server_commit(struct control_server *server, bool keep_new);

/* Closes everything. Requests that were not answered must still be answered, to no effect. NULL is
 * fine. */
void control_server_free(struct control_server *server);

/* Answers a request, which is freed, and takes the reference to `answer`. */
void control_answer(struct control_request *request, json_t *answer);

/* There are never more connections than this: a new one takes the place of the connection that has
 * been open for the longest without a request or without taking its answer; while all wait for
 * answers, it is refused. A client has CONTROL_PATIENCE_MS to send a request, and to read its
 * answer. A client may stay connected for ever to see the end of the process: {"command": "wait"}
 * is never answered. */
#define CONTROL_CONNECTIONS_MAX 32
#define CONTROL_PATIENCE_MS 10000

#endif
