/* Orders of forwards, from the change of the configuration until all are there. */
#include "gateway/forward_orders.h"

#include "base/mem.h"
#include "conf/forward_spec.h"
#include "conf/types.h"
#include "gateway/forwards.h"
#include "gateway/gateway_parts.h"
#include "gateway/snapshot.h"

#include <stdlib.h>
#include <string.h>

/* How long a server may take to answer for the remote forwards of an order. */
#define FORWARD_MS 60000

struct forward_orders {
    struct gateway *gateway;
    LIST_HEAD(, forward_order) waiting;
    struct later changed;
};

/* A forward of the configuration, by its section's name. */
struct ordered_forward {
    char *name;
    bool is_new; /* by this order; else it was there, and only its port is to be told */
};

/* In the list while its forwards are configured and waited for. */
struct forward_order {
    LIST_ENTRY(forward_order) link;
    struct forward_orders *orders;
    forward_order_done_fn *done; /* NULL: nobody wants to know any more */
    void *arg;
    struct forward_words *words; /* that were asked for */
    size_t word_count;
    struct ordered_forward *forwards; /* that are waited for */
    size_t count;
    struct deadline patience;
    char *why; /* one of them cannot be had */
};

static void order_free(struct forward_order *order)
{
    for (size_t i = 0; i < order->count; i++)
        free(order->forwards[i].name);
    free(order->forwards);
    forward_words_free(order->words, order->word_count);
    free(order->why);
    free(order);
}

/* Tells how it has ended, and frees it. */
static void order_end(struct forward_order *order, const struct forward_order_result *result)
{
    if (order->done != NULL)
        order->done(order->arg, result);
    order_free(order);
}

static void order_refuse(struct forward_order *order, const char *error)
{
    order_end(order, &(struct forward_order_result){.error = error});
}

/* Nothing is waited for any more. */
static void order_settled(struct forward_order *order)
{
    LIST_REMOVE(order, link);
    deadline_cancel(&order->patience);
}

static void order_taken_back(void *arg, bool ok, const struct config_change_result *result)
{
    struct forward_order *order = arg;

    (void)ok;
    (void)result;
    order_refuse(order, order->why);
}

/* As one of its forwards cannot be had, all are taken back; then it has ended. (A forward that a
 * reload or a cancel has removed already is left out: a request that is still to be carried out may
 * add another one of that name.) */
static void order_failed(struct forward_order *order, const char *why)
{
    const struct gateway *g = order->orders->gateway;
    struct forward_words *forwards = mem_zalloc(order->count * sizeof(*forwards));
    size_t count = 0;

    order_settled(order);
    order->why = mem_strdup(why);
    for (size_t i = 0; i < order->count; i++)
        if (order->forwards[i].is_new &&
            config_forward(g->generation->config, order->forwards[i].name) != NULL)
            forwards[count++].name = mem_strdup(order->forwards[i].name);
    config_changes_ask(g->changes, &(struct config_change_request){
                                       .kind = CONFIG_REMOVE_NAMED_FORWARDS,
                                       .forwards = forwards,
                                       .forward_count = count,
                                       .done = order_taken_back,
                                       .arg = order,
                                   });
}

/* How one of them does: FORWARD_UP (and the port that the server chose, or 0), FORWARD_DEGRADED
 * (and why), or it has still to be waited for. */
static enum forward_state progress(const struct gateway *g, const char *name, uint16_t *chosen,
                                   const char **why)
{
    const struct config_forward *forward = config_forward(g->generation->config, name);
    struct forward_status status;

    *chosen = 0;
    *why = "it is not configured any more";
    if (forward == NULL)
        return FORWARD_DEGRADED;
    status_forward(g, forward, &status);
    *why = status.error;
    if (forward->bind.path == NULL && forward->bind.port == 0)
        *chosen = status.port;
    return status.state;
}

/* Ends the order if all are there, or one will not be. */
static void order_check(struct forward_order *order)
{
    uint16_t *ports = mem_zalloc((order->count + 1) * sizeof(*ports));
    struct forward_order_result result = {.ports = ports};
    bool waiting = false;

    for (size_t i = 0; i < order->count; i++) {
        const char *why;
        uint16_t chosen;
        switch (progress(order->orders->gateway, order->forwards[i].name, &chosen, &why)) {
        case FORWARD_WAITING:
        case FORWARD_ASKED: waiting = true; break;
        case FORWARD_UP:
            if (chosen != 0)
                ports[result.port_count++] = chosen;
            break;
        case FORWARD_DEGRADED:
            free(ports);
            order_failed(order, why);
            return;
        }
    }
    if (!waiting) {
        order_settled(order);
        order_end(order, &result);
    }
    free(ports);
}

