/* Errands of the main thread: there with a descriptor, back with the answer and with the end. */
#include "shared/internal_connection.h"

#include "base/mem.h"

#include <stdlib.h>
#include <unistd.h>

/* Belongs to the messages: to the one under way, or to the client until it sends the last. */
struct hop {
    struct message message; /* there, and back with the answer */
    struct message end;     /* back when a connection that came about has ended */
    struct crew *crew;
    struct generation *generation; /* on the way there */
    int fd;                        /* likewise */
    struct errand errand;          /* the owner's, with strings of its own */
    bool forgotten;                /* main thread only */
    /* The answer, and the words of the last message. */
    enum outcome outcome;
    char *detail;
    char *failed;
};

static void hop_free(struct hop *hop)
{
    generation_unref(hop->generation);
    free((char *)hop->errand.via);
    free(hop->errand.to.host);
    free(hop->errand.to.path);
    free(hop->detail);
    free(hop->failed);
    free(hop);
}

/* On the main thread. */

static void drop_end(struct message *message)
{
    hop_free(container_of(message, struct hop, end));
}

static void take_end(struct message *message, void *owner)
{
    struct hop *hop = container_of(message, struct hop, end);
    const struct errand errand = hop->errand;
    char *failed = hop->failed;
    bool forgotten = hop->forgotten;

    (void)owner;
    hop->failed = NULL;
    hop_free(hop);
    if (!forgotten && errand.ended != NULL)
        errand.ended(errand.arg, failed);
    free(failed);
}

static void drop_answer(struct message *message)
{
    struct hop *hop = container_of(message, struct hop, message);

    /* (After OUTCOME_OK the end is still to come.) */
    if (hop->outcome != OUTCOME_OK)
        hop_free(hop);
}

static void take_answer(struct message *message, void *owner)
{
    struct hop *hop = container_of(message, struct hop, message);
    const struct errand errand = hop->errand;
    enum outcome outcome = hop->outcome;
    char *detail = hop->detail;
    bool forgotten = hop->forgotten;

    (void)owner;
    hop->detail = NULL;
    drop_answer(message);
    if (!forgotten)
        errand.answered(errand.arg, outcome, detail);
    free(detail);
}

/* On the worker's thread. */

static void answered(void *arg, enum outcome outcome, const char *detail)
{
    struct hop *hop = arg;

    hop->outcome = outcome;
    hop->detail = mem_strdup(detail);
    hop->message = (struct message){.run = take_answer, .drop = drop_answer};
    mailbox_post(hop->crew->keeper, &hop->message);
}

static void ended(void *arg, const char *failed)
{
    struct hop *hop = arg;

    hop->failed = mem_strdup(failed);
    mailbox_post(hop->crew->keeper, &hop->end);
}

static void drop_hop(struct message *message)
{
    struct hop *hop = container_of(message, struct hop, message);

    close(hop->fd);
    hop_free(hop);
}

static void take_hop(struct message *message, void *owner)
{
    struct hop *hop = container_of(message, struct hop, message);
    struct worker *worker = owner;
    struct generation *generation = hop->generation;
    struct errand errand = hop->errand;

    hop->generation = NULL;
    errand.answered = answered;
    errand.ended = ended;
    errand.arg = hop;
    if (worker->stopping || !client_new_internal(worker, generation, &errand, hop->fd)) {
        close(hop->fd);
        answered(hop, OUTCOME_SHORTAGE, worker->stopping ? "adit ends" : "no descriptors");
    }
    generation_unref(generation);
}

struct hop *hop_start(struct crew *crew, struct generation *generation, const struct errand *errand,
                      int fd)
{
    static unsigned next;
    struct hop *hop = mem_zalloc(sizeof(*hop));
    struct board *board;
    int worker;

    generation_upstream(generation, errand->via, &board);
    worker = board_hint(board_current(board), -1);
    if (worker < 0)
        worker = (int)(next++ % crew->worker_count);
    *hop = (struct hop){
        .message = {.run = take_hop, .drop = drop_hop},
        .end = {.run = take_end, .drop = drop_end},
        .crew = crew,
        .generation = generation_ref(generation),
        .fd = fd,
        .errand = *errand,
        .outcome = OUTCOME_NO_SESSION,
    };
    hop->errand.via = mem_strdup(errand->via);
    hop->errand.to.host = mem_strdup(errand->to.host);
    hop->errand.to.path = mem_strdup(errand->to.path);
    mailbox_post(crew->workers[worker]->mailbox, &hop->message);
    return hop;
}

void hop_forget(struct hop *hop)
{
    if (hop != NULL)
        hop->forgotten = true;
}
