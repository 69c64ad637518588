/* The room control/ knows the control socket: who may ask, the lines of JSON, how answers are
 * printed. It does not know what a command does: its callers (gateway/, and main.c for `adit -O`)
 * do. It runs on the main thread only.
 *
 * This is the server: who may ask, what may be asked at a time, and for how long. */
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

/* Nobody can ask yet. */
struct control_server *control_server_new(struct loop *loop, control_asked_fn *asked, void *arg);

/* A change of the path in two steps. The first listens on the new one, a unix socket of mode 0600
 * (io/listener.h: a stale one is replaced, and the path is removed at the end), unless that is the
 * old one; NULL is nowhere. False: `error` says why not. The second, with or without the first's
 * success, keeps the new one or the old one and closes the other; who is connected stays.
 *
 * Root and the user who runs us are answered, by SO_PEERCRED; others are told so. */
bool control_server_prepare(struct control_server *server, const char *path, char *error,
                            size_t error_size);
void control_server_commit(struct control_server *server, bool keep_new);

/* Closes everything. Requests without an answer must still get one, which nobody reads. NULL is
 * fine. */
void control_server_free(struct control_server *server);

/* Takes the reference to `answer`; the request is gone afterwards. */
void control_answer(struct control_request *request, json_t *answer);

/* There are never more connections: another one takes the place of the one that has said nothing,
 * or not taken its answer, for the longest; while all wait for an answer, it is refused. None takes
 * longer than CONTROL_PATIENCE_MS over a request, or over taking its answer. A connection may be
 * kept for ever to see the end of the process: {"command": "wait"} is never answered. */
#define CONTROL_CONNECTIONS_MAX 32
#define CONTROL_PATIENCE_MS 10000

#endif
