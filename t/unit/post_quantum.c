/* What is said of key exchanges that a quantum computer breaks. */
#include "gateway/post_quantum.h"
#include "session/post_quantum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void hybrids_are_told_from_others_by_the_whole_name(void **state)
{
    (void)state;
    static const struct {
        const char *kex;
        bool expected;
    } cases[] = {
        {"mlkem768x25519-sha256", true},
        {"sntrup761x25519-sha512", true},
        {"sntrup761x25519-sha512@openssh.com", true},
        {"mlkem768nistp256-sha256", true},
        {"mlkem1024nistp384-sha384", true},
        {"curve25519-sha256", false},
        {"curve25519-sha256@libssh.org", false},
        {"ecdh-sha2-nistp256", false},
        {"diffie-hellman-group16-sha512", false},
        {"mlkem768x25519-sha25", false},
        {"mlkem768x25519-sha2566", false},
        {"mlkem768x25519-sha256,sntrup761x25519-sha512", false},
        {"sntrup761", false},
        {"", false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (kex_is_post_quantum(cases[i].kex) != cases[i].expected)
            fail_msg("%s", cases[i].kex);
}

static void notices_say_what_can_be_done(void **state)
{
    (void)state;
    static const struct {
        enum post_quantum wanted;
        char *kex; /* of the configuration */
        const char *agreed;
        bool has;
        int level;        /* -1: nothing is said */
        const char *part; /* of the line */
    } cases[] = {
        {POST_QUANTUM_WARN, NULL, "curve25519-sha256", false, ADIT_LOG_INFO,
         "upstream a: the key exchange curve25519-sha256 does not"},
        {POST_QUANTUM_WARN, NULL, "curve25519-sha256", false, ADIT_LOG_INFO,
         "libssh 0.10.6 has no post-quantum key exchange: libssh 0.12 and later have"},
        {POST_QUANTUM_WARN, NULL, "curve25519-sha256", true, ADIT_LOG_WARNING,
         "the server knows none that does: OpenSSH 9.0 and later do"},
        {POST_QUANTUM_WARN, (char *)"curve25519-sha256", "curve25519-sha256", true,
         ADIT_LOG_WARNING, "let kex (KexAlgorithms) have mlkem768x25519-sha256"},
        {POST_QUANTUM_WARN, NULL, "curve25519-sha256", true, ADIT_LOG_WARNING,
         "post_quantum = no keeps adit from telling"},
        {POST_QUANTUM_WARN, NULL, "mlkem768x25519-sha256", true, -1, NULL},
        {POST_QUANTUM_WARN, NULL, "", false, -1, NULL}, /* a master that was joined */
        {POST_QUANTUM_NO, NULL, "curve25519-sha256", true, -1, NULL},
        {POST_QUANTUM_REQUIRE, NULL, "mlkem768x25519-sha256", true, -1, NULL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct config_upstream upstream = {
            .name = (char *)"a", .kex = cases[i].kex, .post_quantum = cases[i].wanted};
        struct connection_info info = {.library = "libssh 0.10.6",
                                       .has_post_quantum = cases[i].has};
        enum log_level level = ADIT_LOG_ERROR;

        snprintf(info.kex, sizeof(info.kex), "%s", cases[i].agreed);
        char *line = post_quantum_notice(&upstream, &info, &level);
        if ((line == NULL) != (cases[i].level < 0))
            fail_msg("case %zu: %s", i, line != NULL ? line : "nothing");
        if (line != NULL) {
            assert_int_equal(level, cases[i].level);
            if (strstr(line, cases[i].part) == NULL)
                fail_msg("case %zu: %s", i, line);
        }
        free(line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hybrids_are_told_from_others_by_the_whole_name),
        cmocka_unit_test(notices_say_what_can_be_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
