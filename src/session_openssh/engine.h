/* The engine that is ssh(1): the only header of this room that others include, and of them only the
 * one that composes the program (main.c). A session is the connection of an OpenSSH ControlMaster:
 * of one that a person has logged in (`[upstream] join_master`), which it never ends, nor changes
 * what others have of it; or of one that the keeper has started for this session (`engine =
 * openssh`), which ends with it. The room knows OpenSSH's multiplexing protocol (wire/mux.h), as
 * its client.
 *
 * Each channel is a NEW_STDIO_FWD, as of `ssh -W` over a master. What that cannot do this engine
 * does not offer: shells. Why the server has refused an open is not in its answer: of a master of
 * its own the keeper knows it by what the master prints, of a joined one nobody does. A remote
 * forward is an OPEN_FWD whose target is a unix socket of ours, where the master brings each
 * connection: so it is not known from where at the server it has come, and the server is never told
 * no, but by the connection's end. The ssh has remote forwards on unix sockets, which libssh has
 * not. Dials run on a short-lived thread of their own, sessions on the workers that start
 * them. gateway/ calls the dials and worker/ the sessions, both through session/. */
#ifndef ADIT_SESSION_OPENSSH_ENGINE_H
#define ADIT_SESSION_OPENSSH_ENGINE_H

#include "session/login.h"

extern const struct login_engine openssh_engine;

#endif
