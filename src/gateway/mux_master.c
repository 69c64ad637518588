/* Mux clients: their requests, each answered as OpenSSH's mux.c answers it. */
#include "gateway/mux_master.h"

#include "base/log.h"
#include "base/mem.h"
#include "conf/forward_spec.h"
#include "conf/master_socket.h"
#include "control/mux_connection.h"
#include "gateway/forward_orders.h"
#include "gateway/gateway_parts.h"
#include "gateway/mux_forward.h"
#include "gateway/mux_info.h"
#include "gateway/mux_stream.h"
#include "gateway/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* OpenSSH's (mux.c, MUX_MAX_ENV_VARS). */
#define VARIABLES_MAX 4096

/* Mux clients at a time; each costs about ten descriptors and three threads. */
#define CLIENTS_MAX 512

struct mux_client {
    LIST_ENTRY(mux_client) link;
    struct mux_master *master;
    struct mux_connection *connection;
    char *via;                   /* NULL: no ssh is served at its socket */
    uint32_t id;                 /* of the request that is being carried out */
    struct mux_stream *stream;   /* its session, one at most */
    uint32_t session;            /* the number of that one */
    struct forward_order *order; /* NULL: none is under way */
    bool wants_port;             /* the order is for a port that the server chooses */
    struct mux_removal *removal; /* NULL: none is under way */
};

struct mux_master {
    struct gateway *gateway;
    struct forward_orders *orders;
    LIST_HEAD(, mux_client) clients;
    unsigned count;
    struct mux_connection_list connections;
    struct mux_stream_list streams;
    uint32_t next_session;
};

/* A forward is being taken away, which goes on when the client has gone. */
struct mux_removal {
    struct mux_client *client; /* NULL: it has gone */
};

/* Answers. */

static void answer(struct mux_client *c, uint32_t type)
{
    mux_connection_answer(c->connection, &(struct mux_answer){.type = type, .id = c->id});
}

static void answer_number(struct mux_client *c, uint32_t type, uint32_t id, uint32_t number)
{
    mux_connection_answer(c->connection,
                          &(struct mux_answer){.type = type, .id = id, .number = number});
}

static void answer_why(struct mux_client *c, uint32_t type, const char *why)
{
    struct span text = {(const uint8_t *)why, strlen(why)};

    mux_connection_answer(c->connection,
                          &(struct mux_answer){.type = type, .id = c->id, .text = text});
}

static void forget_client(struct mux_client *c)
{
    LIST_REMOVE(c, link);
    c->master->count--;
    forward_order_forget(c->order);
    if (c->removal != NULL)
        c->removal->client = NULL;
    mux_stream_cut(c->stream);
    free(c->via);
    free(c);
}

static void on_mux_client_gone(void *arg)
{
    struct mux_client *c = arg;
    struct gateway *g = c->master->gateway;

    forget_client(c);
    gateway_check_drained(g);
}

/* Ends the connection, as its session has ended. */
static void client_end_connection(struct mux_client *c)
{
    struct gateway *g = c->master->gateway;

    mux_connection_end(c->connection);
    forget_client(c);
    gateway_check_drained(g);
}

/* Streams. */

static void on_stream_opened(void *arg, bool tty_refused)
{
    struct mux_client *c = arg;

    answer_number(c, MUX_SESSION_OPENED, c->id, c->session);
    if (tty_refused)
        mux_connection_answer(c->connection,
                              &(struct mux_answer){.type = MUX_TTY_ALLOC_FAIL, .id = c->session});
}

static void on_stream_refused(void *arg, const char *why)
{
    struct mux_client *c = arg;

    c->stream = NULL;
    answer_why(c, MUX_FAILURE,
               why != NULL && why[0] != '\0' ? why : "Session open refused by peer");
}

