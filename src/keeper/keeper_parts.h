/* The inside of the keeper, for the files of this room. Main thread only. */
#ifndef ADIT_KEEPER_KEEPER_PARTS_H
#define ADIT_KEEPER_KEEPER_PARTS_H

#include "base/quota.h"
#include "conf/upstream_host.h"
#include "io/loop.h"
#include "io/mailbox.h"
#include "io/packets.h"
#include "io/proxy_command.h"
#include "io/signals.h"
#include "keeper/keeper.h"
#include "keeper/key_agent.h"
#include "keeper/on_change.h"
#include "keeper/password_checks.h"

struct forward_sockets;
struct keeper_change;
struct keeper_line;
struct keeper_masters;
struct key_review;
struct keeper_upgrade;
struct keeper_master;

/* Packets that a gateway does not read: beyond that nothing of it is read. (It is no fault of a
 * gateway to be slow: clients may ask much of it.) */
#define PACKETS_UNREAD_MAX 1024

/* Of one gateway, so that one that was taken over, or that retired, takes nothing from another:
 * logins at once, connections to agents, ProxyCommands and ssh processes, which is more than
 * sessions and dials have. */
#define CHILD_LOGINS_MAX 1024
#define CHILD_AGENTS_MAX 1024
#define CHILD_COMMANDS_MAX 1024
#define CHILD_MASTERS_MAX 1024

struct child_quotas {
    struct quota *logins;
    struct quota *agents;
    struct quota *commands;
    struct quota *masters;
};

/* A process of a gateway. */
struct gateway_child {
    LIST_ENTRY(gateway_child) link; /* of those that have retired */
    struct keeper *keeper;
    pid_t pid;
    struct packets *packets;
    uint32_t sent_id; /* the last socket that it was sent */
    uint64_t began;
    bool retired;
    struct config *config;           /* that it has in use */
    LIST_HEAD(, service_line) lines; /* services.c */
    struct child_quotas quotas;
    struct guess_queue *guesses; /* its place in the keeper's password_checks */
};

struct keeper {
    const struct options *options;
    struct change_sources sources;
    struct config *config; /* in use */
    int log_fd;
    char *program; /* the path of this one, as it was at the start; NULL: not known */
    struct loop *loop;
    struct mailbox *mailbox;
    struct signals *signals;
    struct bound_sockets *sockets;
    struct forward_sockets *forward_sockets;
    struct password_checks *checks;
    struct proxy_commands *commands;
    struct keeper_masters *masters; /* ssh(1) processes that carry sessions */

    struct gateway_child *current;      /* the gateway that listens; NULL: there is none */
    struct gateway_child *successor;    /* that is to listen in its place; NULL: none */
    LIST_HEAD(, gateway_child) retired; /* that listened before, and drain */
    struct deadline restart;
    struct deadline patience;       /* with gateways that are to end */
    struct keeper_upgrade *upgrade; /* under way; NULL: none */

    struct on_change *on_change;
    struct keeper_change *change;   /* under way; NULL: none */
    LIST_HEAD(, keeper_line) lines; /* login lines */
    struct key_agent *keys;
    struct key_review *key_review; /* under way; NULL: none */
    bool reload_missed;            /* SIGHUP came while there was no gateway */

    bool trial;         /* ends once all is up */
    bool had_terminal;  /* at the start */
    bool started;       /* a gateway listened once */
    bool up;            /* every upstream and forward has been up once */
    bool detached;      /* the gateway has left the terminal, or was asked to */
    bool left_terminal; /* both have */
    bool ending;        /* by a signal, or as the gateway said */
    bool ended;         /* but for gateways that have retired */
    int status;         /* to exit with */
};

static inline bool keeper_is_command_line(const struct keeper *k)
{
    return k->config->file == NULL;
}

/* keeper.c */

/* The log as the configuration and the options have it. */
void keeper_apply_log(const struct keeper *k);

/* The file of -E may have been moved: the descriptor of both processes leads to the one of that
 * name from now on. SIGHUP and each reload do this; with both it is done twice. */
void keeper_reopen_log(struct keeper *k);

/* Reports a failure as the mode has it: of a command line on standard error too. */
void keeper_report_failure(const struct keeper *k, const char *sentence);

/* Has the gateway end, as by a signal. */
void keeper_order_end(struct keeper *k);

/* Ends, when the callback that called this has returned. */
void keeper_end(struct keeper *k, int status);

/* The keeper has no gateway any more: it ends, if it has waited for that. */
void keeper_child_gone(struct keeper *k);

/* children.c */

/* Starts a gateway with a configuration, and the sockets unless those are to follow. NULL: no
 * process can be had (logged). */
struct gateway_child *child_new(struct keeper *k, struct config *config, bool with_sockets);

/* One that another program, which this process was before, has started: `end` is this process's end
 * of their pair. NULL: the loop cannot watch it. */
struct gateway_child *child_adopt(struct keeper *k, pid_t pid, int end, uint32_t sent_id);

/* The configuration that it asks by: what it was offered last it may have in use already. */
struct config *child_config(const struct gateway_child *child);

/* A host of an upstream, and the configuration that has it. */
struct child_place {
    struct config *config; /* the child's, or the change's */
    const struct config_upstream *upstream;
    struct upstream_host host;
};

/* Finds a host by its upstream and by what stands in the configuration for it: a gateway that was
 * just offered a configuration may ask by that or by the one before. False: neither has it. */
