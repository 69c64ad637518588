/* Values of a configuration: the forms in which they can be written, and what adit makes of them.
 */
#include "load_text.h"

#include "conf/paths.h"

#include <stdio.h>

#define PIN "SHA256:abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"

static void words_stand_for_nothing_said(void **state)
{
    (void)state;
    struct config *config =
        load_good(LISTEN "[upstream a]\nhost = h\nproxy_command = none\njump = none\n"
                         "permit_remote_open = any\naddress_family = any\n");

    assert_null(config->upstreams[0].proxy_command);
    assert_int_equal(config->upstreams[0].jump.count, 0);
    assert_int_equal(config->upstreams[0].permit_remote_open.count, 0);
    assert_int_equal(config->upstreams[0].address_family, AF_UNSPEC);
    config_unref(config);
}

static void host_keys_are_checked_in_four_ways(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        enum host_key_check check;
    } cases[] = {{"strict", HOST_KEY_STRICT},
                 {"accept-new", HOST_KEY_ACCEPT_NEW},
                 {"ask", HOST_KEY_ASK},
                 {"any", HOST_KEY_ANY}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = mem_printf(MINIMAL "[upstream b]\nhost = h\nhost_key = %s\n", cases[i].word);
        struct config *config = load_good(text);
        assert_int_equal(config->upstreams[1].host_key, cases[i].check);
        config_unref(config);
        free(text);
    }
}

static void host_keys_can_be_pinned(void **state)
{
    (void)state;
    struct config *config = load_good(MINIMAL "[upstream b]\nhost = h\nhost_key = " PIN ", " PIN);

    assert_int_equal(config->upstreams[1].host_key, HOST_KEY_PINNED);
    assert_list(&config->upstreams[1].host_key_pins, LIST(PIN, PIN));
    config_unref(config);
}

static void addresses_have_many_forms(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *read; /* as ADDRESS:PORT, with blanks between; "?" if it may be missing */
    } cases[] = {
        {"127.0.0.1:1080", "127.0.0.1:1080"},
        {"[::1]:1080", "[::1]:1080"},
        {"1080", "127.0.0.1:1080 ?[::1]:1080"},
        {"localhost:1080", "127.0.0.1:1080 ?[::1]:1080"},
        {"*:1080", "0.0.0.0:1080 ?[::]:1080"},
        {"0", "127.0.0.1:0 ?[::1]:0"},
        {"127.0.0.1:0, 127.0.0.1:0", "127.0.0.1:0 127.0.0.1:0"},
        {"[::ffff:127.0.0.1]:1", "127.0.0.1:1"},
        {"unix:/run/a.sock", "unix:/run/a.sock"},
        {"unix:~/a:b", "unix:/home/test/a:b"},
        {"127.0.0.1:1 , unix:x,2", "127.0.0.1:1 unix:x 127.0.0.1:2 ?[::1]:2"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = mem_printf(UPSTREAM "[listen x]\nopen = yes\naddress = %s\n", cases[i].text);
        struct config *config = load_good(text);
        const struct config_listen *listen = &config->listens[0];
        char read[500] = "";
        for (size_t k = 0; k < listen->address_count; k++) {
            const struct config_address *address = &listen->addresses[k];
            char ip[IP_TEXT_MAX], hostport[HOSTPORT_TEXT_MAX];
            strcat(read, k ? " " : "");
            strcat(read, address->optional ? "?" : "");
            if (address->is_unix)
                strcat(strcat(read, "unix:"), address->path);
            else
                strcat(read, hostport_format(ip_format(&address->ip, ip), address->port, hostport));
        }
        assert_string_equal(read, cases[i].read);
        config_unref(config);
        free(text);
    }
}

static void servers_put_the_tunnel_into_the_default_order(void **state)
{
    (void)state;
    struct config *config =
        load_good(MINIMAL "[resolve]\nservers = 10.0.0.53, [fd00::1]:54, ::1\n");
    const struct config_resolve *resolve = &config->resolve;

    assert_int_equal(resolve->server_count, 3);
    assert_int_equal(resolve->servers[0].port, 53);
    assert_int_equal(resolve->servers[1].port, 54);
    assert_int_equal(resolve->servers[2].port, 53);
    assert_int_equal(resolve->order_count, 2);
    assert_int_equal(resolve->order[0], RESOLVE_REMOTE);
    assert_int_equal(resolve->order[1], RESOLVE_TUNNEL);
    config_unref(config);
}

