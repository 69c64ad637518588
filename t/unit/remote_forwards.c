/* Tests of gateway/forwards, the remote ones: the workers and their sessions are played by the
 * test. */
#include "gateway/forwards.h"

#include "gateway_scene.h"

#define WORKERS 2

#define UPSTREAMS                                                                                  \
    "[upstream a]\nhost = h\nhost_key = accept-new\n[upstream b]\nhost = i\n"                      \
    "host_key = accept-new\n[listen l]\naddress = 9\n"
#define WEB "[forward web]\nremote = 9000 localhost:80\n"
#define ANY_PORT "[forward any]\nremote = 0 localhost:80\n"

/* What a worker was told last. */
struct told {
    unsigned orders;
    unsigned cancels;
    int worker;
    int slot;
    uint64_t number;
    bool again;
    const struct config_forward *forward;
};

struct forwards_scene {
    struct gateway_scene gateway;
    struct forwards *forwards;
    struct told told;
    struct forward_status changed; /* the last */
    unsigned changes;
    unsigned losses; /* of sessions of forwards that were up */
};

static struct forwards_scene *scene;

/* ---- the workers' part */

struct worker {
    int index;
};

void worker_send_listen(struct worker *worker, const struct listen_order *order)
{
    assert_ptr_equal(order->generation, scene->gateway.generation);
    scene->told.orders++;
    scene->told.worker = worker->index;
    scene->told.slot = order->slot;
    scene->told.number = order->number;
    scene->told.again = order->again;
    scene->told.forward = order->forward;
}

void worker_send_listen_end(struct worker *worker, uint64_t number)
{
    scene->told.cancels++;
    scene->told.worker = worker->index;
    scene->told.number = number;
}

const char *listen_order_bind(const struct config_forward *forward)
{
    return forward->bind.host;
}

static void answers(uint64_t number, uint16_t port)
{
    forwards_answered(scene->forwards, number,
                      &(struct listen_answer){.listens = port != 0, .port = port});
    run_for(scene->gateway.loop, 5);
}

/* ---- the main thread's */

static bool on_changed(void *arg, const struct forward_status *status)
{
    (void)arg;
    scene->changed = *status;
    scene->changes++;
    return false;
}

static void on_lost(void *arg, const struct config_forward *forward)
{
    (void)arg;
    assert_non_null(forward);
    scene->losses++;
}

static void session_up(int table, int slot, int worker)
{
    gateway_scene_slot(&scene->gateway, table, slot, worker, SLOT_UP);
    forwards_session_up(scene->forwards, scene->gateway.tables[table]);
}

static void session_lost(int table, int slot)
{
    gateway_scene_slot(&scene->gateway, table, slot, 0, SLOT_EMPTY);
    forwards_session_lost(scene->forwards, scene->gateway.tables[table], slot);
}

static void wants(const char *text)
{
    struct generation *before =
        gateway_scene_use(&scene->gateway, gateway_scene_load(UPSTREAMS, text));

    forwards_change(scene->forwards, scene->gateway.generation);
    generation_unref(before);
}

static void remember(void *arg, const struct forward_status *status)
{
    *(struct forward_status *)arg = *status;
}

/* That of the last forward. */
static struct forward_status status(void)
{
    struct forward_status last = {.forward = NULL};

    forwards_each(scene->forwards, remember, &last);
    return last;
}

