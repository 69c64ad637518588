/* Messages from any thread to one loop: the only way threads speak to each other. */
#ifndef ADIT_IO_MAILBOX_H
#define ADIT_IO_MAILBOX_H

#include "io/loop.h"

/* Embed it in what is sent. Ownership passes to the receiver, whose `run` is called on its loop
 * with the owner of the mailbox, once; if the mailbox is freed first, `drop` is called instead. */
struct message {
    STAILQ_ENTRY(message) next;
    void (*run)(struct message *message, void *owner);
    void (*drop)(struct message *message);
};

struct mailbox;

/* A mailbox read by `loop`, whose messages run with `owner`. */
struct mailbox *mailbox_new(struct loop *loop, void *owner);

/* On the loop's thread, once nobody posts any more: drops what was not delivered. NULL is fine. */
void mailbox_free(struct mailbox *mailbox);

/* From any thread. Messages of one sender arrive in the order sent; one wake-up serves many. */
void mailbox_post(struct mailbox *mailbox, struct message *message);

#endif
