/* Changes of the configuration in use, one after another, in the order in which they were asked
 * for: a reload, and forwards that are added or removed.
 *
 * The keeper makes each configuration (keeper/change), as it may wait for files and programs and
 * has the rights to them; the gateway takes it into use (gateway/reload.c) before the next change
 * begins. Several reloads that wait for the same one to end become one. All functions are the main
 * thread's. */
#ifndef ADIT_GATEWAY_CONFIG_CHANGES_H
#define ADIT_GATEWAY_CONFIG_CHANGES_H

#include "conf/config.h"
#include "conf/forward_words.h"
#include "wire/keeper.h"

#include <stdbool.h>
#include <stddef.h>

#define CONFIG_CHANGE_ERROR_MAX 600

struct config_changes;

/* What a change has come to. Everything is valid during the call only. */
struct config_change_result {
    /* The new configuration; NULL: there is none, and `error` and `problems` say why. */
    struct config *config;
    const struct config_problems *problems; /* of the file */
    const char *error;
    size_t forwards_before; /* how many the configuration had that was changed */
    bool reload;
};

/* Called for every change that was made or could not be, before its `done`: takes the
 * configuration, if there is one, into use, with a reference of its own. False: it is not in use,
 * and if there was one `error` says why not. */
typedef bool config_change_apply_fn(void *arg, const struct config_change_result *result,
                                    char error[static CONFIG_CHANGE_ERROR_MAX]);

/* The change is in use (`ok`), or was not made (`error` says why). */
typedef void config_change_done_fn(void *arg, bool ok, const struct config_change_result *result);

/* Asks the keeper for a change; config_changes_made follows. False: it is too long to be asked. */
typedef bool config_change_ask_fn(void *arg, uint32_t serial, enum config_change_kind kind,
                                  const struct forward_words *forwards, size_t forward_count);

/* Tells the keeper whether a change is in use. */
typedef void config_change_taken_fn(void *arg, uint32_t serial, bool in_use);

struct config_changes_options {
    struct loop *loop;
    /* How many forwards the configuration in use has. */
    size_t (*forward_count)(void *arg);
    config_change_apply_fn *apply;
    config_change_ask_fn *ask;
    config_change_taken_fn *taken;
    void *arg; /* of all four */
};
struct config_changes *config_changes_new(const struct config_changes_options *options);

/* A change that is asked for. */
struct config_change_request {
    enum config_change_kind kind;
    struct forward_words *forwards; /* of malloc(3), as their strings; NULL for a reload */
    size_t forward_count;
    config_change_done_fn *done; /* NULL is fine */
    void *arg;                   /* of `done` */
};

/* Asks for a change, and takes over its forwards. `done` is called once, later. */
void config_changes_ask(struct config_changes *changes,
                        const struct config_change_request *request);

/* What the keeper has made of the change of that number: a configuration, or NULL and why not. */
void config_changes_made(struct config_changes *changes, uint32_t serial, struct config *config,
                         const char *error, const struct config_problems *problems);

/* Whether a reload is under way. */
bool config_changes_reloading(const struct config_changes *changes);

/* Ends all changes: each `done` is called with the error that adit is ending. */
void config_changes_close(struct config_changes *changes);

/* After config_changes_close. NULL is fine. */
void config_changes_free(struct config_changes *changes);

#endif
