/* The inside of the keeper, for the files of this room. Main thread only. */
#ifndef ADIT_KEEPER_KEEPER_PARTS_H
#define ADIT_KEEPER_KEEPER_PARTS_H

#include "io/loop.h"
#include "io/mailbox.h"
#include "io/packets.h"
#include "io/signals.h"
#include "keeper/keeper.h"

struct keeper_change;

struct keeper {
    const struct options *options;
    struct change_sources sources;
    struct config *config; /* in use */
    int log_fd;
    struct loop *loop;
    struct mailbox *mailbox;
    struct signals *signals;
    struct bound_sockets *sockets;

    /* The gateway. */
    pid_t child;             /* -1: there is none */
    struct packets *packets; /* NULL: there is none */
    uint32_t sent_id;        /* the last socket that this gateway was sent */
    uint64_t child_began;
    struct deadline restart;
    struct deadline patience; /* with a gateway that is to end */

    struct keeper_change *change; /* under way; NULL: none */
    bool reload_missed;           /* SIGHUP came while there was no gateway */

    bool trial;         /* ends once all is up */
    bool had_terminal;  /* at the start */
    bool started;       /* a gateway listened once */
    bool up;            /* every upstream and forward has been up once */
    bool detached;      /* the gateway has left the terminal, or was asked to */
    bool left_terminal; /* both have */
    bool ending;        /* by a signal, or as the gateway said */
    int status;         /* to exit with */
};

static inline bool keeper_is_command_line(const struct keeper *k)
{
    return k->config->file == NULL;
}

/* keeper.c */

/* The log as the configuration and the options have it. */
void keeper_apply_log(const struct keeper *k);

/* Reports a failure as the mode has it: of a command line on standard error too. */
void keeper_report_failure(const struct keeper *k, const char *sentence);

/* Has the gateway end, as by a signal. */
void keeper_order_end(struct keeper *k);

/* Ends, when the callback that called this has returned. */
void keeper_end(struct keeper *k, int status);

/* child.c */

/* Starts a gateway. False: no process can be had (logged). */
bool child_start(struct keeper *k);

/* Sends it a message. Without a gateway nothing is sent. `fd` is closed in any case. */
void child_send(struct keeper *k, enum keeper_message_kind kind, const uint32_t *numbers,
                const char *const *texts, size_t text_count, int fd);

/* Sends it the sockets that it does not have, and those that it has by their number. */
void child_send_sockets(struct keeper *k);

/* Sends it a configuration, as the result of a change: NULL: there is none. */
void child_send_config(struct keeper *k, uint32_t serial, const struct config *config,
                       const char *error, const struct config_problems *problems);

/* Has it leave the terminal, before the keeper does (-f). */
void child_detach(struct keeper *k);

/* Ends it without asking: it has sent what it may not. `what` says so in the log. */
void child_condemn(struct keeper *k, const char *what);

/* After the loop. */
void child_free(struct keeper *k);

/* changing.c */

/* The gateway asks for a change. False: it may not. */
bool changing_begin(struct keeper *k, struct keeper_message *message);

/* The gateway has taken it into use, or not. False: none was offered. */
bool changing_taken(struct keeper *k, uint32_t serial, bool in_use);

/* No change is wanted any more: of a gateway that has ended, or is ending. A program that the
 * thread waits for is ended. */
void changing_abandon(struct keeper *k);

/* After the loop: waits for a change that is under way, and exits without it if it does not end. */
void changing_free(struct keeper *k);

#endif
