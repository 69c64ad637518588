/* Every key: its default, and what a configuration has after the key was read. */
#include "load_text.h"

#include "base/buffer.h"
#include "conf/keys.h"
#include "io/whole.h"

#include <stdio.h>

#define PIN "SHA256:abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"

static void every_key_has_its_default(void **state)
{
    (void)state;
    struct config *config = load_good(MINIMAL);
    const struct config_gateway *gateway = &config->gateway;
    const struct config_upstream *upstream = &config->upstreams[0];
    const struct config_listen *listen = &config->listens[0];

    assert_string_equal(config->file, "f");
    assert_int_equal(gateway->workers, 0);
    assert_int_equal(gateway->log, ADIT_LOG_INFO);
    assert_int_equal(gateway->log_format, ADIT_LOG_TEXT);
    assert_null(gateway->control);
    assert_int_equal(gateway->handshake_timeout_ms, 10000);
    assert_int_equal(gateway->drain_timeout_ms, 30000);
    assert_int_equal(gateway->stream_local_bind_mask, 0177);
    assert_false(gateway->stream_local_bind_unlink);

    assert_int_equal(config->upstream_count, 1);
    assert_string_equal(upstream->name, "a");
    assert_int_equal(upstream->line, 1);
    assert_list(&upstream->hosts, LIST("h"));
    assert_null(upstream->user);
    assert_int_equal(upstream->port, 22);
    assert_int_equal(upstream->identities.count, 0);
    assert_int_equal(upstream->certificates.count, 0);
    assert_true(upstream->agent);
    assert_null(upstream->password_file);
    assert_null(upstream->passphrase_file);
    assert_int_equal(upstream->jump.count, 0);
    assert_int_equal(upstream->host_key, HOST_KEY_STRICT);
    assert_list(&upstream->known_hosts,
                LIST("/home/test/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts"));
    assert_null(upstream->revoked_host_keys);
    assert_false(upstream->hash_known_hosts);
    assert_false(upstream->ssh_config);
    assert_int_equal(upstream->sessions_min, 1);
    assert_int_equal(upstream->sessions_max, 32);
    assert_int_equal(upstream->channels, 100);
    assert_int_equal(upstream->idle_ms, 60000);
    assert_int_equal(upstream->keepalive_ms, 15000);
    assert_int_equal(upstream->keepalive_max, 3);
    assert_int_equal(upstream->connect_timeout_ms, 15000);
    assert_int_equal(upstream->open_timeout_ms, 30000);
    assert_int_equal(upstream->hold_ms, 10000);
    assert_null(upstream->ciphers);
    assert_null(upstream->kex);
    assert_null(upstream->macs);
    assert_null(upstream->host_key_algorithms);
    assert_false(upstream->compression);
    assert_int_equal(upstream->rekey_bytes, 0);
    assert_int_equal(upstream->rekey_time_ms, 0);
    assert_null(upstream->proxy_command);
    assert_null(upstream->host_key_alias);
    assert_null(upstream->identity_agent);
    assert_false(upstream->identities_only);
    assert_null(upstream->public_key_algorithms);
    assert_int_equal(upstream->address_family, AF_UNSPEC);
    assert_null(upstream->bind_address);
    assert_null(upstream->bind_interface);
    assert_true(upstream->tcp_keepalive);
    assert_null(upstream->known_hosts_command);
    assert_int_equal(upstream->ip_qos, 0);
    assert_int_equal(upstream->connection_attempts, 1);
    assert_null(upstream->askpass);
    assert_false(upstream->batch_mode);
    assert_int_equal(upstream->password_prompts, 3);
    assert_true(upstream->pubkey_authentication);
    assert_true(upstream->password_authentication);
    assert_true(upstream->kbd_interactive_authentication);
    assert_string_equal(upstream->preferred_authentications,
                        "publickey,keyboard-interactive,password");
    assert_int_equal(upstream->permit_remote_open.count, 0);
    assert_false(upstream->exit_on_forward_failure);

    assert_int_equal(config->listen_count, 1);
    assert_string_equal(listen->name, "x");
    assert_int_equal(listen->line, 3);
    for (size_t i = 0; i < WIRE_PROTOCOLS; i++)
        assert_true(listen->protocols[i]);
    assert_int_equal(listen->auth, LISTEN_AUTH_NONE);
    assert_null(listen->users);
    assert_false(listen->open);
    assert_int_equal(listen->idle_timeout_ms, 0);
    assert_int_equal(listen->proxy_protocol, PROXY_PROTOCOL_NO);
    assert_int_equal(listen->proxy_from.count, 0);
    assert_false(listen->proxy_from.local);
    assert_string_equal(listen->via, "a");

    assert_int_equal(config->resolve.order_count, 1);
    assert_int_equal(config->resolve.order[0], RESOLVE_REMOTE);
    assert_int_equal(config->resolve.server_count, 0);
    assert_null(config->acl);
    assert_false(config->acl_names_resolve);
    assert_int_equal(config->limit_count, 0);
    assert_int_equal(config->gateway.max_connections, 0);
    assert_int_equal(config->gateway.held_bytes, 0);
    assert_null(config->gateway.on_change);
    config_unref(config);
}

