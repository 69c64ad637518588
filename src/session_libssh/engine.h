/* The engine that is libssh, in this process: the only header of this room that others include, and
 * of them only the one that composes the program (main.c). The room knows libssh, host keys,
 * authentication, and how a session is driven; it does not know clients, rules and pools. Its dials
 * run in short-lived threads of their own, its sessions on the workers that start them. gateway/
 * calls the dials and worker/ the sessions, both through session/. */
#ifndef ADIT_SESSION_LIBSSH_ENGINE_H
#define ADIT_SESSION_LIBSSH_ENGINE_H

#include "session/login.h"

extern const struct login_engine libssh_engine;

#endif
