/* The private keys of logins: an ssh-agent(1) of the keeper's own has them, which is started when
 * the first key is needed and ends with the keeper. ssh-add(1) reads the files, so that each format
 * of OpenSSH is read, and adit answers its question for a passphrase. A key stays until its file is
 * another one or is gone, or until key_agent_keep leaves it out. Any thread; all calls but
 * key_agent_new may wait for programs.
 *
 * The agent asks for no passphrase a second time: after an upgrade (key_agent_save) it has its keys
 * still. */
#ifndef ADIT_KEEPER_KEY_AGENT_H
#define ADIT_KEEPER_KEY_AGENT_H

#include "base/buffer.h"
#include "base/ssh_bytes.h"
#include "conf/config.h"
#include "conf/words.h"

#include <stdbool.h>

/* A variable of the environment: adit is executed by ssh-add(1), and answers (key_askpass). */
#define KEY_ASKPASS "ADIT_KEY_ASKPASS"

/* Prints the first line of standard input, which is all that ssh-add(1) gets, and says on standard
 * error that a passphrase was asked for. Returns the status to exit with. */
int key_askpass(void);

struct key_agent;

/* `askpass`: the path of a program that calls key_askpass. */
struct key_agent *key_agent_new(const char *askpass);

/* Ends the agent. NULL is fine. */
void key_agent_free(struct key_agent *keys);

enum key_state {
    KEY_LOADED,
    KEY_ENCRYPTED, /* the passphrase is missing or wrong */
    KEY_MISSING,   /* the file does not exist */
    KEY_UNUSABLE,  /* of this file */
    KEY_NO_AGENT,  /* ssh-agent(1) or ssh-add(1) cannot be run, or the wait was ended */
};

struct key_result {
    enum key_state state;
    struct buffer key; /* KEY_LOADED: the public half (RFC 4253 section 6.6) */
    char *problem;     /* in the other states, behind the file's name in a sentence; else NULL */
};

/* Has the agent load a file, if it has not done so already. `passphrase` may be NULL. Ends early
 * when `connection` is shut down (-1: none). The caller clears the result. */
struct key_result key_agent_load(struct key_agent *keys, const char *path, const char *passphrase,
                                 int connection);
void key_result_clear(struct key_result *result);

/* Has the agent forget each key whose file is not one of `paths`, with its passphrase: a key that
 * no configuration has any more. */
void key_agent_keep(struct key_agent *keys, const struct string_list *paths);

/* The name by which a key's passphrase is kept in base/secrets.h; the caller frees. */
char *key_passphrase_name(const char *path);

/* A connection to the agent, the caller's; -1: errno. */
int key_agent_connect(struct key_agent *keys);

/* What the next program needs, as words on a line each that begins with "key", for
 * key_agent_restore; the descriptor that keeps the agent alive is inherited with these flags of
 * F_SETFD. `out` may be NULL. */
void key_agent_save(struct key_agent *keys, int flags, struct buffer *out);

/* Takes such a line's words. False: they are none. */
bool key_agent_restore(struct key_agent *keys, struct word_reader *words);

#endif
