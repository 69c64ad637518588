/* Where a tunnel's control socket is if neither -S nor ssh_config says: HOST.XXXXXX in a directory
 * that is this user's alone. HOST is the destination as it was given, and XXXXXX keeps the tunnels
 * to one host apart. */
#ifndef ADIT_CONF_TUNNEL_SOCKET_H
#define ADIT_CONF_TUNNEL_SOCKET_H

#include <stdbool.h>

/* The directory: $XDG_RUNTIME_DIR/adit (XDG Base Directory Specification), or /run/adit for
 * root where that variable is not set. NULL: there is none that belongs to this user and that no
 * other user can write to. The caller frees. */
char *tunnel_socket_directory(void);

/* That directory, which is made if `make`; or, as tmux(1) does where there is no such variable,
 * /tmp/adit-UID. NULL: there is neither, or others can write to it. The caller frees. */
char *private_directory(bool make);

/* A path for a tunnel to the host, where nothing is yet; NULL: there can be none. Makes the
 * directory. The caller frees. */
char *tunnel_socket_new(const char *host);

/* Whether a file's name in the directory is that of a tunnel to the host; NULL: to any host. */
bool tunnel_socket_is_of(const char *name, const char *host);

#endif