bool child_find_place(const struct gateway_child *child, const char *upstream, const char *entry,
                      struct child_place *place);

/* It has the configuration in use. */
void child_use(struct gateway_child *child, struct config *config);

/* Sends it a message. NULL: to nobody. `fd` is closed in any case. */
void child_send(struct gateway_child *child, enum keeper_message_kind kind, const uint32_t *numbers,
                const char *const *texts, size_t text_count, int fd);
void child_send_signal(struct gateway_child *child, enum keeper_signal number);

/* Sends it the sockets that it does not have, and those that it has by their number. */
void child_send_sockets(struct gateway_child *child);

/* Sends it a configuration, as the result of a change: NULL: there is none. */
void child_send_config(struct gateway_child *child, uint32_t serial, const struct config *config,
                       const char *error, const struct config_problems *problems);

/* Ends it without asking. `what` it does says so in the log. */
void child_condemn(struct gateway_child *child, const char *what);

/* Once the process is reaped, or without waiting for it. NULL is fine. */
void child_free(struct gateway_child *child);

/* child.c */

/* Starts the current gateway, as it will be after a crash. False: no process can be had. */
bool current_start(struct keeper *k);

/* What a gateway sends (a packet_received_fn), and its end (a packets_ended_fn). */
void child_received(void *child, struct span packet, int *fd);
void child_ended(void *child);

/* services.c */

/* The gateway has made a service line (wire/service.h), whose end this is; it is taken over. False:
 * it has too many. */
bool service_line_open(struct gateway_child *child, int *fd);

/* One that another program, which this process was before, had: what was under way is asked for
 * again. */
bool service_line_adopt(struct gateway_child *child, int fd);

/* A command, or a master, of the line that was adopted last, and still runs. */
void service_line_adopt_command(struct gateway_child *child, uint32_t request, pid_t pid);
void service_line_adopt_master(struct gateway_child *child, uint32_t request,
                               struct keeper_master *master);

/* Calls `line` with the end of each line, and then `command` with each of its commands that runs,
 * and `master` with each of its masters. */
struct service_visitor {
    void (*line)(void *arg, int fd);
    void (*command)(void *arg, uint32_t request, pid_t pid);
    void (*master)(void *arg, uint32_t request, const struct keeper_master *master);
};
void service_lines_each(const struct gateway_child *child, const struct service_visitor *visitor,
                        void *arg);

/* Whether no answer is queued. */
bool service_lines_are_sent(const struct gateway_child *child);

/* The gateway has ended: what it has under way is given up, and its commands get SIGHUP. */
void service_lines_close(struct gateway_child *child);

/* upgrade.c */

/* SIGUSR2, or asked for at the control socket. What comes of it is logged. */
void upgrade_ask(struct keeper *k);

/* The process was executed by an upgrade (upgrade_state.c has read what it was before): a gateway
 * with the configuration, to which this takes the reference, is to succeed the current one. */
void upgrade_succeed(struct keeper *k, struct config *config);

/* The successor has a session; or it has ended. */
void upgrade_successor_up(struct keeper *k);
void upgrade_successor_ended(struct keeper *k);

/* No upgrade is wanted any more. */
void upgrade_abandon(struct keeper *k);

/* After the loop. */
void upgrade_free(struct keeper *k);

/* upgrade_state.c */

/* Writes what the next program needs into a file in memory, whose descriptor it finds in the
 * environment, as all that are named there. False: errno. */
bool upgrade_state_save(const struct keeper *k);

/* Undoes that. */
void upgrade_state_forget(const struct keeper *k);

/* Takes it: sockets, gateways, the configuration in use. False: there is none, or it cannot be read
 * (logged). */
bool upgrade_state_take(struct keeper *k);

/* login_lines.c */

/* Serves a login of a gateway, GATEWAY_LOGIN, on a thread: takes over `*end`, or leaves it to be
 * closed: then the login fails. */
void login_lines_add(struct gateway_child *child, struct keeper_message *message, int *end);

/* The gateway has ended: so do its logins, whoever has the other ends of their lines. */
void login_lines_cut(const struct gateway_child *child);

/* The configuration of each. */
typedef void login_line_config_fn(void *arg, const struct config *config);
void login_lines_each_config(const struct keeper *k, login_line_config_fn *each, void *arg);

/* Ends all of them, with the questions that are being asked, and waits for their threads. False: a
 * thread still waits for a file. */
bool login_lines_end(struct keeper *k);

/* After the loop, before the mailbox is freed. */
void login_lines_free(struct keeper *k);

/* kept_keys.c */

/* A configuration is in use no more: has the agent forget the keys that no other one has, on a
 * thread. */
void kept_keys_review(struct keeper *k);

/* After the loop, before the mailbox and the agent are freed. */
void kept_keys_free(struct keeper *k);

/* changing.c */

/* The gateway asks for a change. False: it may not. */
bool changing_begin(struct keeper *k, struct keeper_message *message);

/* The gateway has taken it into use, or not. False: none was offered. */
bool changing_taken(struct keeper *k, uint32_t serial, bool in_use);

/* The configuration that the current gateway may have in use before it has said so; NULL: none. */
struct config *changing_offered(const struct keeper *k);

/* No change is wanted any more: of a gateway that has ended, or is ending. A program that the
 * thread waits for is ended. */
void changing_abandon(struct keeper *k);

/* After the loop: waits for a change that is under way, and exits without it if it does not end. */
void changing_free(struct keeper *k);

#endif
