/* One question for SRV records, and what is right of its answer. */
#include "gateway/trial_hosts.h"

#include "base/mem.h"
#include "io/resolver_srv.h"

#include <stdlib.h>

struct trial_hosts {
    struct srv_question *question;
    trial_hosts_fn *found;
    void *arg;
};

/* Why there is no host, though records came. */
static const char *no_host(const struct srv_answer *answer)
{
    return targets_say_none(answer->targets, answer->count)
               ? "its one target is \".\": there is no such service"
               : "no target is a host's name and port";
}

static void on_trial_srv(void *arg, const struct srv_answer *answer)
{
    const struct trial_hosts asked = *(struct trial_hosts *)arg;
    struct target *hosts = mem_zalloc((answer->count + 1) * sizeof(*hosts));
    size_t count = 0;

    free(arg);
    for (size_t i = 0; i < answer->count; i++)
        if (target_wrong(&answer->targets[i]) == NULL)
            hosts[count++] = answer->targets[i];
    count = targets_order(hosts, count);
    asked.found(asked.arg, hosts, count,
                answer->status != RESOLVE_FOUND ? answer->error
                : count == 0                    ? no_host(answer)
                                                : NULL);
    free(hosts);
}

struct trial_hosts *trial_hosts_ask(struct resolver *resolver, const char *service,
                                    trial_hosts_fn *found, void *arg)
{
    struct trial_hosts *asked = mem_zalloc(sizeof(*asked));

    *asked = (struct trial_hosts){.found = found, .arg = arg};
    asked->question = resolver_srv(resolver, service, on_trial_srv, asked);
    return asked;
}

void trial_hosts_cancel(struct trial_hosts *asked)
{
    if (asked == NULL)
        return;
    srv_question_cancel(asked->question);
    free(asked);
}