static void every_key_of_the_gateway_is_read(void **state)
{
    (void)state;
    struct config *config =
        load_good(MINIMAL "[gateway]\nworkers = 7\nlog = debug\nlog_format = json\n"
                          "handshake_timeout = 200ms\ndrain_timeout = 1h30m\ncontrol = ~/c\n"
                          "stream_local_bind_mask = 7\nstream_local_bind_unlink = yes\n");

    assert_int_equal(config->gateway.workers, 7);
    assert_int_equal(config->gateway.log, ADIT_LOG_DEBUG);
    assert_int_equal(config->gateway.log_format, ADIT_LOG_JSON);
    assert_int_equal(config->gateway.handshake_timeout_ms, 200);
    assert_int_equal(config->gateway.drain_timeout_ms, 5400000);
    assert_string_equal(config->gateway.control, "/home/test/c");
    assert_int_equal(config->gateway.stream_local_bind_mask, 07);
    assert_true(config->gateway.stream_local_bind_unlink);
    config_unref(config);
}

static void every_key_of_an_upstream_is_read(void **state)
{
    (void)state;
    char *file = write_file("secret\n", 0600);
    char *text = mem_printf(
        LISTEN
        "[upstream a]\nhost = h1, h2:2222, [::1]:22, ::1, 10.0.0.1\nuser = tunnel\nport = 2022\n"
        "identity = %s, %s\ncertificate = %s\nagent = no\npassword_file = %s\n"
        "passphrase_file = %s\nhost_key = accept-new\nknown_hosts = ~/k, /etc/k\n"
        "ssh_config = no\nsessions = 2-5\nchannels = 3\nidle = 0\nkeepalive = 0\n"
        "keepalive_max = 9\nconnect_timeout = 1s\nopen_timeout = 2s\nhold = 0\n"
        "ciphers = a , b\nkex = c\nmacs = d,e\nhost_key_algorithms = f\ncompression = yes\n"
        "rekey = 1g\nrekey_time = 1h\n",
        file, file, file, file, file);
    struct config *config = load_good(text);
    const struct config_upstream *upstream = &config->upstreams[0];

    assert_list(&upstream->hosts, LIST("h1", "h2:2222", "[::1]:22", "::1", "10.0.0.1"));
    assert_string_equal(upstream->user, "tunnel");
    assert_int_equal(upstream->port, 2022);
    assert_list(&upstream->identities, LIST(file, file));
    assert_list(&upstream->certificates, LIST(file));
    assert_false(upstream->agent);
    assert_string_equal(upstream->password_file, file);
    assert_string_equal(upstream->passphrase_file, file);
    assert_int_equal(upstream->host_key, HOST_KEY_ACCEPT_NEW);
    assert_list(&upstream->known_hosts, LIST("/home/test/k", "/etc/k"));
    assert_int_equal(upstream->sessions_min, 2);
    assert_int_equal(upstream->sessions_max, 5);
    assert_int_equal(upstream->channels, 3);
    assert_int_equal(upstream->idle_ms, 0);
    assert_int_equal(upstream->keepalive_ms, 0);
    assert_int_equal(upstream->keepalive_max, 9);
    assert_int_equal(upstream->connect_timeout_ms, 1000);
    assert_int_equal(upstream->open_timeout_ms, 2000);
    assert_int_equal(upstream->hold_ms, 0);
    assert_string_equal(upstream->ciphers, "a,b");
    assert_string_equal(upstream->kex, "c");
    assert_string_equal(upstream->macs, "d,e");
    assert_string_equal(upstream->host_key_algorithms, "f");
    assert_true(upstream->compression);
    assert_int_equal(upstream->rekey_bytes, 1 << 30);
    assert_int_equal(upstream->rekey_time_ms, 3600 * 1000);
    config_unref(config);
    free(text);
    remove_file(file);
}

