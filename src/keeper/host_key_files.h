/* Reading the files about host keys, and writing a new key to the first of them. On the
 * thread of a login line. Only for this room. */
#ifndef ADIT_KEEPER_HOST_KEY_FILES_H
#define ADIT_KEEPER_HOST_KEY_FILES_H

#include "conf/config.h"
#include "policy/known_hosts.h"

#include <stdbool.h>
#include <stddef.h>

/* Zero-initialise before use. Paths are the configuration's, bytes are owned. */
struct host_key_files {
    /* One for each known_hosts file of the upstream, and behind them one for what its
     * known_hosts_command printed, whose path is owned, too; NULL: nothing yet. */
    struct known_hosts_file *known;
    size_t known_count;
    struct known_hosts_file revoked; /* RevokedHostKeys; path NULL: there is none */
};

/* Reads all of them. A known_hosts file that does not exist is empty; everything else that keeps a
 * file from being read (no descriptor left, no permission, not a file) is a failure, as is a
 * revoked_host_keys file that does not exist: the missing file could have revoked the key. False:
 * `error` says which file and why. To be cleared in either case. */
bool host_key_files_read(struct host_key_files *files, const struct config_upstream *upstream,
                         char *error, size_t size);
void host_key_files_clear(struct host_key_files *files);
/* Frees what the command printed. */
void host_key_files_clear_command(struct host_key_files *files);

enum host_key_stored {
    HOST_KEY_STORED,
    HOST_KEY_KNOWN_BY_NOW,   /* another process has written the key meanwhile: nothing to do */
    HOST_KEY_REFUSED_BY_NOW, /* another process has written another key, or revoked this one */
    HOST_KEY_UNREADABLE,     /* the file cannot be read any more */
    HOST_KEY_NOT_STORED,     /* the file cannot be written */
};

/* Appends the key to the first of the files, which must not be a program's output, under a lock,
 * after having read it again; creates it (mode 0600) and its directory (mode 0700) where they are
 * missing. With `hash` the name is hashed. The wait for the lock ends when `line` is shut down. On
 * a failure `error` says why. */
enum host_key_stored host_key_store(const struct known_hosts *known, const struct public_key *key,
                                    bool hash, int line, char error[static 200]);

#endif
