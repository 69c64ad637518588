/* Fuzzes the PROXY protocol's header; the first byte of the input says which versions are read. */
#include "wire/proxy_header.h"

#include "prefix.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct proxy_versions versions;
static struct proxy_header header;

static enum wire_status parse(const uint8_t *bytes, size_t length, size_t *used)
{
    return proxy_header_parse(versions, bytes, length, used, &header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t used;

    if (size == 0)
        return 0;
    versions = (struct proxy_versions){.v1 = data[0] & 1, .v2 = data[0] & 2};
    enum wire_status status = check_prefixes(parse, data + 1, size - 1, &used);
    assert(status != WIRE_MORE || size - 1 < 16 + 65536);
    assert((status == WIRE_BAD) == (header.reason != NULL));
    if (status != WIRE_OK)
        return 0;
    assert(data[1] == 'P' ? versions.v1 && used <= 107 : versions.v2 && used >= 16);
    assert(header.unique_id_length <= PROXY_UNIQUE_ID_MAX);
    assert(header.source != PROXY_SOURCE_UNIX || data[1] != 'P');
    return 0;
}