static void order_overdue(struct deadline *patience)
{
    order_failed(container_of(patience, struct forward_order, patience),
                 "the server has not answered within a minute");
}

static void check_orders(struct later *later)
{
    struct forward_orders *orders = container_of(later, struct forward_orders, changed);
    struct forward_order *order = LIST_FIRST(&orders->waiting);

    while (order != NULL) {
        struct forward_order *next = LIST_NEXT(order, link);
        order_check(order);
        order = next;
    }
}

/* (Not at once: to take forwards back is to change what has just changed.) */
void forward_orders_check(struct forward_orders *orders)
{
    later_post(orders->gateway->loop, &orders->changed, check_orders);
}

static bool is_ordered(const struct forward_order *order, const char *name)
{
    for (size_t i = 0; i < order->count; i++)
        if (strcmp(order->forwards[i].name, name) == 0)
            return true;
    return false;
}

/* Adds what the words stand for in the configuration, once: a new forward; of those that were there
 * only one whose port the server has picked, which ssh(1) is told again. */
static void order_forward(struct forward_order *order, const struct config_change_result *result,
                          const struct forward_words *words)
{
    const struct config *config = result->config;
    int kind = word_index(forward_kinds, words->kind);
    struct config_forward asked = {.kind = (enum forward_kind)kind};
    const struct config_forward *found = NULL;
    char why[FORWARD_ERROR_MAX];

    if (kind >= 0 && forward_spec_parse(asked.kind, words->spec, &asked, why, sizeof(why)))
        found = config_same_forward(config, &asked, words->via);
    if (found != NULL && !is_ordered(order, found->name)) {
        bool is_new = found >= config->forwards + result->forwards_before;
        bool picked =
            found->kind == FORWARD_REMOTE && found->bind.path == NULL && found->bind.port == 0;
        if (is_new || picked)
            order->forwards[order->count++] =
                (struct ordered_forward){mem_strdup(found->name), is_new};
    }
    place_clear(&asked.bind);
    place_clear(&asked.target);
}

/* The forwards are configured: now they have to come up. */
static void forwards_added(void *arg, bool ok, const struct config_change_result *result)
{
    struct forward_order *order = arg;

    if (!ok) {
        order_refuse(order, result->error);
        return;
    }
    order->forwards = mem_zalloc((order->word_count + 1) * sizeof(*order->forwards));
    for (size_t i = 0; i < order->word_count; i++)
        order_forward(order, result, &order->words[i]);
    LIST_INSERT_HEAD(&order->orders->waiting, order, link);
    deadline_arm(order->orders->gateway->loop, &order->patience, FORWARD_MS, order_overdue);
    order_check(order);
}

static struct forward_words *copy_ordered_words(const struct forward_words *words, size_t count)
{
    struct forward_words *copy = mem_zalloc((count + 1) * sizeof(*copy));

    for (size_t i = 0; i < count; i++)
        copy[i] = (struct forward_words){
            .kind = mem_strdup(words[i].kind != NULL ? words[i].kind : ""),
            .spec = mem_strdup(words[i].spec != NULL ? words[i].spec : ""),
            .via = mem_strdup(words[i].via),
        };
    return copy;
}

struct forward_order *forward_orders_add(struct forward_orders *orders,
                                         struct forward_words *forwards, size_t count,
                                         forward_order_done_fn *done, void *arg)
{
    struct forward_order *order = mem_zalloc(sizeof(*order));

    order->orders = orders;
    order->done = done;
    order->arg = arg;
    order->words = copy_ordered_words(forwards, count);
    order->word_count = count;
    config_changes_ask(orders->gateway->changes, &(struct config_change_request){
                                                     .kind = CONFIG_ADD_FORWARDS,
                                                     .forwards = forwards,
                                                     .forward_count = count,
                                                     .done = forwards_added,
                                                     .arg = order,
                                                 });
    return order;
}

void forward_order_forget(struct forward_order *order)
{
    if (order != NULL)
        order->done = NULL;
}

struct forward_orders *forward_orders_new(struct gateway *gateway)
{
    struct forward_orders *orders = mem_zalloc(sizeof(*orders));

    orders->gateway = gateway;
    LIST_INIT(&orders->waiting);
    return orders;
}

void forward_orders_close(struct forward_orders *orders)
{
    while (!LIST_EMPTY(&orders->waiting)) {
        struct forward_order *order = LIST_FIRST(&orders->waiting);
        order_settled(order);
        order_refuse(order, "adit is ending");
    }
}

void forward_orders_free(struct forward_orders *orders)
{
    if (orders == NULL)
        return;
    later_cancel(orders->gateway->loop, &orders->changed);
    forward_orders_close(orders);
    free(orders);
}
