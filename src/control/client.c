/* Requests to a running adit, and what is printed of its answers. */
#include "control/client.h"

#include "base/buffer.h"
#include "base/exit_status.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "conf/forward_spec.h"
#include "control/find.h"
#include "control/protocol.h"
#include "control/report.h"
#include "io/socket_calls.h"
#include "io/unix_connect.h"
#include "io/whole.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A remote forward is answered when the server has; everything else at once. */
#define ANSWER_MS 120000
#define PROBE_MS 2000
#define CONNECT_MS 10000 /* for a listener whose queue of connections is full */

/* The connection. */

static int connect_control(const char *path)
{
    return unix_connect_wait(path, DESCRIPTOR_GATEWAY, CONNECT_MS);
}

/* Whether the process that listens is one of this user's, or of root's: anybody can listen at a
 * path in a directory like /tmp. */
static bool is_ours(int fd)
{
    uid_t user;

    return socket_peer_user(fd, &user) && (user == geteuid() || user == 0);
}

/* Receives more bytes; NULL, or why there are none. */
static const char *receive_more(int fd, const struct wait_limit *limit, struct buffer *bytes)
{
    int error = receive_some(fd, bytes, limit);

    switch (error) {
    case 0: return NULL;
    case ETIMEDOUT: return "no answer";
    case ENODATA: return "the connection was closed";
    default: return strerror(error);
    }
}

/* Sends `request`, which is taken, and receives the answer. NULL: `*error` says why there is none.
 */
static json_t *send_request(int fd, json_t *request, int patience_ms, const char **error)
{
    struct wait_limit limit = wait_limit(-1, patience_ms);
    char *line = control_print(request);
    struct buffer bytes = {0};
    struct control_line answer = {0};
    enum wire_status status = WIRE_MORE;

    json_decref(request);
    *error = NULL;
    /* (A request that cannot be sent shows when the answer is waited for, which may say why.) */
    send_whole(fd, line, strlen(line), &limit);
    free(line);
    while (*error == NULL && status == WIRE_MORE) {
        *error = receive_more(fd, &limit, &bytes);
        status =
            control_parse(buffer_data(&bytes), buffer_length(&bytes), CONTROL_ANSWER_MAX, &answer);
        if (status == WIRE_BAD)
            *error = answer.wrong;
    }
    buffer_clear(&bytes);
    return answer.object;
}

/* Requests. */

/* "-O close NUMBER": what else is a destination is the number. */
static bool is_close(const struct control_order *order)
{
    return strcmp(order->command, "close") == 0;
}

/* 0: it is no number. */
static json_int_t close_number(const struct control_order *order)
{
    const char *text = order->host != NULL ? order->host : "";
    size_t digits = strspn(text, "0123456789");

    return digits > 0 && digits < 19 && text[digits] == '\0' ? strtoll(text, NULL, 10) : 0;
}

static json_t *request_of(const char *command, const struct control_order *order)
{
    json_t *request = json_pack("{s:o}", "command", json_text(command));
    json_t *forwards = json_array();

    for (size_t i = 0; i < order->forward_count; i++)
        json_array_append_new(forwards, json_pack("{s:s, s:o}", "kind",
                                                  forward_kinds[order->forwards[i].kind], "spec",
                                                  json_text(order->forwards[i].spec)));
    json_object_set_new(request, "forwards", forwards);
    if (strcmp(command, "close") == 0)
        json_object_set_new(request, "connection", json_integer(close_number(order)));
    return request;
}

/* Prints why a request failed; the exit status. */
static int print_request_failure(const char *command, const json_t *answer, const char *error)
{
    const json_t *status = json_object_get(answer, "status");
    const json_t *problems = json_object_get(answer, "problems");
    const json_t *problem;
    size_t i;

    if (answer != NULL)
        error = control_text(answer, "error");
    json_array_foreach(problems, i, problem) report_line(stderr, json_string_value(problem));
    fprintf(stderr, "adit: %s: ", command);
    report_line(stderr, error != NULL ? error : "the answer has no \"ok\" and no \"error\"");
    return json_is_integer(status) ? (int)json_integer_value(status) : EXIT_SSH;
}

/* What each command prints when it succeeds. */

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
    (void)order;
    (void)answer;
    fputs("Stop listening request sent.\r\n", stderr);
}

