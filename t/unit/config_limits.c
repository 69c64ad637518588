/* Tests of [limit]: what its keys say, and which limit a client has. */
#include "load_text.h"

static struct ip address_of(const char *text)
{
    struct ip ip;

    assert_true(ip_parse(text, &ip));
    return ip;
}

/* The name of the limit of a client; "unix" is a unix socket, and NULL a client without a limit. */
static const char *limit_name(const struct config *config, enum limit_per per, const char *from,
                              const char *user, const char *listen)
{
    struct ip ip = address_of(strcmp(from, "unix") == 0 ? "::" : from);
    struct limit_client client = {
        .ip = strcmp(from, "unix") == 0 ? NULL : &ip, .user = user, .listen = listen};
    const struct config_limit *limit = config_limit_for(config, per, &client);

    return limit != NULL ? limit->name : NULL;
}

static void every_key_of_a_limit_is_read(void **state)
{
    (void)state;
    struct config *config = load_good(
        MINIMAL "[limit all]\nfrom = 10.0.0.0/8, unix\nuser = alice, bob\nlisten = x\nper = all\n"
                "connections = 1\nbefore_login = 2\nopens = 3\nnew = 4\nrate = 5k\nburst = 90s\n"
                "[limit rest]\n[gateway]\nmax_connections = 77\n");
    const struct config_limit *limit = &config->limits[0], *rest = &config->limits[1];

    assert_int_equal(config->limit_count, 2);
    assert_int_equal(config->gateway.max_connections, 77);
    assert_string_equal(limit->name, "all");
    assert_int_equal(limit->from.count, 1);
    assert_true(limit->from.local);
    assert_list(&limit->users, LIST("alice", "bob"));
    assert_list(&limit->listens, LIST("x"));
    assert_int_equal(limit->bounds.per, LIMIT_PER_ALL);
    assert_int_equal(limit->bounds.most[LIMIT_CONNECTIONS], 1);
    assert_int_equal(limit->bounds.most[LIMIT_BEFORE_LOGIN], 2);
    assert_int_equal(limit->bounds.most[LIMIT_OPENS], 3);
    assert_int_equal(limit->bounds.fresh, 4);
    assert_int_equal(limit->bounds.rate, 5 * 1024);
    assert_int_equal(limit->bounds.burst_ms, 90000);
    assert_int_equal(rest->bounds.per, LIMIT_PER_SOURCE);
    assert_int_equal(rest->bounds.most[LIMIT_CONNECTIONS], 0);
    assert_int_equal(rest->bounds.fresh, 0);
    assert_int_equal(rest->bounds.rate, 0);
    assert_int_equal(rest->bounds.burst_ms, 1000);
    config_unref(config);
}

static void without_a_limit_sources_beyond_loopback_have_the_defaults(void **state)
{
    (void)state;
    struct config *config = load_good(MINIMAL);

    assert_string_equal(limit_name(config, LIMIT_PER_SOURCE, "192.0.2.1", NULL, "x"), "default");
    assert_string_equal(limit_name(config, LIMIT_PER_SOURCE, "2001:db8::1", "u", "x"), "default");
    assert_null(limit_name(config, LIMIT_PER_SOURCE, "127.1.2.3", NULL, "x"));
    assert_null(limit_name(config, LIMIT_PER_SOURCE, "::1", NULL, "x"));
    assert_null(limit_name(config, LIMIT_PER_SOURCE, "unix", NULL, "x"));
    assert_null(limit_name(config, LIMIT_PER_USER, "192.0.2.1", "u", "x"));
    assert_null(limit_name(config, LIMIT_PER_ALL, "192.0.2.1", "u", "x"));
    config_unref(config);
}

static void the_first_that_covers_a_client_holds(void **state)
{
    (void)state;
    struct config *config =
        load_good(MINIMAL "[listen y]\naddress = 2\n"
                          "[limit vip]\nuser = vip\nconnections = 9\n"
                          "[limit y]\nlisten = y\nconnections = 8\n"
                          "[limit lab]\nfrom = 127.0.0.0/8, 10.0.0.0/8\nconnections = 7\n"
                          "[limit each]\nper = user\nconnections = 6\n"
                          "[limit total]\nper = all\nconnections = 5\n");

    assert_string_equal(limit_name(config, LIMIT_PER_SOURCE, "10.0.0.1", "vip", "y"), "vip");
    assert_string_equal(limit_name(config, LIMIT_PER_SOURCE, "10.0.0.1", NULL, "y"), "y");
    assert_string_equal(limit_name(config, LIMIT_PER_SOURCE, "10.0.0.1", "u", "x"), "lab");
    assert_string_equal(limit_name(config, LIMIT_PER_SOURCE, "127.0.0.1", NULL, "x"), "lab");
    assert_string_equal(limit_name(config, LIMIT_PER_SOURCE, "192.0.2.1", NULL, "x"), "default");
    /* (Neither of the first two says that loopback is a source.) */
    assert_string_equal(limit_name(config, LIMIT_PER_SOURCE, "127.0.0.1", "vip", "y"), "lab");
    assert_null(limit_name(config, LIMIT_PER_SOURCE, "unix", "vip", "y"));
    assert_string_equal(limit_name(config, LIMIT_PER_USER, "127.0.0.1", "u", "x"), "each");
    assert_null(limit_name(config, LIMIT_PER_USER, "127.0.0.1", NULL, "x"));
    assert_string_equal(limit_name(config, LIMIT_PER_ALL, "unix", NULL, "x"), "total");
    config_unref(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_of_a_limit_is_read),
        cmocka_unit_test(without_a_limit_sources_beyond_loopback_have_the_defaults),
        cmocka_unit_test(the_first_that_covers_a_client_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
