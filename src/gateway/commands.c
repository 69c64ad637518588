/* The commands of the control socket (adit(8), -O), each with its answer. */
#include "gateway/commands.h"

#include "base/exit_status.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "conf/master_socket.h"
#include "control/protocol.h"
#include "control/server.h"
#include "gateway/connections.h"
#include "gateway/events.h"
#include "gateway/forward_orders.h"
#include "gateway/gateway_parts.h"
#include "gateway/mux_master.h"
#include "gateway/ping.h"
#include "gateway/readiness.h"
#include "gateway/snapshot.h"
#include "gateway/try_order.h"
#include "shared/connection_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct control {
    struct gateway *gateway;
    struct control_server *server;
    struct forward_orders *orders;
    struct mux_master *mux;
};

static void obey_check(struct control *control, struct control_request *request,
                       const json_t *object)
{
    json_t *answer = control_ok();

    (void)object;
    json_object_set_new(answer, "pid", json_integer(control->gateway->options.process));
    gateway_add_readiness(control->gateway, answer);
    control_answer(request, answer);
}

static void obey_status(struct control *control, struct control_request *request,
                        const json_t *object)
{
    (void)object;
    control_answer(request, status_json(control->gateway));
}

static void obey_conninfo(struct control *control, struct control_request *request,
                          const json_t *object)
{
    (void)object;
    control_answer(request, status_connections(control->gateway));
}

static void connections_told(void *arg, json_t *list)
{
    control_answer(arg, list != NULL ? list : control_error(EXIT_SSH, "adit is ending"));
}

/* By pages: those above the number "after". */
static void obey_connections(struct control *control, struct control_request *request,
                             const json_t *object)
{
    json_int_t after = json_integer_value(json_object_get(object, "after"));

    connections_ask(control->gateway, after > 0 ? (unsigned long long)after : 0,
                    CONNECTION_PAGE_MOST, true, connections_told, request);
}

static void connection_closed(void *arg, bool found)
{
    control_answer(arg, found ? control_ok()
                              : control_error(EXIT_SSH, "there is no connection of that number"));
}

static void obey_close(struct control *control, struct control_request *request,
                       const json_t *object)
{
    json_int_t number = json_integer_value(json_object_get(object, "connection"));

    if (number > 0)
        workers_send_close(&control->gateway->workers, (unsigned long long)number,
                           connection_closed, request);
    else
        connection_closed(request, false);
}

static void ping_answered(void *arg, json_t *answer)
{
    control_answer(arg, answer);
}

static void obey_ping(struct control *control, struct control_request *request,
                      const json_t *object)
{
    gateway_ping(control->gateway, control_text(object, "upstream"), ping_answered, request);
}

/* (A person has pressed Ctrl-C: the dials end, too.) */
static void try_client_gone(void *arg)
{
    struct control *control = arg;

    log_info("control: try: who asked has gone: it is cancelled");
    gateway_try_end(control->gateway, "cancelled");
}

static void obey_try(struct control *control, struct control_request *request, const json_t *object)
{
    if (gateway_try(control->gateway, control_text(object, "upstream"), ping_answered, request))
        control_watch_client(request, try_client_gone, control);
}

static void obey_watch(struct control *control, struct control_request *request,
                       const json_t *object)
{
    json_t *first = control_ok();

    (void)object;
    json_object_set_new(first, "pid", json_integer(control->gateway->options.process));
    gateway_add_readiness(control->gateway, first);
    control_watch(request, first);
}

void control_tell(struct control *control, const struct event *event)
{
    json_t *line = event_json(event);

    control_tell_watchers(control->server, line);
    json_decref(line);
}

static void reload_done(void *arg, bool ok, const struct config_change_result *result)
{
    json_t *lines = json_array();
    json_t *answer;

    if (ok) {
        json_decref(lines);
        control_answer(arg, control_ok());
        return;
    }
    for (size_t i = 0; i < result->problems->count; i++)
        json_array_append_new(lines, json_text(result->problems->lines[i]));
    answer = control_error(result->problems->count > 0 ? EX_CONFIG : EXIT_SSH, "%s", result->error);
    json_object_set_new(answer, "problems", lines);
    control_answer(arg, answer);
}

static void obey_reload(struct control *control, struct control_request *request,
                        const json_t *object)
{
    (void)object;
    gateway_reload(control->gateway, reload_done, request);
}

/* (What comes of it is logged: this gateway may have retired by then.) */
static void obey_upgrade(struct control *control, struct control_request *request,
                         const json_t *object)
{
    (void)object;
    keeper_link_send(control->gateway->link, GATEWAY_UPGRADE, NULL, NULL, 0);
    control_answer(request, control_ok());
}

static void obey_stop(struct control *control, struct control_request *request,
                      const json_t *object)
{
    (void)object;
    control_answer(request, control_ok());
    if (!control->gateway->draining)
        gateway_drain(control->gateway, 0);
}

static void obey_exit(struct control *control, struct control_request *request,
                      const json_t *object)
{
    (void)object;
    control_answer(request, control_ok());
    gateway_stop(control->gateway);
}

/* Forwards. */

