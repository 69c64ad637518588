/* Connections to a master, which the keeper makes. */
#include "shared/reach_master.h"

#include "base/mem.h"
#include "io/descriptors.h"

#include <errno.h>
#include <stdlib.h>

struct session_reach {
    struct service_request *request;
    session_reached_fn *reached;
    void *arg;
};

static void on_reach_answered(void *arg, const struct service_answer *answer)
{
    const struct session_reach reach = *(struct session_reach *)arg;
    int fd = descriptor_unless_reserved(answer->fds[0], DESCRIPTOR_CLIENT);

    free(arg);
    reach.reached(reach.arg, fd, answer->kind == SERVICE_FAILED ? (int)answer->numbers[0] : EMFILE);
}

struct session_reach *reach_master_ask(struct service *service, const char *upstream,
                                       session_reached_fn *reached, void *arg)
{
    struct session_reach *reach = mem_zalloc(sizeof(*reach));

    reach->reached = reached;
    reach->arg = arg;
    reach->request = service_ask(
        service, &(struct service_question){.kind = SERVICE_MASTER, .texts = {upstream}},
        on_reach_answered, reach);
    return reach;
}

void reach_master_forget(struct session_reach *reach)
{
    if (reach != NULL)
        service_forget(reach->request);
    free(reach);
}
