/* One line for each case of what can be done. */
#include "gateway/post_quantum.h"

#include "base/mem.h"
#include "session/post_quantum.h"

#include <stdlib.h>

/* What to do; the caller frees. */
static char *post_quantum_advice(const struct config_upstream *upstream,
                                 const struct connection_info *info)
{
    if (!info->has_post_quantum)
        return mem_printf("%s has no post-quantum key exchange: libssh 0.12 and later have",
                          info->library);
    return mem_strdup(upstream->kex != NULL
                          ? "let kex (KexAlgorithms) have mlkem768x25519-sha256 or "
                            "sntrup761x25519-sha512, which the server may know (OpenSSH 9.0 and "
                            "later do)"
                          : "the server knows none that does: OpenSSH 9.0 and later do");
}

char *post_quantum_notice(const struct config_upstream *upstream,
                          const struct connection_info *info, enum log_level *level)
{
    char *advice, *line;

    /* (Of a master that was joined it is not known.) */
    if (upstream->post_quantum == POST_QUANTUM_NO || info->kex[0] == '\0' ||
        kex_is_post_quantum(info->kex))
        return NULL;
    advice = post_quantum_advice(upstream, info);
    line = mem_printf("upstream %s: the key exchange %s does not withstand a quantum computer, so "
                      "that what is recorded now can be read later; %s (post_quantum = no keeps "
                      "adit from telling)",
                      upstream->name, info->kex, advice);
    *level = info->has_post_quantum ? ADIT_LOG_WARNING : ADIT_LOG_INFO;
    free(advice);
    return line;
}

void post_quantum_tell(bool *told, const struct config_upstream *upstream,
                       const struct connection_info *info)
{
    enum log_level level;
    char *line = *told ? NULL : post_quantum_notice(upstream, info, &level);

    if (line == NULL)
        return;
    *told = true;
    log_line(level, "%s", line);
    free(line);
}
