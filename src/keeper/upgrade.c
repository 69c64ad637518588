/* An upgrade: the program at this one's path is asked whether it can take over, and is executed in
 * this process's place. Then a gateway of it succeeds the one that listens, which drains. */
#include "keeper/keeper_parts.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/visible.h"
#include "io/own_program.h"
#include "io/socket_calls.h"
#include "io/subprocess.h"
#include "keeper/forward_sockets.h"
#include "keeper/masters.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* To read a configuration (ssh -G), and for the successor to have a session. */
#define CHECK_MS 60000
#define SUCCESS_MS 60000

struct keeper_upgrade {
    struct keeper *keeper;
    bool abandoned; /* it is only waited for */
    /* While the program is asked, on a thread. */
    struct message message;
    uv_thread_t thread;
    bool asking;
    int connection; /* shut down when the program is to be ended; -1: none */
    int other_end;  /* of it, the main thread's */
    const char **arguments;
    char text[512];
    struct subprocess_end end;
    /* While the successor begins. */
    struct config *config; /* NULL: none does */
    struct deadline patience;
};

static struct keeper_upgrade *upgrade_new(struct keeper *k)
{
    struct keeper_upgrade *upgrade = mem_zalloc(sizeof(*upgrade));

    upgrade->keeper = k;
    upgrade->connection = -1;
    k->upgrade = upgrade;
    return upgrade;
}

static void upgrade_end(struct keeper_upgrade *upgrade)
{
    if (upgrade->connection >= 0) {
        close(upgrade->connection);
        close(upgrade->other_end);
    }
    deadline_cancel(&upgrade->patience);
    config_unref(upgrade->config);
    free(upgrade->arguments);
    upgrade->keeper->upgrade = NULL;
    free(upgrade);
}

/* Whether the program may be asked, or executed, now; NULL: it may, else why not. */
static const char *upgrade_obstacle(const struct keeper *k)
{
    if (k->ending)
        return "adit is ending";
    if (k->options->stdio)
        return "the one connection of -W cannot be taken over";
    if (k->program == NULL)
        return "the path of this program is not known";
    if (k->current == NULL || !k->started || (k->options->background && !k->left_terminal) ||
        (k->options->first_failure_ends && !k->up))
        return "adit is not up yet";
    if (k->change != NULL)
        return "the configuration is being changed";
    if (!packets_are_sent(k->current->packets) || !service_lines_are_sent(k->current))
        return "the gateway does not read its messages";
    return NULL;
}

/* Executes the program. (Returns if that cannot be.) */
static void execute(struct keeper *k)
{
    const char *obstacle = upgrade_obstacle(k);
    int error;

    if (obstacle != NULL) {
        log_error("upgrade: %s: nothing was changed", obstacle);
        return;
    }
    if (!login_lines_end(k)) { /* (their threads would end in the middle of a question) */
        log_error("upgrade: a file that a login needs is still being read: nothing was changed");
        return;
    }
    masters_end_logins(k->masters);
    if (!upgrade_state_save(k)) {
        log_error("upgrade: %s: nothing was changed", strerror(errno));
        return;
    }
    log_info("upgrade: executing %s", k->program);
    log_flush();
    error = own_program_replace(k->program, k->options->argv);
    upgrade_state_forget(k);
    log_error("upgrade: %s cannot be executed: %s: nothing was changed", k->program,
              strerror(error));
}

static void upgrade_checked(struct message *message, void *owner)
{
    struct keeper_upgrade *upgrade = container_of(message, struct keeper_upgrade, message);
    struct keeper *k = upgrade->keeper;
    char how[SUBPROCESS_END_MAX];

    (void)owner;
    uv_thread_join(&upgrade->thread);
    upgrade->asking = false;
    if (upgrade->abandoned) {
        upgrade_end(upgrade);
        keeper_child_gone(k);
        return;
    }
    if (subprocess_succeeded(upgrade->end)) {
        upgrade_end(upgrade);
        execute(k);
        return;
    }
    log_error("upgrade: %s, asked whether it can take over, %s: nothing was changed: %s",
              k->program, subprocess_describe(upgrade->end, how), upgrade->text);
    upgrade_end(upgrade);
}

static void upgrade_dropped(struct message *message)
{
    (void)message;
}

static void upgrade_thread(void *arg)
{
    struct keeper_upgrade *upgrade = arg;
    struct subprocess program = {
        .arguments = upgrade->arguments,
        .output = {.text = upgrade->text, .size = sizeof(upgrade->text)},
        .errors_to_output = true,
        .limit = wait_limit(upgrade->connection, CHECK_MS),
    };

    upgrade->end = subprocess_run(&program);
    mailbox_post(upgrade->keeper->mailbox, &upgrade->message);
}

