/* The room control/ knows the control socket: which users may send requests, the lines of JSON, how
 * answers are printed. It does not know what a command does: its callers (gateway/, and main.c for
 * `adit -O`) do. It runs on the main thread only.
 *
 * This is the server: connections, requests one at a time on each, and limits of time. */
#ifndef ADIT_CONTROL_SERVER_H
#define ADIT_CONTROL_SERVER_H

#include "control/sockets.h"
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

/* Called for each client that speaks ssh's multiplexing protocol (control/mux_connection), with
 * its descriptor, which is the callee's, and the upstream of the place that it came to; NULL: no
 * ssh is served there. */
typedef void control_mux_fn(void *arg, int fd, const char *via);

/* A server that does not listen yet. */
struct control_server *control_server_new(struct loop *loop, control_asked_fn *asked,
                                          control_mux_fn *mux, void *arg);

/* Where it listens. Requests of root and of the user that runs this process are answered
 * (SO_PEERCRED, unix(7)); those of others get an error. */
struct control_sockets *control_server_sockets(struct control_server *server);

/* Closes everything. Requests that were not answered must still be answered, to no effect. NULL is
 * fine. */
void control_server_free(struct control_server *server);

/* Called once if the client of a request goes before it is answered, which must still be done, to
 * no effect, and may be done inside. */
typedef void control_gone_fn(void *arg);

/* Has `gone` called then. (A client that has only ended what it sends is still there.) */
void control_watch_client(struct control_request *request, control_gone_fn *gone, void *arg);

/* Answers a request, which is freed, and takes the reference to `answer`. */
void control_answer(struct control_request *request, json_t *answer);

/* Answers a request with `first`, whose reference it takes, and from then on tells its client what
 * control_tell_watchers is given, a line each, until the client says something or goes. A client
 * that leaves more than CONTROL_WATCH_HELD bytes unread is cut, and a line of the log says so. */
void control_watch(struct control_request *request, json_t *first);
void control_tell_watchers(struct control_server *server, const json_t *line);
#define CONTROL_WATCH_HELD ((size_t)256 * 1024)

/* There are never more connections than this: a new one takes the place of the connection that has
 * been open for the longest without a request or without taking its answer, whose client is told so
 * if it can be; while all wait for answers, it is refused. A client has CONTROL_PATIENCE_MS to send
 * a request, and to read its answer. A client may stay connected for ever to see the end of the
 * process: {"command": "wait"} is never answered. */
#define CONTROL_CONNECTIONS_MAX 32
#define CONTROL_PATIENCE_MS 10000

#endif
