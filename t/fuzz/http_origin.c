/* Fuzzes requests to the status server: the bytes are one. */
#include "wire/http_origin.h"

#include "prefix.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct http_origin_request request;

static enum wire_status parse(const uint8_t *bytes, size_t length, size_t *used)
{
    struct http_progress progress = {0};

    return http_origin_parse(bytes, length, &progress, used, &request);
}

static void check_inside(struct text text, const uint8_t *data, size_t size)
{
    static const char root[] = "/";
    const uint8_t *at = (const uint8_t *)text.at;

    assert(text.length == 0 || (at >= data && at + text.length <= data + size) ||
           (text.length == strlen(root) && text.at[0] == root[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_progress progress = {0};
    size_t used;

    if (check_prefixes(parse, data, size, &used) == WIRE_OK) {
        http_origin_parse(data, size, &progress, &used, &request);
        check_inside(request.method, data, used);
        check_inside(request.path, data, used);
        check_inside(request.query, data, used);
        check_inside(request.accept, data, used);
        assert(!request.host_is_address || request.host[0] != '\0');
        assert(http_accept_weight(request.accept, "text/plain", NULL) <= 1000);
    }
    assert(http_accept_weight((struct text){(const char *)data, size},
                              "application/openmetrics-text", "version=1.0.0") <= 1000);
    return 0;
}
