/* Connections and sockets of a session, which the keeper makes. */
#include "shared/session_reach.h"

#include "base/mem.h"
#include "io/descriptors.h"

#include <errno.h>
#include <stdlib.h>

struct session_reach {
    struct service_request *request;
    session_reached_fn *reached; /* or */
    session_bound_fn *bound;     /* or */
    session_caused_fn *caused;
    void *arg;
};

static void on_session_reached(void *arg, const struct service_answer *answer)
{
    const struct session_reach reach = *(struct session_reach *)arg;
    int fd = descriptor_unless_reserved(answer->fds[0], DESCRIPTOR_CLIENT);

    free(arg);
    reach.reached(reach.arg, fd, answer->kind == SERVICE_FAILED ? (int)answer->numbers[0] : EMFILE);
}

struct session_reach *session_reach_master(struct service *service, const char *upstream,
                                           uint32_t master, session_reached_fn *reached, void *arg)
{
    struct session_reach *reach = mem_zalloc(sizeof(*reach));
    const struct service_question question = {
        .kind = master != 0 ? SERVICE_REACH_MASTER : SERVICE_MASTER,
        .numbers = {master},
        .texts = {upstream},
    };

    reach->reached = reached;
    reach->arg = arg;
    reach->request = service_ask(service, &question, on_session_reached, reach);
    return reach;
}

static void on_session_bound(void *arg, const struct service_answer *answer)
{
    const struct session_reach reach = *(struct session_reach *)arg;
    int fd = descriptor_unless_reserved(answer->fds[0], DESCRIPTOR_GATEWAY);
    int error = answer->kind == SERVICE_FAILED ? (int)answer->numbers[0] : EMFILE;
    char *path = mem_strndup((const char *)answer->text.bytes, answer->text.length);

    free(arg);
    reach.bound(reach.arg, fd, path, error);
    free(path);
}

struct session_reach *session_reach_bind(struct service *service, const char *forward,
                                         session_bound_fn *bound, void *arg)
{
    struct session_reach *reach = mem_zalloc(sizeof(*reach));

    reach->bound = bound;
    reach->arg = arg;
    reach->request =
        service_ask(service, &(struct service_question){.kind = SERVICE_LISTEN, .texts = {forward}},
                    on_session_bound, reach);
    return reach;
}

static void on_cause(void *arg, const struct service_answer *answer)
{
    const struct session_reach reach = *(struct session_reach *)arg;
    uint32_t reason = answer->kind == SERVICE_CAUSE ? answer->numbers[0] : 0;
    char *words = mem_strndup((const char *)answer->text.bytes, answer->text.length);

    free(arg);
    reach.caused(reach.arg, reason, words);
    free(words);
}

struct session_reach *session_reach_cause(struct service *service, uint32_t master,
                                          const struct refused_target *target,
                                          session_caused_fn *caused, void *arg)
{
    struct session_reach *reach = mem_zalloc(sizeof(*reach));

    reach->caused = caused;
    reach->arg = arg;
    reach->request = service_ask(service,
                                 &(struct service_question){.kind = SERVICE_ASK_CAUSE,
                                                            .numbers = {master, target->port},
                                                            .texts = {target->host}},
                                 on_cause, reach);
    return reach;
}

void session_reach_forget(struct session_reach *reach)
{
    if (reach != NULL)
        service_forget(reach->request);
    free(reach);
}
