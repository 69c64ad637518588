/* The one way in which a configuration is copied: as text that holds all of it, from which an equal
 * configuration is made again. Copies for a change (-O forward) are made so, and the text can cross
 * to another process. Any thread may call these; the configuration is not changed.
 *
 * The text is lines. Each is a name and the value's words (conf/words.h):
 *
 *     adit-configuration "1"
 *     +file "/etc/adit/adit.ini"
 *     section "gateway"
 *     workers "0"
 *     section "upstream" "NAME" "LINE"
 *     host "a.example" "b.example:2222"
 *     end
 *
 * A key's line is written by its store (conf/stores.h), and is left out where the store writes no
 * words. What is no key has lines that begin with "+": the file's name, remarks, rules, users (with
 * their password hashes), and what a load found out. Nothing is read from elsewhere to restore it.
 */
#ifndef ADIT_CONF_SERIALISE_H
#define ADIT_CONF_SERIALISE_H

#include "conf/config.h"

/* The text; the caller frees. Without `whole` the users and the rules are left out, for a copy that
 * shares them. */
char *config_serialise(const struct config *config, bool whole);

/* The text for the gateway: without the users, so that it has no password's hash, and with the
 * notices (config_each_notice), so that it need not look at files. */
char *config_serialise_for_gateway(const struct config *config);

/* The configuration again, with one reference. NULL: this is no text of config_serialise of this
 * version of the format, or not all of it. */
struct config *config_restore(const char *text);

/* The same of a file in memory (io/memory_file.h), whose text is overwritten: it holds secrets. The
 * descriptor stays the caller's. */
struct config *config_restore_file(int fd);

#endif
