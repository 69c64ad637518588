/* Patterns and hashes of host names. */
#include "policy/known_names.h"

#include "base/base64.h"
#include "base/mem.h"
#include "base/text.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

/* OpenSSH gives a list of names up at a name of this length (after its "!"): no match. */
#define PATTERN_MAX 1023

#define HASH_MAGIC "|1|"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* "*" and "?"; letters in either case. */
static bool pattern_matches(struct text pattern, const char *name)
{
    size_t p = 0;
    size_t star = pattern.length; /* the last "*" passed; none yet */
    const char *from = name;      /* where the text for it began */

    while (*name != '\0') {
        if (p < pattern.length && pattern.at[p] == '*') {
            star = p++;
            from = name;
        } else if (p < pattern.length &&
                   (pattern.at[p] == '?' || lower(pattern.at[p]) == lower(*name))) {
            p++;
            name++;
        } else if (star < pattern.length) {
            p = star + 1;
            name = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern.length && pattern.at[p] == '*')
        p++;
    return p == pattern.length;
}

/* A comma list of patterns: one of them has to match, and none with a "!". */
static bool list_matches(struct text list, const char *name)
{
    bool matched = false;

    while (list.length > 0) {
        struct text pattern;
        bool negated = *list.at == '!';
        text_skip(&list, negated);
        pattern = text_take_until(&list, ',');
        if (pattern.length >= PATTERN_MAX)
            return false;
        if (pattern_matches(pattern, name)) {
            if (negated)
                return false;
            matched = true;
        }
    }
    return matched;
}

char *known_names_hash(const uint8_t salt[static KNOWN_HOSTS_SALT_LENGTH], const char *name)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    char digest_text[BASE64_SIZE(sizeof(digest))];
    char salt_text[BASE64_SIZE(KNOWN_HOSTS_SALT_LENGTH)];
    unsigned length = 0;

    HMAC(EVP_sha1(), salt, KNOWN_HOSTS_SALT_LENGTH, (const uint8_t *)name, strlen(name), digest,
         &length);
    base64_encode(salt, KNOWN_HOSTS_SALT_LENGTH, salt_text);
    base64_encode(digest, length, digest_text);
    return mem_printf(HASH_MAGIC "%s|%s", salt_text, digest_text);
}

static bool hash_matches(struct text names, const char *name)
{
    size_t magic = strlen(HASH_MAGIC);
    uint8_t salt[KNOWN_HOSTS_SALT_LENGTH];
    struct text rest = names;
    struct text encoded;
    size_t length = 0;
    char *text;
    bool same;

    if (names.length < magic || memcmp(names.at, HASH_MAGIC, magic) != 0)
        return false;
    text_skip(&rest, magic);
    encoded = text_until(rest, '|');
    if (encoded.length == rest.length ||
        !base64_decode(encoded, true, salt, sizeof(salt), &length) || length != sizeof(salt))
        return false;
    text = known_names_hash(salt, name);
    same = strlen(text) == names.length && memcmp(names.at, text, names.length) == 0;
    free(text);
    return same;
}

bool known_names_match(const char *names, size_t length, const char *name)
{
    struct text text = {names, length};

    return length > 0 && *names == '|' ? hash_matches(text, name) : list_matches(text, name);
}