static void on_stream_ended(void *arg, const struct mux_stream_end *end)
{
    struct mux_client *c = arg;

    c->stream = NULL;
    if (end->has_exited)
        answer_number(c, MUX_EXIT_MESSAGE, c->session, end->exit_status);
    client_end_connection(c);
}

static void start_stream(struct mux_client *c, struct mux_stream_request *request)
{
    struct gateway *g = c->master->gateway;

    request->list = &c->master->streams;
    request->loop = g->loop;
    request->workers = &g->workers;
    request->generation = g->generation;
    request->via = c->via;
    request->events = (struct mux_stream_events){
        .opened = on_stream_opened, .refused = on_stream_refused, .ended = on_stream_ended};
    request->arg = c;
    c->session = c->master->next_session++;
    c->stream = mux_stream_start(request);
    if (c->stream == NULL)
        answer_why(c, MUX_FAILURE, strerror(errno));
}

static void open_stdio(struct mux_client *c, const struct mux_request *request, const int *fds)
{
    char *host = mem_strndup((const char *)request->place.host.bytes, request->place.host.length);
    bool is_path = request->place.port == MUX_PORT_UNIX;
    struct config_place to = {.path = is_path ? host : NULL,
                              .host = is_path ? NULL : host,
                              .port = (uint16_t)request->place.port};

    start_stream(c, &(struct mux_stream_request){
                        .to = &to, .escape = MUX_ESCAPE_NONE, .fds = {fds[0], fds[1], -1}});
    free(host);
}

/* The variables NAME=VALUE; the caller frees. */
static char **read_environment(struct span environment, size_t *count)
{
    struct ssh_reader reader = {.rest = environment};
    char **variables = mem_zalloc(sizeof(*variables));

    *count = 0;
    while (reader.rest.length > 0 && *count < VARIABLES_MAX) {
        struct span variable = ssh_take_string(&reader);
        const char *text = (const char *)variable.bytes;
        if (variable.length == 0 || text[0] == '=' || memchr(text, '=', variable.length) == NULL)
            continue;
        variables = mem_realloc(variables, (*count + 1) * sizeof(*variables));
        variables[(*count)++] = mem_strndup(text, variable.length);
    }
    return variables;
}

static const char no_x11[] = "adit carries no X11: X11 forwarding is not requested\r\n";

static void open_shell(struct mux_client *c, const struct mux_request *request, const int *fds)
{
    const struct mux_session *session = &request->session;
    const struct config_upstream *upstream =
        config_upstream(c->master->gateway->generation->config, c->via);
    const char *agent =
        upstream->identity_agent != NULL ? upstream->identity_agent : getenv("SSH_AUTH_SOCK");
    char *command = mem_strndup((const char *)session->command.bytes, session->command.length);
    char *term = mem_strndup((const char *)session->term.bytes, session->term.length);
    struct shell_request shell = {
        .kind = session->subsystem ? SHELL_SUBSYSTEM
                : command[0]       ? SHELL_COMMAND
                                   : SHELL_LOGIN,
        .command = command,
        .tty = session->tty,
        .term = term,
        .agent = session->agent ? agent : NULL,
    };

    shell.environment = read_environment(session->environment, &shell.variable_count);
    start_stream(c, &(struct mux_stream_request){
                        .shell = &shell,
                        .notice = session->x11 ? no_x11 : NULL,
                        .escape = session->tty ? session->escape : MUX_ESCAPE_NONE,
                        .fds = {fds[0], fds[1], fds[2]},
                    });
    for (size_t i = 0; i < shell.variable_count; i++)
        free(shell.environment[i]);
    free(shell.environment);
    free(command);
    free(term);
}

/* Whether a stream may be opened; else why not. */
static const char *stream_refusal(const struct mux_client *c)
{
    const struct gateway *g = c->master->gateway;

    if (c->stream != NULL)
        return "Multiple sessions not supported";
    if (atomic_load(&g->workers.draining) || g->stopping)
        return "adit is ending";
    return config_upstream(g->generation->config, c->via) == NULL
               ? "a reload has taken this upstream away"
               : NULL;
}

