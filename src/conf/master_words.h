/* The command line of an ssh(1) that carries an upstream's sessions (engine = openssh). */
#ifndef ADIT_CONF_MASTER_WORDS_H
#define ADIT_CONF_MASTER_WORDS_H

#include "conf/load.h"
#include "conf/upstream_host.h"

#include <stddef.h>

/* A variable of the environment that such an ssh must have, with the value "$": the words refer to
 * it where a file's name has "${". */
#define MASTER_DOLLAR "ADIT_DOLLAR"

/* While an upstream with ssh_config is loaded, before ssh is asked about its hosts: what its
 * section gives, and so is no matter of ssh_config, as options of ssh. With `all` also what it does
 * not give: for an upstream without ssh_config, whose values are complete. Appends to master_words.
 */
void master_words_add(struct load *load, size_t index, bool all);

/* Notes the words that ssh -G was asked with, and the host as it was given for each of the hosts in
 * turn; port 0: none was given. */
void master_words_take(struct config_upstream *upstream, const char *const *words, size_t count);
void master_words_host(struct config_upstream *upstream, const char *name, unsigned port);

/* The words, which end with NULL, for that host: ssh, then what makes it a master at the path
 * `socket` whose connection is its standard input and output, `options` (-o each; ends with NULL),
 * and what the configuration says. The caller frees by master_words_free. */
const char **master_words(const struct config_upstream *upstream, const struct upstream_host *host,
                          const char *socket, const char *const *options);
void master_words_free(const char **words);

#endif
