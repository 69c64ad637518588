/* A connection to the master's socket for one request. It may have to wait for room there. */
#include "session_openssh/parts.h"

#include "io/socket_calls.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* The wait before a master that had no room for another connection is tried again. */
#define AGAIN_MS 20

static void reach_now(struct master_reach *r);

static void reach_again(struct deadline *again)
{
    reach_now(container_of(again, struct master_reach, again));
}

/* (A session_reached_fn.) */
static void reach_ended(void *arg, int fd, int error)
{
    struct master_reach *r = arg;
    struct master_session *s = r->session;

    r->asked = NULL;
    if (fd >= 0 && socket_peer_process(fd) != s->listener) {
        close(fd); /* (another master: of a later one at that path, or of another configuration) */
        fd = -1;
        error = ECONNREFUSED;
    }
    if (fd >= 0) {
        struct master_call *call = call_new(s->loop, fd, r->answered, r->arg);
        if (call == NULL)
            close(fd);
        r->reached(r->arg, call, call == NULL ? "no descriptors are left" : NULL, false);
    } else if (error == EAGAIN) {
        deadline_arm(s->loop, &r->again, AGAIN_MS, reach_again);
    } else if (error == ENOENT || error == ECONNREFUSED) {
        master_session_close(s);
        r->reached(r->arg, NULL, "nobody listens at the master's socket any more", true);
    } else {
        r->reached(r->arg, NULL, strerror(error), false);
    }
}

static void reach_now(struct master_reach *r)
{
    const struct session_options *options = &r->session->options;

    r->asked = options->way->reach(options->arg, reach_ended, r);
}

void reach_start(struct master_reach *r, struct master_session *session, call_answered_fn *answered,
                 master_reached_fn *reached, void *arg)
{
    *r = (struct master_reach){
        .session = session, .answered = answered, .reached = reached, .arg = arg};
    reach_now(r);
}

void reach_cancel(struct master_reach *r)
{
    if (r->session == NULL)
        return;
    r->session->options.way->forget(r->asked);
    deadline_cancel(&r->again);
}
