/* The commands. */
#include "gateway/commands.h"

#include "base/exit_status.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "conf/forward_spec.h"
#include "control/client.h"
#include "control/protocol.h"
#include "control/server.h"
#include "gateway/forwards.h"
#include "gateway/gateway_parts.h"
#include "gateway/snapshot.h"

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

/* Forwards that were asked for, and are there or not all together. */
struct order {
    LIST_ENTRY(order) link;
    struct control *control;
    struct control_request *request;
    char **names; /* of their sections */
    size_t count;
    struct deadline patience;
};

static void check(struct control *control, struct control_request *request, const json_t *object)
{
    json_t *answer = control_ok();

    (void)control;
    (void)object;
    json_object_set_new(answer, "pid", json_integer(getpid()));
    control_answer(request, answer);
}

static void status(struct control *control, struct control_request *request, const json_t *object)
{
    (void)object;
    control_answer(request, status_json(control->gateway));
}

static void conninfo(struct control *control, struct control_request *request, const json_t *object)
{
    (void)object;
    control_answer(request, status_connections(control->gateway));
}

static void reload(struct control *control, struct control_request *request, const json_t *object)
{
    struct config_problems problems = {0};
    char error[LISTENERS_ERROR_MAX];
    json_t *answer;

    (void)object;
    if (gateway_reload(control->gateway, &problems, error)) {
        answer = control_ok();
    } else {
        json_t *lines = json_array();
        for (size_t i = 0; i < problems.count; i++)
            json_array_append_new(lines, json_text(problems.lines[i]));
        answer = control_error(problems.count > 0 ? EX_CONFIG : EXIT_SSH, "%s", error);
        json_object_set_new(answer, "problems", lines);
    }
    config_problems_clear(&problems);
    control_answer(request, answer);
}

static void stop(struct control *control, struct control_request *request, const json_t *object)
{
    (void)object;
    control_answer(request, control_ok());
    if (!atomic_load(&control->gateway->workers.draining))
        gateway_drain(control->gateway, 0);
}

static void leave(struct control *control, struct control_request *request, const json_t *object)
{
    (void)object;
    control_answer(request, control_ok());
    gateway_stop(control->gateway);
}

/* Forwards. */

static bool read_forward(const json_t *item, struct config_forward *forward, char *error,
                         size_t error_size)
{
    const char *kind = control_text(item, "kind");
    const char *spec = control_text(item, "spec");

    for (size_t i = 0; kind != NULL && spec != NULL && forward_kinds[i] != NULL; i++)
        if (strcmp(forward_kinds[i], kind) == 0) {
            forward->kind = (enum forward_kind)i;
            return forward_spec_parse(forward->kind, spec, forward, error, error_size);
        }
    snprintf(error, error_size, "a forward is a \"kind\" (local, remote, dynamic) and a \"spec\"");
    return false;
}

/* The configuration in use with one change; NULL: `error` says why not. */
typedef struct config *change_fn(struct config *config, const struct config_forward *forward,
                                 char *error, size_t error_size);

/* (One that is there already is as good, as to ssh; of the ports that the server picks each is
 * another.) */
static struct config *add(struct config *config, const struct config_forward *forward, char *error,
                          size_t error_size)
{
    bool picked =
        forward->kind == FORWARD_REMOTE && forward->bind.path == NULL && forward->bind.port == 0;
    struct config *without = NULL;

    if (!picked)
        without = config_remove_forward(config, forward, error, error_size);
    config_unref(without);
    if (without != NULL)
        return config_ref(config);
    return config_add_forward(config, forward, NULL, error, error_size);
}

/* Changes over to the configuration in use with a change for each forward of the request. */
static bool change(struct gateway *g, const json_t *object, change_fn *change_one,
                   char error[static LISTENERS_ERROR_MAX])
{
    struct config *config = config_ref(g->generation->config);
    const json_t *item;
    size_t i;

    json_array_foreach(json_object_get(object, "forwards"), i, item)
    {
        struct config_forward forward = {0};
        struct config *next = NULL;
        if (read_forward(item, &forward, error, LISTENERS_ERROR_MAX))
            next = change_one(config, &forward, error, LISTENERS_ERROR_MAX);
        place_clear(&forward.bind);
        place_clear(&forward.target);
        config_unref(config);
        config = next;
        if (config == NULL)
            return false;
    }
    if (gateway_apply(g, config, error))
        return true;
    config_unref(config);
    return false;
}

