/* The inside of the gateway, for the files of this room. Main thread only. */
#ifndef ADIT_GATEWAY_GATEWAY_PARTS_H
#define ADIT_GATEWAY_GATEWAY_PARTS_H

#include "gateway/commands.h"
#include "gateway/config_changes.h"
#include "gateway/forwards.h"
#include "gateway/gateway.h"
#include "gateway/keeper_link.h"
#include "gateway/listeners.h"
#include "gateway/pool.h"
#include "gateway/stdio.h"
#include "worker/worker.h"
#include "status/server.h"

struct try_order;

struct gateway {
    struct workers workers;
    struct gateway_options options;
    struct loop *loop;
    struct pool_room room;
    struct generation *generation;
    struct pool **pools; /* one for each upstream of the generation */
    size_t pool_count;
    struct listeners *listeners;
    struct keeper_link *link;
    struct deadline tick;
    struct deadline drain;
    uint64_t drain_timeout_ms; /* of gateway_drain */
    uint64_t ticked_at;
    uint64_t slept; /* CLOCK_BOOTTIME - CLOCK_MONOTONIC, ms */
    uint64_t began;
    char *words; /* the status line that the service manager has */
    struct stdio *stdio;
    struct control *control;
    struct status_server *status_server;
    struct config_changes *changes;
    struct try_order *trying; /* NULL: nothing is being tried */
    struct later
        ending;    /* stops after a failure, from the loop, when no other call is on the stack */
    int status;    /* to exit with */
    bool up;       /* every upstream and forward has been up once */
    bool draining; /* also while that is only announced */
    bool stopping;
};

static inline bool is_command_line(const struct config *config)
{
    return config->file == NULL;
}

struct event;

/* gateway.c: tells those who watch. */
void gateway_happened(struct gateway *gateway, const struct event *event);

/* reload.c */

/* The log as the configuration and the options have it; what a person should know of a
 * configuration, to the log. */
void gateway_apply_log(const struct gateway_options *options, const struct config *config);

/* How much may be held for clients that do not read. */
void gateway_apply_held(struct gateway *gateway, const struct config *config);
void gateway_log_notices(const struct config *config);

/* Pools for the upstreams of `config`, whose reference it takes: those there whose sessions would
 * be the same, and new ones for the others; with them its generation, which connections come in by
 * from now on. */
void gateway_change_pools(struct gateway *gateway, struct config *config);

/* Reads the file again, or for a command line ssh_config, and changes over to what it says if that
 * is right: later, on the way of gateway/config_changes, which calls `done` (NULL is fine). What
 * comes of it is logged. */
void gateway_reload(struct gateway *gateway, config_change_done_fn *done, void *arg);

/* Listens at the sockets that the keeper has sent for `config`. */
void gateway_listen(struct gateway *gateway, struct config *config);

/* The same for the configuration in use: a successor begins without sockets. */
void gateway_listen_now(struct gateway *gateway);

/* Another gateway listens: this one drains. */
void gateway_retire(struct gateway *gateway);

/* For gateway/config_changes. */
size_t gateway_forward_count(void *gateway);
bool gateway_apply(void *gateway, const struct config_change_result *change,
                   char error[static CONFIG_CHANGE_ERROR_MAX]);

/* gateway.c */

/* A signal that the keeper was sent. */
void gateway_signal(struct gateway *gateway, enum keeper_signal number);

/* Reports that everything is up, if it is now: a forward or upstream that was missing may have been
 * removed. */
void gateway_check_up(struct gateway *gateway);

/* drain.c */

/* Says that it drains; then, after drain_announce if there is a section [status], accepts nothing
 * new, and ends when the last connection has ended, or after `timeout_ms` (0: no limit). */
void gateway_drain(struct gateway *gateway, uint64_t timeout_ms);

/* The same without an announcement. */
void gateway_drain_now(struct gateway *gateway, uint64_t timeout_ms);

/* An ssh(1) is no longer served: if the gateway drains and nothing is left, it ends. */
void gateway_check_drained(struct gateway *gateway);

/* Cuts everything, and ends. */
void gateway_stop(struct gateway *gateway);

/* A first signal drains, for drain_timeout at most; a second one stops. */
void gateway_end_in_order(struct gateway *gateway);

/* For workers.client_gone: on a worker's thread, a connection has ended while draining. */
void gateway_client_gone(struct workers *workers);

#endif
