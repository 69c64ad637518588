/* Real workers over the fake engine: their loops are turned by the test, the main thread's part is
 * played by it, and clients are pairs of sockets on loopback. */
#ifndef ADIT_T_WORKER_SCENE_H
#define ADIT_T_WORKER_SCENE_H

#include "fake_engine.h"
#include "gateway_scene.h"
#include "shared/main_messages.h"
#include "worker/worker_parts.h"

struct worker_scene {
    struct gateway_scene gateway; /* whose loop is the first worker's */
    struct loop *loops[SCENE_WORKERS];
    /* What the main thread was told. */
    unsigned grows;
    unsigned ups;
    unsigned losses;
    int lost_slot;     /* of the last loss */
    char lost_why[64]; /* likewise; "": it was meant to end */
    unsigned listens;  /* answered */
    uint64_t listen_order;
    uint16_t listen_port; /* of the last answer */
};
extern struct worker_scene scene;

/* With one worker, or two. */
int scene_set_up(void **state);
int scene_set_up_two(void **state);

/* Stops the workers, and checks that all was given back. */
int scene_tear_down(void **state);
/* The first part of it, for tests of what is under way then. */
void scene_stop(void);

#define UNTIL(condition) LOOPS_UNTIL(scene.loops, scene.gateway.workers.count, condition)

/* Turns all loops until what is due now has happened. */
void scene_settle(void);

/* Time passes for everybody. */
void scene_skip(uint64_t milliseconds);

/* Puts a configuration in use: two upstreams, whose sections go on with `upstream`, and `text`. */
void scene_configure(const char *upstream, const char *text);

/* A session of upstream a in that slot, on that worker, which is up when this returns. */
struct fake_session *scene_session(int slot, int worker);

/* How often a request ended so, on all workers. */
unsigned scene_outcomes(enum outcome outcome);

/* Connections under way. */
unsigned scene_clients(void);

/* ---- clients: the test's end of a connection */

/* To a listener of the configuration in use; it is served by that worker. */
int client_of(const char *listen, int worker);
int client_comes(const char *listen); /* by the first one */
/* The same with a connection of the test's own, whose descriptor is taken. */
void client_connects(const char *listen, int worker, const struct accepted *connection);

void client_says(int fd, const void *bytes, size_t length);
void client_says_text(int fd, const char *text);
/* It is told these bytes next. */
void client_hears(int fd, const void *bytes, size_t length);
void client_hears_text(int fd, const char *text);
/* Nothing yet, and no end. */
void client_hears_nothing(int fd);
/* The end of data, and the connection was not cut. */
void client_hears_end(int fd);
void client_is_cut(int fd);

/* A whole SOCKS5 request for NAME:80, and what it is told. */
void client_asks(int fd, const char *name);
void client_is_told(int fd, uint8_t reply);

#endif
