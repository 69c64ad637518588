/* Reading OpenSSH private keys from the outside. */
#include "wire/openssh_key.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define BEGIN "-----BEGIN OPENSSH PRIVATE KEY-----"
#define END "-----END OPENSSH PRIVATE KEY-----"
#define MAGIC "openssh-key-v1" /* with its NUL */

static const char *const ciphers[] = {"none",       "aes128-ctr", "aes192-ctr", "aes256-ctr",
                                      "aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"};
static const char *const kdfs[] = {"none", "bcrypt"};

/* Takes bytes out of base64, which white space may interrupt. */
struct reader {
    const char *at;
    const char *end;
    uint32_t bits; /* those taken already, and not given */
    unsigned count;
    bool bad; /* it is no base64, or was over too early */
};

static int sextet(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = c != '\0' ? strchr(digits, c) : NULL;

    return found != NULL ? (int)(found - digits) : -1;
}

static bool is_space(char c)
{
    return c != '\0' && strchr(" \t\r\n\v\f", c) != NULL;
}

static void skip_space(struct reader *r)
{
    while (r->at < r->end && is_space(*r->at))
        r->at++;
}

static uint8_t take_byte(struct reader *r)
{
    while (r->count < 8) {
        int six;
        skip_space(r);
        six = r->at < r->end ? sextet(*r->at) : -1;
        if (six < 0) {
            r->bad = true;
            return 0;
        }
        r->at++;
        r->bits = r->bits << 6 | (uint32_t)six;
        r->count += 6;
    }
    r->count -= 8;
    return (uint8_t)(r->bits >> r->count);
}

static uint32_t take_number(struct reader *r)
{
    uint32_t number = 0;

    for (unsigned i = 0; i < 4; i++)
        number = number << 8 | take_byte(r);
    return number;
}

static void skip_string(struct reader *r)
{
    for (uint32_t left = take_number(r); left > 0 && !r->bad; left--)
        take_byte(r);
}

/* False: there is none, or it is no name. */
static bool take_name(struct reader *r, char name[static OPENSSH_KEY_NAME_MAX])
{
    uint32_t length = take_number(r);

    if (r->bad || length == 0 || length >= OPENSSH_KEY_NAME_MAX)
        return false;
    for (uint32_t i = 0; i < length && !r->bad; i++) {
        name[i] = (char)take_byte(r);
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

/* Whether nothing follows but padding. */
static bool is_over(struct reader *r)
{
    for (unsigned padding = 0; padding < 3; padding++) {
        skip_space(r);
        if (r->at < r->end && *r->at == '=')
            r->at++;
    }
    return !r->bad && r->at == r->end && r->count < 6;
}

static bool take_magic(struct reader *r)
{
    for (size_t i = 0; i < sizeof(MAGIC) && !r->bad; i++)
        if (take_byte(r) != (uint8_t)MAGIC[i])
            r->bad = true;
    return !r->bad;
}

static enum openssh_key inspect(struct reader *r, char name[static OPENSSH_KEY_NAME_MAX])
{
    char kdf[OPENSSH_KEY_NAME_MAX] = "";

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
    if (take_number(r) != 1)
        return OPENSSH_KEY_DAMAGED; /* nobody writes more than one */
    skip_string(r);                 /* the public half */
    skip_string(r);                 /* the private one */
    return is_over(r) ? OPENSSH_KEY_OK : OPENSSH_KEY_DAMAGED;
}

/* Where `wanted` begins in what is left; NULL: nowhere. */
static const char *find(const char *at, const char *end, const char *wanted)
{
    return memmem(at, (size_t)(end - at), wanted, strlen(wanted));
}

enum openssh_key openssh_key_inspect(const char *text, size_t length,
                                     char name[static OPENSSH_KEY_NAME_MAX])
{
    const char *end = text + length;
    const char *begin = find(text, end, BEGIN);
    struct reader r = {0};

    name[0] = '\0';
    if (begin == NULL)
        return OPENSSH_KEY_NONE;
    r.at = begin + strlen(BEGIN);
    r.end = find(r.at, end, END);
    /* (What follows the line's dashes without a space, libssh skips: it must not be read as base64
     * here.) */
    if (r.end == NULL || !is_space(*r.at))
        return OPENSSH_KEY_DAMAGED;
    return inspect(&r, name);
}