static char *copy_of(const json_t *item, const char *member)
{
    return mem_strdup(control_text(item, member));
}

/* The forwards of a request. */
static struct forward_words *forwards_of(const json_t *object, size_t *count)
{
    const json_t *items = json_object_get(object, "forwards");
    struct forward_words *forwards;

    *count = json_array_size(items);
    forwards = mem_zalloc((*count + 1) * sizeof(*forwards));
    for (size_t i = 0; i < *count; i++) {
        const json_t *item = json_array_get(items, i);
        forwards[i].kind = copy_of(item, "kind");
        forwards[i].spec = copy_of(item, "spec");
    }
    return forwards;
}

static void answer_refused(struct control_request *request, const char *error)
{
    control_answer(request, control_error(EXIT_SSH, "%s", error));
}

static void order_done(void *arg, const struct forward_order_result *result)
{
    json_t *allocated;
    json_t *answer;

    if (result->error != NULL) {
        answer_refused(arg, result->error);
        return;
    }
    allocated = json_array();
    for (size_t i = 0; i < result->port_count; i++)
        json_array_append_new(allocated, json_integer(result->ports[i]));
    answer = control_ok();
    json_object_set_new(answer, "allocated", allocated);
    control_answer(arg, answer);
}

static void obey_forward(struct control *control, struct control_request *request,
                         const json_t *object)
{
    size_t count;
    struct forward_words *forwards = forwards_of(object, &count);

    forward_orders_add(control->orders, forwards, count, order_done, request);
}

static void forwards_removed(void *arg, bool ok, const struct config_change_result *result)
{
    if (ok)
        control_answer(arg, control_ok());
    else
        answer_refused(arg, result->error);
}

static void obey_cancel(struct control *control, struct control_request *request,
                        const json_t *object)
{
    size_t count;
    struct forward_words *forwards = forwards_of(object, &count);

    config_changes_ask(control->gateway->changes, &(struct config_change_request){
                                                      .kind = CONFIG_REMOVE_FORWARDS,
                                                      .forwards = forwards,
                                                      .forward_count = count,
                                                      .done = forwards_removed,
                                                      .arg = request,
                                                  });
}

/* All of them. */

static const struct {
    const char *name;
    void (*obey)(struct control *control, struct control_request *request, const json_t *object);
    bool often; /* asked by monitors: it is not logged */
} commands[] = {
    {"check", obey_check, true},      {"ready", obey_check, true},
    {"status", obey_status, true},    {"conninfo", obey_conninfo, false},
    {"forward", obey_forward, false}, {"cancel", obey_cancel, false},
    {"reload", obey_reload, false},   {"stop", obey_stop, false},
    {"exit", obey_exit, false},       {"connections", obey_connections, true},
    {"close", obey_close, false},     {"upgrade", obey_upgrade, false},
    {"ping", obey_ping, true},        {"watch", obey_watch, false},
    {"try", obey_try, false},
};

static void on_command(void *arg, struct control_request *request, const char *command,
                       const json_t *object)
{
    struct control *control = arg;

    if (control->gateway->stopping) {
        answer_refused(request, "adit is ending");
        return;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i].name, command) == 0) {
            if (!commands[i].often)
                log_info("control: %s", command);
            commands[i].obey(control, request, object);
            return;
        }
    control_answer(request, control_error(EXIT_SSH, "there is no command \"%s\"", command));
}

/* The sockets. */

static void on_mux_client(void *arg, int fd, const char *via)
{
    struct control *control = arg;

    mux_master_accept(control->mux, fd, via);
}

struct control *control_new(struct gateway *gateway)
{
    struct control *control = mem_zalloc(sizeof(*control));

    control->gateway = gateway;
    control->orders = forward_orders_new(gateway);
    control->mux = mux_master_new(gateway, control->orders);
    control->server = control_server_new(gateway->loop, on_command, on_mux_client, control);
    return control;
}

/* The upstream whose sessions serve ssh(1) at a path. */
static const char *master_via(void *arg, const char *path)
{
    const struct config_upstream *upstream = config_master_at(arg, path);

    return upstream != NULL ? upstream->name : NULL;
}

void control_listen(struct control *control, struct config *config, struct given_socket *given,
                    size_t count)
{
    control_sockets_change(control_server_sockets(control->server), given, count, master_via,
                           config);
}

void control_leave(struct control *control)
{
    control_sockets_leave(control_server_sockets(control->server));
}

void control_forward_changed(struct control *control)
{
    forward_orders_check(control->orders);
}

bool control_is_busy(const struct control *control)
{
    return mux_master_is_busy(control->mux);
}

void control_window_changed(struct control *control)
{
    mux_master_window_changed(control->mux);
}

void control_close(struct control *control)
{
    forward_orders_close(control->orders);
    control_sockets_change(control_server_sockets(control->server), NULL, 0, NULL, NULL);
}

void control_cut(struct control *control)
{
    mux_master_cut(control->mux);
}

void control_free(struct control *control)
{
    if (control == NULL)
        return;
    control_close(control);
    mux_master_free(control->mux);
    forward_orders_free(control->orders);
    control_server_free(control->server);
    free(control);
}
