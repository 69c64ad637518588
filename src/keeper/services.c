/* Service lines: what the threads of a gateway have done by the keeper. A gateway may have been
 * taken over: what it sends names things of the configuration, and is bounded. */
#include "keeper/service_parts.h"

#include "base/log.h"
#include "base/mem.h"
#include "conf/master_socket.h"
#include "conf/upstream_host.h"
#include "io/unix_connect.h"
#include "keeper/forward_sockets.h"
#include "keeper/masters.h"
#include "wire/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A gateway has a line for each of its threads with a loop. */
#define LINES_MAX 1024

/* Of one line: passwords that are to be checked. */
#define REQUESTS_MAX 8192

/* Answers. (`fd` is closed once it is sent.) */
void service_answer_text(struct service_line *line, enum service_kind kind, const uint32_t *numbers,
                         const char *text, int fd)
{
    struct buffer packet = {0};

    service_message_write(&packet, kind, numbers, &text);
    packets_send(line->packets, (struct span){buffer_data(&packet), buffer_length(&packet)}, fd);
    buffer_clear(&packet);
}

static void answer_line(struct service_line *line, enum service_kind kind, const uint32_t *numbers,
                        int fd)
{
    service_answer_text(line, kind, numbers, NULL, fd);
}

static void answer_failed(struct service_line *line, uint32_t number, int error)
{
    answer_line(line, SERVICE_FAILED, (const uint32_t[]){number, (uint32_t)error}, -1);
}

/* Requests. */

struct line_request *line_request_new(struct service_line *line, uint32_t number)
{
    struct line_request *request = mem_zalloc(sizeof(*request));

    request->line = line;
    request->number = number;
    LIST_INSERT_HEAD(&line->requests, request, link);
    line->request_count++;
    return request;
}

void line_request_free(struct line_request *request)
{
    LIST_REMOVE(request, link);
    request->line->request_count--;
    free(request);
}

static void line_request_end(struct line_request *request)
{
    if (request->check != NULL)
        password_check_forget(request->check);
    if (request->command != NULL)
        proxy_command_hang_up(request->command);
    if (request->master != NULL)
        master_hang_up(request->master);
    line_request_free(request);
}

/* NULL: it has been answered. */
static struct line_request *line_find(const struct service_line *line, uint32_t number)
{
    struct line_request *request;

    LIST_FOREACH (request, &line->requests, link)
        if (request->number == number)
            return request;
    return NULL;
}

static void line_forget(struct service_line *line, uint32_t number, bool leave)
{
    struct line_request *request = line_find(line, number);

    if (request == NULL)
        return;
    if (leave && request->command != NULL) {
        proxy_command_leave(request->command);
        request->command = NULL;
    }
    if (leave && request->master != NULL) {
        master_leave(request->master);
        request->master = NULL;
    }
    line_request_end(request);
}

/* A text as a string; the caller frees. */
static char *string_of(struct span text)
{
    return mem_strndup((const char *)text.bytes, text.length);
}

/* Passwords. */

static const struct users *users_of(const struct config *config,
                                    const struct service_message *message)
{
    const struct config_listen *listen;
    char *name;

    if (message->numbers[3] != 0)
        return config->status.listen.users;
    name = string_of(message->texts[0]);
    listen = config_listen(config, name);
    free(name);
    return listen != NULL ? listen->users : NULL;
}

static void on_checked(void *arg, enum service_verdict verdict)
{
    struct line_request *request = arg;

    answer_line(request->line, SERVICE_VERDICT,
                (const uint32_t[]){request->number, (uint32_t)verdict}, -1);
    line_request_free(request);
}

static void begin_password(struct service_line *line, const struct service_message *message)
{
    struct config *config = child_config(line->child);
    struct line_request *request = line_request_new(line, message->numbers[0]);

    request->check = password_checks_ask(
        line->child->guesses,
        &(struct password_question){
            .config = config,
            .users = line->request_count <= REQUESTS_MAX ? users_of(config, message) : NULL,
            .source = (uint64_t)message->numbers[1] << 32 | message->numbers[2],
            .user = message->texts[1],
            .password = message->texts[2],
            .checked = on_checked,
            .arg = request,
        });
}

/* Unix sockets. */

static void answer_connected(struct service_line *line, uint32_t number, const char *path)
{
    int fd = -1;

    errno = ENOENT;
    if (path != NULL)
        fd = unix_connect(path, DESCRIPTOR_GATEWAY);
    if (fd >= 0)
        answer_line(line, SERVICE_CONNECTED, &number, fd);
    else
        answer_failed(line, number, errno);
}

