/* The protocol of sd_listen_fds(3), which is so small that no library is needed for it. */
#include "io/passed_sockets.h"

#include "base/mem.h"
#include "base/units.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST 3
#define MOST 256

/* Written by passed_sockets_take only. */
static size_t passed_count;
static char *passed_names[MOST];

/* A number from a variable of the environment; 0: there is none. */
static uint64_t number_from(const char *variable)
{
    const char *text = getenv(variable);
    uint64_t number;

    return text != NULL && integer_parse(text, 1, INT32_MAX, &number) ? number : 0;
}

/* The next name of a list with colons; "unknown", as sd_listen_fds_with_names(3) has it, if there
 * is none. */
static char *next_name(const char **rest)
{
    size_t length;
    char *name;

    if (*rest == NULL)
        return mem_strdup("unknown");
    length = strcspn(*rest, ":");
    name = mem_strndup(*rest, length);
    *rest = (*rest)[length] == ':' ? *rest + length + 1 : NULL;
    return name;
}

void passed_sockets_take(void)
{
    const char *names = getenv("LISTEN_FDNAMES");
    uint64_t count = number_from("LISTEN_FDS");

    if (number_from("LISTEN_PID") == (uint64_t)getpid() && count <= MOST)
        for (; passed_count < count; passed_count++) {
            fcntl(FIRST + (int)passed_count, F_SETFD, FD_CLOEXEC);
            passed_names[passed_count] = next_name(&names);
        }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
}

size_t passed_sockets_count(const char *name)
{
    size_t count = 0;

    for (size_t i = 0; i < passed_count; i++)
        count += strcmp(passed_names[i], name) == 0;
    return count;
}

int passed_socket(const char *name, size_t index)
{
    for (size_t i = 0; i < passed_count; i++)
        if (strcmp(passed_names[i], name) == 0 && index-- == 0)
            return FIRST + (int)i;
    return -1;
}

char *passed_sockets_names(void)
{
    char *all = mem_strdup(passed_count > 0 ? passed_names[0] : "none");

    for (size_t i = 1; i < passed_count; i++) {
        char *longer = mem_printf("%s, %s", all, passed_names[i]);
        free(all);
        all = longer;
    }
    return all;
}
