/* What ssh_config(5) says of a host, by asking `ssh -G`. */
#ifndef ADIT_CONF_SSH_CONFIG_H
#define ADIT_CONF_SSH_CONFIG_H

#include "conf/load.h"

/* Gives the upstream of that index, whose hosts are names for ssh, what ssh_config has for them: by
 * load_set every key that has no value yet, and the hosts as HOSTNAME:PORT. (load_section_of gives
 * its section.) What is wrong is noted as problems of the section's line. */
void ssh_config_fill(struct load *load, size_t index);

#endif