/* The target of a forward whose clients come from the server: of the others the server connects to
 * the target. */
static void connect_forward(struct service_line *line, const struct service_message *message)
{
    char *name = string_of(message->texts[0]);
    const struct config_forward *forward = config_forward(child_config(line->child), name);

    free(name);
    answer_connected(line, message->numbers[0],
                     forward != NULL && forward->kind == FORWARD_REMOTE ? forward->target.path
                                                                        : NULL);
}

/* The agent that ssh(1) would forward, by request of an ssh that is served: where none is, nobody
 * has asked. (-M and ControlMaster are a master_socket, too.) */
static void connect_user_agent(struct service_line *line, const struct service_message *message)
{
    char *name = string_of(message->texts[0]);
    const struct config *config = child_config(line->child);
    const struct config_upstream *upstream = config_upstream(config, name);

    free(name);
    answer_connected(line, message->numbers[0],
                     upstream == NULL || upstream->master_socket == NULL ? NULL
                     : upstream->identity_agent != NULL                  ? upstream->identity_agent
                                                                         : getenv("SSH_AUTH_SOCK"));
}

/* The master that carries the upstream's sessions. */
static void connect_master(struct service_line *line, const struct service_message *message)
{
    char *name = string_of(message->texts[0]);
    const struct config_upstream *upstream = config_upstream(child_config(line->child), name);
    char *path =
        upstream != NULL && upstream->join_master != NULL ? config_join_master(upstream) : NULL;

    answer_connected(line, message->numbers[0], path);
    free(path);
    free(name);
}

/* A socket that the master connects to for a remote forward. */
static void listen_for_forward(struct service_line *line, const struct service_message *message)
{
    const struct config *config = child_config(line->child);
    uint32_t number = message->numbers[0];
    char *name = string_of(message->texts[0]);
    const struct config_forward *forward = config_forward(config, name);
    struct forward_bound bound = {.fd = -1, .error = ENOENT};

    free(name);
    /* (What is not needed any more goes first: the port may be wanted again.) */
    if (line->child == line->child->keeper->current)
        forward_sockets_keep(line->child->keeper->forward_sockets, config);
    if (forward != NULL)
        bound = forward_sockets_get(line->child->keeper->forward_sockets, config, forward);
    if (bound.fd >= 0)
        service_answer_text(line, SERVICE_LISTENING, &number, bound.path, bound.fd);
    else
        answer_failed(line, number, bound.error);
}

/* Commands. */

static void on_line_command_exited(void *arg, int status, int number)
{
    struct line_request *request = arg;

    answer_line(request->line, SERVICE_EXITED,
                (const uint32_t[]){request->number, (uint32_t)status, (uint32_t)number}, -1);
    request->command = NULL;
    line_request_free(request);
}

/* The ProxyCommand for a host of an upstream; the caller frees. NULL: there is none. */
static char *command_for(const struct gateway_child *child, const struct service_message *message)
{
    char *name = string_of(message->texts[0]);
    char *entry = string_of(message->texts[1]);
    struct child_place place;
    bool found = child_find_place(child, name, entry, &place);

    free(entry);
    free(name);
    return found && place.upstream->proxy_command != NULL
               ? upstream_host_command(place.upstream, &place.host)
               : NULL;
}

static void begin_command(struct service_line *line, const struct service_message *message)
{
    uint32_t number = message->numbers[0];
    char *command = command_for(line->child, message);
    struct line_request *request;
    int ends[2];

    if (command == NULL) {
        answer_failed(line, number, ENOENT);
        return;
    }
    request = line_request_new(line, number);
    request->command =
        proxy_command_start(line->child->keeper->commands,
                            &(struct proxy_command_request){command, line->child->quotas.commands,
                                                            on_line_command_exited, request},
                            ends);
    free(command);
    if (request->command == NULL) {
        answer_failed(line, number, errno);
        line_request_free(request);
        return;
    }
    answer_line(line, SERVICE_INPUT, &number, ends[0]);
    answer_line(line, SERVICE_OUTPUT, &number, ends[1]);
}

/* Lines. */

static void service_line_free(struct service_line *line)
{
    while (!LIST_EMPTY(&line->requests))
        line_request_end(LIST_FIRST(&line->requests));
    LIST_REMOVE(line, link);
    packets_free(line->packets);
    free(line);
}

static void service_line_ended(void *line)
{
    service_line_free(line);
}

