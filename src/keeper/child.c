/* The current gateway: its start, what it sends, its end. */
#include "keeper/keeper_parts.h"

#include "base/exit_status.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/visible.h"
#include "io/background.h"
#include "io/notify.h"
#include "io/own_program.h"
#include "keeper/forward_sockets.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A gateway that crashes is replaced so often at most. */
#define RESTART_MS 1000

/* Has the gateway leave the terminal, before the keeper does (-f). */
static void child_detach(struct keeper *k)
{
    const struct options *o = k->options;

    if (!o->background || k->detached)
        return;
    k->detached = true;
    /* With debug lines on standard error it stays open, as ssh does with -v. */
    child_send(k->current, KEEPER_DETACH,
               (const uint32_t[]){o->log_file == NULL && log_wants(ADIT_LOG_DEBUG)}, NULL, 0, -1);
}

/* Nobody has given a port, and ssh would have a shell here: a person who waits for one is told. */
static void print_default_proxy(const struct keeper *k)
{
    const struct options *o = k->options;
    const struct config_forward *forward = &k->config->forwards[0];

    if (o->default_proxy && isatty(STDERR_FILENO) && log_wants(ADIT_LOG_WARNING))
        fprintf(stderr,
                "adit: port %u of this machine is a SOCKS and HTTP proxy now, which leads through "
                "%s; %s%s ends it\n",
                forward->bind.port, forward->via, o->background ? "adit -O exit " : "Ctrl-C",
                o->background ? forward->via : "");
}

/* Messages from it. */

static void detach_keeper(struct keeper *k)
{
    k->left_terminal = true;
    log_flush(); /* to where it went until now */
    background_detach(k->options->log_file == NULL && log_wants(ADIT_LOG_DEBUG));
    log_reopen();
}

/* Whether -f does not wait for the first session: a tunnel that tries for ever may wait long, and
 * who starts a machine does not. */
static bool detaches_at_once(const struct options *options)
{
    return options->may_ask && !options->first_failure_ends;
}

static bool notify(struct keeper *k, struct keeper_message *message)
{
    struct span text = keeper_message_text(message);
    char *status;

    switch (message->numbers[0]) {
    case KEEPER_NOTICE_READY: notify_send("READY=1"); return true;
    case KEEPER_NOTICE_RELOADING: notify_reloading(); return true;
    case KEEPER_NOTICE_STOPPING:
        notify_send("STOPPING=1");
        k->ending = true;
        upgrade_abandon(k);
        return true;
    case KEEPER_NOTICE_STATUS:
        status = mem_strndup((const char *)text.bytes, text.length);
        text_mark_invisible(status, ' '); /* (a line's end would begin another variable) */
        notify_send("STATUS=%s", status);
        free(status);
        return true;
    default: return false;
    }
}

static void on_gateway_up(struct keeper *k)
{
    if (!k->up)
        print_default_proxy(k);
    k->up = true;
    child_detach(k);
    if (k->trial)
        keeper_order_end(k);
}

/* The gateway accepts no more connections, and drains. */
static void on_gateway_closed(struct keeper *k)
{
    k->ending = true;
    upgrade_abandon(k);
    changing_abandon(k);
    bound_sockets_close(k->sockets, false);
    forward_sockets_keep(k->forward_sockets, NULL);
}

/* False: it may not be sent now. */
static bool take_message(struct keeper *k, struct keeper_message *message, int *fd)
{
    switch (message->kind) {
    case GATEWAY_READY:
        k->started = true;
        if (k->up || detaches_at_once(k->options))
            child_detach(k);
        return true;
    case GATEWAY_UP: on_gateway_up(k); return true;
    case GATEWAY_DETACHED:
        if (!k->detached || k->left_terminal)
            return false;
        detach_keeper(k);
        return true;
    case GATEWAY_CHANGE: return changing_begin(k, message);
    case GATEWAY_CHANGED: /* (at the end what was offered was given up already) */
        return changing_taken(k, message->numbers[0], message->numbers[1] != 0) || k->ending;
    case GATEWAY_NOTIFY: return notify(k, message);
    case GATEWAY_UPGRADE: upgrade_ask(k); return true;
    case GATEWAY_LOGIN: login_lines_add(k->current, message, fd); return true;
    case GATEWAY_CLOSED: on_gateway_closed(k); return true;
    case GATEWAY_SERVICE: return service_line_open(k->current, fd);
    case GATEWAY_EVENT: return on_change_event(k->on_change, child_config(k->current), message);
    case KEEPER_START:
    case KEEPER_SOCKET:
    case KEEPER_CONFIG:
    case KEEPER_SIGNAL:
    case KEEPER_LOG:
    case KEEPER_DETACH:
    case KEEPER_LISTEN:
    case KEEPER_RETIRE:
    case KEEPER_FILE:
    case KEEPER_MESSAGE_KINDS: break;
    }
    return false;
}

