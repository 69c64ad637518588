/* The known word that an unknown one was most likely meant to be, for messages that ask "did you
 * mean ...?". Pure; any thread. */
#ifndef ADIT_BASE_NEAREST_H
#define ADIT_BASE_NEAREST_H

#include <stddef.h>

struct nearest {
    const char *word; /* the unknown one; it must live as long as this */
    const char *best; /* the nearest of those offered so far; NULL: none is near */
    size_t distance;
};

/* Begins a search. A third of the word's letters may differ. */
struct nearest nearest_to(const char *word);

/* Keeps `candidate` as `best` if it is nearer than all before it. The pointer is kept, not a copy.
 */
void nearest_offer(struct nearest *nearest, const char *candidate);

#endif