/* False: the keeper does not take it. */
static bool take_service_request(struct service_line *line, const struct service_message *message,
                                 int fd)
{
    switch (message->kind) {
    case SERVICE_PASSWORD: begin_password(line, message); return true;
    case SERVICE_FORWARD: connect_forward(line, message); return true;
    case SERVICE_AGENT: connect_user_agent(line, message); return true;
    case SERVICE_MASTER: connect_master(line, message); return true;
    case SERVICE_LISTEN: listen_for_forward(line, message); return true;
    case SERVICE_COMMAND: begin_command(line, message); return true;
    case SERVICE_START_MASTER: service_begin_master(line, message, fd); return true;
    case SERVICE_REACH_MASTER: service_reach_master(line, message); return true;
    case SERVICE_ASK_CAUSE: service_answer_cause(line, message); return true;
    case SERVICE_FORGET: line_forget(line, message->numbers[0], false); return true;
    case SERVICE_LEAVE: line_forget(line, message->numbers[0], true); return true;
    case SERVICE_VERDICT:
    case SERVICE_CONNECTED:
    case SERVICE_LISTENING:
    case SERVICE_INPUT:
    case SERVICE_OUTPUT:
    case SERVICE_FAILED:
    case SERVICE_EXITED:
    case SERVICE_RENEWED:
    case SERVICE_MASTER_ASKS:
    case SERVICE_MASTER_UP:
    case SERVICE_MASTER_ENDED:
    case SERVICE_CAUSE:
    case SERVICE_KINDS: break;
    }
    return false;
}

/* (The packet may hold a password. The descriptor of a SERVICE_START_MASTER is missing where the
 * keeper had no room for it, which is no fault of the gateway's.) */
static void service_line_received(void *arg, struct span packet, int *fd)
{
    struct service_line *line = arg;
    struct service_message message;
    bool passes = *fd >= 0 || (packet.length > 0 && packet.bytes[0] == SERVICE_START_MASTER);
    bool ok = service_message_parse(packet, passes, true, &message) &&
              take_service_request(line, &message, *fd);

    explicit_bzero((uint8_t *)packet.bytes, packet.length);
    if (!ok)
        child_condemn(line->child, "has sent what it may not");
}

static unsigned count_lines(const struct gateway_child *child)
{
    const struct service_line *line;
    unsigned count = 0;

    LIST_FOREACH (line, &child->lines, link)
        count++;
    return count;
}

bool service_line_open(struct gateway_child *child, int *fd)
{
    struct service_line *line;

    if (count_lines(child) >= LINES_MAX)
        return false;
    line = mem_zalloc(sizeof(*line));
    line->child = child;
    LIST_INIT(&line->requests);
    line->packets = packets_new(child->keeper->loop, *fd,
                                &(struct packets_options){.max = SERVICE_PACKET_MAX,
                                                          .received = service_line_received,
                                                          .ended = service_line_ended,
                                                          .arg = line,
                                                          .queue_max = PACKETS_UNREAD_MAX});
    *fd = -1;
    if (line->packets == NULL) {
        free(line);
        return true; /* (the gateway sees the line's end) */
    }
    LIST_INSERT_HEAD(&child->lines, line, link);
    return true;
}

bool service_line_adopt(struct gateway_child *child, int fd)
{
    struct service_line *line;

    if (!service_line_open(child, &fd))
        return false;
    line = LIST_FIRST(&child->lines);
    if (line != NULL)
        answer_line(line, SERVICE_RENEWED, NULL, -1);
    return true;
}

void service_line_adopt_command(struct gateway_child *child, uint32_t number, pid_t pid)
{
    struct service_line *line = LIST_FIRST(&child->lines);
    struct line_request *request;

    if (line == NULL)
        return;
    request = line_request_new(line, number);
    request->command =
        proxy_command_adopt(line->child->keeper->commands, pid, on_line_command_exited, request);
    if (request->command == NULL)
        line_request_free(request);
}

void service_lines_each(const struct gateway_child *child, const struct service_visitor *visitor,
                        void *arg)
{
    const struct service_line *line;
    const struct line_request *request;

    LIST_FOREACH (line, &child->lines, link) {
        visitor->line(arg, packets_descriptor(line->packets));
        LIST_FOREACH (request, &line->requests, link)
            if (request->command != NULL)
                visitor->command(arg, request->number, proxy_command_process(request->command));
            else if (request->master != NULL)
                visitor->master(arg, request->number, request->master);
    }
}

bool service_lines_are_sent(const struct gateway_child *child)
{
    const struct service_line *line;

    LIST_FOREACH (line, &child->lines, link)
        if (!packets_are_sent(line->packets))
            return false;
    return true;
}

void service_lines_close(struct gateway_child *child)
{
    while (!LIST_EMPTY(&child->lines))
        service_line_free(LIST_FIRST(&child->lines));
    masters_end_of(child->keeper->masters, child);
}
