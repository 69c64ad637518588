/* Parsing of public keys, with what OpenSSH checks of them. */
#include "policy/public_key.h"

#include "base/base64.h"
#include "base/buffer.h"
#include "base/mem.h"
#include "base/ssh_bytes.h"

#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ED25519_BYTES 32
#define BIGNUM_MAX (16384 / 8)       /* bytes; OpenSSH takes no longer number */
#define BASE64_MAX ((size_t)1 << 20) /* characters of a key in a file */
#define RSA_BITS_MIN 1024

#define CERTIFICATE "-cert-v01@openssh.com"

static const struct type_info {
    const char *name;
    const char *brief;
    const char *curve; /* its name in the blob; NULL: no key of a curve */
    int curve_id;
} types[] = {
    [PUBLIC_KEY_ED25519] = {"ssh-ed25519", "ED25519", NULL, 0},
    [PUBLIC_KEY_ECDSA_256] = {"ecdsa-sha2-nistp256", "ECDSA", "nistp256", NID_X9_62_prime256v1},
    [PUBLIC_KEY_ECDSA_384] = {"ecdsa-sha2-nistp384", "ECDSA", "nistp384", NID_secp384r1},
    [PUBLIC_KEY_ECDSA_521] = {"ecdsa-sha2-nistp521", "ECDSA", "nistp521", NID_secp521r1},
    [PUBLIC_KEY_RSA] = {"ssh-rsa", "RSA", NULL, 0},
    [PUBLIC_KEY_DSA] = {"ssh-dss", "DSA", NULL, 0},
    [PUBLIC_KEY_ED25519_SK] = {"sk-ssh-ed25519@openssh.com", "ED25519-SK", NULL, 0},
    [PUBLIC_KEY_ECDSA_SK] = {"sk-ecdsa-sha2-nistp256@openssh.com", "ECDSA-SK", "nistp256",
                             NID_X9_62_prime256v1},
};

