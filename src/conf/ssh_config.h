/* What ssh_config(5) says of an upstream's hosts, by asking `ssh -G`. */
#ifndef ADIT_CONF_SSH_CONFIG_H
#define ADIT_CONF_SSH_CONFIG_H

#include "conf/load.h"
#include "conf/ssh_answer.h"

/* The answer of ssh -G for the host of a command line. */
struct ssh_known {
    const char *host; /* as it was given, without user and port */
    struct ssh_answer answer;
    const char *const *words; /* what ssh was asked with; with `absent` none */
    size_t word_count;
    const char *destination; /* the same: the host, with user and port */
    bool absent;             /* there is no ssh: the answer is what the command line itself says */
};

/* Gives the upstream of that index, whose hosts are names for ssh, what ssh_config has for them: by
 * load_set every key that has no value yet, and the hosts as HOSTNAME[:PORT]. Of several hosts the
 * first one's settings hold for all. What is wrong is noted as problems of the section's line, what
 * ssh would do and adit does not as remarks of the configuration. Where there is no ssh,
 * libssh_config of the upstream is set, and the hosts stay. */
void ssh_config_fill(struct load *load, size_t index);

/* Whether ssh was asked a moment ago, for a configuration: what its files run has been run. Any
 * thread. */
bool ssh_config_is_fresh(void);

/* Adds what ssh says where nothing is configured, but for BatchMode, for ssh_answer_tell.
 * `connection` as ssh_ask's. */
void ssh_config_usual(struct ssh_answer *usual, bool batch_mode, int connection);

#endif
