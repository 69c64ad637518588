/* What a thread of the gateway has the keeper do while clients are served: passwords are checked,
 * unix sockets connected, ProxyCommands run. Each loop has a line of its own with the keeper
 * (wire/service.h), so that no thread waits for another. A service belongs to the thread of its
 * loop. */
#ifndef ADIT_SHARED_SERVICE_H
#define ADIT_SHARED_SERVICE_H

#include "io/loop.h"
#include "wire/service.h"

#include <stdbool.h>
#include <stdint.h>

struct service;
struct service_request; /* under way */

/* An answer. SERVICE_OUTPUT, SERVICE_MASTER_ASKS and SERVICE_MASTER_UP end nothing. */
struct service_answer {
    enum service_kind kind; /* SERVICE_VERDICT, _CONNECTED, _OUTPUT, ...: those of the keeper */
    uint32_t numbers[2];    /* behind the request's, as wire/service.h has them */
    struct span text;       /* valid during the call; no bytes: none */
    int fds[2];             /* the callee's: of SERVICE_CONNECTED and _MASTER_UP the connection, of
                               SERVICE_LISTENING the socket, of SERVICE_OUTPUT the command's input and
                               output; else -1 */
};

/* The request has been answered; a line that has ended answers SERVICE_FAILED with EPIPE. Never
 * called from inside the call that made the request. The request is freed, but of a command or a
 * master that runs, of which SERVICE_EXITED, SERVICE_MASTER_ENDED or SERVICE_FAILED is told as
 * well.
 */
typedef void service_answered_fn(void *arg, const struct service_answer *answer);

/* The line's end `end` is taken over; -1: there is no keeper, and each request fails. NULL: the
 * loop cannot watch it (logged). */
struct service *service_new(struct loop *loop, int end);

/* Requests under way are forgotten; commands that run get SIGHUP. NULL is fine. */
void service_free(struct service *service);

/* What is asked for: of one of the kinds that the gateway sends. */
struct service_question {
    enum service_kind kind;
    uint32_t numbers[SERVICE_NUMBERS_MAX - 1]; /* those behind the request's own */
    const char *texts[SERVICE_TEXTS_MAX];
    bool passes; /* there is a descriptor: */
    int fd;      /* taken over */
};

/* Makes a request; the question is copied. */
struct service_request *service_ask(struct service *service,
                                    const struct service_question *question,
                                    service_answered_fn *answered, void *arg);

/* Nothing will be called any more. A password that waits is not checked; a command, or a master,
 * gets SIGHUP, or goes on if it is left. NULL is fine. */
void service_forget(struct service_request *request);
void service_leave(struct service_request *request);

#endif