static void the_order_is_kept(void **state)
{
    (void)state;
    struct config *config =
        load_good(MINIMAL "[resolve]\nservers = ::1\norder = local,\n remote, tunnel\n");

    assert_int_equal(config->resolve.order_count, 3);
    assert_int_equal(config->resolve.order[0], RESOLVE_LOCAL);
    assert_int_equal(config->resolve.order[1], RESOLVE_REMOTE);
    assert_int_equal(config->resolve.order[2], RESOLVE_TUNNEL);
    config_unref(config);
}

static void rules_keep_their_order_and_their_lines(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned line;
    } expected[] = {
        {"deny = to=10.0.0.0/8", 6},
        {"allow = to=a.example,b.example,c.example port=443 via=a", 7},
        {"deny = to=c", 12},
    };
    struct config *config = load_good(MINIMAL "[acl]\ndeny = to=10.0.0.0/8\n"
                                              "allow = to=a.example,b.example,\n"
                                              "    c.example   ; more\n"
                                              "\n"
                                              "    ; a comment\n"
                                              "    port=443 via=a\n"
                                              "deny = to=c\nnames = resolve\n"
                                              "[resolve]\nservers = ::1\n");

    for (size_t i = 0; i < 3; i++) {
        const struct acl_rule *rule = acl_rule_at(config->acl, i);
        assert_string_equal(acl_rule_text(rule), expected[i].text);
        assert_int_equal(acl_rule_line(rule), expected[i].line);
    }
    assert_null(acl_rule_at(config->acl, 3));
    assert_true(config->acl_names_resolve);
    config_unref(config);
}

static void an_acl_without_rules_is_an_acl(void **state)
{
    (void)state;
    struct config *config = load_good(MINIMAL "[acl]\n");

    assert_non_null(config->acl);
    config_unref(config);
}

static void a_narrowing_rule_opens_an_address_to_the_network(void **state)
{
    (void)state;
    config_unref(load_good(UPSTREAM "[listen x]\naddress = *:1\n[acl]\n"
                                    "allow = from=192.0.2.0/24 to=*\n"));
}

static void the_home_directory_is_found_in_every_shape(void **state)
{
    (void)state;
    static const struct {
        const char *home, *text, *path, *back;
    } cases[] = {
        {"/home/test", "~/a", "/home/test/a", "~/a"},
        {"/home/test/", "~/a", "/home/test/a", "~/a"},
        {"/", "~/a", "/a", "/a"},
        {"/home/test", "/home/test/a", "/home/test/a", "~/a"},
        {"/home/test", "/home/tester/a", "/home/tester/a", "/home/tester/a"},
        {"/home/test", "a~", "a~", "a~"},
        {"/home/test", "~bob/a", NULL, NULL},
        {"/home/test", "~", NULL, NULL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        setenv("HOME", cases[i].home, 1);
        char *path = path_expand(cases[i].text);
        if (cases[i].path) {
            assert_string_equal(path, cases[i].path);
            char *back = path_contract(path);
            assert_string_equal(back, cases[i].back);
            free(back);
        } else {
            assert_null(path);
        }
        free(path);
    }
    setenv("HOME", "relative", 1);
    char *path = path_expand("~/a");
    assert_int_equal(path[0], '/');
    free(path);
    setenv("HOME", "/home/test", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_stand_for_nothing_said),
        cmocka_unit_test(host_keys_are_checked_in_four_ways),
        cmocka_unit_test(host_keys_can_be_pinned),
        cmocka_unit_test(addresses_have_many_forms),
        cmocka_unit_test(servers_put_the_tunnel_into_the_default_order),
        cmocka_unit_test(the_order_is_kept),
        cmocka_unit_test(rules_keep_their_order_and_their_lines),
        cmocka_unit_test(an_acl_without_rules_is_an_acl),
        cmocka_unit_test(a_narrowing_rule_opens_an_address_to_the_network),
        cmocka_unit_test(the_home_directory_is_found_in_every_shape),
    };

    setenv("HOME", "/home/test", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