static const struct config_forward *find_forward(const struct gateway *g, const char *name)
{
    const struct config *config = g->generation->config;

    for (size_t i = 0; i < config->forward_count; i++)
        if (strcmp(config->forwards[i].name, name) == 0)
            return &config->forwards[i];
    return NULL;
}

static void order_free(struct order *order)
{
    LIST_REMOVE(order, link);
    deadline_cancel(&order->patience);
    for (size_t i = 0; i < order->count; i++)
        free(order->names[i]);
    free(order->names);
    free(order);
}

/* None of them, as one cannot be had. */
static void order_failed(struct order *order, const char *why)
{
    struct gateway *g = order->control->gateway;
    char error[LISTENERS_ERROR_MAX];

    control_answer(order->request, control_error(EXIT_SSH, "%s", why));
    for (size_t i = 0; i < order->count; i++) {
        const struct config_forward *forward = find_forward(g, order->names[i]);
        struct config *config = NULL;
        if (forward != NULL)
            config = config_remove_forward(g->generation->config, forward, error, sizeof(error));
        if (config != NULL && !gateway_apply(g, config, error))
            config_unref(config);
    }
    order_free(order);
}

/* How one of them does: FORWARD_UP (and the port that the server chose, or 0), FORWARD_DEGRADED
 * (and why), or it has still to be waited for. */
static enum forward_state progress(const struct gateway *g, const char *name, uint16_t *chosen,
                                   const char **why)
{
    const struct config_forward *forward = find_forward(g, name);
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

static void refuse(struct control_request *request, const char *error)
{
    control_answer(request, control_error(EXIT_SSH, "%s", error));
}

static void forward(struct control *control, struct control_request *request, const json_t *object)
{
    struct gateway *g = control->gateway;
    size_t before = g->generation->config->forward_count;
    char error[LISTENERS_ERROR_MAX];
    const struct config *config;
    struct order *order;

    if (!change(g, object, add, error)) {
        refuse(request, error);
        return;
    }
    config = g->generation->config;
    order = mem_zalloc(sizeof(*order));
    order->control = control;
    order->request = request;
    order->count = config->forward_count - before;
    order->names = mem_zalloc(order->count * sizeof(char *));
    for (size_t i = 0; i < order->count; i++)
        order->names[i] = mem_strdup(config->forwards[before + i].name);
    LIST_INSERT_HEAD(&control->orders, order, link);
    deadline_arm(g->loop, &order->patience, FORWARD_MS, order_overdue);
    order_check(order);
}

static void cancel(struct control *control, struct control_request *request, const json_t *object)
{
    char error[LISTENERS_ERROR_MAX];

    if (change(control->gateway, object, config_remove_forward, error))
        control_answer(request, control_ok());
    else
        refuse(request, error);
}

/* All of them. */

static const struct {
    const char *name;
    void (*obey)(struct control *control, struct control_request *request, const json_t *object);
} commands[] = {
    {"check", check},   {"status", status}, {"conninfo", conninfo}, {"forward", forward},
    {"cancel", cancel}, {"reload", reload}, {"stop", stop},         {"exit", leave},
};

static void asked(void *arg, struct control_request *request, const char *command,
                  const json_t *object)
{
    struct control *control = arg;

    if (control->gateway->stopping) {
        refuse(request, "adit is ending");
        return;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i].name, command) == 0) {
            if (strcmp(command, "check") != 0 && strcmp(command, "status") != 0)
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
    control->server = control_server_new(gateway->loop, asked, control);
    return control;
}

bool control_prepare(struct control *control, const struct config *config,
                     char error[static LISTENERS_ERROR_MAX])
{
    const char *path = config->gateway.control;
    char words[LISTENERS_ERROR_MAX - sizeof("control: ")];
    pid_t pid = 0;
    enum control_peer peer;

    if (control_server_prepare(control->server, path, words, sizeof(words)))
        return true;
    peer = control_probe(path, &pid);
    if (config->file == NULL && peer != CONTROL_NOBODY) {
        log_warning("ControlSocket %s already exists, disabling multiplexing", path);
        return true;
    }
    if (peer == CONTROL_ADIT)
        snprintf(error, LISTENERS_ERROR_MAX, "control: another adit (pid %d) listens on %s",
                 (int)pid, path);
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
        refuse(order->request, "adit is ending");
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
