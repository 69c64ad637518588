/* The passwords of a login: that of password_file, and what a person gave at an earlier one. */
#include "base/mem.h"
#include "base/secrets.h"
#include "io/whole.h"
#include "keeper/login.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Reads a file with a secret, unless there is none, or it was read. */
static enum login_result read_secret_file(struct login *l, const char *path, const char *what,
                                          char **secret)
{
    if (path == NULL || *secret != NULL)
        return LOGIN_OK;
    *secret = file_first_line(path);
    if (*secret == NULL)
        return login_fail(l, LOGIN_AUTHENTICATION, "%s %s: %s", what, path,
                          errno == ENODATA ? "the file is empty" : strerror(errno));
    return LOGIN_OK;
}

/* Whether a password may be sent at all. */
static bool may_send(const struct login *l)
{
    return l->upstream->password_authentication || l->upstream->kbd_interactive_authentication;
}

enum login_result login_read_password(struct login *l)
{
    const struct config_upstream *upstream = l->upstream;
    enum login_result result = LOGIN_OK;

    if (may_send(l))
        result = read_secret_file(l, upstream->password_file, "password_file", &l->password);
    if (result == LOGIN_OK && upstream->pubkey_authentication)
        result = read_secret_file(l, upstream->passphrase_file, "passphrase_file", &l->passphrase);
    return result;
}

/* The key under which a password that a person gave is kept: the same name behind another jump
 * host, or by another ProxyCommand, is another server, and so may be another name with the same
 * HostKeyAlias. (Which name libssh logs in with, where the configuration has none, is not known
 * here: that is the upstream's own.) */
static const char *memory_of(struct login *l)
{
    const struct config_upstream *upstream = l->upstream;
    const char *jump = upstream->jump.count > 0 ? upstream->jump.items[0] : "none";
    const char *command = upstream->proxy_command != NULL ? upstream->proxy_command : "none";

    if (l->memory == NULL)
        l->memory = mem_printf("password of %s%s@%s:%u, known as %s, by jump host %s and "
                               "ProxyCommand %s",
                               upstream->user != NULL ? "" : "upstream ",
                               upstream->user != NULL ? upstream->user : upstream->name,
                               l->host.name, l->host.port, l->known_as, jump, command);
    return l->memory;
}

const char *login_password(struct login *l, enum login_password which)
{
    if (which == LOGIN_PASSWORD_CONFIGURED)
        return l->password;
    if (!may_send(l))
        return NULL;
    secret_free(l->kept);
    l->kept = secrets_get(memory_of(l));
    return l->kept;
}

void login_password_refused(struct login *l, enum login_password which)
{
    const char *password = which == LOGIN_PASSWORD_CONFIGURED ? l->password : l->kept;

    if (password != NULL)
        secrets_drop(memory_of(l), password);
}

void login_password_accepted(struct login *l)
{
    if (l->learnt != NULL)
        secrets_keep(memory_of(l), l->learnt);
}
