/* ssh_config(5) as libssh reads it, for machines without ssh(1). Where there is ssh, ssh -G is
 * asked (conf/ssh_ask). */
#include "session_libssh/handshake.h"

#include <string.h>

#define SSH_PORT 22 /* also the port where none was given */

bool libssh_config_read(ssh_session handle, const struct config_upstream *upstream,
                        const char *alias)
{
    return ssh_options_set(handle, SSH_OPTIONS_HOST, alias) == 0 &&
           ssh_options_parse_config(handle, upstream->ssh_config_file) == 0;
}

void libssh_config_find(const struct config_upstream *upstream, char name[static HOST_MAX + 1],
                        uint16_t *port)
{
    ssh_session handle = ssh_new();
    unsigned found = 0;
    char *host = NULL;

    /* (A failure is reported when the session is made.) */
    if (handle != NULL && libssh_config_read(handle, upstream, name)) {
        if (ssh_options_get(handle, SSH_OPTIONS_HOST, &host) == SSH_OK && strlen(host) <= HOST_MAX)
            strcpy(name, host);
        if (*port == SSH_PORT && ssh_options_get_port(handle, &found) == SSH_OK && found > 0 &&
            found <= UINT16_MAX)
            *port = (uint16_t)found;
    }
    ssh_string_free_char(host);
    ssh_free(handle);
}
