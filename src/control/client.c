/* Requests to a running adit, and what is printed of its answers. */
#include "control/client.h"

#include "base/buffer.h"
#include "base/exit_status.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "conf/forward_spec.h"
#include "control/command_table.h"
#include "control/find.h"
#include "control/protocol.h"
#include "control/report.h"
#include "control/ssh_order.h"
#include "control/ssh_share.h"
#include "control/wait_end.h"
#include "control/watch_order.h"
#include "io/socket_calls.h"
#include "io/unix_connect.h"
#include "io/whole.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A remote forward is answered when the server has, a reload when ssh has told its settings;
 * everything else at once. */
#define ANSWER_MS 120000
#define QUICK_ANSWER_MS 30000
#define PROBE_MS 2000
#define CONNECT_MS 10000 /* for a listener whose queue of connections is full */
/* How long an ssh that is the master, which greets before it is asked, has for that. One that is
 * late greets instead of an answer. */
#define GREETING_MS 20

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

/* In the place of an error: the other side is an ssh that is the master. The first byte of its
 * greeting is 0, which no JSON has. */
static const char ssh_greeting[] = "an ssh is the master there";

static bool is_ssh_greeting(const struct buffer *bytes)
{
    return buffer_length(bytes) > 0 && buffer_data(bytes)[0] == 0;
}

