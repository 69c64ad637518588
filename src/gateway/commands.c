/* The commands of the control socket (adit(8), -O), each with its answer. */
#include "gateway/commands.h"

#include "base/exit_status.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "conf/forward_spec.h"
#include "control/client.h"
#include "control/protocol.h"
#include "control/server.h"
#include "gateway/connections.h"
#include "gateway/forwards.h"
#include "gateway/gateway_parts.h"
#include "gateway/readiness.h"
#include "gateway/snapshot.h"
#include "shared/connection_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long a server may take to answer for the remote forwards of a request. */
#define FORWARD_MS 60000

struct control {
    struct gateway *gateway;
    struct control_server *server;
    LIST_HEAD(, order) orders;
    struct later forwards_changed;
};

/* A request for forwards, which are all there in the end or none of them is. In the list while they
 * are configured and waited for. */
struct order {
    LIST_ENTRY(order) link;
    struct control *control;
    struct control_request *request;
    char **names; /* of their sections */
    size_t count;
    struct deadline patience;
    char *why; /* one of them cannot be had */
};

static void obey_check(struct control *control, struct control_request *request,
                       const json_t *object)
{
    json_t *answer = control_ok();

    (void)object;
    json_object_set_new(answer, "pid", json_integer(getpid()));
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

/* Asks for a change with the forwards of the request. */
static void ask_change(struct control *control, enum config_change_kind kind, const json_t *object,
                       config_change_done_fn *done, void *arg)
{
    const json_t *items = json_object_get(object, "forwards");
    size_t count = json_array_size(items);
    struct config_change_forward *forwards = mem_zalloc(count * sizeof(*forwards));

    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(items, i);
        forwards[i].kind = copy_of(item, "kind");
        forwards[i].spec = copy_of(item, "spec");
    }
    config_changes_ask(control->gateway->changes, &(struct config_change_request){
                                                      .kind = kind,
                                                      .forwards = forwards,
                                                      .forward_count = count,
                                                      .done = done,
                                                      .arg = arg,
                                                  });
}

static void order_free(struct order *order)
{
    for (size_t i = 0; i < order->count; i++)
        free(order->names[i]);
    free(order->names);
    free(order->why);
    free(order);
}

/* Nothing is waited for any more. */
static void order_settled(struct order *order)
{
    LIST_REMOVE(order, link);
    deadline_cancel(&order->patience);
}

static void order_taken_back(void *arg, bool ok, const struct config_change_result *result)
{
    struct order *order = arg;

    (void)ok;
    (void)result;
    control_answer(order->request, control_error(EXIT_SSH, "%s", order->why));
    order_free(order);
}

/* As one of its forwards cannot be had, all are taken back; then it is answered. (A forward that a
 * reload or a cancel has removed already is left out: a request that is still to be carried out may
 * add another one of that name.) */
static void order_failed(struct order *order, const char *why)
{
    const struct gateway *g = order->control->gateway;
    struct config_change_forward *forwards = mem_zalloc(order->count * sizeof(*forwards));
    size_t count = 0;

    order_settled(order);
    order->why = mem_strdup(why);
    for (size_t i = 0; i < order->count; i++)
        if (config_forward(g->generation->config, order->names[i]) != NULL)
            forwards[count++].name = mem_strdup(order->names[i]);
    config_changes_ask(g->changes, &(struct config_change_request){
                                       .kind = CONFIG_REMOVE_NAMED_FORWARDS,
                                       .forwards = forwards,
                                       .forward_count = count,
                                       .done = order_taken_back,
                                       .arg = order,
                                   });
}

/* How one of them does: FORWARD_UP (and the port that the server chose, or 0), FORWARD_DEGRADED
 * (and why), or it has still to be waited for. */
static enum forward_state progress(const struct gateway *g, const char *name, uint16_t *chosen,
                                   const char **why)
{
    const struct config_forward *forward = config_forward(g->generation->config, name);
    struct forward_status status;

    *chosen = 0;
    *why = "it is not configured any more";
    if (forward == NULL)
        return FORWARD_DEGRADED;
    status_forward(g, forward, &status);
    *why = status.error;
    if (forward->bind.path == NULL && forward->bind.port == 0)
        *chosen = status.port;
    return status.state;
}

