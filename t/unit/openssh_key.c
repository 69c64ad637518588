/* OpenSSH private keys from the outside: whole, cut at each byte, with a byte changed. */
#include "wire/openssh_key.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* By ssh-keygen -t ed25519, with -Z where encrypted; the last by openssl genpkey. They open
 * nothing.
 */
static const char plain[] =
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n"
    "QyNTUxOQAAACDEBkAmJxGBuJ9w0KFqRzOoUKIsl2oTwOf2lGCk0R5bBAAAAIi09nuUtPZ7\n"
    "lAAAAAtzc2gtZWQyNTUxOQAAACDEBkAmJxGBuJ9w0KFqRzOoUKIsl2oTwOf2lGCk0R5bBA\n"
    "AAAEBxNfnoSVCwYmB+nSOlmHBXKdip2l9Blk/l7A5txXGDMMQGQCYnEYG4n3DQoWpHM6hQ\n"
    "oiyXahPA5/aUYKTRHlsEAAAAAXQBAgME\n"
    "-----END OPENSSH PRIVATE KEY-----\n";

static const char ctr[] = "-----BEGIN OPENSSH PRIVATE KEY-----\n"
                          "b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABCeiww/79\n"
                          "LFV5519cNeUPhgAAAAEAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIJPWFcGnIL+7Hj4D\n"
                          "VloWSNP5SxfhdS402DAGVRb9COzvAAAAkJdgCYeBR51ydTKrHn+udldsLT6JcoSOPxspyk\n"
                          "QeTFTW3yl0UrbOecRwiBxM02jyw3LAHp0jB7IzdnGekJK4qrLdXItZgdHnLRSRLcfeTIKO\n"
                          "lEzfe9xaN0lLjTXRs3//0oHjpenm7Dj9RXpChn5AT0j/0DCld3bOJANTfcZwErFYelDQgZ\n"
                          "sgAyylM3Rj9r5Kzg==\n"
                          "-----END OPENSSH PRIVATE KEY-----\n";

static const char gcm[] = "-----BEGIN OPENSSH PRIVATE KEY-----\n"
                          "b3BlbnNzaC1rZXktdjEAAAAAFmFlczI1Ni1nY21Ab3BlbnNzaC5jb20AAAAGYmNyeXB0AA\n"
                          "AAGAAAABCs92+1H5OoDD2DUw5x2uS8AAAAEAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAA\n"
                          "IFUZwW2/Sr5AJwYFhJ6LaDhfktpUiR4ln0Kb/9z6Kp93AAAAkKKlqWcz46m7CE6XvrBzem\n"
                          "F7B/ayRBprOyruJanTe5+rqRpR3dhUrUxJH84uyHMwjpNE7ZuRsmLkytssCh19eNgfFs0c\n"
                          "zrDGkWW1ebgKw2Nk8FPQ1NCvbfDJ/p3aQlgq+pUDzjKt6rqYWmmCUIARjlpVXXmxnN+hjz\n"
                          "yDlCkEn6Ih3Lv7ZhIDQhO3gOM+mYrCmnyNzrnZYV5rbPuTyYFyRuo=\n"
                          "-----END OPENSSH PRIVATE KEY-----\n";

static const char chacha[] =
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    "b3BlbnNzaC1rZXktdjEAAAAAHWNoYWNoYTIwLXBvbHkxMzA1QG9wZW5zc2guY29tAAAABm\n"
    "JjcnlwdAAAABgAAAAQBkQBXKiAsgfmLZj+LcPdoQAAABAAAAABAAAAMwAAAAtzc2gtZWQy\n"
    "NTUxOQAAACDjXRaGWXkhRanViaSamumYX/lY+YdlRBM1QoluzQ99RgAAAIiWCbKlZEKVqm\n"
    "oeRRmgx9Y2D1nUc9+MQq7FsxcXReHMMeu6KU6ZzuhvHDS/uEJvK43j4S6k59rQxuykJ3NW\n"
    "Y2HRvqTlRfrd0d3CyZqYhi3NEQuHY8NRJ0N5ZhOcvyBICZfavgluA22uGmUXZhOHrjiQp5\n"
    "1Uxd/Vmx8tl5IhihBOzIIhhOyy7jRUmDNr9Xz2RsXOpmq2XaNQjw==\n"
    "-----END OPENSSH PRIVATE KEY-----\n";

static const char pkcs8[] = "-----BEGIN PRIVATE KEY-----\n"
                            "MC4CAQAwBQYDK2VwBCIEIAHa4t78ei7P1h/51QFEXxvPjEJ7RXpx8FcLCyMdoZFY\n"
                            "-----END PRIVATE KEY-----\n";

