/* Any bytes as the text of a configuration: what is restored can be serialised, and the text of
 * that is restored to the same; all else is refused. */
#include "base/mem.h"
#include "conf/config.h"
#include "conf/serialise.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_strndup((const char *)data, size);
    struct config *config = config_restore(text);

    free(text);
    if (!config)
        return 0;
    text = config_serialise(config, true);
    config_unref(config);
    config = config_restore(text);
    assert(config && "what is serialised can be restored");
    char *again = config_serialise(config, true);
    assert(strcmp(text, again) == 0);
    config_unref(config);
    free(again);
    free(text);
    return 0;
}
