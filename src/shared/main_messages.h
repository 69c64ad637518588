/* Messages that workers send to the main thread about an upstream's sessions and forwards. */
#ifndef ADIT_SHARED_MAIN_MESSAGES_H
#define ADIT_SHARED_MAIN_MESSAGES_H

#include "shared/session_table.h"
#include "shared/workers.h"

struct forwards;
struct listen_answer;

/* What the main thread does with them; called on the main thread. */
struct main_events {
    /* Clients of that session table need one more session. */
    void (*grow)(struct session_table *table);
    /* The session of that slot carries channels from now on. */
    void (*session_up)(struct session_table *table, int slot);
    /* The session of that slot has ended; `why` NULL: it was meant to end. */
    void (*session_lost)(struct session_table *table, int slot, const char *why);
    /* The server answered the listen order of that number. */
    void (*listen_answered)(struct forwards *forwards, uint64_t order,
                            const struct listen_answer *answer);
};

/* From any thread. The session table is referenced until the message was read; `why` is copied. */

/* (Many askers make one message: the table remembers that one is under way.) */
void main_send_grow(struct workers *workers, struct session_table *table);
void main_send_session_up(struct workers *workers, struct session_table *table, int slot);
void main_send_session_lost(struct workers *workers, struct session_table *table, int slot,
                            const char *why);
/* `forwards` must live until the main thread's mailbox is freed; the answer is copied. */
void main_send_listen_answered(struct workers *workers, struct forwards *forwards, uint64_t order,
                               const struct listen_answer *answer);

#endif