static void every_key_that_is_sshs_is_read(void **state)
{
    (void)state;
    struct config *config =
        load_good(LISTEN "[upstream a]\nhost = h\nproxy_command = nc %h %p\nhost_key_alias = x\n"
                         "identity_agent = ~/s\nidentities_only = yes\n"
                         "public_key_algorithms = a , b\naddress_family = inet\n"
                         "bind_address = [::1]\nbind_interface = eth1\n"
                         "known_hosts_command = /bin/true %I\ntcp_keepalive = no\nip_qos = "
                         "AF21\nconnection_attempts = 3\naskpass = /bin/true\nbatch_mode = yes\n"
                         "password_prompts = 1\npermit_remote_open = h:80, *:*\n"
                         "exit_on_forward_failure = yes\n");
    const struct config_upstream *upstream = &config->upstreams[0];

    assert_string_equal(upstream->proxy_command, "nc %h %p");
    assert_string_equal(upstream->host_key_alias, "x");
    assert_string_equal(upstream->identity_agent, "/home/test/s");
    assert_true(upstream->identities_only);
    assert_string_equal(upstream->public_key_algorithms, "a,b");
    assert_int_equal(upstream->address_family, AF_INET);
    assert_string_equal(upstream->bind_address, "::1");
    assert_string_equal(upstream->bind_interface, "eth1");
    assert_false(upstream->tcp_keepalive);
    assert_string_equal(upstream->known_hosts_command, "/bin/true %I");
    assert_int_equal(upstream->ip_qos, 0x48);
    assert_int_equal(upstream->connection_attempts, 3);
    assert_string_equal(upstream->askpass, "/bin/true");
    assert_true(upstream->batch_mode);
    assert_int_equal(upstream->password_prompts, 1);
    assert_list(&upstream->permit_remote_open, LIST("h:80", "*:*"));
    assert_true(upstream->exit_on_forward_failure);
    config_unref(config);
}

