/* The lines of an INI file: inih, with every line accounted for. */
#ifndef ADIT_CONF_INI_H
#define ADIT_CONF_INI_H

#include <stdbool.h>
#include <stddef.h>

struct ini_events {
    /* "[name]"; NULL for a header that could not be read. */
    void (*section)(void *arg, unsigned line, const char *name);
    /* "name = text". Where the value goes on over further lines, the text has a newline between any
     * two; it may be overwritten. `cut`: a " ;" and what follows was left out, as a comment. */
    void (*entry)(void *arg, unsigned line, const char *name, char *text, bool cut);
    /* A line that is neither, or that cannot be held. Its entry is left out. */
    void (*problem)(void *arg, unsigned line, const char *message);
};

/* Reads the text, with an event for everything in it, in order. Returns the number of the last
 * line.
 *
 * A line that is indented deeper than the key it follows continues that key's value (as in Python's
 * configparser); blank lines and comments between them do not matter. Comments: a line that starts
 * with ';' or '#', and what follows " ;" in any line. */
unsigned ini_events_read(const char *text, size_t length, const struct ini_events *events,
                         void *arg);

#endif
