/* What the keeper answers about a master. */
#include "gateway/dial_master.h"

#include "base/mem.h"
#include "io/descriptors.h"

#include <errno.h>
#include <stdlib.h>

/* A master that has no room for another connection is tried again so soon. */
#define MASTER_AGAIN_MS 100

struct dial_master {
    struct loop *loop;
    struct service *service;
    const struct config_upstream *upstream;
    struct service_request *request; /* NULL: `again` is armed */
    struct deadline again;
    uint64_t until;
    dial_master_reached_fn *reached;
    void *arg;
};

static void ask_for_master(struct dial_master *m);

static void ask_for_master_again(struct deadline *again)
{
    ask_for_master(container_of(again, struct dial_master, again));
}

static void on_master_answered(void *arg, const struct service_answer *answer)
{
    struct dial_master *m = arg;
    const struct dial_master told = *m;
    int fd = descriptor_unless_reserved(answer->fds[0], DESCRIPTOR_GATEWAY);
    int error = answer->kind == SERVICE_FAILED ? (int)answer->numbers[0] : EMFILE;

    m->request = NULL;
    if (fd < 0 && error == EAGAIN && loop_now(m->loop) < m->until) {
        deadline_arm(m->loop, &m->again, MASTER_AGAIN_MS, ask_for_master_again);
        return;
    }
    free(m);
    told.reached(told.arg, fd, error == EAGAIN ? ETIMEDOUT : error);
}

static void ask_for_master(struct dial_master *m)
{
    m->request = service_ask(
        m->service,
        &(struct service_question){.kind = SERVICE_MASTER, .texts = {m->upstream->name}},
        on_master_answered, m);
}

struct dial_master *dial_master_start(struct loop *loop, struct service *service,
                                      const struct config_upstream *upstream,
                                      dial_master_reached_fn *reached, void *arg)
{
    struct dial_master *m = mem_zalloc(sizeof(*m));

    *m = (struct dial_master){.loop = loop,
                              .service = service,
                              .upstream = upstream,
                              .until = loop_now(loop) + upstream->connect_timeout_ms,
                              .reached = reached,
                              .arg = arg};
    ask_for_master(m);
    return m;
}

void dial_master_cancel(struct dial_master *m)
{
    if (m == NULL)
        return;
    service_forget(m->request);
    deadline_cancel(&m->again);
    free(m);
}
