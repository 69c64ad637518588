/* Taking a configuration into use: at the start, after a reload, and after what the control socket
 * was asked for. Main thread only; the configurations themselves are made by
 * gateway/config_changes. */
#include "gateway/gateway_parts.h"

#include "base/mem.h"
#include "gateway/events.h"
#include "io/sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void gateway_apply_log(const struct gateway_options *options, const struct config *config)
{
    unsigned level = (unsigned)config->gateway.log + options->verbose;

    log_setup(options->log_fd, level < ADIT_LOG_DEBUG ? (enum log_level)level : ADIT_LOG_DEBUG,
              config->gateway.log_format);
}

static void log_notice(void *arg, const char *text)
{
    (void)arg;
    log_warning("%s", text);
}

static void log_reason(void *arg, const char *text)
{
    (void)arg;
    log_info("%s", text);
}

void gateway_log_notices(const struct config *config)
{
    config_each_engine_reason(config, log_reason, NULL);
    config_each_notice(config, log_notice, NULL);
}

/* Pools and generations. */

/* Whether sessions to `b` would lead where those to `a` do, jump hosts included. */
static bool same_way(const struct config *of_a, const struct config_upstream *a,
                     const struct config *of_b, const struct config_upstream *b)
{
    if (!config_upstream_same_sessions(a, b))
        return false;
    return a->jump.count == 0 || same_way(of_a, config_upstream(of_a, a->jump.items[0]), of_b,
                                          config_upstream(of_b, b->jump.items[0]));
}

/* The pool whose sessions are what `upstream` of `config` wants; NULL: there is none. */
static struct pool **find_pool(const struct gateway *g, const struct config *config,
                               const struct config_upstream *upstream)
{
    for (size_t i = 0; i < g->pool_count; i++) {
        const struct config_upstream *old = &g->generation->config->upstreams[i];
        if (g->pools[i] != NULL && strcmp(old->name, upstream->name) == 0 &&
            same_way(g->generation->config, old, config, upstream))
            return &g->pools[i];
    }
    return NULL;
}

/* A pool that is not wanted any more: its sessions end with their last connection. */
static void retire_pool(struct gateway *g, struct pool *pool, const struct config *config,
                        struct pool *const *pools)
{
    const char *name = pool_upstream(pool)->name;
    const struct config_upstream *same = config_upstream(config, name);
    struct session_table *table = session_table_ref(pool_table(pool));

    if (same != NULL)
        session_table_succeed(table, pool_table(pools[same - config->upstreams]));
    pool_free(pool);
    workers_send_session_up(&g->workers, table); /* those that wait for it go to its successor */
    session_table_unref(table);
}

void gateway_change_pools(struct gateway *g, struct config *config)
{
    struct pool **pools = mem_zalloc(config->upstream_count * sizeof(struct pool *));
    struct session_table **tables =
        mem_zalloc(config->upstream_count * sizeof(struct session_table *));

    for (size_t i = 0; i < config->upstream_count; i++) {
        const struct config_upstream *upstream = &config->upstreams[i];
        struct pool **old = find_pool(g, config, upstream);
        if (old != NULL) {
            pools[i] = *old;
            *old = NULL;
            pool_update(pools[i], config, upstream);
        } else {
            pools[i] = pool_new(&g->room, config, upstream);
        }
        tables[i] = pool_table(pools[i]);
    }
    for (size_t k = 0; k < g->pool_count; k++)
        if (g->pools[k] != NULL)
            retire_pool(g, g->pools[k], config, pools);
    free(g->pools);
    g->pools = pools;
    g->pool_count = config->upstream_count;
    generation_unref(g->generation);
    g->generation = generation_new(config, tables, g->workers.labels);
    g->room.generation = g->generation;
    listeners_assign(g->listeners, g->generation);
    if (!g->options.tries)
        forwards_change(g->room.forwards, g->generation);
    free(tables);
}

static bool is_ending(const struct gateway *g, char error[static CONFIG_CHANGE_ERROR_MAX])
{
    bool ending = g->draining || g->stopping;

    if (ending)
        snprintf(error, CONFIG_CHANGE_ERROR_MAX, "adit is ending");
    return ending;
}

