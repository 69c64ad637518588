/* Shell channels: what is asked of the server before a command runs, one request after the other as
 * libssh has it, and how the command ends.
 *
 * The owner gets the channel when the request for the command has gone out, so that the command can
 * run once only: an open that fails before has run nothing, and another session may do. (What is
 * written before that request, the server would throw away.) */
#include "session_libssh/shell_parts.h"

#include "base/mem.h"

#include <libssh/server.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct channel_shell *shell_of(struct session_shell *shell)
{
    return container_of(shell, struct channel_shell, base);
}

/* libssh's callback. */
static void on_exit_status(ssh_session handle, ssh_channel channel, int status, void *userdata)
{
    struct channel *ch = userdata;

    (void)handle;
    (void)channel;
    chan_debug(ch, "the command has ended with status %d", status);
    /* (A server may say so before a command was asked for; then the owner may have gone.) */
    if (ch->shell->step >= SHELL_COMMAND_ASKED)
        ch->shell->events.exited(ch->shell->arg, (uint32_t)status);
}

/* Opening. */

void shell_free(struct channel_shell *shell)
{
    if (shell == NULL)
        return;
    shell_request_clear(&shell->request);
    free(shell);
}

struct session_open *libssh_open_shell(struct session *session, const struct shell_target *target,
                                       session_opened_fn *opened, void *arg)
{
    struct channel *ch =
        chan_open_to(libssh_session_of(session), &(struct open_target){.shell = true});
    struct channel_shell *shell = mem_zalloc(sizeof(*shell));

    shell->base.operations = session->operations;
    shell->channel = ch;
    shell->events = *target->events;
    shell->arg = target->arg;
    shell->request = shell_request_copy(target->request);
    shell->error = error_stream_new(ch);
    ch->shell = shell;
    ch->callbacks.channel_exit_status_function = on_exit_status;
    ch->open.base.operations = session->operations;
    ch->open.opened = opened;
    ch->open.arg = arg;
    return &ch->open.base;
}

bool shell_is_starting(const struct channel *ch)
{
    return ch->shell != NULL && ch->shell->step > SHELL_UNCONFIRMED &&
           ch->shell->step < SHELL_COMMAND_ASKED;
}

/* Requests. */

/* Of libssh 0.11 and later: NULL where adit was linked with an earlier one, which sends no modes.
 * (ssh_channel_request_pty_size of 0.11 sends those of this process's own standard input.) */
__attribute__((weak)) int ssh_channel_request_pty_size_modes(ssh_channel channel,
                                                             const char *terminal, int columns,
                                                             int rows, const unsigned char *modes,
                                                             size_t length);

static int request_terminal(ssh_channel handle, const struct shell_request *r)
{
    if (ssh_channel_request_pty_size_modes != NULL && r->modes_length > 0)
        return ssh_channel_request_pty_size_modes(handle, r->term, r->size.columns, r->size.rows,
                                                  r->modes, r->modes_length);
    return ssh_channel_request_pty_size(handle, r->term, r->size.columns, r->size.rows);
}

/* The call of the request that the step needs; SSH_OK: it needs none. */
static int request_of_step(struct channel_shell *shell)
{
    const struct shell_request *r = &shell->request;
    ssh_channel handle = shell->channel->handle;
    char *variable, *value;
    int rc;

    switch (shell->step) {
    case SHELL_AGENT: return r->agent != NULL ? ssh_channel_request_auth_agent(handle) : SSH_OK;
    case SHELL_TERMINAL: return r->tty ? request_terminal(handle, r) : SSH_OK;
    case SHELL_ENVIRONMENT:
        if (shell->variable == r->variable_count)
            break;
        variable = mem_strdup(r->environment[shell->variable]);
        value = strchr(variable, '=');
        *value++ = '\0';
        rc = ssh_channel_request_env(handle, variable, value);
        free(variable);
        return rc;
    case SHELL_UNCONFIRMED:
    case SHELL_COMMAND_ASKED:
    case SHELL_RUNNING: break;
    }
    return SSH_OK;
}

static int request_command(const struct channel_shell *shell)
{
    ssh_channel handle = shell->channel->handle;

    switch (shell->request.kind) {
    case SHELL_LOGIN: return ssh_channel_request_shell(handle);
    case SHELL_COMMAND: return ssh_channel_request_exec(handle, shell->request.command);
    case SHELL_SUBSYSTEM: return ssh_channel_request_subsystem(handle, shell->request.command);
    }
    return SSH_ERROR;
}

static const char *command_word(enum shell_kind kind)
{
    switch (kind) {
    case SHELL_LOGIN: return "shell";
    case SHELL_COMMAND: return "exec";
    case SHELL_SUBSYSTEM: return "subsystem";
    }
    return "";
}

/* What ssh(1) writes to standard error, too. */
static void say_failed(struct channel_shell *shell, const char *what)
{
    char number[CHANNEL_NUMBER_TEXT], line[100];

    snprintf(line, sizeof(line), "%s request failed on channel %s\r\n", what,
             chan_number(shell->channel, number));
    if (shell->error != NULL)
        error_stream_say(shell->error, line);
}

static void leave_list(struct channel_shell *shell)
{
    if (shell->listed)
        TAILQ_REMOVE(&shell->channel->session->channels.starting, shell, link);
    shell->listed = false;
}

/* The server has answered for the command. Refused, the channel is over, as if the server had
 * closed it. */
static void command_answered(struct channel_shell *shell, bool accepted)
{
    struct channel *ch = shell->channel;

    shell->step = SHELL_RUNNING;
    leave_list(shell);
    if (accepted || ch->ending.close_seen)
        return;
    say_failed(shell, command_word(shell->request.kind));
    ch->ending.eof_seen = true;
    ch->ending.close_seen = true;
    ch->reading.receives = false;
    shell_error_ended(ch, true);
    session_mark_dirty(ch->session, ch);
}

