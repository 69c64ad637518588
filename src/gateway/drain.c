/* How the gateway ends: draining, which lets connections end by themselves, and stopping, which
 * cuts them. Main thread, but for client_gone. */
#include "gateway/gateway_parts.h"

#include "base/exit_status.h"
#include "base/mem.h"
#include "gateway/events.h"
#include "gateway/forwards.h"
#include "gateway/try_order.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* A worker that stands still does not read that it has to stop; the process exits without it after
 * this long. */
#define WORKERS_END_SECONDS 5

/* Dials that cannot be cancelled, as an agent asks a person, are left behind after this long. */
#define DIALS_END_MS 5000
#define DIALS_END_AT_ONCE_MS 300 /* of a command line, where a person has pressed Ctrl-C */

/* Without what still runs on other threads. */
static _Noreturn void exit_at_once(int status)
{
    log_flush();
    _exit(status);
}

static void on_dials_ended(void *arg)
{
    struct gateway *g = arg;

    deadline_cancel(&g->drain);
    loop_stop(g->loop);
}

static void dials_left_behind(struct deadline *deadline)
{
    const struct gateway *g = container_of(deadline, struct gateway, drain);

    if (!is_command_line(g->generation->config))
        log_warning("a dial does not end: leaving it behind");
    exit_at_once(g->status);
}

/* No connection, command or remote forward is accepted from now on. */
static void accept_no_more(struct gateway *g)
{
    listeners_close(g->listeners);
    config_changes_close(g->changes);
    control_close(g->control);
    keeper_link_send(g->link, GATEWAY_CLOSED, NULL, NULL, 0); /* (it closes the sockets, too) */
    forwards_change(g->room.forwards, NULL);
}

/* Ends the process at once if a worker does not end. */
static void stop_workers(struct gateway *g)
{
    struct timespec until;

    for (unsigned i = 0; i < g->workers.count; i++)
        worker_send_stop(g->workers.all[i]);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WORKERS_END_SECONDS;
    for (unsigned i = 0; i < g->workers.count; i++) {
        if (!worker_join(g->workers.all[i], &until)) {
            log_error("worker %u does not end: exiting without it", i);
            exit_at_once(g->status != 0 ? g->status : EXIT_SSH);
        }
    }
}

/* Goes on once no engine has a dial. */
static void wait_for_dials(void *gateway)
{
    struct gateway *g = gateway;

    if (dial_running(g->options.engine) > 0)
        dial_when_idle(g->options.engine, wait_for_dials, g);
    else if (dial_running(g->options.join_engine) > 0)
        dial_when_idle(g->options.join_engine, wait_for_dials, g);
    else
        on_dials_ended(g);
}

/* (Everything is cut at once; then only dial threads are waited for.) */
void gateway_stop(struct gateway *g)
{
    if (g->stopping)
        return;
    g->stopping = true;
    if (!g->draining)
        keeper_link_notify(g->link, KEEPER_NOTICE_STOPPING, NULL);
    gateway_try_end(g, "adit is ending");
    accept_no_more(g);
    status_server_free(g->status_server);
    g->status_server = NULL;
    later_cancel(g->loop, &g->ending);
    deadline_cancel(&g->drain);
    deadline_cancel(&g->tick);
    stdio_free(g->stdio);
    g->stdio = NULL;
    control_cut(g->control);
    for (size_t i = 0; i < g->pool_count; i++)
        pool_free(g->pools[i]);
    g->pool_count = 0;
    stop_workers(g);
    deadline_arm(g->loop, &g->drain,
                 g->options.tries || is_command_line(g->generation->config) ? DIALS_END_AT_ONCE_MS
                                                                            : DIALS_END_MS,
                 dials_left_behind);
    wait_for_dials(g);
}

static void drain_timed_out(struct deadline *deadline)
{
    struct gateway *g = container_of(deadline, struct gateway, drain);

    log_warning("%u connections are still there after drain_timeout: cutting them",
                atomic_load(&g->workers.clients));
    gateway_stop(g);
}

static void on_drained(struct later *ending)
{
    gateway_stop(container_of(ending, struct gateway, ending));
}

/* Whether no connection is left that would be cut. (-W and what ssh(1) is served are internal
 * connections, which are not counted.) */
static bool is_empty(const struct gateway *g)
{
    return atomic_load(&g->workers.clients) == 0 && g->stdio == NULL &&
           !control_is_busy(g->control);
}

void gateway_check_drained(struct gateway *g)
{
    if (atomic_load(&g->workers.draining) && is_empty(g))
        later_post(g->loop, &g->ending, on_drained);
}

static void drop_last_client(struct message *message)
{
    free(message);
}

static void run_last_client(struct message *message, void *owner)
{
    struct gateway *g = owner;

    drop_last_client(message);
    if (is_empty(g))
        gateway_stop(g);
}

void gateway_client_gone(struct workers *workers)
{
    struct message *m;

    if (atomic_load(&workers->clients) > 0)
        return;
    m = mem_zalloc(sizeof(*m));
    *m = (struct message){.run = run_last_client, .drop = drop_last_client};
    mailbox_post(workers->main_mailbox, m);
}

static void drain_now(struct gateway *g)
{
    atomic_store(&g->workers.draining, true);
    accept_no_more(g);
    workers_send_end_idle(&g->workers);
    log_info("draining %u connections", atomic_load(&g->workers.clients));
    if (is_empty(g))
        gateway_stop(g);
    else if (g->drain_timeout_ms > 0)
        deadline_arm(g->loop, &g->drain, g->drain_timeout_ms, drain_timed_out);
}

static void on_drain_announced(struct deadline *deadline)
{
    drain_now(container_of(deadline, struct gateway, drain));
}

void gateway_drain(struct gateway *g, uint64_t timeout_ms)
{
    const struct config *config = g->generation->config;
    uint64_t announce_ms = config_has_status(config) ? config->status.drain_announce_ms : 0;

    g->draining = true;
    g->drain_timeout_ms = timeout_ms;
    gateway_happened(g, &(struct event){.kind = EVENT_DRAIN});
    keeper_link_notify(g->link, KEEPER_NOTICE_STOPPING, NULL);
    if (announce_ms == 0) {
        drain_now(g);
        return;
    }
    log_info("/readyz says that adit drains; the listeners close in %" PRIu64 " ms", announce_ms);
    deadline_arm(g->loop, &g->drain, announce_ms, on_drain_announced);
}

void gateway_drain_now(struct gateway *g, uint64_t timeout_ms)
{
    g->draining = true;
    g->drain_timeout_ms = timeout_ms;
    gateway_happened(g, &(struct event){.kind = EVENT_DRAIN});
    drain_now(g);
}

void gateway_end_in_order(struct gateway *g)
{
    uint64_t timeout_ms = g->generation->config->gateway.drain_timeout_ms;

    if (g->draining) {
        log_info("second signal: ending at once");
        gateway_stop(g);
    } else {
        gateway_drain(g, timeout_ms > 0 ? timeout_ms : 1);
    }
}