static bool take_into_use(struct gateway *g, const struct config_change_result *change,
                          char error[static CONFIG_CHANGE_ERROR_MAX])
{
    struct config *config = change->config;

    if (is_ending(g, error))
        return false;
    gateway_listen(g, config);
    gateway_change_pools(g, config_ref(config));
    control_forward_changed(g->control); /* a forward that a request waits for may be gone */
    gateway_check_up(g);
    return true;
}

void gateway_apply_held(struct gateway *g, const struct config *config)
{
    uint64_t memory = uv_get_total_memory();
    uint64_t constrained = uv_get_constrained_memory(); /* by a control group; 0: not known */

    if (constrained > 0 && constrained < memory)
        memory = constrained;
    atomic_store(&g->workers.held_max,
                 config->gateway.held_bytes > 0 ? config->gateway.held_bytes : memory / 4);
}

/* The lock holds files fast, not names: who replaces one (as sed -i does) should know. */
static void warn_of_lost_file(void)
{
    const char *path = sandbox_lost_file();

    if (path != NULL)
        log_warning("%s was replaced after the gateway has locked itself, and cannot be read any "
                    "more: adit -O upgrade, or SIGUSR2, starts a gateway that reads the new one "
                    "(sandbox, adit.ini(5))",
                    path);
}

/* What follows from a file that was read again, or ssh_config. */
static void after_reload(struct gateway *g, const struct config_gateway *before)
{
    const struct config *config = g->generation->config;

    if (config->gateway.workers != before->workers)
        log_warning("reload: workers is read at start only");
    if (config->gateway.sandbox != before->sandbox)
        log_warning("reload: sandbox is read at start only, and at an upgrade");
    gateway_apply_log(&g->options, config);
    gateway_apply_held(g, config);
    for (size_t i = 0; i < g->pool_count; i++)
        pool_forget_waits(g->pools[i]);
    gateway_log_notices(config);
    warn_of_lost_file();
    if (config->file != NULL)
        log_info("reloaded %s", config->file);
    else
        log_info("reloaded ssh_config");
}

static void tell_reload(struct gateway *g, const struct config_change_result *change,
                        const char *refused)
{
    const struct config_problems *problems = change->problems;

    if (refused == NULL)
        gateway_happened(g, &(struct event){.kind = EVENT_RELOAD});
    else
        gateway_happened(g, &(struct event){
                                .kind = EVENT_RELOAD_REFUSED,
                                .reason = problems->count > 0      ? problems->lines[0]
                                          : change->config != NULL ? refused
                                                                   : change->error,
                            });
}

bool gateway_apply(void *gateway, const struct config_change_result *change,
                   char error[static CONFIG_CHANGE_ERROR_MAX])
{
    struct gateway *g = gateway;
    struct config_gateway before = g->generation->config->gateway; /* (no pointer of it is used) */
    bool ok;

    /* (Before a new host is dialled: its name is asked for as this machine has it now.) */
    if (change->reload && change->config != NULL) {
        resolver_flush(g->room.resolver);
        workers_send_flush(&g->workers);
    }
    ok = change->config != NULL && take_into_use(g, change, error);
    if (!change->reload)
        return ok;
    for (size_t i = 0; i < change->problems->count; i++)
        log_error("%s", change->problems->lines[i]);
    if (change->config != NULL ? !ok : change->problems->count == 0)
        log_error("%s", change->config != NULL ? error : change->error);
    if (g->generation->config->file != NULL)
        keeper_link_notify(g->link, KEEPER_NOTICE_READY, NULL);
    if (ok)
        after_reload(g, &before);
    else
        log_error("reload: nothing was changed");
    tell_reload(g, change, ok ? NULL : error);
    return ok;
}

void gateway_reload(struct gateway *g, config_change_done_fn *done, void *arg)
{
    if (g->generation->config->file != NULL)
        keeper_link_notify(g->link, KEEPER_NOTICE_RELOADING, NULL);
    config_changes_ask(g->changes, &(struct config_change_request){
                                       .kind = CONFIG_RELOAD, .done = done, .arg = arg});
}

size_t gateway_forward_count(void *gateway)
{
    return ((struct gateway *)gateway)->generation->config->forward_count;
}
