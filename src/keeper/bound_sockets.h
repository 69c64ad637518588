/* The sockets that are listened on: bound by the keeper, and kept through reloads and through the
 * end of a gateway, which is given their descriptors and accepts. Main thread only. */
#ifndef ADIT_KEEPER_BOUND_SOCKETS_H
#define ADIT_KEEPER_BOUND_SOCKETS_H

#include "conf/config.h"
#include "control/client.h"
#include "io/listener.h"

struct bound_sockets;

/* None yet. */
struct bound_sockets *bound_sockets_new(void);

/* The process that listens at the path of a configuration's control socket, if another one does. */
struct control_holder {
    enum control_peer peer;
    pid_t pid; /* with CONTROL_ADIT */
};

/* Binds what `config` says: addresses that were there before stay as they are, new ones are bound.
 * False: something could not be; `error` says what, and if there was more, that is logged. Either
 * way bound_sockets_commit is to follow, and the configuration must live until then.
 *
 * `holder` is who listens at a new path of the control socket; NULL: that process is asked.
 *
 * What is optional may be missing on a machine without IPv6, and a forward that listens in two
 * families does with the one that the machine has. On a command line, where ssh goes on without a
 * forward (ExitOnForwardFailure no), one that cannot be had is a warning, as long as something else
 * is; so is a control socket whose path is taken. */
#define BOUND_SOCKETS_ERROR_MAX 512
bool bound_sockets_prepare(struct bound_sockets *sockets, const struct config *config,
                           const struct control_holder *holder,
                           char error[static BOUND_SOCKETS_ERROR_MAX]);

/* The forwards of that index and above, which a person has asked for just now, must be had in the
 * next bound_sockets_prepare, also of a command line. */
void bound_sockets_need(struct bound_sockets *sockets, size_t first);

/* Removes the paths of unix sockets that the configuration that was prepared does not need: before
 * the gateway, which closes those sockets, says that it has changed over. */
void bound_sockets_remove_paths(struct bound_sockets *sockets);

/* Closes what the configuration that was prepared does not need, or, without `keep_new`, what was
 * bound for it: nobody can connect there any more when this returns. */
void bound_sockets_commit(struct bound_sockets *sockets, bool keep_new);

/* One socket. */
struct bound_socket_info {
    uint32_t id;    /* of the socket, for its whole life */
    uint32_t index; /* as that of KEEPER_SOCKET (wire/keeper.h) */
    uint16_t port;
    const char *name; /* as listener_name has it */
    int fd;           /* stays with the socket */
    const struct listener_address *address;
    bool has_path; /* the path is this process's to remove */
    bool left;     /* never shut down (listener_leave) */
};
typedef void bound_socket_fn(void *arg, const struct bound_socket_info *info);

/* Adds a socket that was bound by the program that this process was before: takes over `info->fd`.
 */
void bound_sockets_adopt(struct bound_sockets *sockets, const struct bound_socket_info *info);

/* Calls `each` for all sockets of the configuration last prepared. */
void bound_sockets_each(const struct bound_sockets *sockets, bound_socket_fn *each, void *arg);

/* Closes them all; without `status` all but those of the status server. */
void bound_sockets_close(struct bound_sockets *sockets, bool status);

/* NULL is fine. */
void bound_sockets_free(struct bound_sockets *sockets);

#endif
