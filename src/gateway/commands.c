/* The commands of the control socket (adit(8), -O), each with its answer. */
#include "gateway/commands.h"

#include "base/exit_status.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "conf/master_socket.h"
#include "control/client.h"
#include "control/protocol.h"
#include "control/server.h"
#include "gateway/forward_orders.h"
#include "gateway/connections.h"
#include "gateway/forwards.h"
#include "gateway/gateway_parts.h"
#include "gateway/mux_master.h"
#include "gateway/readiness.h"
#include "gateway/snapshot.h"
#include "shared/connection_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* The forwards of a request. */
static struct config_change_forward *forwards_of(const json_t *object, size_t *count)
{
    const json_t *items = json_object_get(object, "forwards");
    struct config_change_forward *forwards;

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
    struct config_change_forward *forwards = forwards_of(object, &count);

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
    struct config_change_forward *forwards = forwards_of(object, &count);

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

/* The paths of a configuration: first that of `[gateway] control`, if there is one. */
struct control_paths {
    struct control_place *places;
    size_t count;
    char **owned; /* those of upstreams */
    size_t owned_count;
};

static void paths_clear(struct control_paths *paths)
{
    for (size_t i = 0; i < paths->owned_count; i++)
        free(paths->owned[i]);
    free(paths->owned);
    free(paths->places);
}

static struct control_paths paths_of(const struct config *config)
{
    struct control_paths paths = {
        .places = mem_zalloc((config->upstream_count + 1) * sizeof(*paths.places)),
        .owned = mem_zalloc((config->upstream_count + 1) * sizeof(char *)),
    };
    const char *control = config->gateway.control;

    if (control != NULL)
        paths.places[paths.count++].path = control;
    for (size_t i = 0; i < config->upstream_count; i++) {
        char *path = config_master_socket(&config->upstreams[i]);
        if (path == NULL)
            continue;
        paths.owned[paths.owned_count++] = path;
        if (control != NULL && strcmp(path, control) == 0)
            paths.places[0].via = config->upstreams[i].name;
        else
            paths.places[paths.count++] =
                (struct control_place){.path = path, .via = config->upstreams[i].name};
    }
    return paths;
}

/* What to do as the socket of `[gateway] control` cannot be listened on. */
static bool control_taken(const struct config *config, const struct control_holder *holder,
                          const char *words, char error[static LISTENERS_ERROR_MAX])
{
    const char *path = config->gateway.control;
    struct control_holder found;

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

bool control_prepare(struct control *control, const struct config *config,
                     const struct control_holder *holder, char error[static LISTENERS_ERROR_MAX])
{
    char words[LISTENERS_ERROR_MAX - sizeof("master_socket: ")];
    struct control_paths paths = paths_of(config);
    size_t failed;
    bool ok;

    ok = control_sockets_prepare(control_server_sockets(control->server), paths.places, paths.count,
                                 &failed, words, sizeof(words));
    if (!ok && config->gateway.control != NULL && failed == 0)
        ok = control_taken(config, holder, words, error);
    else if (!ok)
        snprintf(error, LISTENERS_ERROR_MAX, "master_socket: %s", words);
    paths_clear(&paths);
    return ok;
}

void control_commit(struct control *control, bool keep_new)
{
    control_sockets_commit(control_server_sockets(control->server), keep_new);
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
    struct control_sockets *sockets = control_server_sockets(control->server);

    forward_orders_close(control->orders);
    control_sockets_prepare(sockets, NULL, 0, NULL, NULL, 0);
    control_sockets_commit(sockets, true);
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
