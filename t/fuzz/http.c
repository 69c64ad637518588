/* Fuzzes HTTP: the bytes are a request with its body, a response, a chunked body and the detail of
 * a reply. */
#include "wire/http.h"

#include "prefix.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct http_request request;
static struct http_response response;
static enum outcome outcome;

static enum wire_status parse_request(const uint8_t *bytes, size_t length, size_t *used)
{
    return http_request_parse(bytes, length, used, &request, &outcome);
}

static enum wire_status parse_response(const uint8_t *bytes, size_t length, size_t *used)
{
    struct http_progress progress = {0};
    enum wire_status status = http_response_parse(bytes, length, &progress, &response);
    if (status == WIRE_OK)
        *used = response.head_length;
    return status;
}

/* A head that was written ends once, with the empty line, and has no line end but CRLF. */
static void check_head(const uint8_t *head, size_t length)
{
    assert(length > 4 && memcmp(head + length - 4, "\r\n\r\n", 4) == 0);
    for (size_t i = 0; i < length; i++) {
        assert(head[i] != '\n' || (i > 0 && head[i - 1] == '\r'));
        assert(head[i] != '\r' || (i + 1 < length && head[i + 1] == '\n'));
    }
    assert((uint8_t *)memmem(head, length, "\r\n\r\n", 4) == head + length - 4);
}

/* The rewritten head, which must fit its bound exactly allotted; the caller frees. */
static uint8_t *rewrite_request(const struct http_request *from, size_t *length)
{
    uint8_t *out = malloc(http_rewrite_max(from));
    assert(out != NULL);
    *length = http_request_rewrite(from, HTTP_KEEP, out);
    assert(*length <= http_rewrite_max(from));
    check_head(out, *length);
    return out;
}

/* What the origin gets is what a proxy that heard it in absolute-form would send on unchanged. */
static void check_rewrite_is_stable(const struct http_request *first)
{
    size_t length, again_length, used;
    uint8_t *head = rewrite_request(first, &length);
    bool whole_server = first->path_length == 1 && first->path[0] == '*';
    size_t target = first->method_length + 1; /* where the path starts in `head` */
    size_t rest = target + (whole_server ? 1 : 0);
    size_t absolute_length = length + strlen("http://") + first->authority_length;
    uint8_t *absolute = malloc(absolute_length);
    assert(absolute != NULL);
    uint8_t *at = mempcpy(absolute, head, target);
    at = mempcpy(at, "http://", strlen("http://"));
    at = mempcpy(at, first->authority, first->authority_length);
    at = mempcpy(at, head + rest, length - rest);

    struct http_request second;
    assert(http_request_parse(absolute, (size_t)(at - absolute), &used, &second, &outcome) ==
           WIRE_OK);
    assert(used == (size_t)(at - absolute));
    assert(strcmp(second.target.host, first->target.host) == 0);
    assert(second.target.port == first->target.port);
    assert(second.body.framing == first->body.framing && second.body.left == first->body.left);
    assert(!second.credentials.given);
    uint8_t *again = rewrite_request(&second, &again_length);
    /* It has one more hop in its Via; what stands before that is the same, but for Max-Forwards. */
    static const char via[] = "Via: 1.1 adit\r\n";
    if (second.last_hop == OUTCOME_OK && memmem(head, length, "Forwards", 8) == NULL)
        assert(again_length == length + strlen(via) || first->minor == 0);
    free(again);
    free(absolute);
    free(head);
}

/* A body ends where it ends, however its bytes arrive. */
static void fuzz_body(struct http_body body, const uint8_t *bytes, size_t length)
{
    struct http_body dripped = body;
    bool bad, dripped_bad = false;
    size_t taken = http_body_take(&body, bytes, length, &bad), dripped_taken = 0;
    assert(taken <= length);
    assert(taken == length || bad || http_body_done(&body));
    for (size_t i = 0; i < length; i++)
        dripped_taken += http_body_take(&dripped, bytes + i, 1, &dripped_bad);
    assert(dripped_taken == taken && dripped_bad == (length > 0 && bad));
    assert(dripped.left == body.left && dripped.state == body.state);
}