/* Answers if all are there, or one will not be. */
static void order_check(struct order *order)
{
    json_t *allocated = json_array();
    json_t *answer;
    bool waiting = false;

    for (size_t i = 0; i < order->count; i++) {
        const char *why;
        uint16_t chosen;
        switch (progress(order->control->gateway, order->names[i], &chosen, &why)) {
        case FORWARD_WAITING:
        case FORWARD_ASKED: waiting = true; break;
        case FORWARD_UP:
            if (chosen != 0)
                json_array_append_new(allocated, json_integer(chosen));
            break;
        case FORWARD_DEGRADED:
            json_decref(allocated);
            order_failed(order, why);
            return;
        }
    }
    if (waiting) {
        json_decref(allocated);
        return;
    }
    answer = control_ok();
    json_object_set_new(answer, "allocated", allocated);
    order_settled(order);
    control_answer(order->request, answer);
    order_free(order);
}

static void order_overdue(struct deadline *patience)
{
    order_failed(container_of(patience, struct order, patience),
                 "the server has not answered within a minute");
}

static void check_orders(struct later *later)
{
    struct control *control = container_of(later, struct control, forwards_changed);
    struct order *order = LIST_FIRST(&control->orders);

    while (order != NULL) {
        struct order *next = LIST_NEXT(order, link);
        order_check(order);
        order = next;
    }
}

/* (Not at once: to take forwards back is to change what has just changed.) */
void control_forward_changed(struct control *control)
{
    later_post(control->gateway->loop, &control->forwards_changed, check_orders);
}

static void answer_refused(struct control_request *request, const char *error)
{
    control_answer(request, control_error(EXIT_SSH, "%s", error));
}

/* The forwards are configured: now they have to come up. */
static void forwards_added(void *arg, bool ok, const struct config_change_result *result)
{
    struct order *order = arg;
    struct control *control = order->control;
    const struct config *config = result->config;

    if (!ok) {
        answer_refused(order->request, result->error);
        order_free(order);
        return;
    }
    order->count = config->forward_count - result->forwards_before;
    order->names = mem_zalloc(order->count * sizeof(char *));
    for (size_t i = 0; i < order->count; i++)
        order->names[i] = mem_strdup(config->forwards[result->forwards_before + i].name);
    LIST_INSERT_HEAD(&control->orders, order, link);
    deadline_arm(control->gateway->loop, &order->patience, FORWARD_MS, order_overdue);
    order_check(order);
}

static void obey_forward(struct control *control, struct control_request *request,
                         const json_t *object)
{
    struct order *order = mem_zalloc(sizeof(*order));

    order->control = control;
    order->request = request;
    ask_change(control, CONFIG_ADD_FORWARDS, object, forwards_added, order);
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
    ask_change(control, CONFIG_REMOVE_FORWARDS, object, forwards_removed, request);
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
    {"close", obey_close, false},
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

/* The socket. */

struct control *control_new(struct gateway *gateway)
{
    struct control *control = mem_zalloc(sizeof(*control));

    control->gateway = gateway;
    LIST_INIT(&control->orders);
    control->server = control_server_new(gateway->loop, on_command, control);
    return control;
}

bool control_prepare(struct control *control, const struct config *config,
                     const struct control_holder *holder, char error[static LISTENERS_ERROR_MAX])
{
    const char *path = config->gateway.control;
    char words[LISTENERS_ERROR_MAX - sizeof("control: ")];
    struct control_holder found;

    if (control_server_prepare(control->server, path, words, sizeof(words)))
        return true;
    if (holder == NULL) {
        found.peer = control_probe(path, &found.pid);
        holder = &found;
    }
    if (config->file == NULL && holder->peer != CONTROL_NOBODY) {
        log_warning("ControlSocket %s already exists, disabling multiplexing", path);
        return true;
    }
    if (holder->peer == CONTROL_ADIT)
        snprintf(error, LISTENERS_ERROR_MAX, "control: another adit (pid %d) listens on %s",
                 (int)holder->pid, path);
    else
        snprintf(error, LISTENERS_ERROR_MAX, "control: %s", words);
    return false;
}

void control_commit(struct control *control, bool keep_new)
{
    control_server_commit(control->server, keep_new);
}

void control_close(struct control *control)
{
    while (!LIST_EMPTY(&control->orders)) {
        struct order *order = LIST_FIRST(&control->orders);
        order_settled(order);
        answer_refused(order->request, "adit is ending");
        order_free(order);
    }
    control_server_prepare(control->server, NULL, NULL, 0);
    control_server_commit(control->server, true);
}

void control_free(struct control *control)
{
    if (control == NULL)
        return;
    later_cancel(control->gateway->loop, &control->forwards_changed);
    control_close(control);
    control_server_free(control->server);
    free(control);
}
