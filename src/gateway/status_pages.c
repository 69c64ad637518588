/* What the pages of the status server show. */
#include "gateway/status_pages.h"

#include "gateway/connections.h"
#include "gateway/gateway_parts.h"
#include "gateway/history.h"
#include "gateway/metrics_page.h"
#include "gateway/proxy_pac.h"
#include "gateway/readiness.h"
#include "gateway/snapshot.h"
#include "status/server.h"

#include <errno.h>
#include <stdio.h>

static char *unready_now(void *arg)
{
    return gateway_unready(arg);
}

static json_t *status_now(void *arg)
{
    return status_json(arg);
}

static json_t *history_now(void *arg)
{
    const struct gateway *g = arg;

    return history_json(g->room.history, loop_now(g->loop));
}

static char *pac_now(void *arg, const struct status_pac *asked)
{
    return proxy_pac_text(arg, asked);
}

static void metrics_now(void *arg, struct exposition *page)
{
    metrics_page_write(arg, page);
}

static void connections_now(void *arg, const struct status_list *list)
{
    connections_ask(arg, list->after, list->most, list->with_targets, list->listed, list->arg);
}

struct status_server *status_pages_new(struct gateway *g)
{
    return status_server_new(g->loop, g->room.service,
                             &(struct status_source){
                                 .unready = unready_now,
                                 .status = status_now,
                                 .history = history_now,
                                 .metrics = metrics_now,
                                 .pac = pac_now,
                                 .connections = connections_now,
                                 .arg = g,
                             });
}
