/* The worker's side of t/fuzz/session: a session, and what a worker has of it. */
#ifndef ADIT_T_FUZZ_SESSION_WORLD_H
#define ADIT_T_FUZZ_SESSION_WORLD_H

#include "hostile_server.h"
#include "session/login.h"
#include "session/session.h"

#define OPENS 16
#define SIDES 24
#define LISTENS 4
#define FORWARDED 16

/* A channel that the worker has asked for. */
struct opening {
    struct world *world;
    struct session_open *open; /* NULL: it was answered, or cancelled */
    uint32_t port;
    uint8_t policy;
};

/* An endpoint of the worker's. */
struct side {
    struct world *world;
    struct endpoint *endpoint; /* NULL: none, or closed */
    uint32_t port;
    uint8_t policy; /* see session_sides.c */
    bool takes;
    uint64_t received;
    enum endpoint_end told;
};

struct listening {
    struct world *world;
    struct session_listen *listen; /* NULL: none */
    bool answered;
};

/* A connection that the server has opened and that is not answered. */
struct coming {
    struct world *world;
    struct forwarded_open *forwarded; /* NULL: none */
    uint32_t port;
};

struct world {
    struct input input;
    struct loop *loop;
    struct hostile_server server;
    struct session *session; /* NULL: freed */
    bool dying, lost;
    bool in_data;
    uint8_t policy; /* of the next channel */
    uint32_t asked; /* opens so far */
    unsigned cancelled;
    struct opening opens[OPENS];
    struct side sides[SIDES];
    struct listening listens[LISTENS];
    struct coming coming[FORWARDED];
};

/* False: there are no descriptors. `how`: bits of how the session is driven. */
bool world_begin(struct world *world, uint8_t how, struct input input);
/* Ends all there is, and checks that nothing is left. */
void world_end(struct world *world);

/* The loop turns as long as something may move; then what was said has been heard. */
void world_turn(struct world *world);
/* The same, after all that the server has said was delivered; checks that everything that can be
 * told was told. */
void world_settle(struct world *world);
/* The server's connection ends. */
void world_cut(struct world *world, uint8_t how);

/* Whether the session may be asked for something. */
bool world_is_up(const struct world *world);
/* `policy`: of the owner of its endpoint. */
void world_open(struct world *world, bool is_tcp, uint8_t policy);
void world_cancel(struct world *world, uint8_t which);
void world_listen(struct world *world, uint8_t how);
void world_listen_free(struct world *world, uint8_t which);
void world_answer_forwarded(struct world *world, uint8_t how);
void world_look(struct world *world, uint8_t how);
void world_end_session(struct world *world);

/* session_sides.c */

/* A new owner for an endpoint that has come; it is closed where there are too many. */
void side_begin(struct world *world, struct endpoint *endpoint, uint32_t port, uint8_t policy);
void side_resume(struct side *side);
void side_close(struct side *side, bool abort);
/* To another owner, who is told anew. */
void side_give_away(struct side *side);
/* What the server has said of its end was told, if it could be. */
void side_check_told(const struct side *side);
size_t sides_count(const struct world *world);

#endif
