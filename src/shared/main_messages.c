/* Messages to the main thread, over its mailbox. */
#include "shared/main_messages.h"

#include "base/mem.h"
#include "session/session.h"

#include <stdlib.h>

struct table_message {
    struct message message;
    struct workers *workers;
    struct session_table *table;
    int slot;
    char *why;
};

static void drop_table_message(struct message *message)
{
    struct table_message *m = container_of(message, struct table_message, message);

    session_table_unref(m->table);
    free(m->why);
    free(m);
}

static void post_table_message(struct workers *workers, struct session_table *table, int slot,
                               const char *why, void (*run)(struct message *message, void *owner))
{
    struct table_message *m = mem_zalloc(sizeof(*m));

    *m = (struct table_message){
        .message = {.run = run, .drop = drop_table_message},
        .workers = workers,
        .table = session_table_ref(table),
        .slot = slot,
        .why = mem_strdup(why),
    };
    mailbox_post(workers->main_mailbox, &m->message);
}

static void run_grow(struct message *message, void *owner)
{
    struct table_message *m = container_of(message, struct table_message, message);

    (void)owner;
    atomic_store(&m->table->grow_asked, false);
    m->workers->main_events->grow(m->table);
    drop_table_message(message);
}

void main_send_grow(struct workers *workers, struct session_table *table)
{
    if (!atomic_exchange(&table->grow_asked, true))
        post_table_message(workers, table, -1, NULL, run_grow);
}

static void run_session_up(struct message *message, void *owner)
{
    struct table_message *m = container_of(message, struct table_message, message);

    (void)owner;
    m->workers->main_events->session_up(m->table, m->slot);
    drop_table_message(message);
}

void main_send_session_up(struct workers *workers, struct session_table *table, int slot)
{
    post_table_message(workers, table, slot, NULL, run_session_up);
}

static void run_session_lost(struct message *message, void *owner)
{
    struct table_message *m = container_of(message, struct table_message, message);

    (void)owner;
    m->workers->main_events->session_lost(m->table, m->slot, m->why);
    drop_table_message(message);
}

void main_send_session_lost(struct workers *workers, struct session_table *table, int slot,
                            const char *why)
{
    post_table_message(workers, table, slot, why, run_session_lost);
}

struct listen_answer_message {
    struct message message;
    struct workers *workers;
    struct forwards *forwards;
    uint64_t order;
    struct listen_answer answer;
    char *why; /* of the answer; NULL: none */
};

static void drop_listen_answer(struct message *message)
{
    struct listen_answer_message *m = container_of(message, struct listen_answer_message, message);

    free(m->why);
    free(m);
}

static void run_listen_answer(struct message *message, void *owner)
{
    struct listen_answer_message *m = container_of(message, struct listen_answer_message, message);

    (void)owner;
    m->workers->main_events->listen_answered(m->forwards, m->order, &m->answer);
    drop_listen_answer(message);
}

void main_send_listen_answered(struct workers *workers, struct forwards *forwards, uint64_t order,
                               const struct listen_answer *answer)
{
    struct listen_answer_message *m = mem_zalloc(sizeof(*m));

    *m = (struct listen_answer_message){
        .message = {.run = run_listen_answer, .drop = drop_listen_answer},
        .workers = workers,
        .forwards = forwards,
        .order = order,
        .answer = *answer,
        .why = answer->why != NULL ? mem_strdup(answer->why) : NULL,
    };
    m->answer.why = m->why;
    mailbox_post(workers->main_mailbox, &m->message);
}
