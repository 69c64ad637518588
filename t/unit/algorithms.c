/* Tests of ssh/algorithms: lists as ssh_config(5) writes them. */
#include "session_libssh/handshake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct {
    const char *value;
    const char *ours;
    const char *never;
    const char *resolved; /* NULL: nothing is left */
} lists[] = {
    {"a,b", "x,y", "", "a,b"},
    {"a", "x,y", "", "a"},
    {"+a", "x,y", "", "x,y,a"},
    {"+a,b", "x", "", "x,a,b"},
    {"-x", "x,y,z", "", "y,z"},
    {"-x,z", "x,y,z", "", "y"},
    {"-x*", "x1,y,x2", "", "y"},
    {"-?", "x1,y", "", "x1"},
    {"-*", "x,y", "", NULL},
    {"-other", "x,y", "", "x,y"},
    {"^z", "x,y,z", "", "z,x,y"},
    {"^z,a", "x,y,z", "", "z,a,x,y"},
    {"^x,y", "x,y", "", "x,y"},
    {"a,,b", "x", "", "a,b"},
    {"+", "x,y", "", "x,y"},
    {"ssh-ed25519,ssh-ed25519-cert-v01@openssh.com", "x", "*-cert-v01@openssh.com", "ssh-ed25519"},
    {"ssh-rsa-cert-v01@openssh.com", "x", "*-cert-v01@openssh.com", NULL},
    {"^ssh-rsa-cert-v01@openssh.com", "x", "*-cert-v01@openssh.com", "x"},
};

static void a_list_is_resolved_against_ours(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        char *resolved = algorithms_resolve(lists[i].value, lists[i].ours, lists[i].never);
        if (lists[i].resolved == NULL) {
            assert_null(resolved);
        } else {
            assert_non_null(resolved);
            assert_string_equal(resolved, lists[i].resolved);
        }
        free(resolved);
    }
}

#define TEXT(words) ((char[]){words}) /* (A configuration's strings are its own.) */

static bool set(const struct config_upstream *upstream, struct handshake *h)
{
    bool ok;

    *h = (struct handshake){.upstream = upstream, .host = "host", .handle = ssh_new()};
    ok = algorithms_set(h, false) && algorithms_set(h, true);
    ssh_free(h->handle);
    return ok;
}

static void our_own_lists_are_known(void **state)
{
    struct handshake h;

    (void)state;
    assert_true(set(&(struct config_upstream){0}, &h));
}

static void a_list_of_which_nothing_is_known_is_an_error_with_its_name(void **state)
{
    struct handshake h;

    (void)state;
    assert_true(set(&(struct config_upstream){.kex = TEXT("x,curve25519-sha256")}, &h));
    assert_true(set(&(struct config_upstream){.macs = TEXT("+nonsense")}, &h));
    assert_false(set(&(struct config_upstream){.ciphers = TEXT("rot13,rot26")}, &h));
    assert_string_equal(h.error, "ciphers \"rot13,rot26\": libssh knows none of them");
    assert_false(set(&(struct config_upstream){.public_key_algorithms = TEXT("-*")}, &h));
    assert_string_equal(h.error, "public_key_algorithms \"-*\": libssh knows none of them");
}

static void certificates_of_rsa_need_the_names_of_plain_keys(void **state)
{
#define CERT "-cert-v01@openssh.com"
    static const struct {
        const char *names;
        const char *kept; /* NULL: nothing */
    } cases[] = {
        {"rsa-sha2-512" CERT, "rsa-sha2-512" CERT ",rsa-sha2-512"},
        {"rsa-sha2-512,rsa-sha2-256" CERT, "rsa-sha2-256" CERT ",rsa-sha2-256"},
        {"ssh-ed25519" CERT ",ssh-rsa" CERT ",ssh-ed25519", "ssh-ed25519" CERT ",ssh-rsa" CERT},
        {"ssh-ed25519,rsa-sha2-512", NULL},
        {"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *kept = algorithms_for_certificates(cases[i].names);
        if (cases[i].kept == NULL) {
            assert_null(kept);
        } else {
            assert_non_null(kept);
            assert_string_equal(kept, cases[i].kept);
        }
        free(kept);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_resolved_against_ours),
        cmocka_unit_test(our_own_lists_are_known),
        cmocka_unit_test(a_list_of_which_nothing_is_known_is_an_error_with_its_name),
        cmocka_unit_test(certificates_of_rsa_need_the_names_of_plain_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
