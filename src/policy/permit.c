/* PermitRemoteOpen's patterns. */
#include "policy/permit.h"

#include "base/hostport.h"

#include <string.h>

static bool matches(const char *pattern, const char *host, uint16_t port)
{
    const char *colon = strrchr(pattern, ':');
    bool any_port = colon != NULL && strcmp(colon, ":*") == 0;
    char pattern_host[HOST_MAX + 1];
    uint16_t pattern_port;
    size_t length = any_port ? (size_t)(colon - pattern) : strlen(pattern);

    if (strcmp(pattern, "any") == 0)
        return true;
    if (!hostport_split(pattern, length, any_port ? 1 : 0, pattern_host, &pattern_port) ||
        (!any_port && pattern_port != port))
        return false;
    if (strcmp(pattern_host, "*") == 0)
        return true;
    host_normalise(pattern_host);
    return strcmp(pattern_host, host) == 0;
}

bool permit_allows(const char *const *patterns, size_t count, const char *host, uint16_t port)
{
    for (size_t i = 0; i < count; i++)
        if (matches(patterns[i], host, port))
            return true;
    return count == 0;
}
