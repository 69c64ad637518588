/* Fuzzes the reading of a key exchange in the clear: bytes that come in parts say the same as bytes
 * that come at once, and what comes behind the keys changes nothing. */
#include "session_libssh/host_proof.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_same(const struct buffer *a, const struct buffer *b)
{
    return buffer_length(a) == buffer_length(b) &&
           (buffer_length(a) == 0 || memcmp(buffer_data(a), buffer_data(b), buffer_length(a)) == 0);
}

static void check_same(const struct host_proof *a, const struct host_proof *b)
{
    assert(a->over == b->over && a->is_past_version == b->is_past_version);
    assert(is_same(&a->host_key, &b->host_key));
    assert(is_same(&a->signature, &b->signature));
    assert(host_proof_known(a) == host_proof_known(b));
}

/* In parts of that many bytes, each in memory of exactly its size. */
static void hear_in_parts(struct host_proof *proof, const uint8_t *data, size_t size, size_t part)
{
    for (size_t at = 0; at < size; at += part) {
        size_t length = part < size - at ? part : size - at;
        uint8_t *copy = malloc(length);
        assert(copy != NULL);
        memcpy(copy, data + at, length);
        host_proof_hear(proof, copy, length);
        free(copy);
    }
}

/* The request for an agent has the proof and the session's identifier (PROTOCOL.agent,
 * session-bind@openssh.com). */
static void check_request(const struct host_proof *proof)
{
    static const uint8_t id[] = "session";
    struct buffer request = {0};
    struct ssh_reader reader;

    host_proof_request(proof, (struct span){id, sizeof(id)}, &request);
    reader = (struct ssh_reader){.rest = {buffer_data(&request), buffer_length(&request)}};
    ssh_take(&reader, 1);
    ssh_take_string(&reader);
    assert(ssh_take_string(&reader).length == buffer_length(&proof->host_key));
    assert(ssh_take_string(&reader).length == sizeof(id));
    assert(ssh_take_string(&reader).length == buffer_length(&proof->signature));
    ssh_take(&reader, 1);
    assert(!reader.bad && reader.rest.length == 0);
    buffer_clear(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t more[64] = {0, 0, 0, 1};
    struct host_proof whole = {0}, parts = {0};
    size_t part = size > 0 ? 1 + data[size - 1] % 64 : 1;

    hear_in_parts(&whole, data, size, size > 0 ? size : 1);
    hear_in_parts(&parts, data, size, part);
    check_same(&whole, &parts);
    assert((buffer_length(&whole.host_key) > 0) == host_proof_known(&whole));
    check_request(&whole);
    if (whole.over) {
        assert(buffer_length(&whole.heard) == 0);
        host_proof_hear(&whole, more, sizeof(more));
        check_same(&whole, &parts);
    }
    host_proof_clear(&whole);
    host_proof_clear(&parts);
    return 0;
}
