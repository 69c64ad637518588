/* What the files masters*.c and master_ask.c share. Main thread only, but as said. */
#ifndef ADIT_KEEPER_MASTER_PARTS_H
#define ADIT_KEEPER_MASTER_PARTS_H

#include "io/proxy_command.h"
#include "io/watch.h"
#include "keeper/keeper_parts.h"
#include "keeper/master_stderr.h"
#include "keeper/masters.h"

struct master_question;

struct keeper_masters {
    struct keeper *keeper;
    char *folder;    /* NULL: not made yet */
    int folder_lock; /* a descriptor of it that holds its lock; -1: there is none */
    uint32_t last_number;
    LIST_HEAD(, keeper_master) all;
    LIST_HEAD(, master_question) questions;
};

struct keeper_master {
    LIST_ENTRY(keeper_master) link;
    struct keeper_masters *masters;
    struct gateway_child *child;
    struct quota *quota; /* of the child's; NULL: it had no more, before an upgrade */
    const struct master_events *events; /* NULL: nobody is told */
    void *arg;
    uint32_t number;
    char *name;   /* "upstream office: ssh to host", for the log */
    char *socket; /* its control socket */
    struct proxy_command *process;
    int errors; /* the other end of its standard error */
    struct watch watch;
    struct master_stderr stderr_text;
    bool up;
    struct deadline patience; /* with the login */
    struct deadline look;     /* for its socket */
    struct deadline rest;     /* of what it has said */
    /* For the questions of a login. */
    struct config *config; /* a reference; NULL once it is up */
    const struct config_upstream *upstream;
    char *host;      /* as the gateway names it */
    unsigned asking; /* questions under way */
    bool asked_anew; /* a person gave something that is not kept */
    char *asked[2];  /* prompts that a file, or what is kept, has answered already */
    struct learnt_answer {
        char *prompt, *answer;
    } learnt[2]; /* the last secret that may be kept, and the last answer about a host key, until
                    the server has accepted the login */
};

/* masters.c */

/* One that has no process yet. `name` is taken over. */
struct keeper_master *master_new(struct keeper_masters *masters, struct gateway_child *child,
                                 uint32_t number, char *name);

/* Watches its process, and what that says at `errors`, which is taken over. False: errno. */
bool master_watch(struct keeper_master *master, pid_t pid, int errors);
void master_free(struct keeper_master *master);

/* master_folder.c */

/* Makes the folder unless it is there, and removes those that killed keepers of this user have
 * left. NULL, or why it is not there. */
const char *masters_make_folder(struct keeper_masters *masters);

/* Takes over the path of a folder that the program before this one has made, and its lock (-1: it
 * did not pass any). */
void masters_adopt_folder(struct keeper_masters *masters, char *path, int lock);

/* Removes it, if it is empty, and forgets it. */
void masters_remove_folder(struct keeper_masters *masters);

/* master_ask.c */

/* ssh has run adit as its askpass program, which is at the other end of `fd`: taken over. */
void master_ask(struct keeper_master *master, int fd);

/* The login has succeeded: keeps what a person has answered. */
void master_keep_answers(struct keeper_master *master);

/* The master has ended, or is up: its questions end, and what they know of it is forgotten. */
void master_questions_end(struct keeper_master *master);

/* Waits for the threads of all questions, whose masters have ended. What they have posted is the
 * mailbox's. */
void master_questions_join(const struct keeper_masters *masters);

#endif