/* Whether it greets before it is asked. */
static bool ssh_greets(int fd)
{
    struct wait_limit limit = wait_limit(-1, GREETING_MS);

    return wait_for(fd, POLLIN, &limit) == 0 && socket_first_byte(fd) == 0;
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

/* Sends `request`, which is taken, and receives the answer; what came after it is left in `bytes`.
 * NULL: `*error` says why there is none. */
static json_t *exchange(int fd, json_t *request, int patience_ms, struct buffer *bytes,
                        const char **error)
{
    struct wait_limit limit = wait_limit(-1, patience_ms);
    char *line = control_print(request);
    struct control_line answer = {0};
    enum wire_status status = WIRE_MORE;

    json_decref(request);
    *error = NULL;
    /* (A request that cannot be sent shows when the answer is waited for, which may say why.) */
    send_whole(fd, line, strlen(line), &limit);
    free(line);
    while (*error == NULL && status == WIRE_MORE) {
        *error = receive_more(fd, &limit, bytes);
        if (is_ssh_greeting(bytes)) {
            *error = ssh_greeting;
            break;
        }
        status =
            control_parse(buffer_data(bytes), buffer_length(bytes), CONTROL_ANSWER_MAX, &answer);
        if (status == WIRE_BAD)
            *error = answer.wrong;
    }
    if (status == WIRE_OK)
        buffer_consume(bytes, answer.used);
    return answer.object;
}

/* The same, where nothing comes after the answer. */
static json_t *send_request(int fd, json_t *request, int patience_ms, const char **error)
{
    struct buffer bytes = {0};
    json_t *answer = exchange(fd, request, patience_ms, &bytes, error);

    buffer_clear(&bytes);
    return answer;
}

/* Requests. */

/* How long the answer may take: what a server or another program has to do takes its time. */
static int patience_of(const struct control_order *order)
{
    static const char *const slow[] = {"forward", "cancel", "reload", "upgrade"};

    if (strcmp(order->command, "try") == 0)
        return -1; /* (connect_timeout, and a person that a login asks, say how long) */
    for (size_t i = 0; i < sizeof(slow) / sizeof(slow[0]); i++)
        if (strcmp(order->command, slow[i]) == 0)
            return ANSWER_MS;
    return QUICK_ANSWER_MS;
}

/* "-O close NUMBER": where nothing else says which adit is asked, ssh_config may. */
static bool is_close(const struct control_order *order)
{
    return strcmp(order->command, "close") == 0;
}

/* 0: it is no number. */
static json_int_t close_number(const struct control_order *order)
{
    const char *text = order->operand != NULL ? order->operand
                       : order->host != NULL  ? order->host
                                              : "";
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
    if ((strcmp(command, "ping") == 0 || strcmp(command, "try") == 0) && order->operand != NULL)
        json_object_set_new(request, "upstream", json_text(order->operand));
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

/* Asks for the pages after the first one, and puts them into the answer, which is taken. Returns
 * it, or what came in place of a page: an error, or NULL and `*error`. */
static json_t *add_further_pages(int fd, json_t *answer, const char **error)
{
    json_t *next;

    while (json_is_integer(next = json_object_get(answer, "next"))) {
        json_t *page = send_request(
            fd,
            json_pack("{s:s, s:I}", "command", "connections", "after", json_integer_value(next)),
            ANSWER_MS, error);
        if (!json_is_true(json_object_get(page, "ok"))) {
            json_decref(answer);
            return page;
        }
        json_array_extend(json_object_get(answer, "connections"),
                          json_object_get(page, "connections"));
        next = json_object_get(page, "next");
        json_object_set(answer, "next", next != NULL ? next : json_null());
        json_decref(page);
    }
    return answer;
}

/* Prints why the order cannot be carried out, if so. */
static bool is_sensible(const struct control_order *order, const struct control_command *command)
{
    const char *wrong = NULL;

    if (strcmp(order->command, "proxy") == 0)
        wrong = "not supported: it is a command of ssh(1) only";
    else if (command == NULL)
        control_print_no_command(order->command);
    else if (command->forwards && order->forward_count == 0)
        wrong = "which -L, -R or -D?";
    else if (is_close(order) && close_number(order) == 0)
        wrong = "which connection? -O connections shows their numbers";
    if (wrong != NULL)
        fprintf(stderr, "adit: -O %s: %s\n", order->command, wrong);
    return wrong == NULL && command != NULL;
}

/* 1 if the answer says that adit is not ready, with the reason on standard error, or that a trial
 * has failed. */
static int readiness_status(const json_t *answer)
{
    if (json_is_false(json_object_get(answer, "well")))
        return EXIT_FAILURE;
    if (!json_is_false(json_object_get(answer, "ready")))
        return 0;
    fputs("adit: not ready: ", stderr);
    report_line(stderr, control_text(answer, "reason"));
    return EXIT_FAILURE;
}

static int print_answer(const struct control_order *order, const struct control_command *command,
                        const json_t *answer)
{
    if (order->json) {
        report_json(stdout, answer);
    } else {
        command->print(order, answer);
    }
    if (fflush(stdout) == 0)
        return readiness_status(answer);
    fprintf(stderr, "adit: standard output: %s\n", strerror(errno));
    return EXIT_SSH;
}

/* Asks an adit. */
static json_t *ask_adit(int fd, const struct control_order *order, const char **error)
{
    json_t *answer;

    *error = NULL;
    if (ssh_greets(fd))
        *error = ssh_greeting;
    if (*error != NULL)
        return NULL;
    if (control_command_is_ssh(control_find_command(order->command))) {
        *error = "not supported by adit: -O connections is";
        return NULL;
    }
    answer = send_request(fd, request_of(order->command, order), patience_of(order), error);
    return add_further_pages(fd, answer, error);
}

/* Prints what changes at an adit, until one side ends. */
static int watch(int fd, const struct control_order *order)
{
    struct buffer bytes = {0};
    const char *error = "an ssh(1) is the master there, which tells no changes";
    json_t *answer = NULL;
    char *line;
    int status;

    if (!ssh_greets(fd))
        answer = exchange(fd, request_of(order->command, order), QUICK_ANSWER_MS, &bytes, &error);
    if (json_is_true(json_object_get(answer, "ok"))) {
        line = control_print(answer);
        fputs(line, stdout);
        free(line);
        status = watch_print(fd, &bytes);
    } else {
        status = print_request_failure(order->command, answer, error);
    }
    json_decref(answer);
    buffer_clear(&bytes);
    return status;
}

/* Asks the adit that listens at `path`, or the ssh that is the master there. */
static int ask_at(const char *path, const struct control_order *order,
                  const struct control_command *command)
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
    if (strcmp(order->command, "watch") == 0) {
        status = watch(fd, order);
        close(fd);
        return status;
    }
    answer = ask_adit(fd, order, &error);
    close(fd);
    if (error == ssh_greeting)
        answer = ssh_order_answer(path, order);
    if (json_is_true(json_object_get(answer, "ok"))) {
        status = print_answer(order, command, answer);
    } else {
        control_print_forward(order, answer);
        status = print_request_failure(order->command, answer, error);
    }
    json_decref(answer);
    return status;
}

/* Makes forwards of the words, for an ssh; the caller frees. */
static struct config_forward *make_forwards(const struct control_order *order)
{
    struct config_forward *made = mem_zalloc((order->forward_count + 1) * sizeof(*made));
    char why[FORWARD_ERROR_MAX];

    /* (They were parsed before: none fails.) */
    for (size_t i = 0; i < order->forward_count; i++) {
        made[i].kind = order->forwards[i].kind;
        forward_spec_parse(made[i].kind, order->forwards[i].spec, &made[i], why, sizeof(why));
    }
    return made;
}

int control_ask(const struct control_order *order)
{
    const struct control_command *command = control_find_command(order->command);
    struct control_order with_made = *order;
    struct config_forward *made;
    char *path;
    int status;

    if (!is_sensible(order, command))
        return EX_USAGE;
    if (strcmp(order->command, "list") == 0)
        return control_list(order->json);
    path = control_find(order->path, is_close(order) ? NULL : order->host);
    made = make_forwards(order);
    with_made.made = made;
    with_made.made_count = order->forward_count;
    status = path != NULL ? ask_at(path, &with_made, command) : EXIT_SSH;
    for (size_t i = 0; i < order->forward_count; i++) {
        place_clear(&made[i].bind);
        place_clear(&made[i].target);
    }
    free(made);
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
    if (ssh_greets(fd)) {
        *peer = CONTROL_SSH;
        close(fd);
        return -1;
    }
    answer = send_request(fd, json_pack("{s:s}", "command", "check"), PROBE_MS, &error);
    *peer = json_is_true(json_object_get(answer, "ok")) ? CONTROL_ADIT
            : error == ssh_greeting                     ? CONTROL_SSH
                                                        : CONTROL_FOREIGN;
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
        return peer == CONTROL_SSH && order->made_count > 0 ? ssh_share(order, background) : -1;
    if (order->forward_count == 0) {
        close(fd);
        return -1;
    }
    answer = send_request(fd, request_of("forward", order), ANSWER_MS, &error);
    if (json_is_true(json_object_get(answer, "ok"))) {
        control_print_forward(order, answer);
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

int control_share_stdio(const char *path, const struct config_place *target)
{
    enum control_peer peer;
    pid_t pid;
    int fd = connect_to_adit(path, &peer, &pid);

    if (fd >= 0)
        close(fd);
    return peer == CONTROL_SSH ? ssh_share_stdio(path, target) : -1;
}