/* Sends the request for the command, and gives the channel to the owner, who may close it. */
static void start_command(struct channel_shell *shell)
{
    struct channel *ch = shell->channel;
    int rc = request_command(shell);

    shell->step = SHELL_COMMAND_ASKED;
    shell->asked_at = ch->session->packets.in_packets;
    chan_debug(ch, "%s asked", command_word(shell->request.kind));
    if (rc != SSH_AGAIN && session_is_alive(ch->session))
        command_answered(shell, rc == SSH_OK);
    shell->events.started(shell->arg, &shell->base, &shell->error->endpoint);
    ch->open.opened(ch->open.arg, &ch->endpoint, NULL);
}

/* The request of the step was answered. */
static void step_done(struct channel_shell *shell, bool accepted)
{
    if (shell->step == SHELL_TERMINAL && shell->request.tty && !accepted) {
        say_failed(shell, "PTY allocation");
        shell->events.tty_refused(shell->arg);
    }
    if (shell->step == SHELL_ENVIRONMENT && shell->variable < shell->request.variable_count)
        shell->variable++;
    else
        shell->step++;
}

/* Whether the shell's next call of libssh can bring something new. */
static bool has_news_for(const struct channel_shell *shell)
{
    return !shell->waiting || shell->channel->ending.close_seen ||
           shell->asked_at != shell->channel->session->packets.in_packets;
}

/* Goes on as far as the server has answered. The shell may be freed by it. */
static void shell_advance(struct channel_shell *shell)
{
    struct libssh_session *s = shell->channel->session;
    int rc = SSH_OK;

    while (rc != SSH_AGAIN && session_is_alive(s) && shell->step < SHELL_COMMAND_ASKED) {
        if (shell->step == SHELL_ENVIRONMENT && shell->variable == shell->request.variable_count) {
            start_command(shell);
            return;
        }
        rc = request_of_step(shell);
        shell->waiting = rc == SSH_AGAIN;
        shell->asked_at = s->packets.in_packets;
        if (rc != SSH_AGAIN && session_is_alive(s))
            step_done(shell, rc == SSH_OK);
    }
}

static void ask_about_command(struct channel_shell *shell)
{
    struct libssh_session *s = shell->channel->session;
    int rc;

    if (shell->channel->ending.close_seen) {
        command_answered(shell, true);
        return;
    }
    rc = request_command(shell); /* (It was sent: libssh only looks for the answer.) */
    shell->asked_at = s->packets.in_packets;
    if (rc != SSH_AGAIN && session_is_alive(s))
        command_answered(shell, rc == SSH_OK);
}

void shells_turn(struct libssh_session *s)
{
    struct channel_shell *shell = TAILQ_FIRST(&s->channels.starting);

    while (shell != NULL && session_is_alive(s)) {
        struct channel_shell *next = TAILQ_NEXT(shell, link);
        if (shell->step == SHELL_COMMAND_ASKED) {
            if (shell->asked_at != s->packets.in_packets || shell->channel->ending.close_seen)
                ask_about_command(shell);
        } else if (has_news_for(shell)) {
            shell_advance(shell);
        }
        shell = next;
    }
}

void shell_begin(struct channel *ch)
{
    struct channel_shell *shell = ch->shell;

    shell->step = SHELL_AGENT;
    shell->listed = true;
    TAILQ_INSERT_TAIL(&ch->session->channels.starting, shell, link);
    if (shell->request.agent != NULL) {
        ch->session->channels.agents++;
        forwarded_opens_expect(ch->session);
    }
}

void libssh_shell_resize(struct session_shell *base, const struct shell_size *size)
{
    struct channel_shell *shell = shell_of(base);
    struct channel *ch = shell->channel;
    struct libssh_session *before;

    if (ch->session == NULL || ch->ending.close_seen)
        return;
    before = session_enter(ch->session);
    ssh_channel_change_pty_size(ch->handle, size->columns, size->rows);
    session_leave(before);
    session_touch(ch->session);
}

/* Endings. */

void shell_end(struct channel *ch, bool alive)
{
    struct channel_shell *shell = ch->shell;

    if (shell == NULL)
        return;
    leave_list(shell);
    if (shell->request.agent != NULL && shell->step > SHELL_UNCONFIRMED)
        ch->session->channels.agents--;
    if (shell->error != NULL)
        error_stream_detach(shell->error, alive);
    shell->error = NULL;
}

/* The agent. */

/* The session's first shell that forwards one: the server does not say for which it asks. */
static struct channel_shell *find_agent_shell(const struct libssh_session *s)
{
    struct channel *ch;

    TAILQ_FOREACH (ch, &s->channels.open, link)
        if (ch->shell != NULL && ch->shell->request.agent != NULL &&
            ch->shell->step >= SHELL_COMMAND_ASKED)
            return ch->shell;
    return NULL;
}

bool shell_take_agent(struct libssh_session *s, ssh_message message)
{
    struct channel_shell *shell;
    struct channel *ch;

    if (ssh_message_type(message) != SSH_REQUEST_CHANNEL_OPEN ||
        ssh_message_subtype(message) != SSH_CHANNEL_AUTH_AGENT)
        return false;
    shell = find_agent_shell(s);
    if (shell == NULL)
        return false;
    ch = chan_accept(s, message);
    ssh_message_free(message);
    session_debug(s, "the server opens a connection to the agent");
    shell->events.agent_asked(shell->arg, &ch->endpoint);
    return true;
}
