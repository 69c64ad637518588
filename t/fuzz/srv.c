/* Fuzzes what is read of an answer with SRV records, and which hosts come of it. */
#include "io/resolver_srv.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct target targets[SRV_RECORDS_MAX];
    uint32_t ttl;
    int count = srv_read(data, size, targets, &ttl);

    assert(count >= -1 && count <= SRV_RECORDS_MAX);
    if (count < 0)
        return 0;
    for (int i = 0; i < count; i++) {
        assert(memchr(targets[i].name, '\0', sizeof(targets[i].name)) != NULL);
        target_name_wrong(targets[i].name);
    }
    targets_say_none(targets, (size_t)count);
    size_t kept = targets_order(targets, (size_t)count);
    assert(kept <= (size_t)count && kept <= TARGETS_MAX && (kept > 0 || count == 0));
    assert(targets_equal(targets, kept, targets, kept));
    return 0;
}
