/* Any text as a configuration: what loads is dumped as text that loads to the same dump where a
 * file can hold it, and what does not load says why. */
#include "conf/config.h"
#include "conf/serialise.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct config *load(const char *text, size_t size)
{
    struct config_problems problems = {0};
    struct config *config = config_load_text("f", text, size, &problems);

    assert((config == NULL) == (problems.count > 0));
    for (size_t i = 0; i < problems.count; i++)
        assert(!strchr(problems.lines[i], '\n') && strlen(problems.lines[i]) > strlen("f:1: "));
    config_problems_clear(&problems);
    return config;
}

static void ignore(void *arg, const char *text)
{
    (void)arg;
    assert(*text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    setenv("HOME", "/home/fuzz", 1);   /* the same wherever it runs */
    setenv("PATH", "/nonexistent", 1); /* without ssh, which would be asked of any host */
    struct config *config = load((const char *)data, size);

    if (!config)
        return 0;
    config_each_notice(config, ignore, NULL);
    char *text = config_serialise(config, true);
    struct config *restored = config_restore(text);
    assert(restored);
    char *restored_text = config_serialise(restored, true);
    assert(strcmp(text, restored_text) == 0);
    config_unref(restored);
    free(restored_text);
    free(text);

    char *lack = config_dump_lacks(config); /* what no file can hold, and --dump refuses to print */
    char *dump = lack ? NULL : config_dump(config);
    free(lack);
    config_unref(config);
    if (!dump)
        return 0;

    config = load(dump, strlen(dump));
    assert(config);
    char *again = config_dump(config);
    assert(strcmp(dump, again) == 0);
    config_unref(config);
    free(again);
    free(dump);
    return 0;
}
