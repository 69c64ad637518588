/* The messages of the first key exchange, which are in the clear (RFC 4253 sections 4.2 and 6). */
#include "session_libssh/host_proof.h"

#include "wire/agent_messages.h"

#include <string.h>

#define HEARD_MAX (256 * 1024) /* lines before the version, KEXINIT and the reply are far less */

/* RFC 4253 section 12, RFC 4419 section 5 */
#define MSG_NEWKEYS 21
#define MSG_KEX_REPLY 31
#define MSG_KEX_DH_GEX_REPLY 33

static void keep(struct buffer *to, struct span span)
{
    buffer_append(to, span.bytes, span.length);
}

/* The reply has K_S, the server's public value, and the signature, whatever the method. (Message 31
 * of a group exchange is the group, which has two fields.) */
static void read_reply(struct host_proof *proof, struct span payload)
{
    struct ssh_reader reader = {.rest = payload};
    struct span host_key = ssh_take_string(&reader);
    struct span signature;

    ssh_take_string(&reader);
    signature = ssh_take_string(&reader);
    if (reader.bad || reader.rest.length > 0 || host_key.length == 0 || signature.length == 0)
        return;
    keep(&proof->host_key, host_key);
    keep(&proof->signature, signature);
    proof->over = true;
}

static void read_payload(struct host_proof *proof, struct span payload)
{
    struct ssh_reader reader = {.rest = payload};
    struct span kind = ssh_take(&reader, 1);

    if (reader.bad || *kind.bytes == MSG_NEWKEYS)
        proof->over = true;
    else if (*kind.bytes == MSG_KEX_REPLY || *kind.bytes == MSG_KEX_DH_GEX_REPLY)
        read_reply(proof, reader.rest);
}

/* Takes a line of those that end with the version. False: none is whole yet. */
static bool take_line(struct host_proof *proof)
{
    const uint8_t *data = buffer_data(&proof->heard);
    size_t length = buffer_length(&proof->heard);
    const uint8_t *end = length > 0 ? memchr(data, '\n', length) : NULL;

    if (end == NULL)
        return false;
    proof->is_past_version = end - data >= 4 && memcmp(data, "SSH-", 4) == 0;
    buffer_consume(&proof->heard, (size_t)(end + 1 - data));
    return true;
}

/* Takes a packet: its length, that of its padding, the payload and the padding. False: none is
 * whole yet, or what comes is no packet. */
static bool take_packet(struct host_proof *proof)
{
    struct ssh_reader reader = {.rest = {buffer_data(&proof->heard), buffer_length(&proof->heard)}};
    uint32_t length = ssh_take_uint32(&reader);
    uint8_t padding;

    if (reader.bad || reader.rest.length < length)
        return false;
    padding = length > 0 ? reader.rest.bytes[0] : 0;
    if (length < 1u + padding) {
        proof->over = true;
        return false;
    }
    read_payload(proof, (struct span){reader.rest.bytes + 1, length - 1 - padding});
    buffer_consume(&proof->heard, 4 + length);
    return true;
}

void host_proof_hear(struct host_proof *proof, const void *bytes, size_t length)
{
    bool more = true;

    if (proof->over)
        return;
    buffer_append(&proof->heard, bytes, length);
    while (more && !proof->over)
        more = proof->is_past_version ? take_packet(proof) : take_line(proof);
    if (proof->over || buffer_length(&proof->heard) > HEARD_MAX) {
        proof->over = true;
        buffer_clear(&proof->heard);
    }
}

bool host_proof_known(const struct host_proof *proof)
{
    return buffer_length(&proof->signature) > 0;
}

void host_proof_request(const struct host_proof *proof, struct span session_id,
                        struct buffer *request)
{
    static const char name[] = "session-bind@openssh.com";
    static const uint8_t kind = AGENT_EXTENSION, not_forwarding = 0;

    buffer_append(request, &kind, 1);
    ssh_append_string(request, (struct span){(const uint8_t *)name, sizeof(name) - 1});
    ssh_append_string(
        request, (struct span){buffer_data(&proof->host_key), buffer_length(&proof->host_key)});
    ssh_append_string(request, session_id);
    ssh_append_string(
        request, (struct span){buffer_data(&proof->signature), buffer_length(&proof->signature)});
    buffer_append(request, &not_forwarding, 1);
}

void host_proof_clear(struct host_proof *proof)
{
    buffer_clear(&proof->heard);
    buffer_clear(&proof->host_key);
    buffer_clear(&proof->signature);
}