static void every_key_of_a_listener_is_read(void **state)
{
    (void)state;
    /* crypt(3)'s "pass". */
    char *file = write_file("bob:$5$saltsalt$Lm4OymldDH5bRkp6TZ4lrfKsqNRpHFQIOTTBoHHVlT3\n", 0600);
    char *text = mem_printf(UPSTREAM "[upstream b]\nhost = h\n[listen x]\naddress = *:1\n"
                                     "protocols = http, socks5\nauth = password\nusers = %s\n"
                                     "idle_timeout = 90m\nvia = b\n"
                                     "proxy_protocol = v2\nproxy_from = 10.0.0.0/8,\n unix\n"
                                     "[listen y]\naddress = *:2\nopen = yes\n",
                            file);
    struct config *config = load_good(text);
    const struct config_listen *listen = &config->listens[0];

    assert_true(listen->protocols[WIRE_HTTP]);
    assert_true(listen->protocols[WIRE_SOCKS5]);
    assert_false(listen->protocols[WIRE_SOCKS4]);
    assert_int_equal(listen->auth, LISTEN_AUTH_PASSWORD);
    assert_string_equal(listen->users_file, file);
    assert_int_equal(users_count(listen->users), 1);
    assert_int_equal(listen->idle_timeout_ms, 90 * 60 * 1000);
    assert_int_equal(listen->proxy_protocol, PROXY_PROTOCOL_V2);
    assert_int_equal(listen->proxy_from.count, 1);
    assert_int_equal(listen->proxy_from.items[0].bits, 104);
    assert_true(listen->proxy_from.local);
    assert_string_equal(listen->via, "b");
    assert_true(config->listens[1].open);
    config_unref(config);
    free(text);
    remove_file(file);
}

static void lines_are_read_in_every_legal_shape(void **state)
{
    (void)state;
    static const char *const same[] = {
        "[upstream a]\nhost = h, i\nuser = u v\n[listen x]\naddress = 1\n",
        "[upstream a]\r\nhost = h, i\r\nuser = u v\r\n[listen x]\r\naddress = 1\r\n",
        "\xEF\xBB\xBF[upstream a]\nhost=h,i\nuser=u v\n[listen x]\naddress=1",
        "; c\n# c\n\n[upstream a] ; c\nhost: h,i ; c\nuser\t=\tu v\t; c\n[listen x]\naddress = 1\n",
        " [ upstream  a ]\n host =\n  h\n  i\n user =\n  u v\n [listen x]\n address = 1\n",
        "[upstream a]\n  host = h,\n    i\n  user = u v\n  [listen x]\n  address = 1\n",
        "[upstream a]\nhost = h\n; c\n\n\t# c\n\ti ; c\nuser = u v\n[listen x]\naddress = 1\n",
        "[listen x]\naddress = 1\n[upstream a]\nuser = u v\nhost = h\n , i\n",
    };

    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        struct config *config = load_good(same[i]);
        assert_list(&config->upstreams[0].hosts, LIST("h", "i"));
        assert_string_equal(config->upstreams[0].user, "u v");
        assert_int_equal(config->listens[0].addresses[0].port, 1);
        config_unref(config);
    }
}

static void references_keep_it_alive(void **state)
{
    (void)state;
    struct config *config = load_good(MINIMAL);

    assert_ptr_equal(config_ref(config), config);
    config_unref(config);
    assert_string_equal(config->upstreams[0].name, "a");
    config_unref(config);
    config_unref(NULL);
}

static void objects_are_found_by_name(void **state)
{
    (void)state;
    struct config *config = load_good(MINIMAL "[upstream b]\nhost = h\n[listen y]\naddress = 2\n");

    assert_ptr_equal(config_upstream(config, "b"), &config->upstreams[1]);
    assert_null(config_upstream(config, "x"));
    assert_ptr_equal(config_listen(config, "y"), &config->listens[1]);
    assert_null(config_listen(config, "a"));
    config_unref(config);
}

