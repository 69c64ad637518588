/* Judges the key of a server by files of known host keys: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT,
 * read as ssh(1) reads them. Only the bytes of the files are read; nothing is opened here. Pure;
 * called on dial threads. */
#ifndef ADIT_POLICY_KNOWN_HOSTS_H
#define ADIT_POLICY_KNOWN_HOSTS_H

#include "policy/public_key.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A file, whole. A file that is not there has a length of 0. */
struct known_hosts_file {
    const char *path; /* for messages */
    const char *bytes;
    size_t length;
    /* A program has printed the bytes (KnownHostsCommand): they are about `name` alone, and nobody
     * writes to them. As in ssh, name_without_port is not looked up there. */
    bool is_printed;
};

/* The files, and the names that stand for the server there. Everything is the caller's. */
struct known_hosts {
    const struct known_hosts_file *files;
    size_t file_count;
    const char *name; /* "host", "[host]:port" or a HostKeyAlias; NULL: no line can match */
    /* Looked up where no line matches `name`: ssh(1) accepts a key that is known without the port.
     * NULL: none. */
    const char *name_without_port;
};

enum known_hosts_verdict {
    KNOWN_HOSTS_UNKNOWN, /* no key of the server is known */
    KNOWN_HOSTS_MATCH,
    KNOWN_HOSTS_CHANGED, /* other keys are known, but not this one */
    KNOWN_HOSTS_REVOKED,
};

struct known_hosts_answer {
    enum known_hosts_verdict verdict;
    /* "FILE:LINE" of the line that decided: the matching, the revoking, or that with the other key.
     * NULL: unknown. */
    char *place;
    bool is_printed; /* that line is of a file that is */
    /* With KNOWN_HOSTS_CHANGED: the other key. One of the same type goes before others. */
    const char *other_type; /* "ED25519" */
    char *other_fingerprint;
    /* "FILE:LINE" of a line that names a certificate authority for the server. NULL: none. */
    char *authority;
};

/* Decides about the key that a server offers. The answer is the caller's to clear.
 *
 * As in check_key_in_hostkeys() and check_host_key() of OpenSSH: a line with the key in any of the
 * files is a match, whatever other lines say, unless a @revoked line for the server has the key.
 * Two things are stricter than in ssh: a key that is revoked under the name without the port is
 * revoked, and a tab may end a marker even if a space follows somewhere in the line. */
void known_hosts_look_up(const struct known_hosts *known, const struct public_key *key,
                         struct known_hosts_answer *answer);
void known_hosts_answer_clear(struct known_hosts_answer *answer);

/* "FILE:LINE" of the first line that names a certificate authority for the server; the caller
 * frees. NULL: there is none. */
char *known_hosts_authority(const struct known_hosts *known);

/* Lines "    FILE:LINE: NAMES\n" for other names under which the key is known, eight at most, as
 * ssh(1) shows them: those that a program printed are not among them; NULL: there are none. The
 * caller frees. */
char *known_hosts_other_names(const struct known_hosts *known, const struct public_key *key);

/* The comma list of host key algorithms in the order in which they should be offered to the server,
 * as order_hostkeyalgs() of OpenSSH does: as it is, if the first one's type of key is known; else
 * those whose type is known go first. The caller frees. */
char *known_hosts_order(const struct known_hosts *known, const char *algorithms);

#define KNOWN_HOSTS_SALT_LENGTH 20

/* The line, with its end, that makes the key known under `known->name`. With `salt`
 * (KNOWN_HOSTS_SALT_LENGTH random bytes) the name is hashed. NULL: a line cannot have such a name,
 * or would speak of other hosts, too ("*", "a,b"). The caller frees. */
char *known_hosts_line(const struct known_hosts *known, const struct public_key *key,
                       const uint8_t *salt);

enum revoked_keys_verdict {
    REVOKED_KEYS_CLEAR,
    REVOKED_KEYS_REVOKED,
    REVOKED_KEYS_UNREADABLE, /* a line is no key */
};

/* Looks the key up in a plain list of public keys, one a line, as RevokedHostKeys of ssh_config(5)
 * may name. `*line` is the line that decided (from 1). */
enum revoked_keys_verdict revoked_keys_look_up(const struct known_hosts_file *file,
                                               const struct public_key *key, unsigned *line);

/* Whether the file is a key revocation list, which only ssh-keygen(1) reads. */
bool revoked_keys_is_krl(const struct known_hosts_file *file);

#endif
