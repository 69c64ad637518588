/* Forwards that somebody asks for while adit runs (adit -O forward, ssh -O forward): they are added
 * to the configuration, and the answer comes when all of them are there. If one cannot be had, all
 * of the order are taken back. Main thread only. */
#ifndef ADIT_GATEWAY_FORWARD_ORDERS_H
#define ADIT_GATEWAY_FORWARD_ORDERS_H

#include "gateway/config_changes.h"
#include "gateway/gateway.h"

struct forward_order;
struct forward_orders;

/* How an order has ended. */
struct forward_order_result {
    const char *error;     /* NULL: all are there; valid during the call */
    const uint16_t *ports; /* that the server chose for those that were new, in order */
    size_t port_count;
};

typedef void forward_order_done_fn(void *arg, const struct forward_order_result *result);

struct forward_orders *forward_orders_new(struct gateway *gateway);

/* Takes the forwards over, as config_changes_ask. `done` is called once, later. */
struct forward_order *forward_orders_add(struct forward_orders *orders,
                                         struct forward_words *forwards, size_t count,
                                         forward_order_done_fn *done, void *arg);

/* `done` will not be called; the forwards stay. NULL is fine. */
void forward_order_forget(struct forward_order *order);

/* A forward has come up, was refused, or has gone. */
void forward_orders_check(struct forward_orders *orders);

/* No order is waited for any more: they end with an error. */
void forward_orders_close(struct forward_orders *orders);

/* NULL is fine. */
void forward_orders_free(struct forward_orders *orders);

#endif
