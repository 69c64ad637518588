/* What the meaning of a keyword's value depends on, and the functions that find it: for the files
 * ssh_meaning*.c. */
#ifndef ADIT_CONF_SSH_SCENE_H
#define ADIT_CONF_SSH_SCENE_H

#include "conf/ssh_answer.h"

struct ssh_scene {
    const struct ssh_answer *answer;
    const struct ssh_answer *usual; /* NULL: not known */
    const struct ssh_meaning *meaning;
    const char *keyword; /* of the value */
    struct ssh_tokens tokens;
};

/* Tells something that ssh would do and adit does not. */
void ssh_scene_remark(const struct ssh_scene *scene, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Turns a keyword's value into a key's value, which the caller frees; NULL: the key is left at its
 * default. */
typedef char *ssh_value_fn(const struct ssh_scene *scene, const char *value);

ssh_value_fn ssh_value_key_files;           /* CertificateFile */
ssh_value_fn ssh_value_identity_files;      /* IdentityFile */
ssh_value_fn ssh_value_agent_wanted;        /* IdentityAgent, for the key "agent" */
ssh_value_fn ssh_value_agent_socket;        /* IdentityAgent */
ssh_value_fn ssh_value_known_hosts;         /* UserKnownHostsFile, GlobalKnownHostsFile */
ssh_value_fn ssh_value_revoked_host_keys;   /* RevokedHostKeys */
ssh_value_fn ssh_value_known_hosts_command; /* KnownHostsCommand */

#endif
