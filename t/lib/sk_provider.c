/* A FIDO token in software, for ssh-sk-helper(8): a SecurityKeyProvider of OpenSSH's API (sk-api.h,
 * PROTOCOL.u2f) with Ed25519 keys whose key handle is the private key. Every touch is given.
 * (OpenSSH's own tests have such a one in regress/misc/sk-dummy.) */
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define API_VERSION 0x000a0000 /* OpenSSH 9.0 to 10 */
#define ALGORITHM_ED25519 1
#define FAILED (-1)
#define UNSUPPORTED (-2)
#define KEY_SIZE 32
#define SIGNATURE_SIZE 64
#define DIGEST_SIZE 32

struct sk_option;
struct sk_resident_key;

struct sk_enroll_response {
    uint8_t flags;
    uint8_t *public_key;
    size_t public_key_len;
    uint8_t *key_handle;
    size_t key_handle_len;
    uint8_t *signature;
    size_t signature_len;
    uint8_t *attestation_cert;
    size_t attestation_cert_len;
    uint8_t *authdata;
    size_t authdata_len;
};

struct sk_sign_response {
    uint8_t flags;
    uint32_t counter;
    uint8_t *sig_r;
    size_t sig_r_len;
    uint8_t *sig_s;
    size_t sig_s_len;
};

uint32_t sk_api_version(void);
int sk_enroll(uint32_t algorithm, const uint8_t *challenge, size_t challenge_length,
              const char *application, uint8_t flags, const char *pin, struct sk_option **options,
              struct sk_enroll_response **response);
int sk_sign(uint32_t algorithm, const uint8_t *data, size_t data_length, const char *application,
            const uint8_t *key_handle, size_t key_handle_length, uint8_t flags, const char *pin,
            struct sk_option **options, struct sk_sign_response **response);
int sk_load_resident_keys(const char *pin, struct sk_option **options,
                          struct sk_resident_key ***keys, size_t *count);

uint32_t sk_api_version(void)
{
    return API_VERSION;
}

int sk_enroll(uint32_t algorithm, const uint8_t *challenge, size_t challenge_length,
              const char *application, uint8_t flags, const char *pin, struct sk_option **options,
              struct sk_enroll_response **response)
{
    struct sk_enroll_response *r = calloc(1, sizeof(*r));
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    size_t public_length = KEY_SIZE, private_length = KEY_SIZE;

    (void)challenge, (void)challenge_length, (void)application, (void)pin, (void)options;
    if (algorithm != ALGORITHM_ED25519)
        return UNSUPPORTED;
    r->flags = flags;
    r->public_key = malloc(KEY_SIZE);
    r->key_handle = malloc(KEY_SIZE);
    r->signature = calloc(1, SIGNATURE_SIZE);
    r->public_key_len = r->key_handle_len = KEY_SIZE;
    r->signature_len = SIGNATURE_SIZE;
    if (EVP_PKEY_get_raw_public_key(key, r->public_key, &public_length) != 1 ||
        EVP_PKEY_get_raw_private_key(key, r->key_handle, &private_length) != 1)
        return FAILED;
    EVP_PKEY_free(key);
    *response = r;
    return 0;
}

/* What is signed: the digest of the application, the flags, the counter, the digest of the data. */
static int sign(const uint8_t *handle, const uint8_t *text, size_t length, uint8_t *signature)
{
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, handle, KEY_SIZE);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t size = SIGNATURE_SIZE;
    int ok = EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
             EVP_DigestSign(context, signature, &size, text, length) == 1;

    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return ok;
}

int sk_sign(uint32_t algorithm, const uint8_t *data, size_t data_length, const char *application,
            const uint8_t *key_handle, size_t key_handle_length, uint8_t flags, const char *pin,
            struct sk_option **options, struct sk_sign_response **response)
{
    struct sk_sign_response *r = calloc(1, sizeof(*r));
    uint8_t text[2 * DIGEST_SIZE + 5] = {0};

    (void)pin, (void)options;
    if (algorithm != ALGORITHM_ED25519 || key_handle_length != KEY_SIZE)
        return UNSUPPORTED;
    r->flags = flags;
    r->counter = 1;
    r->sig_r = malloc(SIGNATURE_SIZE);
    r->sig_r_len = SIGNATURE_SIZE;
    EVP_Digest(application, strlen(application), text, NULL, EVP_sha256(), NULL);
    text[DIGEST_SIZE] = flags;
    text[DIGEST_SIZE + 4] = (uint8_t)r->counter;
    EVP_Digest(data, data_length, text + DIGEST_SIZE + 5, NULL, EVP_sha256(), NULL);
    if (!sign(key_handle, text, sizeof(text), r->sig_r))
        return FAILED;
    *response = r;
    return 0;
}

int sk_load_resident_keys(const char *pin, struct sk_option **options,
                          struct sk_resident_key ***keys, size_t *count)
{
    (void)pin, (void)options, (void)keys, (void)count;
    return UNSUPPORTED;
}
