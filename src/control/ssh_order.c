/* Orders, as requests to an ssh master. */
#include "control/ssh_order.h"

#include "base/exit_status.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "conf/forward_spec.h"
#include "control/protocol.h"
#include "control/ssh_master.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sets of `answer` what an order results in; NULL, or the reason that it failed, which the caller
 * frees. */
typedef char *ssh_order_fn(struct ssh_master *master, const struct control_order *order,
                           json_t *answer);

static char *ssh_order_check(struct ssh_master *master, const struct control_order *order,
                             json_t *answer)
{
    uint32_t pid = 0;
    char *why = ssh_master_check(master, &pid);

    (void)order;
    if (why == NULL)
        json_object_set_new(answer, "pid", json_integer(pid));
    return why;
}

static char *ssh_order_stop(struct ssh_master *master, const struct control_order *order,
                            json_t *answer)
{
    (void)order;
    (void)answer;
    return ssh_master_stop(master);
}

static char *ssh_order_exit(struct ssh_master *master, const struct control_order *order,
                            json_t *answer)
{
    (void)order;
    (void)answer;
    return ssh_master_exit(master);
}

static char *ssh_order_text(struct ssh_master *master, const char *name, json_t *answer)
{
    char *text = NULL;
    char *why = ssh_master_info(master, name, &text);

    if (why == NULL)
        json_object_set_new(answer, "text", json_text(text));
    free(text);
    return why;
}

static char *ssh_order_conninfo(struct ssh_master *master, const struct control_order *order,
                                json_t *answer)
{
    (void)order;
    return ssh_order_text(master, "connection", answer);
}

static char *ssh_order_channels(struct ssh_master *master, const struct control_order *order,
                                json_t *answer)
{
    (void)order;
    return ssh_order_text(master, "channels", answer);
}

/* Forwards. */

/* "local forward 8080 localhost:80". */
static char *name_forward(const struct config_forward *forward)
{
    char *spec = forward_spec_print(forward);
    char *name = mem_printf("%s forward %s", forward_kinds[forward->kind], spec);

    free(spec);
    return name;
}

static void add_forward_problem(json_t *answer, const struct config_forward *forward, char *why)
{
    json_t *problems = json_object_get(answer, "problems");
    char *name = name_forward(forward);
    char *problem = mem_printf("adit: %s: %s", name, why);

    if (problems == NULL) {
        problems = json_array();
        json_object_set_new(answer, "problems", problems);
    }
    json_array_append_new(problems, json_text(problem));
    free(problem);
    free(name);
    free(why);
}

/* (In ssh's words.) */
static void tell_port(const struct config_forward *forward, uint16_t port)
{
    const struct config_place *target = &forward->target;

    fprintf(stderr, "Allocated port %u for remote forward to %s:%d\r\n", port,
            target->host ? target->host : "", target->path ? -2 : (int)target->port);
}

/* False: it failed, and a problem has the reason. */
static bool open_master_forward(struct ssh_master *master, const struct control_order *order,
                                const struct config_forward *forward, json_t *answer)
{
    uint16_t port;
    char *why = ssh_master_forward(master, forward, &port);

    if (why != NULL) {
        add_forward_problem(answer, forward, why);
        return false;
    }
    if (port != 0 && order->tell_ports)
        tell_port(forward, port);
    if (port != 0)
        json_array_append_new(json_object_get(answer, "allocated"), json_integer(port));
    return true;
}

static bool cancel_master_forward(struct ssh_master *master, const struct control_order *order,
                                  const struct config_forward *forward, json_t *answer)
{
    char *why = ssh_master_cancel(master, forward);

    (void)order;

    if (why == NULL)
        return true;
    add_forward_problem(answer, forward, why);
    return false;
}

typedef bool ssh_forward_fn(struct ssh_master *master, const struct control_order *order,
                            const struct config_forward *forward, json_t *answer);

/* Whether the order has the forward before that position, too: ssh(1) asks once. */
static bool is_repeated(const struct control_order *order, size_t position)
{
    for (size_t i = 0; i < position; i++)
        if (forward_spec_same(&order->made[i], &order->made[position]))
            return true;
    return false;
}

/* The forwards one after another. True: no one failed. */
static bool each_order_forward(struct ssh_master *master, const struct control_order *order,
                               ssh_forward_fn *each, json_t *answer)
{
    bool ok = true;

    for (size_t i = 0; i < order->made_count && !ssh_master_is_lost(master); i++)
        ok = (is_repeated(order, i) || each(master, order, &order->made[i], answer)) && ok;
    return ok;
}

char *ssh_order_forward(struct ssh_master *master, const struct control_order *order,
                        json_t *answer)
{
    json_object_set_new(answer, "allocated", json_array());
    return each_order_forward(master, order, open_master_forward, answer)
               ? NULL
               : mem_strdup("master forward request failed");
}

/* (The exit status is ssh's own.) */
char *ssh_order_cancel(struct ssh_master *master, const struct control_order *order, json_t *answer)
{
    if (each_order_forward(master, order, cancel_master_forward, answer))
        return NULL;
    if (!ssh_master_is_lost(master))
        json_object_set_new(answer, "status", json_integer(EXIT_SUCCESS));
    return mem_strdup("master cancel forward request failed");
}

static const struct ssh_command {
    const char *name;
    ssh_order_fn *carry_out;
} ssh_commands[] = {
    {"check", ssh_order_check},       {"forward", ssh_order_forward},
    {"cancel", ssh_order_cancel},     {"stop", ssh_order_stop},
    {"exit", ssh_order_exit},         {"conninfo", ssh_order_conninfo},
    {"channels", ssh_order_channels},
};

static const struct ssh_command *find_ssh_command(const char *name)
{
    for (size_t i = 0; i < sizeof(ssh_commands) / sizeof(ssh_commands[0]); i++)
        if (strcmp(ssh_commands[i].name, name) == 0)
            return &ssh_commands[i];
    return NULL;
}

json_t *ssh_order_answer(const char *path, const struct control_order *order)
{
    const struct ssh_command *command = find_ssh_command(order->command);
    json_t *answer = json_object();
    struct ssh_master *master = NULL;
    char *why;

    if (command == NULL) {
        why =
            mem_printf("an ssh is the master at %s, and knows check, forward, cancel, stop, exit, "
                       "conninfo and channels only",
                       path);
    } else {
        master = ssh_master_open(path, &why);
        if (master != NULL)
            why = command->carry_out(master, order, answer);
    }
    json_object_set_new(answer, "ok", json_boolean(why == NULL));
    if (why != NULL)
        json_object_set_new(answer, "error", json_text(why));
    free(why);
    ssh_master_free(master);
    return answer;
}