static void same_sessions_are_told_by_what_leads_to_them(void **state)
{
    (void)state;
    static const struct {
        const char *more;
        bool same;
    } cases[] = {
        {"", true},
        {"port = 22\n", true},
        {"known_hosts = /home/test/.ssh/known_hosts, /etc/ssh/ssh_known_hosts\n", true},
        {"sessions = 1-2\nchannels = 5\nidle = 1s\nkeepalive = 1s\nkeepalive_max = 1\n"
         "connect_timeout = 1s\nopen_timeout = 1s\nhold = 1s\n",
         true},
        {"port = 23\n", false},
        {"user = u\n", false},
        {"identity = /dev/null\n", false},
        {"certificate = /dev/null\n", false},
        {"agent = no\n", false},
        {"password_file = /dev/null\n", false},
        {"passphrase_file = /dev/null\n", false},
        {"host_key = accept-new\n", false},
        {"host_key = " PIN "\n", false},
        {"known_hosts = /dev/null\n", false},
        {"ciphers = c\n", false},
        {"kex = c\n", false},
        {"macs = c\n", false},
        {"host_key_algorithms = c\n", false},
        {"public_key_algorithms = c\n", false},
        {"jump = x\n", false},
        {"proxy_command = x\n", false},
        {"address_family = inet\n", false},
        {"bind_address = ::1\n", false},
        {"identity_agent = /s\n", false},
        {"identities_only = yes\n", false},
        {"host_key_alias = x\n", false},
        {"askpass = /bin/true\nbatch_mode = yes\npassword_prompts = 1\n", true},
        {"permit_remote_open = h:1\nexit_on_forward_failure = yes\n", true},
        {"compression = yes\n", false},
        {"rekey = 1g\n", false},
        {"rekey_time = 1h\n", false},
        {"engine = libssh\n", false},
        {"engine = openssh\n", false},
        {"join_master = /s\n", false},
        {"master_socket = /s\nrequired = yes\n", true},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = mem_printf(MINIMAL "[upstream b]\nhost = h\n%s", cases[i].more);
        struct config *config = load_good(text);
        assert_int_equal(
            config_upstream_same_sessions(&config->upstreams[0], &config->upstreams[1]),
            cases[i].same);
        config_unref(config);
        free(text);
    }
}

/* Whether the text sets the key in a section of that name, both perhaps as comments. */
static bool speaks_of(const char *text, const char *section, const char *key)
{
    size_t section_length = strlen(section), key_length = strlen(key);
    bool inside = false;

    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += strspn(line, "\n;");
        if (line[0] == '[')
            inside = strncmp(line + 1, section, section_length) == 0 &&
                     strchr(" ]", line[1 + section_length]) != NULL;
        else if (inside && strncmp(line, key, key_length) == 0 &&
                 strncmp(line + key_length, " = ", 3) == 0)
            return true;
    }
    return false;
}

/* The example file stays complete because the table says what there is. */
static void the_example_loads_and_speaks_of_every_key(void **state)
{
    (void)state;
    const char *srcdir = getenv("ADIT_SRCDIR");
    char *path = mem_printf("%s/etc/adit.ini", srcdir ? srcdir : ".");
    struct config_problems problems = {0};
    struct config *config = config_load(path, &problems);
    struct buffer bytes = {0};

    assert_int_equal(problems.count, 0);
    config_unref(config);
    assert_null(file_read(path, 1 << 20, FILE_REGULAR, &bytes));
    buffer_append(&bytes, "", 1);
    for (size_t s = 0; s < section_count; s++) {
        for (size_t k = 0; k < sections[s].key_count; k++) {
            const struct key *key = &sections[s].keys[k];
            if (!speaks_of((const char *)buffer_data(&bytes), sections[s].name, key->name))
                fail_msg("etc/adit.ini lacks %s in [%s]", key->name, sections[s].name);
        }
    }
    buffer_clear(&bytes);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_has_its_default),
        cmocka_unit_test(every_key_of_the_gateway_is_read),
        cmocka_unit_test(every_key_of_an_upstream_is_read),
        cmocka_unit_test(every_key_that_is_sshs_is_read),
        cmocka_unit_test(every_key_of_a_listener_is_read),
        cmocka_unit_test(lines_are_read_in_every_legal_shape),
        cmocka_unit_test(references_keep_it_alive),
        cmocka_unit_test(objects_are_found_by_name),
        cmocka_unit_test(same_sessions_are_told_by_what_leads_to_them),
        cmocka_unit_test(the_example_loads_and_speaks_of_every_key),
    };

    setenv("HOME", "/home/test", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
