/* What a client that is a stream of an ssh(1) (shared/internal_stream) has besides its channel: its
 * standard error, the size of its terminal, how its command has ended, and connections of the
 * server to its agent. */
#include "worker/client_parts.h"

#include "base/log.h"
#include "base/mem.h"
#include "io/socket.h"
#include "worker/client_shell.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How often a session that carries no other shell may refuse one: the server may count one that has
 * just ended. */
#define REFUSALS_MAX 3

struct client_shell {
    struct client *client;
    struct internal_stream *stream;
    struct session_shell *channel; /* NULL: it is not there, or not any more */
    struct relay *error;           /* standard error; NULL: it has ended */
    uint64_t size;                 /* that the server was told: shell_size_pack */
    unsigned refusals;             /* by sessions without other shells */
    bool waits;                    /* the client's relay has ended, and `error` has not ... */
    int failed;                    /* ... as this result says */
    char *reason;
};

/* A connection of a server to an agent here. It may outlast its shell, as a command that the shell
 * has left behind may use it. */
struct agent_relay {
    LIST_ENTRY(agent_relay) link;
    struct worker *worker;
    struct service_request *request; /* to the keeper, for a connection to the agent */
    struct endpoint *channel;        /* while there is no relay */
    struct relay *relay;
};

void client_shell_begin(struct client *c, struct internal_stream *stream)
{
    if (!stream->is_shell)
        return;
    c->shell = mem_zalloc(sizeof(*c->shell));
    c->shell->client = c;
    c->shell->stream = stream;
}

/* Standard error. */

static void on_error_relayed(void *arg, const struct relay_result *result)
{
    struct client_shell *shell = arg;
    struct relay_result ended = {.failed = shell->failed};
    char *reason = shell->reason;

    (void)result;
    shell->error = NULL;
    if (!shell->waits)
        return;
    shell->waits = false;
    shell->reason = NULL;
    ended.reason = reason;
    client_relay_ended(shell->client, &ended);
    free(reason);
}

static void relay_error(struct client_shell *shell, struct endpoint *error)
{
    struct loop *loop = shell->client->worker->loop;
    int fd = shell->stream->error_fd;
    struct endpoint *socket = fd >= 0 ? socket_endpoint_new(loop, fd) : NULL;

    if (socket == NULL) {
        endpoint_close(error, true);
        return;
    }
    shell->stream->error_fd = -1;
    shell->error = relay_new(
        loop,
        &(struct relay_start){.a = socket, .b = error, .done = on_error_relayed, .arg = shell});
}

bool client_shell_waits(struct client *c, const struct relay_result *result)
{
    struct client_shell *shell = c->shell;

    if (shell == NULL)
        return false;
    shell->channel = NULL;
    shell->waits = shell->error != NULL;
    if (shell->waits) {
        shell->failed = result->failed;
        shell->reason = mem_strdup(result->reason);
    }
    return shell->waits;
}

void client_shell_stop(struct client *c)
{
    struct client_shell *shell = c->shell;

    if (shell == NULL)
        return;
    shell->channel = NULL;
    shell->waits = false;
    if (shell->error != NULL)
        relay_abort(shell->error);
    shell->error = NULL;
    free(shell->reason);
    shell->reason = NULL;
}

/* The terminal. */

void client_shell_look(struct client *c)
{
    struct client_shell *shell = c->shell;
    uint64_t size;
    struct shell_size now;

    if (shell == NULL || shell->channel == NULL || !shell->stream->request.tty)
        return;
    size = atomic_load(&shell->stream->size);
    if (size == shell->size)
        return;
    shell->size = size;
    now = shell_size_unpack(size);
    session_shell_resize(shell->channel, &now);
}

/* The agent. */

static void on_agent_relayed(void *arg, const struct relay_result *result)
{
    struct agent_relay *agent = arg;

    (void)result;
    LIST_REMOVE(agent, link);
    free(agent);
}

/* The channel that waits for the agent ends first. (Its bytes wait, as it is paused.) */
static void on_waiting_channel_ended(void *owner)
{
    struct agent_relay *agent = owner;

    service_forget(agent->request);
    endpoint_close(agent->channel, false);
    LIST_REMOVE(agent, link);
    free(agent);
}

