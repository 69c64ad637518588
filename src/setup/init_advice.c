/* What a person is told about the file that --init wrote. */
#include "setup/init.h"

#include "base/hostport.h"
#include "base/ip.h"
#include "base/mem.h"
#include "conf/paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SYSTEM_FILE "/etc/adit/adit.ini" /* of adit.service */

/* The file of the user's own service. */
static char *user_file(void)
{
    const char *directory = getenv("XDG_CONFIG_HOME");
    char *home = home_directory();
    char *file = directory && *directory ? mem_printf("%s/adit/adit.ini", directory)
                                         : mem_printf("%s/.config/adit/adit.ini", home);

    free(home);
    return file;
}

/* Whether both names lead to one file, which is there. */
static bool same_file(const char *a, const char *b)
{
    char *real_a = realpath(a, NULL), *real_b = realpath(b, NULL);
    bool same = real_a && real_b && strcmp(real_a, real_b) == 0;

    free(real_a);
    free(real_b);
    return same;
}

/* The service of the system, which only root can have. Its user has a home of its own, in which "~"
 * of the file is. */
static void advise_system(const char *file, const struct config_upstream *upstream)
{
    const struct string_list *keys = &upstream->identities;
    const char *key = keys->count > 0 ? keys->items[0] : "~/.ssh/id_ed25519";
    char *home = home_directory();
    char *own = mem_printf("%s/.ssh/", home);
    const char *slash = strrchr(key, '/');

    printf("\nTo start it with the machine, as the user adit, for whom ~ is /var/lib/adit:\n\n");
    if (!same_file(file, SYSTEM_FILE))
        printf("    install -m 644 %s %s\n", file, SYSTEM_FILE);
    printf("    install -o adit -g adit -m 600 %s ~/.ssh/known_hosts /var/lib/adit/.ssh/\n"
           "    systemctl enable --now adit\n",
           key);
    if (keys->count > 0 && strncmp(key, own, strlen(own)) != 0)
        printf("\nand in that file: identity = ~/.ssh/%s\n", slash ? slash + 1 : key);
    free(own);
    free(home);
}

static void advise_user(const char *file)
{
    char *own = user_file();

    printf("\nTo start it when you log in (with the machine: loginctl enable-linger):\n\n");
    if (!same_file(file, own))
        printf("    install -D -m 644 %s %s\n", file, own);
    printf("    systemctl --user enable --now adit\n");
    free(own);
}

void init_advise(const char *file, const struct config *config, bool works)
{
    const struct config_address *address = &config->listens[0].addresses[0];
    char ip[IP_TEXT_MAX], text[HOSTPORT_TEXT_MAX];

    if (!works) {
        printf("%s is written, but could not be tried: the line above says why. Try it again:\n\n"
               "    adit --config %s\n",
               file, file);
        return;
    }
    printf("%s is written, and it works. To start it:\n\n"
           "    adit --config %s\n",
           file, file);
    if (!address->is_unix)
        printf("    curl --socks5-hostname %s https://example.com/\n",
               hostport_format(ip_is_unspecified(&address->ip) ? "127.0.0.1"
                                                               : ip_format(&address->ip, ip),
                               address->port, text));
    if (geteuid() == 0)
        advise_system(file, &config->upstreams[config->upstream_count - 1]);
    else
        advise_user(file);
}
