/* Users of unix sockets (SO_PEERCRED, unix(7)). */
#include "control/peer.h"

#include "base/log.h"
#include "io/socket_calls.h"

#include <stddef.h>
#include <unistd.h>

const char *control_peer_refusal(int fd)
{
    uid_t user;

    if (!socket_peer_user(fd, &user))
        return "the user of this connection is not known";
    if (user != 0 && user != geteuid()) {
        log_warning("control socket: user %u was refused", (unsigned)user);
        return "this adit belongs to another user";
    }
    return NULL;
}
