/* Changes of the configuration in use, one after another, in the order in which they were asked
 * for: a reload, and forwards that are added or removed.
 *
 * The main thread must not wait, and making a configuration can: files, ssh -G, names of ports in
 * services(5), the SSH library reading ssh_config, another adit at the control socket's path. So
 * one thread makes the next configuration from the one in use, and the main thread takes it into
 * use (gateway/reload.c) before the next change begins. Several reloads that wait for the same one
 * to end become one. All functions are the main thread's. */
#ifndef ADIT_GATEWAY_CONFIG_CHANGES_H
#define ADIT_GATEWAY_CONFIG_CHANGES_H

#include "conf/config.h"
#include "control/client.h"
#include "io/mailbox.h"

#include <stdbool.h>
#include <stddef.h>

#define CONFIG_CHANGE_ERROR_MAX 600

struct login_engine;
struct config_changes;

enum config_change_kind {
    CONFIG_RELOAD,                /* what the configuration in use was read from is read again */
    CONFIG_ADD_FORWARDS,          /* those that are there already stay */
    CONFIG_REMOVE_FORWARDS,       /* all, or none if one is not there */
    CONFIG_REMOVE_NAMED_FORWARDS, /* by the names of their sections; those that have gone are left
                                     out */
};

/* One forward of a change: its kind and ends in words, or its section's name. */
struct config_change_forward {
    char *kind; /* "local", "remote" or "dynamic" */
    char *spec; /* as ssh(1) takes it */
    char *via;  /* the upstream that a new one leads through; NULL: the first */
    char *name;
};

/* The process that listens at the path of the new configuration's control socket, if that path has
 * changed. */
struct control_holder {
    enum control_peer peer;
    pid_t pid; /* with CONTROL_ADIT */
};

/* What a change has come to. Everything is valid during the call only. */
struct config_change_result {
    /* The new configuration; NULL: there is none, and `error` and `problems` say why. */
    struct config *config;
    const struct config_problems *problems; /* of the file */
    const char *error;
    struct control_holder holder;
    size_t forwards_before; /* how many the configuration had that was changed */
    bool reload;
};

/* Called for every change whose thread has ended, before its `done`: takes the configuration, if
 * there is one, into use, with a reference of its own. False: it is not in use, and if there was
 * one `error` says why not. */
typedef bool config_change_apply_fn(void *arg, const struct config_change_result *result,
                                    char error[static CONFIG_CHANGE_ERROR_MAX]);

/* The change is in use (`ok`), or was not made (`error` says why). */
typedef void config_change_done_fn(void *arg, bool ok, const struct config_change_result *result);

/* Makes the configuration that a command line means now, with one reference, from `base`, which is
 * in use; NULL: the reasons are added to `problems`. When `connection` is shut down it is to end.
 * On a thread that may block. */
typedef struct config *config_read_again_fn(void *arg, struct config *base, int connection,
                                            struct config_problems *problems);

struct config_changes_options {
    struct mailbox *mailbox; /* the main thread's; must live until no change is under way */
    const struct login_engine *engine;
    /* The configuration in use. */
    struct config *(*current)(void *arg);
    config_change_apply_fn *apply;
    void *arg; /* of both */
    /* For a reload of a configuration that no file has; NULL: there is none. */
    config_read_again_fn *read_again;
    void *read_again_arg;
};
struct config_changes *config_changes_new(const struct config_changes_options *options);

/* A change that is asked for. */
struct config_change_request {
    enum config_change_kind kind;
    struct config_change_forward *forwards; /* of malloc(3), as their strings; NULL for a reload */
    size_t forward_count;
    config_change_done_fn *done; /* NULL is fine */
    void *arg;                   /* of `done` */
};

/* Asks for a change, and takes over its forwards. `done` is called once, later or, after
 * config_changes_close, at once. */
void config_changes_ask(struct config_changes *changes,
                        const struct config_change_request *request);

/* Whether a change is under way; whether it is a reload. */
bool config_changes_busy(const struct config_changes *changes);
bool config_changes_reloading(const struct config_changes *changes);

/* Ends all changes: each `done` is called with the error that adit is ending, and a program that
 * the thread waits for is ended. */
void config_changes_close(struct config_changes *changes);

/* After config_changes_close, while a change is still under way: calls `idle` once, when it no
 * longer is. */
void config_changes_when_idle(struct config_changes *changes, void (*idle)(void *arg), void *arg);

/* Once no change is under way. NULL is fine. */
void config_changes_free(struct config_changes *changes);

/* For each upstream that libssh reads ssh_config for, where its hosts are. Waits for files. */
void config_find_hosts(const struct login_engine *engine, struct config *config);

#endif
