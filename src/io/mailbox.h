/* Messages from any thread to one loop. (What threads share otherwise is in shared/.) */
#ifndef ADIT_IO_MAILBOX_H
#define ADIT_IO_MAILBOX_H

#include "io/loop.h"

/* Embedded in the struct that is sent. mailbox_post passes its ownership on. Either `run` is called
 * once, on the mailbox's loop and with the mailbox's owner; or, if the mailbox is freed first,
 * `drop`. */
struct message {
    STAILQ_ENTRY(message) next;
    void (*run)(struct message *message, void *owner);
    void (*drop)(struct message *message);
};

struct mailbox;

/* A mailbox whose messages run on `loop`, with `owner` as their argument. */
struct mailbox *mailbox_new(struct loop *loop, void *owner);

/* On the loop's thread, once no thread posts any more: drops what was not delivered. NULL is fine.
 */
void mailbox_free(struct mailbox *mailbox);

/* From any thread. Messages of one thread are run in the order in which it posted them. */
void mailbox_post(struct mailbox *mailbox, struct message *message);

#endif