static void print_exit(const struct control_order *order, const json_t *answer)
{
    (void)order;
    (void)answer;
    fputs("Exit request sent.\r\n", stderr);
}

/* As ssh(1): only the ports that the server chose. */
static void print_forward(const struct control_order *order, const json_t *answer)
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

static void print_conninfo(const struct control_order *order, const json_t *answer)
{
    (void)order;
    report_conninfo(stdout, answer);
}

static void print_connections(const struct control_order *order, const json_t *answer)
{
    (void)order;
    report_connections(stdout, answer);
}

static void print_nothing(const struct control_order *order, const json_t *answer)
{
    (void)order;
    (void)answer;
}

static const struct command {
    const char *name;
    bool forwards; /* the command is about forwards */
    void (*print)(const struct control_order *order, const json_t *answer);
} commands[] = {
    {"check", false, print_check},
    {"ready", false, print_ready},
    {"status", false, print_status},
    {"connections", false, print_connections},
    {"close", false, print_nothing},
    {"conninfo", false, print_conninfo},
    {"forward", true, print_forward},
    {"cancel", true, print_nothing},
    {"reload", false, print_nothing},
    {"upgrade", false, print_nothing},
    {"stop", false, print_stop},
    {"exit", false, print_exit},
    {"list", false, print_nothing},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

const char *control_command_name(size_t index)
{
    return index < COMMANDS ? commands[index].name : NULL;
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* Asks for the pages after the first one, and puts them into the answer. */
static void ask_further_pages(int fd, json_t *answer)
{
    json_t *next = json_object_get(answer, "next");

    while (json_is_integer(next)) {
        const char *error;
        json_t *page = send_request(
            fd,
            json_pack("{s:s, s:I}", "command", "connections", "after", json_integer_value(next)),
            ANSWER_MS, &error);
        json_array_extend(json_object_get(answer, "connections"),
                          json_object_get(page, "connections"));
        next = json_object_get(page, "next");
        json_object_set(answer, "next", next != NULL ? next : json_null());
        json_decref(page);
        next = json_object_get(answer, "next");
    }
}

static void print_no_such_command(const char *name)
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

/* Prints why the order cannot be carried out, if so. */
static bool is_sensible(const struct control_order *order, const struct command *command)
{
    const char *wrong = NULL;

    if (strcmp(order->command, "proxy") == 0 || strcmp(order->command, "channels") == 0)
        wrong = "not supported: it is a command of ssh(1) only";
    else if (command == NULL)
        print_no_such_command(order->command);
    else if (command->forwards && order->forward_count == 0)
        wrong = "which -L, -R or -D?";
    else if (is_close(order) && close_number(order) == 0)
        wrong = "which connection? -O connections shows their numbers";
    if (wrong != NULL)
        fprintf(stderr, "adit: -O %s: %s\n", order->command, wrong);
    return wrong == NULL && command != NULL;
}

/* 1, with the reason on standard error, if the answer says that adit is not ready. */
static int readiness_status(const json_t *answer)
{
    if (!json_is_false(json_object_get(answer, "ready")))
        return 0;
    fputs("adit: not ready: ", stderr);
    report_line(stderr, control_text(answer, "reason"));
    return EXIT_FAILURE;
}

static int print_answer(const struct control_order *order, const struct command *command,
                        const json_t *answer)
{
    if (order->json) {
        json_dumpf(answer, stdout, JSON_TEXT_FLAGS | JSON_INDENT(2));
        putchar('\n');
    } else {
        command->print(order, answer);
    }
    if (fflush(stdout) == 0)
        return readiness_status(answer);
    fprintf(stderr, "adit: standard output: %s\n", strerror(errno));
    return EXIT_SSH;
}

/* Asks the adit that listens at `path`. */
static int ask_at(const char *path, const struct control_order *order,
                  const struct command *command)
{
    const char *error;
    json_t *answer;
    int status;
    int fd = connect_control(path);

    if (fd < 0) {
        fprintf(stderr, "Control socket connect(%s): %s\n", path, strerror(errno));
        return EXIT_SSH;
    }
    /* (Root asks the services of other users.) */
    if (geteuid() != 0 && !is_ours(fd)) {
        fprintf(stderr, "adit: %s belongs to another user: it is not asked\n", path);
        close(fd);
        return EXIT_SSH;
    }
    answer = send_request(fd, request_of(order->command, order), ANSWER_MS, &error);
    ask_further_pages(fd, answer);
    if (json_is_true(json_object_get(answer, "ok")))
        status = print_answer(order, command, answer);
    else
        status = print_request_failure(order->command, answer, error);
    json_decref(answer);
    close(fd);
    return status;
}

int control_ask(const struct control_order *order)
{
    const struct command *command = find_command(order->command);
    char *path;
    int status;

    if (!is_sensible(order, command))
        return EX_USAGE;
    if (strcmp(order->command, "list") == 0)
        return control_list(order->json);
    path = control_find(order->path, is_close(order) ? NULL : order->host);
    status = path != NULL ? ask_at(path, order, command) : EXIT_SSH;
    free(path);
    return status;
}

/* Another process's adit. */

/* A connection to the adit at `path`, which has answered "check". -1: `*peer` says what is there.
 */
static int connect_to_adit(const char *path, enum control_peer *peer, pid_t *pid)
{
    int fd = connect_control(path);
    const char *error;
    json_t *answer;

    *peer = CONTROL_NOBODY;
    if (fd < 0)
        return -1;
    if (!is_ours(fd)) {
        *peer = CONTROL_FOREIGN;
        close(fd);
        return -1;
    }
    answer = send_request(fd, json_pack("{s:s}", "command", "check"), PROBE_MS, &error);
    *peer = json_is_true(json_object_get(answer, "ok")) ? CONTROL_ADIT : CONTROL_FOREIGN;
    *pid = (pid_t)json_integer_value(json_object_get(answer, "pid"));
    json_decref(answer);
    if (*peer == CONTROL_ADIT)
        return fd;
    close(fd);
    return -1;
}

enum control_peer control_probe(const char *path, pid_t *pid)
{
    enum control_peer peer;
    int fd = connect_to_adit(path, &peer, pid);

    if (fd >= 0)
        close(fd);
    return peer;
}

json_t *control_question(const char *path, const char *command)
{
    int fd = connect_control(path);
    const char *error;
    json_t *answer = NULL;

    if (fd < 0)
        return NULL;
    if (is_ours(fd))
        answer = send_request(fd, json_pack("{s:s}", "command", command), PROBE_MS, &error);
    close(fd);
    errno = 0;
    if (json_is_true(json_object_get(answer, "ok")))
        return answer;
    json_decref(answer);
    return NULL;
}

static volatile sig_atomic_t end_signal;

static void on_end_signal(int number)
{
    end_signal = number;
}

/* Waits. True: a signal came; false: the other side has closed. */
static bool wait_for_end(int fd)
{
    static const int numbers[] = {SIGHUP, SIGINT, SIGTERM};
    struct sigaction action = {.sa_handler = on_end_signal};
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    sigset_t held, before;

    /* The signals are blocked except while ppoll(2) waits, so that none is missed. */
    sigemptyset(&held);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        sigaddset(&held, numbers[i]);
        sigaction(numbers[i], &action, NULL);
    }
    sigprocmask(SIG_BLOCK, &held, &before);
    while (end_signal == 0 && ppoll(&readable, 1, NULL, &before) < 0 && errno == EINTR)
        continue;
    return end_signal != 0;
}

/* Keeps the forwards until one of the two sides ends. */
static int share_until_end(int fd, const struct control_order *order)
{
    static const char request[] = "{\"command\":\"wait\"}\n";
    struct wait_limit limit = wait_limit(-1, ANSWER_MS);
    struct control_order cancel = *order;

    send_whole(fd, request, strlen(request), &limit);
    if (wait_for_end(fd)) {
        cancel.command = "cancel";
        return control_ask(&cancel);
    }
    fprintf(stderr, "adit: the adit at %s has ended\n", order->path);
    return EXIT_SSH;
}

int control_share(const struct control_order *order, bool background)
{
    enum control_peer peer;
    const char *error;
    json_t *answer;
    pid_t pid;
    int status = 0;
    int fd = connect_to_adit(order->path, &peer, &pid);

    if (fd < 0)
        return -1;
    answer = send_request(fd, request_of("forward", order), ANSWER_MS, &error);
    if (json_is_true(json_object_get(answer, "ok"))) {
        print_forward(order, answer);
        fflush(stdout);
        if (!background)
            status = share_until_end(fd, order);
    } else {
        status = print_request_failure("forward", answer, error);
    }
    json_decref(answer);
    close(fd);
    return status;
}