/* A head that comes in pieces gives what it gives as one. */
static void fuzz_dripped(const uint8_t *data, size_t size, enum wire_status status, size_t used)
{
    struct http_progress progress = {0};
    struct http_request dripped;
    enum outcome why;
    size_t dripped_used = 0, step = size / 256 + 1;
    enum wire_status now = WIRE_MORE;
    for (size_t i = 0; i < size + step && now == WIRE_MORE; i += step)
        now = http_request_parse_on(data, i < size ? i : size, &progress, &dripped_used, &dripped,
                                    &why);
    assert(now == status && (now != WIRE_OK || dripped_used == used));
    assert(now != WIRE_BAD || why == outcome);
}

static void fuzz_request(const uint8_t *data, size_t size)
{
    size_t used;
    enum wire_status status = check_prefixes(parse_request, data, size, &used);
    assert(status != WIRE_MORE || size < HTTP_HEAD_MAX);
    if (status == WIRE_BAD)
        assert(outcome == OUTCOME_MALFORMED || outcome == OUTCOME_HEAD_TOO_LARGE ||
               outcome == OUTCOME_SCHEME || outcome == OUTCOME_NO_PROXY_REQUEST);
    fuzz_dripped(data, size, status, used);
    if (status != WIRE_OK)
        return;
    http_request_parse(data, size, &used, &request,
                       &outcome); /* for slices that point into `data` */
    assert(request.head + request.head_length == (const char *)data + used);
    check_target(&request.target);
    if (request.command == WIRE_FORWARD)
        check_rewrite_is_stable(&request);
    else
        assert(request.command == WIRE_CONNECT && http_body_done(&request.body));
    fuzz_body(request.body, data + used, size - used);
}

static uint8_t *rewrite_response(const struct http_response *from, const uint8_t *bytes,
                                 size_t *length)
{
    uint8_t *out = malloc(from->head_length + HTTP_RESPONSE_EXTRA);
    assert(out != NULL);
    *length = http_response_rewrite(from, bytes, HTTP_CLOSE, out);
    assert(*length <= from->head_length + from->head_length / 3 + 128);
    check_head(out, *length);
    return out;
}

static void fuzz_response(const uint8_t *data, size_t size)
{
    size_t used = 0, length, again_length;
    enum wire_status status = check_prefixes(parse_response, data, size, &used);
    assert(status != WIRE_MORE || size < HTTP_HEAD_MAX);
    if (status != WIRE_OK)
        return;
    struct http_response first = response;
    uint8_t *head = rewrite_response(&first, data, &length);
    struct http_progress progress = {0};
    assert(http_response_parse(head, length, &progress, &response) == WIRE_OK);
    assert(response.head_length == length && response.status == first.status);
    assert(response.close || response.interim);
    uint8_t *again = rewrite_response(&response, head, &again_length);
    /* (A field that is called "close" goes then: the first rewriting's Connection names it.) */
    progress = (struct http_progress){0};
    assert(http_response_parse(again, again_length, &progress, &response) == WIRE_OK);
    assert(response.head_length == again_length && response.status == first.status);
    free(again);
    free(head);
}

static void fuzz_reply(const uint8_t *data, size_t size)
{
    char *detail = strndup((const char *)data, size);
    char *out = malloc(HTTP_REPLY_MAX);
    assert(detail != NULL && out != NULL);
    size_t length = http_reply(OUTCOME_REFUSED, NULL, detail, out);
    char *end = memmem(out, length, "\r\n\r\n", 4);
    assert(end != NULL);
    check_head((uint8_t *)out, (size_t)(end - out) + 4);
    for (const char *at = end + 4; at < out + length - 1; at++)
        assert(*at >= ' ' && *at <= '~');
    free(detail);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_request(data, size);
    fuzz_response(data, size);
    fuzz_body((struct http_body){.framing = HTTP_CHUNKED}, data, size);
    if (size > 0)
        fuzz_reply(data, size);
    return 0;
}
