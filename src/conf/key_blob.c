/* Public keys and certificates as bytes. */
#include "conf/key_blob.h"

#include "base/base64.h"
#include "base/mem.h"
#include "base/ssh_bytes.h"
#include "io/private_file.h"
#include "wire/agent_messages.h"

#include <stdlib.h>
#include <string.h>

#define CERTIFICATE_OF_USER 1 /* SSH_CERT_TYPE_USER of PROTOCOL.certkeys */

bool key_blob_decode(const char *base64, size_t length, struct key_blob *blob)
{
    size_t room = BASE64_DECODED_MAX(length);

    if (length > AGENT_MESSAGE_MAX)
        return false;
    blob->bytes = mem_zalloc(room + 1);
    if (base64_decode((struct text){base64, length}, false, blob->bytes, room, &blob->length))
        return true;
    free(blob->bytes);
    *blob = (struct key_blob){0};
    return false;
}

bool key_blob_read(const char *path, struct key_blob *blob)
{
    struct buffer text = {0};
    bool ok = false;

    if (private_file_read(path, &text) == NULL && *buffer_data(&text) != '-') {
        const char *base64 = (const char *)buffer_data(&text);
        base64 += strcspn(base64, " \t\n");
        base64 += strspn(base64, " \t");
        ok = key_blob_decode(base64, strcspn(base64, " \t\r\n"), blob);
    }
    buffer_wipe(&text);
    return ok;
}

bool key_blob_equal(const struct key_blob *a, const struct key_blob *b)
{
    return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

struct key_blob key_blob_copy(const struct key_blob *blob)
{
    struct key_blob copy = {.bytes = mem_zalloc(blob->length), .length = blob->length};

    memcpy(copy.bytes, blob->bytes, blob->length);
    return copy;
}

bool key_blob_is_certificate(const struct key_blob *blob)
{
    static const char suffix[] = "-cert-v01@openssh.com";
    const size_t length = sizeof(suffix) - 1;
    struct ssh_reader reader = {.rest = {blob->bytes, blob->length}};
    struct span type = ssh_take_string(&reader);

    return !reader.bad && type.length > length &&
           memcmp(type.bytes + type.length - length, suffix, length) == 0;
}

/* Takes the fields of the key that is certified, whose type the certificate's own begins with. */
static void take_certified_key(struct ssh_reader *reader, struct span type)
{
    static const struct {
        const char *type;
        int fields;
    } kinds[] = {{"ssh-ed25519-", 1}, {"ssh-rsa-", 2},        {"ecdsa-sha2-", 2},
                 {"ssh-dss-", 4},     {"sk-ssh-ed25519-", 2}, {"sk-ecdsa-sha2-", 3}};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        size_t length = strlen(kinds[i].type);
        if (type.length < length || memcmp(type.bytes, kinds[i].type, length) != 0)
            continue;
        for (int field = 0; field < kinds[i].fields; field++)
            ssh_take_string(reader);
        return;
    }
    reader->bad = true;
}

uint64_t key_blob_valid_until(const struct key_blob *certificate)
{
    struct ssh_reader reader = {.rest = {certificate->bytes, certificate->length}};
    struct span type = ssh_take_string(&reader);
    uint64_t until;

    if (!key_blob_is_certificate(certificate))
        return 0;
    ssh_take_string(&reader); /* the nonce */
    take_certified_key(&reader, type);
    ssh_take(&reader, sizeof(uint64_t) + sizeof(uint32_t)); /* the serial number, whose key it is */
    ssh_take_string(&reader);                               /* the key's id */
    ssh_take_string(&reader);                               /* for which names */
    ssh_take(&reader, sizeof(uint64_t));                    /* since when */
    until = (uint64_t)ssh_take_uint32(&reader) << 32;
    until |= ssh_take_uint32(&reader);
    return reader.bad || until == UINT64_MAX ? 0 : until;
}

bool key_blob_certifies(const struct key_blob *certificate, const struct key_blob *key)
{
    struct ssh_reader certified = {.rest = {certificate->bytes, certificate->length}};
    struct ssh_reader plain = {.rest = {key->bytes, key->length}};
    struct span fields;

    /* A certificate is its type, a nonce, the fields of the key, a serial number, whom it is for,
     * and more; a key is its type and those fields. */
    ssh_take_string(&certified);
    ssh_take_string(&certified);
    ssh_take_string(&plain);
    if (certified.bad || plain.bad || plain.rest.length == 0)
        return false;
    fields = ssh_take(&certified, plain.rest.length);
    ssh_take(&certified, sizeof(uint64_t));
    return ssh_take_uint32(&certified) == CERTIFICATE_OF_USER && !certified.bad &&
           memcmp(fields.bytes, plain.rest.bytes, plain.rest.length) == 0;
}
