/* The inside of key_agent.h, for its two files. */
#ifndef ADIT_KEEPER_KEY_AGENT_PARTS_H
#define ADIT_KEEPER_KEY_AGENT_PARTS_H

#include "io/ssh_agent.h"
#include "io/unix_connect.h"
#include "keeper/key_agent.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>
#include <sys/stat.h>

#define AGENT_MS 10000 /* that its own agent may take to answer */

/* A file whose key the agent has. */
struct loaded_key {
    LIST_ENTRY(loaded_key) link;
    char *path;
    struct stat file; /* as it was then */
    struct buffer key;
};

struct key_agent {
    char *askpass;
    pthread_mutex_t lock; /* of what follows; held while ssh-add(1) runs, so that no two dials load
                             the same file */
    struct ssh_agent agent; /* no socket: it was not started yet */
    LIST_HEAD(, loaded_key) loaded;
};

void loaded_key_forget(struct loaded_key *key);

/* With the lock held: has the agent forget a key, unless another file of the list has it too; and
 * one of the list itself, which is freed. */
void key_agent_remove(const struct key_agent *keys, struct span key);
void loaded_key_remove(struct key_agent *keys, struct loaded_key *key);

#endif
