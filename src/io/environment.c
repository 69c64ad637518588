/* Adding to environ(7). */
#include "io/environment.h"

#include "base/mem.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static bool is_among(const char *const *ours, size_t count, const char *variable)
{
    for (size_t i = 0; i < count; i++)
        if (strncmp(variable, ours[i], strcspn(ours[i], "=") + 1) == 0)
            return true;
    return false;
}

const char **environment_with(const char *const *ours, size_t count)
{
    size_t inherited = 0, n = 0;
    const char **all;

    while (environ[inherited] != NULL)
        inherited++;
    all = mem_zalloc((count + inherited + 1) * sizeof(*all));
    for (; n < count; n++)
        all[n] = ours[n];
    for (size_t i = 0; i < inherited; i++)
        if (!is_among(ours, count, environ[i]))
            all[n++] = environ[i];
    return all;
}
