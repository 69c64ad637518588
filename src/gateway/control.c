/* The commands. */
#include "gateway/control.h"

#include "base/json_text.h"
#include "base/mem.h"
#include "control/client.h"
#include "control/protocol.h"
#include "control/server.h"
#include "gateway/gateway_parts.h"
#include "gateway/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct control {
    struct gateway *gateway;
    struct control_server *server;
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
        answer = control_error(problems.count > 0 ? CONTROL_STATUS_CONFIG : CONTROL_STATUS_FAILED,
                               "%s", error);
        json_object_set_new(answer, "problems", lines);
    }
    config_problems_clear(&problems);
    control_answer(request, answer);
}

static void stop(struct control *control, struct control_request *request, const json_t *object)
{
    (void)object;
    control_answer(request, control_ok());
    if (!atomic_load(&control->gateway->crew.draining))
        gateway_drain(control->gateway, 0);
}

static void leave(struct control *control, struct control_request *request, const json_t *object)
{
    (void)object;
    control_answer(request, control_ok());
    gateway_stop(control->gateway);
}

static const struct {
    const char *name;
    void (*obey)(struct control *control, struct control_request *request, const json_t *object);
} commands[] = {
    {"check", check},   {"status", status}, {"conninfo", conninfo},
    {"reload", reload}, {"stop", stop},     {"exit", leave},
};

static void asked(void *arg, struct control_request *request, const char *command,
                  const json_t *object)
{
    struct control *control = arg;

    if (control->gateway->stopping) {
        control_answer(request, control_error(CONTROL_STATUS_FAILED, "adit is ending"));
        return;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i].name, command) == 0) {
            if (strcmp(command, "check") != 0 && strcmp(command, "status") != 0)
                log_info("control: %s", command);
            commands[i].obey(control, request, object);
            return;
        }
    control_answer(request,
                   control_error(CONTROL_STATUS_FAILED, "there is no command \"%s\"", command));
}

/* The socket. */

struct control *control_new(struct gateway *gateway)
{
    struct control *control = mem_zalloc(sizeof(*control));

    control->gateway = gateway;
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
    control_server_prepare(control->server, NULL, NULL, 0);
    control_server_commit(control->server, true);
}

void control_free(struct control *control)
{
    if (control == NULL)
        return;
    control_server_free(control->server);
    free(control);
}