/* What a gateway may send before it is the current one, or afterwards; nothing is made of most. */
static bool take_other_message(struct gateway_child *child, struct keeper_message *message, int *fd)
{
    struct keeper *k = child->keeper;

    if (message->kind == GATEWAY_UP && child == k->successor)
        upgrade_successor_up(k);
    if (message->kind == GATEWAY_SERVICE)
        return service_line_open(child, fd);
    if (message->kind == GATEWAY_LOGIN)
        login_lines_add(child, message, fd);
    if (message->kind == GATEWAY_EVENT && child == k->successor)
        return on_change_event(k->on_change, child_config(child), message);
    return message->kind != GATEWAY_CHANGE || child->retired;
}

void child_received(void *arg, struct span packet, int *fd)
{
    struct gateway_child *child = arg;
    struct keeper *k = child->keeper;
    struct keeper_message message;

    /* (All that a gateway sends are ends of lines: what else it sends might never wake who waits
     * for it.) */
    if (!keeper_message_parse(packet, *fd >= 0, true, &message) ||
        (*fd >= 0 && !packet_is_end(*fd)) ||
        !(child == k->current ? take_message(k, &message, fd)
                              : take_other_message(child, &message, fd)))
        child_condemn(child, "has sent what it may not");
}

/* The end of the current one. */

static void on_restart(struct deadline *deadline)
{
    struct keeper *k = container_of(deadline, struct keeper, restart);

    if (!current_start(k))
        deadline_arm(k->loop, &k->restart, RESTART_MS, on_restart);
}

/* Whether another gateway can take up what one has left behind: not the one connection of -W, and
 * not a start that a failure would end, or that a person waits for. */
static bool is_replaceable(const struct keeper *k)
{
    return k->started && !k->ending && !k->options->stdio &&
           (k->up || !k->options->first_failure_ends);
}

/* What a person should know of SIGSYS, by which the kernel ends a gateway that breaks out
 * (io/sandbox.h). */
#define LOCK_BROKEN                                                                                \
    ": it made a system call that its lock forbids. That is an attack, or a fault of adit's: "     \
    "please "                                                                                      \
    "report it, with the line about it in the kernel's log (journalctl -k, type=1326). With "      \
    "sandbox = off in [gateway] adit runs without the lock"

/* It was killed: by a signal of its own making, or another process's. */
static void current_died(struct keeper *k, uint64_t age, int number)
{
    char *what = mem_printf("the gateway was killed by signal %d (%s)%s", number, strsignal(number),
                            number == SIGSYS ? LOCK_BROKEN : "");

    if (is_replaceable(k)) {
        log_error("%s: another one is started", what);
        on_change_gateway_died(k->on_change, what);
        deadline_arm(k->loop, &k->restart, age < RESTART_MS ? RESTART_MS - age : 1, on_restart);
    } else {
        keeper_report_failure(k, what);
        keeper_end(k, EXIT_SSH);
    }
    free(what);
}

static void current_ended(struct keeper *k, uint64_t age, int status)
{
    k->current = NULL;
    k->detached = k->left_terminal;
    changing_abandon(k);
    upgrade_abandon(k);
    if (WIFEXITED(status))
        keeper_end(k, WEXITSTATUS(status));
    else
        current_died(k, age, WTERMSIG(status));
}

void child_ended(void *arg)
{
    struct gateway_child *child = arg;
    struct keeper *k = child->keeper;
    uint64_t age = loop_now(k->loop) - child->began;
    int status = own_program_reap(child->pid);

    if (child == k->current) {
        current_ended(k, age, status);
    } else if (child == k->successor) {
        upgrade_successor_ended(k);
    } else {
        LIST_REMOVE(child, link);
        log_info("the gateway that listened before (process %d) has ended", (int)child->pid);
    }
    child_free(child);
    kept_keys_review(k);
    keeper_child_gone(k);
}

bool current_start(struct keeper *k)
{
    k->current = child_new(k, k->config, true);
    if (k->current == NULL)
        return false;
    if (k->reload_missed)
        child_send_signal(k->current, KEEPER_SIGNAL_RELOAD);
    k->reload_missed = false;
    return true;
}
