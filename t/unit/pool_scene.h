/* Pools over the fake engine and a real worker; what they dial are sockets on loopback. */
#ifndef ADIT_T_POOL_SCENE_H
#define ADIT_T_POOL_SCENE_H

#include "gateway/pool.h"
#include "worker_scene.h"

#define POOL_HOSTS 2

struct pool_scene {
    struct pool_room room;
    int listeners[POOL_HOSTS]; /* on one port of 127.0.0.1 and 127.0.0.2; -1: nobody listens */
    uint16_t port;
    struct pool *pools[2];
    unsigned failures; /* of dials */
    char error[80];    /* of the last */
    unsigned ups;
};
extern struct pool_scene pools;

int pools_set_up(void **state);
int pools_tear_down(void **state);

/* The first pool, whose section of the configuration goes on with `text`; and one of two, with
 * other hosts. */
struct pool *pool_with(const char *text);
struct pool *pool_at(int n, const char *hosts, const char *text);
/* The same with other settings after a reload. */
void pool_becomes(int n, const char *text);
/* After a reload without it. */
void pool_goes(int n);

struct pool_state state_of(const struct pool *pool);
unsigned up(const struct pool *pool);

/* A client finds every session busy. */
void pool_is_asked(struct pool *pool);

/* Nothing more is dialled, however the loop turns. */
void dials_stay(unsigned count);

/* The next dial is that one in all, and it was not waited for. */
void dialled_at_once(const struct pool *pool, unsigned count);

/* From now on nobody listens at the first host, or somebody does again. */
void host_goes_down(void);
void host_comes_up(void);

#endif
