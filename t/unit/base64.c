/* Tests of base/base64 (RFC 4648 section 10 has the vectors), against libcrypto too. */
#include "base/base64.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void vectors_go_both_ways(void **state)
{
    static const char *const vectors[][2] = {
        {"f", "Zg=="},        {"fo", "Zm8="},        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(vectors); i++) {
        const char *plain = vectors[i][0];
        const char *text = vectors[i][1];
        uint8_t bytes[8];
        size_t length;
        char encoded[BASE64_SIZE(6)];
        base64_encode((const uint8_t *)plain, strlen(plain), encoded);
        assert_string_equal(encoded, text);
        assert_true(
            base64_decode((struct text){text, strlen(text)}, false, bytes, sizeof(bytes), &length));
        assert_int_equal(length, strlen(plain));
        assert_memory_equal(bytes, plain, length);
        /* Exactly the room, and a byte less. */
        assert_true(
            base64_decode((struct text){text, strlen(text)}, false, bytes, length, &length));
        assert_false(
            base64_decode((struct text){text, strlen(text)}, false, bytes, length - 1, &length));
    }
}

static void only_canonical_text_is_taken(void **state)
{
    static const struct {
        const char *text;
        size_t length; /* 0: strlen */
        bool white_space;
        bool good;
    } cases[] = {
        {"Z m\f9\vv\r\n", 0, true, true},
        {"=", 0, true, false},
        {"\xff\xff\xff\xff", 0, true, false},
        {"Zm9vZ", 0, true, false},
        {"Zm9v", 0, false, true},
        {"Zm9v\n", 0, false, false},
        {"Zm9v\n", 0, true, true},
        {" Z\tm9\r\nv", 0, true, true},
        {"Zg= =", 0, true, true},
        {"Zg=\n=", 0, false, false},
        {"", 0, true, false},
        {" ", 0, true, false},
        {"====", 0, true, false},
        {"Zg", 0, true, false},
        {"Zg=", 0, true, false},
        {"Zg===", 0, true, false},
        {"Zm8", 0, true, false},
        {"Zm8==", 0, true, false},
        {"Zm9v=", 0, true, false},
        {"Zm9v====", 0, true, false},
        {"Zh==", 0, true, false},
        {"Zm9=", 0, true, false},
        {"Zg==Zg==", 0, true, false},
        {"Z===", 0, true, false},
        {"Zm9v Zg==", 0, true, true},
        {"Zm9-", 0, true, false},
        {"Zm9_", 0, true, false},
        {"Zm\0v", 4, true, false},
        {"Zm9v\0", 5, true, false},
        {"Zm9\xff", 0, true, false},
        {"Z", 0, true, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t length = cases[i].length > 0 ? cases[i].length : strlen(cases[i].text);
        uint8_t bytes[16];
        size_t decoded;
        assert_int_equal(base64_decode((struct text){cases[i].text, length}, cases[i].white_space,
                                       bytes, sizeof(bytes), &decoded),
                         cases[i].good);
    }
}

static void all_bytes_and_lengths_agree_with_libcrypto(void **state)
{
    uint8_t bytes[256];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 167 + 13);
    for (size_t length = 1; length <= sizeof(bytes); length++) {
        char expected[400];
        uint8_t back[sizeof(bytes)];
        size_t decoded;
        char text[400];
        base64_encode(bytes, length, text);
        EVP_EncodeBlock((unsigned char *)expected, bytes, (int)length);
        assert_string_equal(text, expected);
        assert_true(
            base64_decode((struct text){text, strlen(text)}, false, back, sizeof(back), &decoded));
        assert_int_equal(decoded, length);
        assert_memory_equal(back, bytes, length);
    }
}

/* A reader gives a beginning without the rest, and says where the text breaks off. */
static void bytes_are_taken_one_by_one(void **state)
{
    struct base64_reader reader = base64_reader("Zm9v\nYmFy", 9, true);

    (void)state;
    assert_int_equal(base64_take(&reader), 'f');
    assert_int_equal(base64_take(&reader), 'o');
    assert_false(base64_is_over(&reader));
    for (int i = 0; i < 4; i++)
        base64_take(&reader);
    assert_false(reader.bad);
    assert_true(base64_is_over(&reader));
    assert_int_equal(base64_take(&reader), 0);
    assert_true(reader.bad);
    assert_false(base64_is_over(&reader));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_go_both_ways),
        cmocka_unit_test(only_canonical_text_is_taken),
        cmocka_unit_test(all_bytes_and_lengths_agree_with_libcrypto),
        cmocka_unit_test(bytes_are_taken_one_by_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