/* The program with UPGRADE_CHECK before this one's own arguments. */
static const char **check_arguments(const struct keeper *k)
{
    char *const *argv = k->options->argv;
    const char **arguments;
    size_t count = 0;

    while (argv[count] != NULL)
        count++;
    arguments = mem_zalloc((count + 2) * sizeof(*arguments));
    arguments[0] = k->program;
    arguments[1] = UPGRADE_CHECK;
    for (size_t i = 1; i < count; i++)
        arguments[i + 1] = argv[i];
    return arguments;
}

void upgrade_ask(struct keeper *k)
{
    const char *obstacle =
        k->upgrade != NULL ? "another upgrade is under way" : upgrade_obstacle(k);
    struct keeper_upgrade *upgrade;
    int ends[2];

    if (k->ending)
        return;
    if (obstacle != NULL) {
        log_error("upgrade: %s: nothing was changed", obstacle);
        return;
    }
    upgrade = upgrade_new(k);
    upgrade->message = (struct message){.run = upgrade_checked, .drop = upgrade_dropped};
    upgrade->arguments = check_arguments(k);
    if (socket_pair(true, ends)) {
        upgrade->connection = ends[0];
        upgrade->other_end = ends[1];
    }
    upgrade->asking = uv_thread_create(&upgrade->thread, upgrade_thread, upgrade) == 0;
    if (upgrade->asking)
        return;
    log_error("upgrade: no thread can be had: nothing was changed");
    upgrade_end(upgrade);
}

/* The successor. */

static void on_successor_overdue(struct deadline *patience)
{
    const struct keeper *k = container_of(patience, struct keeper_upgrade, patience)->keeper;

    child_condemn(k->successor, "has no session after a minute");
}

static void no_successor(struct keeper_upgrade *upgrade, const char *why)
{
    bound_sockets_commit(upgrade->keeper->sockets, false);
    log_error("upgrade: %s: the gateway from before goes on", why);
    upgrade_end(upgrade);
}

void upgrade_succeed(struct keeper *k, struct config *config)
{
    struct keeper_upgrade *upgrade = upgrade_new(k);
    char error[BOUND_SOCKETS_ERROR_MAX];

    upgrade->config = config;
    if (!bound_sockets_prepare(k->sockets, config, NULL, error)) {
        no_successor(upgrade, error);
        return;
    }
    k->sources.find_hosts(config);
    k->successor = child_new(k, config, false);
    if (k->successor == NULL) {
        no_successor(upgrade, "there can be no other one");
        return;
    }
    deadline_arm(k->loop, &upgrade->patience, SUCCESS_MS, on_successor_overdue);
}

void upgrade_successor_up(struct keeper *k)
{
    struct keeper_upgrade *upgrade = k->upgrade;

    if (upgrade->abandoned)
        return;
    changing_abandon(k); /* (the gateway that asked for it is current no more) */
    bound_sockets_remove_paths(k->sockets);
    child_send_sockets(k->successor);
    child_send(k->successor, KEEPER_LISTEN, NULL, NULL, 0, -1);
    child_send(k->current, KEEPER_RETIRE, NULL, NULL, 0, -1);
    bound_sockets_commit(k->sockets, true);
    k->current->retired = true;
    LIST_INSERT_HEAD(&k->retired, k->current, link);
    k->current = k->successor;
    k->successor = NULL;
    config_unref(k->config);
    k->config = config_ref(upgrade->config);
    forward_sockets_keep(k->forward_sockets, k->config);
    keeper_apply_log(k);
    log_info("upgrade: the new gateway (process %d) listens", (int)k->current->pid);
    upgrade_end(upgrade);
}

void upgrade_successor_ended(struct keeper *k)
{
    struct keeper_upgrade *upgrade = k->upgrade;

    k->successor = NULL;
    if (upgrade->abandoned)
        upgrade_end(upgrade);
    else
        no_successor(upgrade, "the new gateway has ended");
}

void upgrade_abandon(struct keeper *k)
{
    struct keeper_upgrade *upgrade = k->upgrade;

    if (upgrade == NULL || upgrade->abandoned)
        return;
    upgrade->abandoned = true;
    deadline_cancel(&upgrade->patience);
    if (upgrade->config != NULL)
        bound_sockets_commit(k->sockets, false);
    if (k->successor != NULL)
        own_program_kill(k->successor->pid); /* (its end follows) */
    if (upgrade->asking && upgrade->connection >= 0)
        socket_shutdown(upgrade->other_end);
}

void upgrade_free(struct keeper *k)
{
    upgrade_abandon(k);
    while (k->upgrade != NULL) /* (the program is ended: a thread does not wait for long) */
        loop_run(k->loop);
}
