/* Host and user names that ssh takes: they end up in commands, in place of %h and %r. */
#ifndef ADIT_CONF_SSH_NAMES_H
#define ADIT_CONF_SSH_NAMES_H

/* Why a name is refused, as the end of a sentence ("it is empty"); NULL: it is not. What OpenSSH's
 * readconf.c refuses (ssh_valid_hostname, ssh_valid_ruser: characters with a meaning to a shell,
 * control characters, a '-' that begins an option), and the empty name. */
const char *ssh_host_wrong(const char *name);
const char *ssh_user_wrong(const char *name);

#endif
