/* Fuzzes the three messages of a SOCKS5 client, each on the same bytes. */
#include "wire/socks5.h"

#include "prefix.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct socks5_greeting greeting;
static struct wire_credentials credentials;
static struct socks_request request;

static enum wire_status parse_greeting(const uint8_t *bytes, size_t length, size_t *used)
{
    return socks5_greeting_parse(bytes, length, used, &greeting);
}

static enum wire_status parse_password(const uint8_t *bytes, size_t length, size_t *used)
{
    return socks5_password_parse(bytes, length, used, &credentials);
}

static enum wire_status parse_request(const uint8_t *bytes, size_t length, size_t *used)
{
    return socks5_request_parse(bytes, length, used, &request);
}

static void fuzz_password(const uint8_t *data, size_t size)
{
    size_t used;
    enum wire_status status = check_prefixes(parse_password, data, size, &used);
    assert(status != WIRE_MORE || size < 3 + 2 * 255);
    if (status == WIRE_OK)
        assert(credentials.given &&
               used == 3 + strlen(credentials.user) + strlen(credentials.password));
}

static void fuzz_request(const uint8_t *data, size_t size)
{
    size_t used;
    enum wire_status status = check_prefixes(parse_request, data, size, &used);
    assert(status != WIRE_MORE || size < 4 + 1 + 255 + 2);
    if (status == WIRE_BAD)
        assert(request.outcome == OUTCOME_MALFORMED || request.outcome == OUTCOME_COMMAND ||
               request.outcome == OUTCOME_ADDRESS_TYPE);
    if (status != WIRE_OK)
        return;
    check_target(&request.target);
    assert(request.target.port == data[used - 2] * 256 + data[used - 1]);
    assert(request.target.port != 0 || request.command != WIRE_CONNECT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t used;
    if (check_prefixes(parse_greeting, data, size, &used) == WIRE_MORE)
        assert(size < 2 + 255);
    fuzz_password(data, size);
    fuzz_request(data, size);
    return 0;
}
