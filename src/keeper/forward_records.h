/* What an ssh(1) that carries an upstream's sessions was asked for: a remote forward to a unix
 * socket, in a file beside that socket. Main thread only. */
#ifndef ADIT_KEEPER_FORWARD_RECORDS_H
#define ADIT_KEEPER_FORWARD_RECORDS_H

#include "io/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct forward_record {
    char *master; /* the path of the ssh's socket */
    char *bind;   /* a host in the ssh's words, or a path */
    uint32_t port;
};

void forward_record_clear(struct forward_record *record);

/* Writes the record of the socket at `path`, and locks it for this process. The descriptor, which
 * the caller closes to unlock it; -1: errno; EADDRINUSE: another process has locked one. */
int forward_record_write(const struct forward_record *record, const char *path);

/* Removes it. */
void forward_record_remove(const char *path);

/* Calls `each` for every record in the directory that no process has locked, with the path of its
 * socket: if it returns true both are removed. */
typedef bool forward_record_fn(void *arg, const struct forward_record *record, const char *path);
void forward_records_take(const char *directory, forward_record_fn *each, void *arg);

#endif
