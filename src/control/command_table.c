/* The commands of adit -O: their names, and what is printed of their answers. */
#include "control/command_table.h"

#include "base/mem.h"
#include "base/nearest.h"
#include "control/protocol.h"
#include "control/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_check(const struct control_order *order, const json_t *answer)
{
    (void)order;
    fprintf(stderr, "Master running (pid=%lld)\r\n",
            (long long)json_integer_value(json_object_get(answer, "pid")));
}

static void print_ready(const struct control_order *order, const json_t *answer)
{
    (void)order;
    if (json_is_true(json_object_get(answer, "ready")))
        puts("ready");
}

static void print_stop(const struct control_order *order, const json_t *answer)
{
    (void)answer;
    if (!order->quiet)
        fputs("Stop listening request sent.\r\n", stderr);
}

static void print_exit(const struct control_order *order, const json_t *answer)
{
    (void)answer;
    if (!order->quiet)
        fputs("Exit request sent.\r\n", stderr);
}

/* As ssh(1): only the ports that the server chose. */
void control_print_forward(const struct control_order *order, const json_t *answer)
{
    const json_t *port;
    size_t i;

    (void)order;
    json_array_foreach(json_object_get(answer, "allocated"), i, port)
        printf("%lld\n", (long long)json_integer_value(port));
}

static void print_status(const struct control_order *order, const json_t *answer)
{
    (void)order;
    report_status(stdout, answer);
}

/* (An ssh gives it as text.) */
static void print_conninfo(const struct control_order *order, const json_t *answer)
{
    const char *text = control_text(answer, "text");

    (void)order;
    if (text != NULL)
        report_text(stdout, text);
    else
        report_conninfo(stdout, answer);
}

static void print_connections(const struct control_order *order, const json_t *answer)
{
    (void)order;
    report_connections(stdout, answer);
}

static void print_ping(const struct control_order *order, const json_t *answer)
{
    char *line =
        mem_printf("%s/%lld (%s): %.3f ms", control_text(answer, "upstream"),
                   (long long)json_integer_value(json_object_get(answer, "session")),
                   control_text(answer, "host"), json_real_value(json_object_get(answer, "ms")));

    (void)order;
    report_line(stdout, line);
    free(line);
}

static void print_tries(const struct control_order *order, const json_t *answer)
{
    (void)order;
    report_tries(stdout, answer);
}

static void print_nothing(const struct control_order *order, const json_t *answer)
{
    (void)order;
    (void)answer;
}

static const struct control_command commands[] = {
    {"check", false, print_check},       {"ready", false, print_ready},
    {"status", false, print_status},     {"connections", false, print_connections},
    {"close", false, print_nothing},     {"ping", false, print_ping},
    {"try", false, print_tries},         {"watch", false, print_nothing},
    {"conninfo", false, print_conninfo}, {"forward", true, control_print_forward},
    {"cancel", true, print_nothing},     {"reload", false, print_nothing},
    {"upgrade", false, print_nothing},   {"stop", false, print_stop},
    {"exit", false, print_exit},         {"list", false, print_nothing},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* What only an ssh that is the master knows. */
static const struct control_command channels_command = {"channels", false, print_conninfo};

const char *control_command_name(size_t index)
{
    return index < COMMANDS ? commands[index].name : NULL;
}

const struct control_command *control_find_command(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return strcmp(name, channels_command.name) == 0 ? &channels_command : NULL;
}

bool control_command_is_ssh(const struct control_command *command)
{
    return command == &channels_command;
}

void control_print_no_command(const char *name)
{
    struct nearest nearest = nearest_to(name);

    for (size_t i = 0; i < COMMANDS; i++)
        nearest_offer(&nearest, commands[i].name);
    fprintf(stderr, "adit: -O %s: no such command%s%s%s: there are", name,
            nearest.best != NULL ? " (did you mean " : "", nearest.best != NULL ? nearest.best : "",
            nearest.best != NULL ? "?)" : "");
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(stderr, "%s %s", i == 0 ? "" : i + 1 < COMMANDS ? "," : " and", commands[i].name);
    fputc('\n', stderr);
}
