/* Messages between threads: the list is swapped under the lock and delivered outside of it, and one
 * wake-up of the loop serves all that was posted before it. */
#include "io/mailbox.h"

#include "base/mem.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

STAILQ_HEAD(message_list, message);

struct mailbox {
    void *owner;
    uv_async_t wake;
    struct message_list delivery; /* taken, and still to be run; the loop's own */

    pthread_mutex_t lock; /* guards what follows */
    struct message_list posted;
};

static void take_posted(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    STAILQ_CONCAT(&mailbox->delivery, &mailbox->posted);
    pthread_mutex_unlock(&mailbox->lock);
}

static struct message *next_delivery(struct mailbox *mailbox)
{
    struct message *message = STAILQ_FIRST(&mailbox->delivery);

    if (message != NULL)
        STAILQ_REMOVE_HEAD(&mailbox->delivery, next);
    return message;
}

/* A message may free the mailbox: then nothing is left to deliver, and the memory lasts until the
 * loop has closed the handle. */
static void deliver(uv_async_t *wake)
{
    struct mailbox *mailbox = container_of(wake, struct mailbox, wake);
    struct message *message;

    take_posted(mailbox);
    while ((message = next_delivery(mailbox)) != NULL)
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
    /* Needs no descriptor: all of a loop's wake-ups share the one that the loop was born with. */
    error = uv_async_init(loop_uv(loop), &mailbox->wake, deliver);
    assert(error == 0);
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
    take_posted(mailbox);
    while ((message = next_delivery(mailbox)) != NULL)
        message->drop(message);
    uv_close((uv_handle_t *)&mailbox->wake, mailbox_closed);
}

void mailbox_post(struct mailbox *mailbox, struct message *message)
{
    pthread_mutex_lock(&mailbox->lock);
    /* The wake-up is sent under the lock, as this message may be the one upon which the mailbox is
     * freed. */
    if (STAILQ_EMPTY(&mailbox->posted))
        uv_async_send(&mailbox->wake);
    STAILQ_INSERT_TAIL(&mailbox->posted, message, next);
    pthread_mutex_unlock(&mailbox->lock);
}
