/* Fuzzes the frames of OpenSSH's multiplexing protocol, as a client's and as a master's: what is
 * parsed and built again is parsed the same, and is no longer than it was. */
#include "wire/mux.h"

#include "prefix.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct mux_request request;
static struct mux_answer answer;

static enum wire_status parse_request(const uint8_t *bytes, size_t length, size_t *used)
{
    return mux_request_parse(bytes, length, used, &request);
}

static enum wire_status parse_answer(const uint8_t *bytes, size_t length, size_t *used)
{
    return mux_answer_parse(bytes, length, used, &answer);
}

/* A span lies in the input and is a C string. */
static void check_text(struct span text, const uint8_t *data, size_t size)
{
    assert(text.length == 0 ||
           (text.bytes >= data && text.length <= size - (size_t)(text.bytes - data) &&
            memchr(text.bytes, '\0', text.length) == NULL));
}

static void check_environment(struct span environment)
{
    struct ssh_reader reader = {.rest = environment};

    while (reader.rest.length > 0) {
        ssh_take_string(&reader);
        assert(!reader.bad);
    }
}

static void fuzz_request(const uint8_t *data, size_t size)
{
    struct buffer again = {0};
    size_t used, length;

    if (check_prefixes(parse_request, data, size, &used) != WIRE_OK)
        return;
    assert(parse_request(data, size, &used) == WIRE_OK); /* spans into `data` */
    if (request.type == MUX_NEW_SESSION) {
        check_text(request.session.term, data, size);
        check_text(request.session.command, data, size);
        check_environment(request.session.environment);
    } else if (request.type == MUX_OPEN_FWD || request.type == MUX_CLOSE_FWD) {
        check_text(request.forward.listen, data, size);
        check_text(request.forward.connect, data, size);
        assert(request.forward.port <= UINT16_MAX || request.forward.port == MUX_PORT_UNIX);
    }
    mux_request_append(&again, &request);
    length = buffer_length(&again);
    /* (A HELLO may repeat "info"; reserved fields and unknown ones are left out.) */
    assert(length <= used || request.type == MUX_HELLO);
    assert(parse_exactly(parse_request, buffer_data(&again), length, &used) == WIRE_OK);
    assert(used == length);
    buffer_clear(&again);
}

static void fuzz_answer(const uint8_t *data, size_t size)
{
    struct buffer again = {0};
    size_t used, length;

    if (check_prefixes(parse_answer, data, size, &used) != WIRE_OK)
        return;
    assert(parse_answer(data, size, &used) == WIRE_OK);
    if (answer.type == MUX_FAILURE || answer.type == MUX_PERMISSION_DENIED)
        check_text(answer.text, data, size);
    mux_answer_append(&again, &answer);
    length = buffer_length(&again);
    assert(length <= used || answer.type == MUX_HELLO);
    assert(parse_exactly(parse_answer, buffer_data(&again), length, &used) == WIRE_OK);
    assert(used == length);
    buffer_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_request(data, size);
    fuzz_answer(data, size);
    return 0;
}
