/* A wrong tag of AES-GCM, as libssh is told of it. */
#include "session_libssh/integrity.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SIZE 32
#define TAG 16

static const uint8_t key[16] = {1}, iv[12] = {2};

static void encrypt(uint8_t *bytes, uint8_t *tag)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int length;

    assert_int_equal(EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), NULL, key, iv), 1);
    assert_int_equal(EVP_EncryptUpdate(c, bytes, &length, bytes, SIZE), 1);
    assert_int_equal(EVP_EncryptFinal_ex(c, NULL, &length), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG, tag), 1);
    EVP_CIPHER_CTX_free(c);
}

/* What libssh's call returns. */
static int decrypt(uint8_t *bytes, uint8_t *tag)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int length;
    int rc;

    assert_int_equal(EVP_DecryptInit_ex(c, EVP_aes_128_gcm(), NULL, key, iv), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG, tag), 1);
    assert_int_equal(EVP_DecryptUpdate(c, bytes, &length, bytes, SIZE), 1);
    rc = EVP_DecryptFinal(c, NULL, &length);
    EVP_CIPHER_CTX_free(c);
    return rc;
}

static void a_right_tag_is_1_and_a_wrong_one_is_negative(void **state)
{
    uint8_t bytes[SIZE] = "some bytes";
    uint8_t tag[TAG];

    (void)state;
    encrypt(bytes, tag);
    assert_int_equal(decrypt(bytes, tag), 1);
    assert_string_equal((char *)bytes, "some bytes");
    for (int bit = 0; bit < 8 * TAG; bit++) {
        encrypt(bytes, tag);
        tag[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_true(decrypt(bytes, tag) < 0);
        memcpy(bytes, "some bytes", 11);
    }
}

static void calls_are_counted_and_a_session_without_is_refused(void **state)
{
    unsigned long before = integrity_checks();
    uint8_t bytes[SIZE] = {0};
    uint8_t tag[TAG];

    (void)state;
    encrypt(bytes, tag);
    decrypt(bytes, tag);
    assert_int_equal(integrity_checks(), before + 1);
    assert_true(integrity_holds("aes128-gcm@openssh.com", before));
    assert_true(integrity_holds("aes128-ctr", before + 1));
    assert_true(integrity_gcm_allowed());
    assert_false(integrity_holds("aes256-gcm@openssh.com", before + 1));
    assert_false(integrity_gcm_allowed());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_right_tag_is_1_and_a_wrong_one_is_negative),
        cmocka_unit_test(calls_are_counted_and_a_session_without_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
