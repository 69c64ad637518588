/* Making the next configuration from the one in use: a reload, and forwards that are added or
 * removed. */
#ifndef ADIT_KEEPER_CHANGE_H
#define ADIT_KEEPER_CHANGE_H

#include "conf/forward_words.h"
#include "conf/options.h"
#include "io/system_files.h"
#include "keeper/bound_sockets.h"
#include "wire/keeper.h"

/* What is asked for. */
struct change_request {
    enum config_change_kind kind;
    struct forward_words *forwards; /* of malloc(3), as their strings */
    size_t forward_count;
};

/* Reads it out of a GATEWAY_CHANGE, whose bytes are another process's. False: there is no such
 * change. Either way change_request_clear is to follow. */
bool change_request_read(struct keeper_message *message, struct change_request *request);
void change_request_clear(struct change_request *request);

#define CHANGE_ERROR_MAX 600

/* What came of it. */
struct change_result {
    struct config *config;           /* a reference; NULL: there is none, and the rest says why */
    struct config_problems problems; /* of the file */
    char error[CHANGE_ERROR_MAX];
    int files[SYSTEM_FILES];      /* copies, for a reload; -1: there is none */
    struct control_holder holder; /* of the control socket's path, if that has changed */
};

/* For each upstream that the engine reads ssh_config for itself, where its hosts are. Waits for
 * files. */
typedef void find_hosts_fn(struct config *config);

/* How a configuration is read again. */
struct change_sources {
    char *const *argv; /* of a command line; NULL: it is not read again */
    find_hosts_fn *find_hosts;
};

/* Frees what it has. */
void change_result_clear(struct change_result *result);

/* Makes the configuration from `base`, which is in use. Waits for files, and for programs until the
 * socket `connection` is shut down (-1: never). Any thread that may block. */
void change_make(const struct change_sources *sources, struct config *base,
                 const struct change_request *request, int connection,
                 struct change_result *result);

#endif
