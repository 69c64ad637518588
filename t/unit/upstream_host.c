/* Tests of conf/upstream_host: which hosts an upstream has, of its own and by SRV records. */
#include "conf/upstream_host.h"
#include "load_text.h"

static struct config *config_of(const char *upstream)
{
    char *text =
        mem_printf("[upstream a]\nssh_config = no\n%s[listen l]\naddress = 1080\n", upstream);
    struct config *config = load_good(text);

    free(text);
    return config;
}

static void assert_found(const struct config *config, const char *entry, const char *name,
                         uint16_t port)
{
    struct upstream_host host = {0};

    assert_true(upstream_host_find(&config->upstreams[0], entry, &host));
    assert_string_equal(host.name, name);
    assert_string_equal(host.alias, name);
    assert_int_equal(host.port, port);
}

static void only_hosts_of_the_configuration_are_found(void **state)
{
    struct config *config = config_of("host = h, i:2222, srv:22\nport = 222\n");
    struct upstream_host host;

    (void)state;
    assert_null(upstream_service(&config->upstreams[0]));
    assert_found(config, "h", "h", 222);
    assert_found(config, "i:2222", "i", 2222);
    assert_found(config, "srv:22", "srv", 22); /* a host of that name */
    assert_false(upstream_host_find(&config->upstreams[0], "h:222", &host));
    assert_false(upstream_host_find(&config->upstreams[0], "i", &host));
    assert_false(upstream_host_find(&config->upstreams[0], "", &host));
    config_unref(config);
    config = config_of("host = srv:22\n");
    assert_null(upstream_service(&config->upstreams[0]));
    config_unref(config);
}

static void a_target_of_srv_records_is_a_name_and_a_port(void **state)
{
    static const char *const bad[] = {
        "",
        "b",
        "b:",
        "b:0",
        "b:65536",
        ":22",
        "b:22:22",
        "b:22 ",
        "-b:22",
        "b$(x):22",
        "b;x:22",
        "b x:22",
        "10.0.0.1:22",
        "[::1]:22",
        "fe80::1%lo:22",
        "b\n:22",
        "a@b:22",
        "../b:22",
        "b..c:22",
        "b.:22",
        "srv:_ssh._tcp.example",
    };
    struct config *config = config_of("host = srv:_ssh._tcp.example\n");
    struct upstream_host host;

    (void)state;
    assert_string_equal(upstream_service(&config->upstreams[0]), "_ssh._tcp.example");
    assert_found(config, "b.example:22", "b.example", 22);
    assert_found(config, "b-1_x:65535", "b-1_x", 65535);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (upstream_host_find(&config->upstreams[0], bad[i], &host))
            fail_msg("'%s' is taken", bad[i]);
    }
    config_unref(config);
}

static void its_command_is_told_the_target(void **state)
{
    struct config *config = config_of("host = srv:_ssh._tcp.example\nproxy_command = nc %h %p\n");
    struct upstream_host host;
    char *command;

    (void)state;
    assert_true(upstream_host_find(&config->upstreams[0], "b.example:2222", &host));
    command = upstream_host_command(&config->upstreams[0], &host);
    assert_string_equal(command, "nc b.example 2222");
    free(command);
    config_unref(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_hosts_of_the_configuration_are_found),
        cmocka_unit_test(a_target_of_srv_records_is_a_name_and_a_port),
        cmocka_unit_test(its_command_is_told_the_target),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
