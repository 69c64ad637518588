/* Who asks for trials, and what becomes of what was seen. */
#include "gateway/try_order.h"

#include "base/exit_status.h"
#include "base/mem.h"
#include "control/protocol.h"
#include "control/report.h"
#include "gateway/gateway_parts.h"
#include "gateway/trials.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is being tried: of a gateway there is one at a time. */
struct try_order {
    struct gateway *gateway;
    struct trials *trials;
    try_answered_fn *answered;
    void *arg;
};

/* Takes the order off its gateway and frees it. */
static void end_order(struct try_order *order, json_t *answer)
{
    const struct try_order ended = *order;

    order->gateway->trying = NULL;
    free(order);
    ended.answered(ended.arg, answer);
}

/* A person has seen that the upstream works: its dials need not wait any longer. */
static void end_waits(struct gateway *g, const char *upstream)
{
    for (size_t i = 0; i < g->pool_count; i++)
        if (upstream != NULL && strcmp(pool_upstream(g->pools[i])->name, upstream) == 0 &&
            !pool_is_up(g->pools[i]))
            pool_forget_waits(g->pools[i]);
}

static void on_tried(void *arg, json_t *answer)
{
    struct try_order *order = arg;
    const json_t *seen;
    size_t i;

    json_array_foreach(json_object_get(answer, "tries"), i, seen)
    {
        if (json_is_true(json_object_get(seen, "ok")))
            end_waits(order->gateway, control_text(seen, "upstream"));
    }
    end_order(order, answer);
}

static void begin_order(struct gateway *g, const struct try_order *order,
                        const struct string_list *upstreams, trials_seen_fn *seen)
{
    g->trying = mem_zalloc(sizeof(*g->trying));
    *g->trying = *order;
    g->trying->trials = trials_start(&(struct trials_request){.room = &g->room,
                                                              .config = g->generation->config,
                                                              .upstreams = upstreams,
                                                              .target = g->options.try_target,
                                                              .seen = seen,
                                                              .done = on_tried,
                                                              .arg = g->trying});
}

bool gateway_try(struct gateway *g, const char *upstream, try_answered_fn *answered, void *arg)
{
    char *name = mem_strdup(upstream);
    const struct string_list upstreams = {.items = &name, .count = name != NULL};
    bool begins = g->trying == NULL && trials_unknown(g->generation->config, &upstreams) == NULL;

    if (begins)
        begin_order(g, &(struct try_order){.gateway = g, .answered = answered, .arg = arg},
                    &upstreams, NULL);
    else if (g->trying != NULL)
        answered(arg, control_error(EXIT_FAILURE, "another -O try has not ended yet"));
    else
        answered(arg, control_error(EXIT_FAILURE, "there is no upstream \"%s\"", upstream));
    free(name);
    return begins;
}

/* --try. */

static void print_seen(void *arg, const json_t *seen)
{
    (void)arg;
    report_try(stdout, seen);
    fflush(stdout);
}

static void on_tried_alone(void *arg, json_t *answer)
{
    struct gateway *g = arg;
    bool well = json_is_true(json_object_get(answer, "well"));

    if (g->options.try_json)
        report_json(stdout, answer);
    if (!g->stopping && g->status == 0)
        g->status = well ? 0 : EXIT_FAILURE;
    if (fflush(stdout) != 0)
        g->status = EXIT_SSH;
    json_decref(answer);
    gateway_stop(g);
}

void gateway_try_alone(struct gateway *g)
{
    begin_order(g, &(struct try_order){.gateway = g, .answered = on_tried_alone, .arg = g},
                &g->options.try_upstreams, g->options.try_json ? NULL : print_seen);
}

void gateway_try_end(struct gateway *g, const char *why)
{
    struct try_order *order = g->trying;

    if (order == NULL)
        return;
    trials_cancel(order->trials);
    end_order(order, control_error(EXIT_SSH, "%s", why));
}
