/* Pools over the fake engine. */
#include "pool_scene.h"

#include "gateway/forwards.h"

#include <stdio.h>

struct pool_scene pools;

static bool on_dial_failed(struct pool_room *room, const struct config_upstream *upstream,
                           const char *place, const char *error)
{
    (void)room, (void)upstream, (void)place;
    pools.failures++;
    snprintf(pools.error, sizeof(pools.error), "%s", error);
    return true;
}

static void on_pool_up(struct pool_room *room, const struct config_upstream *upstream)
{
    (void)room, (void)upstream;
    pools.ups++;
}

static bool on_forward_changed(void *arg, const struct forward_status *status)
{
    (void)arg, (void)status;
    return true;
}

static void on_forward_lost(void *arg, const struct config_forward *forward)
{
    (void)arg, (void)forward;
}

int pools_set_up(void **state)
{
    scene_set_up(state);
    pools = (struct pool_scene){.room = {.loop = scene.gateway.loop,
                                         .workers = &scene.gateway.workers,
                                         .engine = &fake_engine,
                                         .hosts = host_backoffs_new(),
                                         .failed = on_dial_failed,
                                         .up = on_pool_up}};
    scene.gateway.workers.main_events = &pool_main_events;
    pools.room.forwards = forwards_new(scene.gateway.loop, &scene.gateway.workers,
                                       on_forward_changed, on_forward_lost, NULL);
    pools.listeners[0] = tcp_listen("127.0.0.1", &pools.port, 64);
    pools.listeners[1] = tcp_listen("127.0.0.2", &pools.port, 64);
    return 0;
}

int pools_tear_down(void **state)
{
    pool_goes(0);
    pool_goes(1);
    UNTIL(fake.dials_running == 0);
    scene_stop();
    forwards_free(pools.room.forwards);
    host_backoffs_free(pools.room.hosts);
    for (int i = 0; i < POOL_HOSTS; i++)
        if (pools.listeners[i] >= 0)
            close(pools.listeners[i]);
    return scene_tear_down(state);
}

static struct config *pool_config(const char *hosts, const char *text)
{
    char *all = mem_printf("[upstream a]\nhost = %s\nport = %u\nhost_key = accept-new\n"
                           "ssh_config = no\n%s[listen l]\naddress = 1080\n",
                           hosts, pools.port, text);
    struct config *config = load_good(all);

    free(all);
    return config;
}

struct pool *pool_at(int n, const char *hosts, const char *text)
{
    struct config *config = pool_config(hosts, text);

    pools.pools[n] = pool_new(&pools.room, config, &config->upstreams[0]);
    config_unref(config);
    return pools.pools[n];
}

struct pool *pool_with(const char *text)
{
    return pool_at(0, "127.0.0.1", text);
}

void pool_becomes(int n, const char *text)
{
    struct config *config = pool_config("127.0.0.1", text);

    assert_true(
        config_upstream_same_sessions(pool_upstream(pools.pools[n]), &config->upstreams[0]));
    pool_update(pools.pools[n], config, &config->upstreams[0]);
    config_unref(config);
}

void pool_goes(int n)
{
    if (pools.pools[n] != NULL)
        pool_free(pools.pools[n]);
    pools.pools[n] = NULL;
}

struct pool_state state_of(const struct pool *pool)
{
    struct pool_state state;

    pool_state(pool, &state);
    return state;
}

unsigned up(const struct pool *pool)
{
    return state_of(pool).up;
}

void pool_is_asked(struct pool *pool)
{
    main_send_grow(&scene.gateway.workers, pool_table(pool));
    scene_settle();
}

void dials_stay(unsigned count)
{
    scene_settle();
    assert_int_equal(fake.dials_started, count);
}

void dialled_at_once(const struct pool *pool, unsigned count)
{
    UNTIL(fake.dials_started >= count || state_of(pool).retrying);
    assert_int_equal(fake.dials_started, count);
}

void host_goes_down(void)
{
    close(pools.listeners[0]);
    pools.listeners[0] = -1;
}

void host_comes_up(void)
{
    pools.listeners[0] = tcp_listen("127.0.0.1", &pools.port, 64);
}
