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
    ok = algorithms_set(h);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_resolved_against_ours),
        cmocka_unit_test(our_own_lists_are_known),
        cmocka_unit_test(a_list_of_which_nothing_is_known_is_an_error_with_its_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
