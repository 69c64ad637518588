/* What the files of ssh_config(5) forbid, for machines without ssh. */
#ifndef ADIT_CONF_SSH_FILES_H
#define ADIT_CONF_SSH_FILES_H

#include "conf/ssh_answer.h"

#include <stdbool.h>

/* Adds the lines that forbid something: RevokedHostKeys, PubkeyAuthentication no,
 * PasswordAuthentication no, KbdInteractiveAuthentication no (ChallengeResponseAuthentication),
 * BatchMode yes, the smallest NumberOfPasswordPrompts below ssh's default, and the
 * PreferredAuthentications that every such line has. The SSH library, which reads these files where
 * there is no ssh to ask, obeys none of them. Host and Match are not looked at: what is forbidden
 * for one host is for every host. `file` NULL: ~/.ssh/config and /etc/ssh/ssh_config; "none": no
 * file. Files that are included are read too, and a file that is not there forbids nothing.
 * Returns NULL, or which file cannot be read and why, or that RevokedHostKeys names several; the
 * caller frees. */
char *ssh_files_forbidden(const char *file, struct ssh_answer *forbidden);

/* Whether the same files have a line that runs a command when ssh reads them (Match exec). */
bool ssh_files_run_commands(const char *file);

#endif