static void open_mux_stream(struct mux_client *c, const struct mux_request *request, const int *fds)
{
    const char *why = stream_refusal(c);

    if (why == NULL && request->type == MUX_NEW_SESSION) {
        open_shell(c, request, fds);
    } else if (why == NULL) {
        open_stdio(c, request, fds);
    } else {
        for (unsigned i = 0; i < mux_descriptors(request); i++)
            close(fds[i]);
        answer_why(c, MUX_FAILURE, why);
    }
}

/* Forwards. */

static void on_order_done(void *arg, const struct forward_order_result *result)
{
    struct mux_client *c = arg;

    c->order = NULL;
    if (result->error != NULL)
        answer_why(c, MUX_FAILURE, result->error);
    else if (c->wants_port && result->port_count > 0)
        answer_number(c, MUX_REMOTE_PORT, c->id, result->ports[0]);
    else
        answer(c, MUX_OK);
}

static void open_mux_forward(struct mux_client *c, const struct mux_forward *forward)
{
    struct forward_words *words = mem_zalloc(sizeof(*words));

    if (!mux_forward_words(forward, c->via, words)) {
        free(words);
        answer_why(c, MUX_FAILURE, "Invalid forwarding request");
        return;
    }
    c->wants_port = forward->kind == MUX_FORWARD_REMOTE && forward->port == 0;
    c->order = forward_orders_add(c->master->orders, words, 1, on_order_done, c);
}

static void on_removed(void *arg, bool ok, const struct config_change_result *result)
{
    struct mux_removal *removal = arg;
    struct mux_client *c = removal->client;

    free(removal);
    if (c == NULL)
        return;
    c->removal = NULL;
    if (ok)
        answer(c, MUX_OK);
    else
        answer_why(c, MUX_FAILURE, result->error);
}

static void close_mux_forward(struct mux_client *c, const struct mux_forward *forward)
{
    struct forward_words *words = mem_zalloc(sizeof(*words));

    if (!mux_forward_words(forward, c->via, words)) {
        free(words);
        answer_why(c, MUX_FAILURE, "Invalid forwarding request");
        return;
    }
    c->removal = mem_zalloc(sizeof(*c->removal));
    c->removal->client = c;
    config_changes_ask(c->master->gateway->changes, &(struct config_change_request){
                                                        .kind = CONFIG_REMOVE_FORWARDS,
                                                        .forwards = words,
                                                        .forward_count = 1,
                                                        .done = on_removed,
                                                        .arg = c->removal,
                                                    });
}

/* The process itself. */

/* Whether the socket is the one that this process is controlled by. (At an upstream's own one of a
 * gateway with others, ssh must not end all of them.) */
static bool may_end(const struct mux_client *c)
{
    const struct config *config = c->master->gateway->generation->config;
    const struct config_upstream *upstream = config_master_at(config, config->gateway.control);

    return upstream != NULL && strcmp(upstream->name, c->via) == 0;
}

static void end_process(struct mux_client *c, const struct mux_request *request)
{
    struct gateway *g = c->master->gateway;

    if (!may_end(c)) {
        answer_why(c, MUX_PERMISSION_DENIED,
                   "this adit serves more than this socket: ask it at its control socket "
                   "(adit -O stop, adit -O exit)");
        return;
    }
    log_info("control: ssh -O %s", request->type == MUX_TERMINATE ? "exit" : "stop");
    answer(c, MUX_OK);
    if (request->type == MUX_TERMINATE)
        gateway_stop(g);
    else if (!atomic_load(&g->workers.draining))
        gateway_drain(g, 0);
}

static void tell_info(struct mux_client *c, struct span name)
{
    char *text = mux_info_text(c->master->gateway, c->via, name);
    const char *words = text != NULL ? text : "info request type not supported";

    mux_connection_answer(
        c->connection,
        &(struct mux_answer){
            .type = MUX_INFO,
            .id = c->id,
            .answer = {.status = text != NULL, .text = {(const uint8_t *)words, strlen(words)}}});
    free(text);
}