static char name[OPENSSH_KEY_NAME_MAX];

/* On memory of exactly that size, so that a sanitizer sees a read beyond. */
static enum openssh_key inspect(const char *text, size_t length)
{
    char *copy = malloc(length > 0 ? length : 1);
    enum openssh_key found;

    assert_non_null(copy);
    memcpy(copy, text, length);
    found = openssh_key_inspect(copy, length, name);
    free(copy);
    return found;
}

static void what_libssh_decrypts_is_let_through(void **state)
{
    (void)state;
    assert_int_equal(inspect(plain, strlen(plain)), OPENSSH_KEY_OK);
    assert_string_equal(name, "none");
    assert_int_equal(inspect(ctr, strlen(ctr)), OPENSSH_KEY_OK);
    assert_string_equal(name, "aes256-ctr");
}

static void other_ciphers_are_named(void **state)
{
    (void)state;
    assert_int_equal(inspect(gcm, strlen(gcm)), OPENSSH_KEY_CIPHER);
    assert_string_equal(name, "aes256-gcm@openssh.com");
    assert_int_equal(inspect(chacha, strlen(chacha)), OPENSSH_KEY_CIPHER);
    assert_string_equal(name, "chacha20-poly1305@openssh.com");
}

/* (A key that nobody has: the public half is named as a token's, all else is empty.) */
static void a_key_in_a_token_is_named(void **state)
{
    static const uint8_t fields[] = "openssh-key-v1\0\0\0\0\4none\0\0\0\4none\0\0\0\0\0\0\0\1"
                                    "\0\0\0\36\0\0\0\32sk-ssh-ed25519@openssh.com\0\0\0";
    char text[300] = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
    size_t length = strlen(text);

    (void)state;
    EVP_EncodeBlock((unsigned char *)text + length, fields, (int)sizeof(fields));
    strcat(text, "\n-----END OPENSSH PRIVATE KEY-----\n");
    assert_int_equal(inspect(text, strlen(text)), OPENSSH_KEY_TOKEN);
    assert_string_equal(name, "sk-ssh-ed25519@openssh.com");
}

static void other_formats_are_none(void **state)
{
    (void)state;
    assert_int_equal(inspect(pkcs8, strlen(pkcs8)), OPENSSH_KEY_NONE);
    assert_int_equal(inspect("", 0), OPENSSH_KEY_NONE);
    assert_string_equal(name, "");
}

/* libssh looks for the first line of a key anywhere in the file. */
static void what_stands_before_a_key_does_not_hide_it(void **state)
{
    char text[sizeof(gcm) + 100];

    (void)state;
    snprintf(text, sizeof(text), "some words\n%s", gcm);
    assert_int_equal(inspect(text, strlen(text)), OPENSSH_KEY_CIPHER);
    snprintf(text, sizeof(text), "some words %s", gcm);
    assert_int_equal(inspect(text, strlen(text)), OPENSSH_KEY_CIPHER);
}

/* libssh skips what follows the dashes of the first line up to a space: here a key that holds the
 * base64 of another one as its private half. */
static void what_libssh_skips_is_not_read(void **state)
{
    char text[sizeof(gcm) + 200];
    const char *inside = strchr(gcm, '\n');
    const char *end = strstr(gcm, "\n-----END");
    uint8_t outside[] = "openssh-key-v1\0\0\0\0\4none\0\0\0\4none\0\0\0\0\0\0\0\1\0\0\0\1k\0\0\0";
    size_t digits = 0, length;

    (void)state;
    for (const char *at = inside; at < end; at++)
        digits += *at != '\n' && *at != '=';
    length = digits * 3 / 4;
    outside[sizeof(outside) - 2] = (uint8_t)(length >> 8);
    outside[sizeof(outside) - 1] = (uint8_t)length;
    assert_int_equal(sizeof(outside) % 3, 0); /* so that the digits go on behind it */
    memcpy(text, gcm, (size_t)(inside - gcm));
    EVP_EncodeBlock((unsigned char *)text + (inside - gcm), outside, (int)sizeof(outside));
    strcat(text, inside);
    assert_int_equal(inspect(text, strlen(text)), OPENSSH_KEY_DAMAGED);
}

static void no_beginning_of_a_key_is_let_through(void **state)
{
    const char *const keys[] = {plain, ctr, gcm, chacha};

    (void)state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        for (size_t length = 0; length < strlen(keys[i]) - 1; length++) {
            enum openssh_key found = inspect(keys[i], length);
            assert_true(found == OPENSSH_KEY_NONE || found == OPENSSH_KEY_DAMAGED);
        }
    }
}