static size_t no_room(void *owner)
{
    (void)owner;
    return 0;
}

static void on_waiting_channel_writable(void *owner)
{
    (void)owner;
}

static void on_waiting_channel_failed(void *owner, const char *why)
{
    (void)why;
    on_waiting_channel_ended(owner);
}

static void on_agent_answered(void *arg, const struct service_answer *answer)
{
    struct agent_relay *agent = arg;
    int fd = answer->fds[0];
    struct endpoint *socket = fd >= 0 ? socket_endpoint_new(agent->worker->loop, fd) : NULL;

    agent->request = NULL;
    if (socket != NULL) {
        agent->relay = relay_new(
            agent->worker->loop,
            &(struct relay_start){
                .a = socket, .b = agent->channel, .done = on_agent_relayed, .arg = agent});
        return;
    }
    log_warning("the agent cannot be asked for a server: %s",
                answer->kind == SERVICE_FAILED ? strerror((int)answer->numbers[0])
                                               : "no descriptors");
    if (fd >= 0)
        close(fd);
    endpoint_close(agent->channel, true);
    LIST_REMOVE(agent, link);
    free(agent);
}

/* (The keeper connects to it, by what the configuration says.) */
static void on_agent_asked(void *arg, struct endpoint *channel)
{
    static const struct endpoint_events waiting = {
        .room = no_room,
        .writable = on_waiting_channel_writable,
        .closed = on_waiting_channel_ended,
        .failed = on_waiting_channel_failed,
    };
    const struct client_shell *shell = arg;
    struct worker *worker = shell->client->worker;
    struct agent_relay *agent = mem_zalloc(sizeof(*agent));

    agent->worker = worker;
    agent->channel = channel;
    LIST_INSERT_HEAD(&worker->agent_relays, agent, link);
    endpoint_own(channel, &waiting, agent);
    agent->request =
        service_ask(worker->service,
                    &(struct service_question){.kind = SERVICE_AGENT,
                                               .texts = {shell->client->session.upstream->name}},
                    on_agent_answered, agent);
}

void agent_relays_end(struct worker *worker)
{
    struct agent_relay *agent = LIST_FIRST(&worker->agent_relays);

    LIST_INIT(&worker->agent_relays);
    while (agent != NULL) {
        struct agent_relay *next = LIST_NEXT(agent, link);
        if (agent->relay != NULL)
            relay_abort(agent->relay);
        else
            endpoint_close(agent->channel, true);
        service_forget(agent->request);
        free(agent);
        agent = next;
    }
}

/* The channel. */

static void on_shell_started(void *arg, struct session_shell *channel, struct endpoint *error)
{
    struct client_shell *shell = arg;

    shell->channel = channel;
    relay_error(shell, error);
}

static void on_tty_refused(void *arg)
{
    ((struct client_shell *)arg)->stream->tty_refused = true;
}

static void on_shell_exited(void *arg, uint32_t status)
{
    struct internal_stream *stream = ((struct client_shell *)arg)->stream;

    stream->has_exited = true;
    stream->exit_status = status;
}

struct shell_target client_shell_target(struct client *c)
{
    static const struct shell_events events = {
        .started = on_shell_started,
        .tty_refused = on_tty_refused,
        .exited = on_shell_exited,
        .agent_asked = on_agent_asked,
    };
    struct client_shell *shell = c->shell;

    if (shell == NULL)
        return (struct shell_target){0};
    shell->size = atomic_load(&shell->stream->size);
    shell->stream->request.size = shell_size_unpack(shell->size);
    return (struct shell_target){
        .request = &shell->stream->request, .events = &events, .arg = shell};
}

bool client_shell_refused(struct client *c, const struct open_failure *failure)
{
    if (c->shell == NULL || failure->lost)
        return false;
    return session_table_shell_refused(c->session.table, c->session.slot,
                                       loop_now(c->worker->loop)) ||
           c->shell->refusals++ < REFUSALS_MAX;
}