/* Requests. */

/* No ssh is served here. */
static void refuse_all(struct mux_client *c, const struct mux_request *request, const int *fds)
{
    for (unsigned i = 0; i < mux_descriptors(request); i++)
        close(fds[i]);
    if (request->type == MUX_ALIVE_CHECK)
        answer_number(c, MUX_ALIVE, c->id, (uint32_t)c->master->gateway->options.process);
    else
        answer_why(c, MUX_PERMISSION_DENIED,
                   "this adit serves no ssh at this socket: -M, ControlMaster or master_socket "
                   "would have it do so");
}

static void on_mux_asked(void *arg, const struct mux_request *request, const int *fds)
{
    struct mux_client *c = arg;

    c->id = request->id;
    if (c->via == NULL) {
        refuse_all(c, request, fds);
        return;
    }
    switch (request->type) {
    case MUX_ALIVE_CHECK:
        answer_number(c, MUX_ALIVE, c->id, (uint32_t)c->master->gateway->options.process);
        break;
    case MUX_NEW_SESSION:
    case MUX_NEW_STDIO_FWD: open_mux_stream(c, request, fds); break;
    case MUX_OPEN_FWD: open_mux_forward(c, &request->forward); break;
    case MUX_CLOSE_FWD: close_mux_forward(c, &request->forward); break;
    case MUX_TERMINATE:
    case MUX_STOP_LISTENING: end_process(c, request); break;
    case MUX_EXT_INFO: tell_info(c, request->name); break;
    case MUX_PROXY: answer_why(c, MUX_FAILURE, "adit does not serve ssh's proxy mode"); break;
    default: answer_why(c, MUX_FAILURE, "unsupported request"); break;
    }
}

/* The master. */

struct mux_master *mux_master_new(struct gateway *gateway, struct forward_orders *orders)
{
    struct mux_master *master = mem_zalloc(sizeof(*master));

    master->gateway = gateway;
    master->orders = orders;
    LIST_INIT(&master->clients);
    LIST_INIT(&master->connections);
    LIST_INIT(&master->streams);
    return master;
}

void mux_master_accept(struct mux_master *master, int fd, const char *via)
{
    static const struct mux_connection_events events = {.asked = on_mux_asked,
                                                        .gone = on_mux_client_gone};
    struct mux_client *c;

    if (master->count >= CLIENTS_MAX) {
        log_warning("control: there are %u ssh at the control sockets: another one is refused",
                    master->count);
        close(fd);
        return;
    }
    c = mem_zalloc(sizeof(*c));
    c->master = master;
    c->via = mem_strdup(via);
    c->connection = mux_connection_new(master->gateway->loop, &master->connections, fd, &events, c);
    if (c->connection == NULL) {
        free(c->via);
        free(c);
        return;
    }
    LIST_INSERT_HEAD(&master->clients, c, link);
    master->count++;
}

bool mux_master_is_busy(const struct mux_master *master)
{
    const struct mux_client *c;

    LIST_FOREACH (c, &master->clients, link)
        if (c->stream != NULL)
            return true;
    return false;
}

void mux_master_window_changed(struct mux_master *master)
{
    struct mux_client *c;

    LIST_FOREACH (c, &master->clients, link)
        if (c->stream != NULL)
            mux_stream_window_changed(c->stream);
}

void mux_master_cut(struct mux_master *master)
{
    while (!LIST_EMPTY(&master->clients))
        forget_client(LIST_FIRST(&master->clients));
    mux_connections_close(&master->connections);
}

void mux_master_free(struct mux_master *master)
{
    if (master == NULL)
        return;
    mux_master_cut(master);
    mux_streams_free(&master->streams);
    free(master);
}
