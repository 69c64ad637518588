/* Tests of conf/key_blob: public keys and certificates as bytes, and in files. */
#include "key_blobs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void a_certificate_is_known_by_its_key(void **state)
{
    struct key_blob key = BLOB("ssh-ed25519", "KKKK");
    struct key_blob other = BLOB("ssh-ed25519", "LLLL");
    /* (Behind the key: eight bytes of a serial number, and 1 or 2, for a user or a host.) */
    struct key_blob certificate =
        BLOB("ssh-ed25519-cert-v01@openssh.com", "nonce", "KKKK", "SSSS", "u");
    struct key_blob of_host =
        BLOB("ssh-ed25519-cert-v01@openssh.com", "nonce", "KKKK", "SSSS", "hh");
    struct key_blob empty = {0};
    struct key_blob cut = {.bytes = certificate.bytes, .length = certificate.length};

    (void)state;
    assert_true(key_blob_certifies(&certificate, &key));
    assert_false(key_blob_certifies(&certificate, &other));
    assert_false(key_blob_certifies(&of_host, &key));
    assert_false(key_blob_certifies(&key, &key));
    assert_false(key_blob_certifies(&certificate, &certificate));
    assert_false(key_blob_certifies(&certificate, &empty));
    assert_false(key_blob_certifies(&empty, &key));
    /* Cut short before it says for whom it is, it certifies nothing; so does a key cut short. */
    for (cut.length = 0; cut.length < certificate.length - 1; cut.length++)
        assert_false(key_blob_certifies(&cut, &key));
    free(of_host.bytes);
    free(key.bytes);
    free(other.bytes);
    free(certificate.bytes);
}

static void a_certificate_tells_its_end(void **state)
{
    static const char ends[8] = {0, 0, 0, 1, 2, 3, 4, 5},
                      never[8] = {-1, -1, -1, -1, -1, -1, -1, -1};
    static const struct {
        const char *type;
        int fields;
    } kinds[] = {{"ssh-ed25519-cert-v01@openssh.com", 1},
                 {"ssh-rsa-cert-v01@openssh.com", 2},
                 {"ecdsa-sha2-nistp256-cert-v01@openssh.com", 2},
                 {"ssh-dss-cert-v01@openssh.com", 4},
                 {"sk-ssh-ed25519-cert-v01@openssh.com", 2},
                 {"sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", 3}};

    (void)state;
    for (size_t i = 0; i < COUNT(kinds); i++) {
        const char *strings[7] = {kinds[i].type, "nonce", "a", "b", "c", "d", NULL};
        struct key_blob cut, made = blob(strings, 2 + (size_t)kinds[i].fields);
        size_t head = made.length;
        made.length = head + 8 + 4 + 4 + 2 + 4 + 3 + 8 + 8;
        made.bytes = mem_realloc(made.bytes, made.length);
        memset(made.bytes + head, 0, made.length - head);
        memcpy(made.bytes + head + 12, "\0\0\0\2id\0\0\0\3any", 13);
        memcpy(made.bytes + made.length - 8, ends, 8);
        assert_int_equal(key_blob_valid_until(&made), 0x102030405);
        cut = made;
        for (cut.length = 0; cut.length < made.length; cut.length++)
            assert_int_equal(key_blob_valid_until(&cut), 0);
        memcpy(made.bytes + made.length - 8, never, 8);
        assert_int_equal(key_blob_valid_until(&made), 0);
        free(made.bytes);
    }
    struct key_blob plain = BLOB("ssh-ed25519", "KKKK"), unknown = BLOB("x-cert-v01@openssh.com");
    assert_int_equal(key_blob_valid_until(&plain), 0);
    assert_int_equal(key_blob_valid_until(&unknown), 0);
    free(plain.bytes);
    free(unknown.bytes);
}

static void a_line_of_a_public_key_file_is_read(void **state)
{
    static const struct {
        const char *line;
        size_t length; /* 0: it is none */
    } cases[] = {
        {"ssh-ed25519 QUJD comment\n", 3}, {"ssh-ed25519 QUI=\n", 2},
        {"ssh-ed25519 QQ==", 1},           {"ssh-ed25519\tQUJD\r\n", 3},
        {"ssh-ed25519 QUJ\n", 0},          {"ssh-ed25519\n", 0},
        {"ssh-ed25519 ====\n", 0},         {"", 0},
        {"-----BEGIN AAAA KEY-----\n", 0},
    };
    char path[] = "/tmp/adit-public.XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct key_blob read = {0};
        FILE *out = fopen(path, "w");
        fputs(cases[i].line, out);
        fclose(out);
        assert_int_equal(key_blob_read(path, &read), cases[i].length > 0);
        if (cases[i].length > 0) {
            assert_int_equal(read.length, cases[i].length);
            assert_memory_equal(read.bytes, "ABC", read.length);
            free(read.bytes);
        }
    }
    unlink(path);
    assert_false(key_blob_read(path, &(struct key_blob){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_is_known_by_its_key),
        cmocka_unit_test(a_certificate_tells_its_end),
        cmocka_unit_test(a_line_of_a_public_key_file_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