static int set_up(void **state)
{
    (void)state;
    scene = mem_zalloc(sizeof(*scene));
    for (int i = 0; i < WORKERS; i++) {
        scene->gateway.each[i] = mem_zalloc(sizeof(struct worker));
        scene->gateway.each[i]->index = i;
    }
    gateway_scene_init(&scene->gateway, loop_new(), WORKERS);
    scene->forwards =
        forwards_new(scene->gateway.loop, &scene->gateway.workers, on_changed, on_lost, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    forwards_free(scene->forwards);
    gateway_scene_clear(&scene->gateway);
    loop_free(scene->gateway.loop);
    for (int i = 0; i < WORKERS; i++)
        free(scene->gateway.each[i]);
    free(scene);
    return 0;
}

/* ---- tests */

static void a_forward_waits_for_a_session_is_asked_for_and_comes_up(void **state)
{
    (void)state;
    wants(WEB);
    assert_int_equal(status().state, FORWARD_WAITING);
    session_up(1, 0, 0); /* another upstream's */
    assert_int_equal(scene->told.orders, 0);
    session_up(0, 3, 1);
    assert_int_equal(scene->told.orders, 1);
    assert_int_equal(scene->told.worker, 1);
    assert_int_equal(scene->told.slot, 3);
    assert_string_equal(scene->told.forward->name, "web");
    assert_int_equal(status().state, FORWARD_ASKED);
    assert_false(forwards_settled(scene->forwards));
    answers(scene->told.number, 9000);
    assert_int_equal(scene->changes, 1);
    assert_int_equal(scene->changed.state, FORWARD_UP);
    assert_int_equal(status().port, 9000);
    assert_int_equal(status().session, 3);
    assert_true(forwards_settled(scene->forwards));
}

static void the_session_that_holds_a_forward_is_needed(void **state)
{
    (void)state;
    session_up(0, 1, 0);
    session_up(0, 2, 0);
    wants(WEB);
    assert_true(forwards_need(scene->forwards, scene->gateway.tables[0], 1));
    assert_false(forwards_need(scene->forwards, scene->gateway.tables[0], 2));
    assert_false(forwards_need(scene->forwards, scene->gateway.tables[1], 1));
}

static void all_forwards_are_held_by_one_session(void **state)
{
    (void)state;
    session_up(0, 2, 1);
    wants(WEB);
    session_up(0, 1, 0);
    wants(WEB ANY_PORT);
    assert_string_equal(scene->told.forward->name, "any");
    assert_int_equal(scene->told.slot, 2);
}

static void a_lost_session_is_replaced_by_one_that_is_there(void **state)
{
    uint64_t first;

    (void)state;
    session_up(0, 0, 0);
    wants(ANY_PORT);
    first = scene->told.number;
    answers(first, 4711);
    session_up(0, 1, 1);
    assert_int_equal(scene->told.orders, 1);
    assert_int_equal(scene->losses, 0);
    session_lost(0, 0);
    assert_int_equal(scene->losses, 1);
    assert_int_equal(scene->told.orders, 2);
    assert_int_equal(scene->told.slot, 1);
    assert_int_not_equal(scene->told.number, first);
    assert_int_equal(scene->told.cancels, 0);
    answers(first, 4711); /* what the lost one had still said */
    assert_int_equal(status().state, FORWARD_ASKED);
    answers(scene->told.number, 4712);
    assert_int_equal(status().port, 4712);
}

static void a_lost_session_is_replaced_by_the_next(void **state)
{
    (void)state;
    session_up(0, 0, 0);
    wants(WEB);
    session_lost(0, 0);
    assert_int_equal(scene->losses, 0); /* (it was not up) */
    assert_int_equal(status().state, FORWARD_WAITING);
    assert_int_equal(status().session, -1);
    session_up(0, 0, 1);
    assert_int_equal(scene->told.orders, 2);
    assert_int_equal(scene->told.worker, 1);
}

static void a_refused_forward_is_degraded_and_asked_for_again(void **state)
{
    struct forward_status refused;

    (void)state;
    session_up(0, 0, 0);
    wants(WEB);
    answers(scene->told.number, 0);
    refused = status();
    assert_int_equal(refused.state, FORWARD_DEGRADED);
    assert_string_equal(refused.error,
                        "remote port forwarding failed for listen port 9000: the server "
                        "refuses, as the port is taken or not allowed (there: `ss -tln`; "
                        "AllowTcpForwarding and PermitListen of sshd_config; permitlisten, "
                        "restrict and no-port-forwarding of authorized_keys)");
    assert_in_range(refused.next_in_ms, 500, 1000);
    assert_int_equal(refused.session, -1);
    assert_int_equal(scene->changed.state, FORWARD_DEGRADED);
    assert_true(forwards_settled(scene->forwards)); /* as good as it gets */
    run_for(scene->gateway.loop, 1100);
    assert_int_equal(scene->told.orders, 2);
    answers(scene->told.number, 0);
    assert_in_range(status().next_in_ms, 1400, 2000);
    session_up(0, 1, 0);
    run_for(scene->gateway.loop, 2100);
    assert_int_equal(scene->told.orders, 3);
    answers(scene->told.number, 9000);
    assert_int_equal(status().state, FORWARD_UP);
}

static void a_refused_forward_is_not_settled_where_that_is_a_failure(void **state)
{
    (void)state;
    session_up(1, 0, 0);
    wants(WEB "via = b\n");
    answers(scene->told.number, 0);
    assert_true(forwards_settled(scene->forwards));
    scene->gateway.generation->config->upstreams[1].exit_on_forward_failure = true;
    assert_false(forwards_settled(scene->forwards));
}

static void a_forward_that_stays_is_not_asked_for_again(void **state)
{
    uint64_t first;

    (void)state;
    session_up(0, 0, 0);
    wants(WEB);
    first = scene->told.number;
    answers(first, 9000);
    wants("[forward web]\nremote = 9000 elsewhere:81\n");
    assert_int_equal(scene->told.orders, 2);
    assert_int_equal(scene->told.number, first); /* the same, with another target */
    assert_true(
        scene->told.again); /* should its refusal be on the way, it shall not be asked for */
    assert_string_equal(scene->told.forward->target.host, "elsewhere");
    assert_int_equal(status().state, FORWARD_UP);
    assert_int_equal(scene->told.cancels, 0);
}

static void what_is_listened_on_no_more_is_cancelled_first(void **state)
{
    static const char *const others[] = {
        "[forward web]\nremote = 9001 localhost:80\n",   /* another port */
        "[forward web]\nremote = *:9000 localhost:80\n", /* another address */
        "[forward web2]\nremote = 9000 localhost:80\n",  /* another forward */
        WEB "via = b\n",                                 /* another server */
    };
    unsigned cancels = 0;

    (void)state;
    session_up(0, 0, 0);
    session_up(1, 0, 1);
    for (size_t i = 0; i < COUNT(others); i++) {
        uint64_t first;
        wants(WEB);
        first = scene->told.number;
        answers(first, 9000);
        wants(others[i]);
        assert_int_equal(scene->told.cancels, ++cancels);
        assert_int_not_equal(scene->told.number, first); /* asked for after the cancel */
        assert_false(scene->told.again);
        assert_int_equal(status().state, FORWARD_ASKED);
        wants("");
        assert_int_equal(scene->told.cancels, ++cancels);
        assert_null(status().forward);
    }
}

static void a_forward_that_goes_while_it_is_retried_is_forgotten(void **state)
{
    (void)state;
    session_up(0, 0, 0);
    wants(WEB);
    answers(scene->told.number, 0);
    wants("");
    assert_int_equal(scene->told.cancels, 0);
    run_for(scene->gateway.loop, 1100);
    assert_int_equal(scene->told.orders, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_forward_waits_for_a_session_is_asked_for_and_comes_up),
        TEST(the_session_that_holds_a_forward_is_needed),
        TEST(all_forwards_are_held_by_one_session),
        TEST(a_lost_session_is_replaced_by_one_that_is_there),
        TEST(a_lost_session_is_replaced_by_the_next),
        TEST(a_refused_forward_is_degraded_and_asked_for_again),
        TEST(a_refused_forward_is_not_settled_where_that_is_a_failure),
        TEST(a_forward_that_stays_is_not_asked_for_again),
        TEST(what_is_listened_on_no_more_is_cancelled_first),
        TEST(a_forward_that_goes_while_it_is_retried_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
