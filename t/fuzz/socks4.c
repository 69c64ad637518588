/* Fuzzes the SOCKS4 and 4a request. */
#include "wire/socks4.h"

#include "prefix.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct socks_request request;

static enum wire_status parse(const uint8_t *bytes, size_t length, size_t *used)
{
    return socks4_request_parse(bytes, length, used, &request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t used;
    enum wire_status status = check_prefixes(parse, data, size, &used);
    assert(status != WIRE_MORE || size < 8 + 2 * 256);
    if (status == WIRE_BAD)
        assert(request.outcome == OUTCOME_MALFORMED || request.outcome == OUTCOME_COMMAND);
    if (status != WIRE_OK)
        return 0;
    check_target(&request.target);
    assert(request.command == (data[1] == 1 ? WIRE_CONNECT : WIRE_BIND));
    assert(request.target.port == data[2] * 256 + data[3]);
    assert(used > 8 + strnlen(request.user, sizeof request.user) &&
           strcmp(request.user, (const char *)data + 8) == 0);
    return 0;
}