/* One character less of base64 anywhere in the key. */
static void a_hole_is_damage(void **state)
{
    char text[sizeof(plain)];
    const size_t first = strlen("-----BEGIN OPENSSH PRIVATE KEY-----\n");
    const size_t last = strlen(plain) - strlen("-----END OPENSSH PRIVATE KEY-----\n");

    (void)state;
    for (size_t at = first; at < last; at++) {
        if (plain[at] == '\n' || plain[at] == '=')
            continue;
        memcpy(text, plain, at);
        memcpy(text + at, plain + at + 1, sizeof(plain) - at - 1);
        assert_int_not_equal(inspect(text, strlen(text)), OPENSSH_KEY_OK);
    }
}

static void what_follows_a_key_is_damage(void **state)
{
    char text[sizeof(plain) + 100];
    const char *end = strstr(plain, "-----END");

    (void)state;
    snprintf(text, sizeof(text), "%.*sAAAA\n%s", (int)(end - plain), plain, end);
    assert_int_equal(inspect(text, strlen(text)), OPENSSH_KEY_DAMAGED);
    snprintf(text, sizeof(text), "%.*s\n!\n%s", (int)(end - plain), plain, end);
    assert_int_equal(inspect(text, strlen(text)), OPENSSH_KEY_DAMAGED);
    snprintf(text, sizeof(text), "%s\nmore\n", plain);
    assert_int_equal(inspect(text, strlen(text)), OPENSSH_KEY_OK);
}

/* The header with these strings and numbers, as a key's text. */
static enum openssh_key inspect_header(const char *cipher, const char *kdf, uint32_t keys)
{
    uint8_t bytes[512] = "openssh-key-v1";
    char text[1024] = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
    size_t length = 15;
    const char *const strings[] = {cipher, kdf, ""};

    for (size_t i = 0; i < 3; i++) {
        bytes[length + 3] = (uint8_t)strlen(strings[i]);
        memcpy(bytes + length + 4, strings[i], strlen(strings[i]));
        length += 4 + strlen(strings[i]);
    }
    bytes[length + 3] = (uint8_t)keys;
    length += 4;
    length += 8; /* two empty strings */
    EVP_EncodeBlock((unsigned char *)text + strlen(text), bytes, (int)length);
    strcat(text, "\n-----END OPENSSH PRIVATE KEY-----\n");
    return inspect(text, strlen(text));
}

static void every_part_of_the_header_counts(void **state)
{
    (void)state;
    assert_int_equal(inspect_header("aes256-ctr", "bcrypt", 1), OPENSSH_KEY_OK);
    assert_int_equal(inspect_header("none", "none", 1), OPENSSH_KEY_OK);
    assert_int_equal(inspect_header("none", "none", 0), OPENSSH_KEY_DAMAGED);
    assert_int_equal(inspect_header("none", "none", 2), OPENSSH_KEY_DAMAGED);
    assert_int_equal(inspect_header("", "none", 1), OPENSSH_KEY_DAMAGED);
    assert_int_equal(inspect_header("none", "", 1), OPENSSH_KEY_DAMAGED);
    assert_int_equal(inspect_header("no ne", "none", 1), OPENSSH_KEY_DAMAGED);
    assert_int_equal(inspect_header("\x1b[31m", "none", 1), OPENSSH_KEY_DAMAGED);
    assert_int_equal(inspect_header("aes256-gcm@openssh.com", "bcrypt", 1), OPENSSH_KEY_CIPHER);
    assert_int_equal(inspect_header("AES256-CTR", "bcrypt", 1), OPENSSH_KEY_CIPHER);
    assert_int_equal(inspect_header("aes256-ctr2", "bcrypt", 1), OPENSSH_KEY_CIPHER);
    assert_int_equal(inspect_header("aes256-ctr", "argon2", 1), OPENSSH_KEY_KDF);
    assert_string_equal(name, "argon2");
    assert_int_equal(
        inspect_header("a-name-of-sixty-four-characters-which-is-one-more-than-there-is-x", "none",
                       1),
        OPENSSH_KEY_DAMAGED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_libssh_decrypts_is_let_through),
        cmocka_unit_test(other_ciphers_are_named),
        cmocka_unit_test(a_key_in_a_token_is_named),
        cmocka_unit_test(other_formats_are_none),
        cmocka_unit_test(what_stands_before_a_key_does_not_hide_it),
        cmocka_unit_test(what_libssh_skips_is_not_read),
        cmocka_unit_test(no_beginning_of_a_key_is_let_through),
        cmocka_unit_test(a_hole_is_damage),
        cmocka_unit_test(what_follows_a_key_is_damage),
        cmocka_unit_test(every_part_of_the_header_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
