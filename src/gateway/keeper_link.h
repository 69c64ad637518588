/* The gateway's end of its pair of sockets with the keeper: the messages of wire/keeper.h, both
 * ways. The keeper is trusted; a message that cannot be is taken for its end. Main thread only. */
#ifndef ADIT_GATEWAY_KEEPER_LINK_H
#define ADIT_GATEWAY_KEEPER_LINK_H

#include "gateway/config_changes.h"
#include "gateway/gateway.h"
#include "gateway/listeners.h"
#include "wire/keeper.h"

/* The sockets that were sent for the configuration that follows them. */
struct given_sockets {
    struct given_socket *listeners; /* in order */
    size_t listener_count;
    struct given_socket *status; /* the status server's */
    size_t status_count;
    struct given_socket *control; /* those of control/ */
    size_t control_count;
};

/* Adds the socket of a KEEPER_SOCKET, and takes over its descriptor, if it has one. */
void given_sockets_add(struct given_sockets *given, struct keeper_message *message, int *fd);

/* Forgets what was given; what was not taken over is closed in this process only. */
void given_sockets_clear(struct given_sockets *given);

struct keeper_link;

/* Takes over the descriptor `end`. NULL: the loop cannot watch it (logged). */
struct keeper_link *keeper_link_new(struct loop *loop, int end, struct gateway *gateway);

/* NULL is fine. */
void keeper_link_free(struct keeper_link *link);

/* The sockets for the configuration that came last: the caller takes them, and clears. */
struct given_sockets *keeper_link_given(struct keeper_link *link);

/* Sends a message. False: it is too long, and was not sent. */
bool keeper_link_send(struct keeper_link *link, enum keeper_message_kind kind,
                      const uint32_t *numbers, const char *const *texts, size_t text_count);

/* Makes a service line (shared/service.h) and sends the keeper its end. The other end, the
 * caller's; -1: none can be had (logged). */
int keeper_link_open_service(struct keeper_link *link);

/* Asks for a login line (wire/login_line.h) for one of an upstream's hosts (its `entry` in struct
 * place). This process's end of it, the caller's; -1: there can be none, errno says why. */
int keeper_link_login(struct keeper_link *link, const char *upstream, const char *host);

/* Has the keeper tell the service manager (sd_notify(3)); `status` is for KEEPER_NOTICE_STATUS. */
void keeper_link_notify(struct keeper_link *link, enum keeper_notice notice, const char *status);

/* For gateway/config_changes, whose `arg` is the gateway. */
config_change_ask_fn keeper_link_ask;
config_change_taken_fn keeper_link_taken;

/* Tells the keeper what on_change is about. */
struct event;
void keeper_link_happened(struct keeper_link *link, const struct event *event);

#endif
