/* Messages between threads. The list of messages is taken under the lock and delivered outside of
 * it. One wake-up of the loop serves all messages that were posted before it. */
#include "io/mailbox.h"

#include "base/mem.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

STAILQ_HEAD(message_list, message);

struct mailbox {
    void *owner;
    uv_async_t wake;
    struct message_list delivery; /* taken, and still to be run; only the loop's thread uses it */

    pthread_mutex_t lock; /* guards `posted` */
    struct message_list posted;
};

static void mailbox_take_posted(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    STAILQ_CONCAT(&mailbox->delivery, &mailbox->posted);
    pthread_mutex_unlock(&mailbox->lock);
}

static struct message *mailbox_next(struct mailbox *mailbox)
{
    struct message *message = STAILQ_FIRST(&mailbox->delivery);

    if (message != NULL)
        STAILQ_REMOVE_HEAD(&mailbox->delivery, next);
    return message;
}

/* A message may free the mailbox: then nothing is left to mailbox_deliver, and the memory lasts
 * until the loop has closed the handle. */
static void mailbox_deliver(uv_async_t *wake)
{
    struct mailbox *mailbox = container_of(wake, struct mailbox, wake);
    struct message *message;

    mailbox_take_posted(mailbox);
    while ((message = mailbox_next(mailbox)) != NULL)
        message->run(message, mailbox->owner);
}

struct mailbox *mailbox_new(struct loop *loop, void *owner)
{
    struct mailbox *mailbox = mem_zalloc(sizeof *mailbox);
    int error;

    mailbox->owner = owner;
    STAILQ_INIT(&mailbox->delivery);
    STAILQ_INIT(&mailbox->posted);
    pthread_mutex_init(&mailbox->lock, NULL);
    /* This needs no descriptor: all wake-ups of a loop share the one that the loop has from its
     * start. */
    error = uv_async_init(loop_uv(loop), &mailbox->wake, mailbox_deliver);
    assert(error == 0 && "a loop that runs can be woken up");
    (void)error;
    return mailbox;
}

static void mailbox_closed(uv_handle_t *wake)
{
    struct mailbox *mailbox = container_of(wake, struct mailbox, wake);

    pthread_mutex_destroy(&mailbox->lock);
    free(mailbox);
}

void mailbox_free(struct mailbox *mailbox)
{
    struct message *message;

    if (mailbox == NULL)
        return;
    mailbox_take_posted(mailbox);
    while ((message = mailbox_next(mailbox)) != NULL)
        message->drop(message);
    uv_close((uv_handle_t *)&mailbox->wake, mailbox_closed);
}

void mailbox_post(struct mailbox *mailbox, struct message *message)
{
    pthread_mutex_lock(&mailbox->lock);
    /* The wake-up is sent under the lock: this message may have the receiver free the mailbox. */
    if (STAILQ_EMPTY(&mailbox->posted))
        uv_async_send(&mailbox->wake);
    STAILQ_INSERT_TAIL(&mailbox->posted, message, next);
    pthread_mutex_unlock(&mailbox->lock);
}
