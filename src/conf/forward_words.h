/* Forwards in words, as they are asked for while adit runs: over the control socket, by ssh, and in
 * the messages between the two processes. */
#ifndef ADIT_CONF_FORWARD_WORDS_H
#define ADIT_CONF_FORWARD_WORDS_H

#include <stddef.h>

/* One forward: its kind and ends, or its section's name. NULL and "" are the same. */
struct forward_words {
    char *kind; /* "local", "remote" or "dynamic" */
    char *spec; /* as ssh(1) takes it */
    char *via;  /* the upstream that a new one leads through; NULL: the first */
    char *name;
};

/* Frees an array of malloc(3), and the strings of its forwards. */
void forward_words_free(struct forward_words *forwards, size_t count);

#endif
