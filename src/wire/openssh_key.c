/* The unencrypted outer fields of OpenSSH private keys. */
#include "wire/openssh_key.h"

#include "base/base64.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define BEGIN "-----BEGIN OPENSSH PRIVATE KEY-----"
#define END "-----END OPENSSH PRIVATE KEY-----"
#define MAGIC "openssh-key-v1" /* with its NUL */

static const char *const ciphers[] = {"none",       "aes128-ctr", "aes192-ctr", "aes256-ctr",
                                      "aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"};
static const char *const kdfs[] = {"none", "bcrypt"};

static uint32_t take_uint32(struct base64_reader *r)
{
    uint32_t number = 0;

    for (unsigned i = 0; i < 4; i++)
        number = number << 8 | base64_take(r);
    return number;
}

static void skip_string(struct base64_reader *r)
{
    for (uint32_t left = take_uint32(r); left > 0 && !r->bad; left--)
        base64_take(r);
}

/* False: there is none, or it is no name. */
static bool take_name(struct base64_reader *r, char name[static OPENSSH_KEY_NAME_MAX])
{
    uint32_t length = take_uint32(r);

    if (r->bad || length == 0 || length >= OPENSSH_KEY_NAME_MAX)
        return false;
    for (uint32_t i = 0; i < length && !r->bad; i++) {
        name[i] = (char)base64_take(r);
        if (name[i] <= ' ' || name[i] > '~')
            r->bad = true;
    }
    name[r->bad ? 0 : length] = '\0';
    return !r->bad;
}

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool take_magic(struct base64_reader *r)
{
    for (size_t i = 0; i < sizeof(MAGIC) && !r->bad; i++)
        if (base64_take(r) != (uint8_t)MAGIC[i])
            r->bad = true;
    return !r->bad;
}

/* Whether a public half is that of a FIDO token's key (OpenSSH, PROTOCOL.u2f): then `name` is its
 * type. */
static bool is_token(struct base64_reader *r, char name[static OPENSSH_KEY_NAME_MAX])
{
    char type[OPENSSH_KEY_NAME_MAX];

    take_uint32(r);
    if (!take_name(r, type) || strncmp(type, "sk-", 3) != 0)
        return false;
    memcpy(name, type, sizeof(type));
    return true;
}

static enum openssh_key inspect(struct base64_reader *r, char name[static OPENSSH_KEY_NAME_MAX])
{
    char kdf[OPENSSH_KEY_NAME_MAX] = "";
    struct base64_reader public_half;

    if (!take_magic(r) || !take_name(r, name))
        return OPENSSH_KEY_DAMAGED;
    if (!is_one_of(name, ciphers, sizeof(ciphers) / sizeof(ciphers[0])))
        return OPENSSH_KEY_CIPHER;
    if (!take_name(r, kdf))
        return OPENSSH_KEY_DAMAGED;
    if (!is_one_of(kdf, kdfs, sizeof(kdfs) / sizeof(kdfs[0]))) {
        memcpy(name, kdf, sizeof(kdf));
        return OPENSSH_KEY_KDF;
    }
    skip_string(r); /* the KDF's options */
    if (take_uint32(r) != 1)
        return OPENSSH_KEY_DAMAGED; /* no program writes more than one key */
    public_half = *r;
    skip_string(r); /* the public half */
    skip_string(r); /* the private one */
    if (!base64_is_over(r))
        return OPENSSH_KEY_DAMAGED;
    return is_token(&public_half, name) ? OPENSSH_KEY_TOKEN : OPENSSH_KEY_OK;
}

/* Where `wanted` begins in what is left; NULL: nowhere. */
static const char *find_text(const char *at, const char *end, const char *wanted)
{
    return memmem(at, (size_t)(end - at), wanted, strlen(wanted));
}

/* What is between the first and the last line of the first such key in a text. OPENSSH_KEY_OK: it
 * is there. */
static enum openssh_key find_openssh_key(const char *text, size_t length,
                                         struct base64_reader *reader)
{
    const char *end = text + length;
    const char *begin = find_text(text, end, BEGIN);

    if (begin == NULL)
        return OPENSSH_KEY_NONE;
    begin += strlen(BEGIN);
    end = find_text(begin, end, END);
    /* (libssh skips what follows the line's dashes without a space: base64 must not be read there.)
     */
    if (end == NULL || *begin == '\0' || strchr(" \t\r\n\v\f", *begin) == NULL)
        return OPENSSH_KEY_DAMAGED;
    *reader = base64_reader(begin, (size_t)(end - begin), true);
    return OPENSSH_KEY_OK;
}

enum openssh_key openssh_key_inspect(const char *text, size_t length,
                                     char name[static OPENSSH_KEY_NAME_MAX])
{
    struct base64_reader reader;
    enum openssh_key found = find_openssh_key(text, length, &reader);

    name[0] = '\0';
    return found == OPENSSH_KEY_OK ? inspect(&reader, name) : found;
}

bool openssh_key_public(const char *text, size_t length, struct buffer *public)
{
    struct base64_reader reader;
    uint32_t left;

    if (find_openssh_key(text, length, &reader) != OPENSSH_KEY_OK || !take_magic(&reader))
        return false;
    skip_string(&reader); /* the cipher */
    skip_string(&reader); /* the KDF */
    skip_string(&reader); /* the KDF's options */
    if (take_uint32(&reader) != 1)
        return false;
    left = take_uint32(&reader);
    if (left == 0 || left > length)
        return false;
    for (; left > 0 && !reader.bad; left--) {
        uint8_t byte = base64_take(&reader);
        buffer_append(public, &byte, 1);
    }
    if (reader.bad)
        buffer_clear(public);
    return !reader.bad;
}
