/* Reads larger than libssh's own. Only for this room.
 *
 * libssh takes 4,096 bytes from its socket at a time and polls before each: half a million system
 * calls a GiB. It calls recv(2) and poll(2) by their names, so this room defines them: while a
 * session is driven they serve libssh from one buffer of the thread, and whatever else calls them
 * gets the kernel's. */
#ifndef ADIT_SSH_READAHEAD_H
#define ADIT_SSH_READAHEAD_H

#include <stdbool.h>

/* From now on, on this thread, libssh's reads from `fd` come from the buffer, which is empty, and
 * nothing else is there to be read. */
void readahead_begin(int fd);

/* Reads what the socket has, as much as the empty buffer takes. False: nothing is there. (An end or
 * an error is for libssh to find: then there is something.) */
bool readahead_fill(void);

/* Whether that read filled the buffer: there may be more. */
bool readahead_filled(void);

/* Whether libssh has not had all of it yet. */
bool readahead_pending(void);

/* Reads are the kernel's again; the buffer is empty, or the session is dead. */
void readahead_end(void);

#endif