/* Names of signatures that OpenSSH also takes for the name of the key's type. */
static const struct {
    const char *name;
    enum public_key_type type;
} signatures[] = {
    {"rsa-sha2-256", PUBLIC_KEY_RSA},
    {"rsa-sha2-512", PUBLIC_KEY_RSA},
    {"rsa-sha2-256" CERTIFICATE, PUBLIC_KEY_RSA},
    {"rsa-sha2-512" CERTIFICATE, PUBLIC_KEY_RSA},
    {"webauthn-sk-ecdsa-sha2-nistp256@openssh.com", PUBLIC_KEY_ECDSA_SK},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool span_is(struct span span, const char *text)
{
    return span.length == strlen(text) && memcmp(span.bytes, text, span.length) == 0;
}

/* Whether `name` is that of a certificate for a key of this type: the plain name, without
 * "@openssh.com", and the suffix. */
static bool certifies(struct span name, const char *plain)
{
    size_t stem = strcspn(plain, "@");
    size_t suffix = strlen(CERTIFICATE);

    return name.length == stem + suffix && memcmp(name.bytes, plain, stem) == 0 &&
           memcmp(name.bytes + stem, CERTIFICATE, suffix) == 0;
}

/* PUBLIC_KEY_TYPES: not known. */
static enum public_key_type find_type(struct span name, bool *certificate)
{
    *certificate = false;
    for (size_t i = 0; i < PUBLIC_KEY_TYPES; i++) {
        *certificate = certifies(name, types[i].name);
        if (*certificate || span_is(name, types[i].name))
            return (enum public_key_type)i;
    }
    for (size_t i = 0; i < COUNT(signatures); i++) {
        *certificate = strstr(signatures[i].name, CERTIFICATE) != NULL;
        if (span_is(name, signatures[i].name))
            return signatures[i].type;
    }
    return PUBLIC_KEY_TYPES;
}

enum public_key_type public_key_type_of(const char *algorithm)
{
    bool certificate;

    return find_type((struct span){(const uint8_t *)algorithm, strlen(algorithm)}, &certificate);
}

const char *public_key_brief(enum public_key_type type)
{
    return types[type].brief;
}

/* ---- the parts of a blob */

/* RFC 4251 section 5: mpint, a positive one, without its leading zeroes. */
static struct span take_mpint(struct ssh_reader *in)
{
    struct span number = ssh_take_string(in);

    if (number.length > 0 && (number.bytes[0] & 0x80) != 0)
        in->bad = true;
    if (number.length > BIGNUM_MAX + 1 || (number.length == BIGNUM_MAX + 1 && number.bytes[0] != 0))
        in->bad = true;
    while (number.length > 0 && number.bytes[0] == 0) {
        number.bytes++;
        number.length--;
    }
    return number;
}

static size_t bits(struct span number)
{
    size_t count = number.length * 8;

    for (unsigned mask = 0x80; number.length > 0 && (number.bytes[0] & mask) == 0; mask >>= 1)
        count--;
    return count;
}

static void append_mpint(struct buffer *out, struct span number)
{
    bool high = number.length > 0 && (number.bytes[0] & 0x80) != 0;
    size_t length = number.length + high;
    uint8_t start[5] = {(uint8_t)(length >> 24), (uint8_t)(length >> 16), (uint8_t)(length >> 8),
                        (uint8_t)length, 0};

    buffer_append(out, start, high ? 5 : 4);
    if (number.length > 0)
        buffer_append(out, number.bytes, number.length);
}

/* ---- the public parts of each type: read, checked, and put again */

static enum public_key_result take_rsa(struct ssh_reader *in, struct buffer *out)
{
    struct span exponent = take_mpint(in);
    struct span modulus = take_mpint(in);

    append_mpint(out, exponent);
    append_mpint(out, modulus);
    return in->bad                         ? PUBLIC_KEY_BAD
           : bits(modulus) >= RSA_BITS_MIN ? PUBLIC_KEY_OK
                                           : PUBLIC_KEY_SHORT;
}

static enum public_key_result take_dsa(struct ssh_reader *in, struct buffer *out)
{
    for (int i = 0; i < 4; i++) /* p, q, g, y */
        append_mpint(out, take_mpint(in));
    return in->bad ? PUBLIC_KEY_BAD : PUBLIC_KEY_OK;
}

static enum public_key_result take_ed25519(struct ssh_reader *in, struct buffer *out)
{
    struct span point = ssh_take_string(in);

    ssh_append_string(out, point);
    return !in->bad && point.length == ED25519_BYTES ? PUBLIC_KEY_OK : PUBLIC_KEY_BAD;
}

/* Uncompressed, on the curve and not at infinity. */
static bool point_is_valid(struct span point, int curve_id)
{
    EC_GROUP *curve = EC_GROUP_new_by_curve_name(curve_id);
    EC_POINT *at = curve != NULL ? EC_POINT_new(curve) : NULL;
    bool valid = at != NULL && point.length > 0 &&
                 point.bytes[0] == POINT_CONVERSION_UNCOMPRESSED &&
                 EC_POINT_oct2point(curve, at, point.bytes, point.length, NULL) == 1 &&
                 !EC_POINT_is_at_infinity(curve, at);

    EC_POINT_free(at);
    EC_GROUP_free(curve);
    return valid;
}

static enum public_key_result take_ecdsa(struct ssh_reader *in, struct buffer *out,
                                         const struct type_info *type)
{
    struct span curve = ssh_take_string(in);
    struct span point = ssh_take_string(in);

    ssh_append_string(out, curve);
    ssh_append_string(out, point);
    return !in->bad && span_is(curve, type->curve) && point_is_valid(point, type->curve_id)
               ? PUBLIC_KEY_OK
               : PUBLIC_KEY_BAD;
}

static enum public_key_result take_public(struct ssh_reader *in, struct buffer *out,
                                          enum public_key_type type)
{
    enum public_key_result result = PUBLIC_KEY_BAD;

    switch (type) {
    case PUBLIC_KEY_ED25519: return take_ed25519(in, out);
    case PUBLIC_KEY_ECDSA_256:
    case PUBLIC_KEY_ECDSA_384:
    case PUBLIC_KEY_ECDSA_521: return take_ecdsa(in, out, &types[type]);
    case PUBLIC_KEY_RSA: return take_rsa(in, out);
    case PUBLIC_KEY_DSA: return take_dsa(in, out);
    case PUBLIC_KEY_ED25519_SK: result = take_ed25519(in, out); break;
    case PUBLIC_KEY_ECDSA_SK: result = take_ecdsa(in, out, &types[type]); break;
    case PUBLIC_KEY_TYPES: return PUBLIC_KEY_BAD;
    }
    ssh_append_string(out, ssh_take_string(in)); /* the application */
    return in->bad ? PUBLIC_KEY_BAD : result;
}

/* What follows the public parts in a certificate: serial, type, identity, principals, two times,
 * options, extensions, reserved, authority, signature. */
static void skip_certificate(struct ssh_reader *in)
{
    ssh_take(in, 8 + 4);
    ssh_take_string(in);
    ssh_take_string(in);
    ssh_take(in, 8 + 8);
    for (int i = 0; i < 5; i++)
        ssh_take_string(in);
}

/* The type that a blob calls itself: OpenSSH also takes the brief name, where the type has no
 * curve. */
static enum public_key_type blob_type(struct span name, bool *certificate)
{
    enum public_key_type type = find_type(name, certificate);

    for (size_t i = 0; type == PUBLIC_KEY_TYPES && i < PUBLIC_KEY_TYPES; i++) {
        if (types[i].curve == NULL && name.length == strlen(types[i].brief) &&
            strncasecmp((const char *)name.bytes, types[i].brief, name.length) == 0) {
            *certificate = false;
            type = (enum public_key_type)i;
        }
    }
    return type;
}

enum public_key_result public_key_parse(const uint8_t *blob, size_t length, struct public_key *key)
{
    struct ssh_reader in = {.rest = {blob, length}};
    struct buffer out = {0};
    struct span name = ssh_take_string(&in);
    bool certificate = false;
    enum public_key_type type = in.bad ? PUBLIC_KEY_TYPES : blob_type(name, &certificate);
    enum public_key_result result;

    *key = (struct public_key){.type = type};
    if (type == PUBLIC_KEY_TYPES)
        return PUBLIC_KEY_BAD;
    ssh_append_string(&out,
                      (struct span){(const uint8_t *)types[type].name, strlen(types[type].name)});
    if (certificate)
        ssh_take_string(&in); /* the nonce */
    result = take_public(&in, &out, type);
    if (certificate && result == PUBLIC_KEY_OK)
        skip_certificate(&in);
    if (result == PUBLIC_KEY_OK && (in.bad || in.rest.length > 0))
        result = PUBLIC_KEY_BAD;
    if (result == PUBLIC_KEY_OK) {
        key->certificate = certificate;
        key->length = buffer_length(&out);
        key->blob = mem_realloc(NULL, key->length);
        memcpy(key->blob, buffer_data(&out), key->length);
    }
    buffer_clear(&out);
    return result;
}

static size_t word_length(const char *text, size_t length)
{
    size_t n = 0;

    while (n < length && text[n] != ' ' && text[n] != '\t')
        n++;
    return n;
}

enum public_key_result public_key_read(const char *text, size_t length, struct public_key *key)
{
    size_t word = word_length(text, length);
    struct span name = {(const uint8_t *)text, word};
    enum public_key_result result = PUBLIC_KEY_BAD;
    bool certificate;
    enum public_key_type type = find_type(name, &certificate);
    uint8_t *blob;
    size_t room;
    size_t size;

    *key = (struct public_key){.type = PUBLIC_KEY_TYPES};
    while (word < length && (text[word] == ' ' || text[word] == '\t'))
        word++;
    if (type == PUBLIC_KEY_TYPES || word == length)
        return PUBLIC_KEY_BAD;
    text += word;
    length = word_length(text, length - word);
    if (length > BASE64_MAX)
        return PUBLIC_KEY_BAD;
    room = BASE64_DECODED_MAX(length);
    blob = mem_zalloc(room + 1);
    if (base64_decode((struct text){text, length}, true, blob, room, &size))
        result = public_key_parse(blob, size, key);
    if (result == PUBLIC_KEY_OK && (key->type != type || key->certificate != certificate)) {
        public_key_clear(key);
        result = PUBLIC_KEY_BAD;
    }
    free(blob);
    return result;
}

void public_key_clear(struct public_key *key)
{
    free(key->blob);
    *key = (struct public_key){.type = PUBLIC_KEY_TYPES};
}

bool public_key_equal(const struct public_key *a, const struct public_key *b)
{
    return a->length == b->length && memcmp(a->blob, b->blob, a->length) == 0;
}

char *public_key_text(const struct public_key *key)
{
    char *base64 = mem_zalloc(BASE64_SIZE(key->length));
    char *text;

    base64_encode(key->blob, key->length, base64);
    text = mem_printf("%s %s", types[key->type].name, base64);
    free(base64);
    return text;
}

char *public_key_fingerprint(const struct public_key *key)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char base64[BASE64_SIZE(sizeof(digest))];

    SHA256(key->blob, key->length, digest);
    base64_encode(digest, sizeof(digest), base64);
    return mem_printf("SHA256:%.*s", (int)strcspn(base64, "="), base64);
}
