/* The dump: the configuration again, as text. */
#include "load_text.h"

#include "conf/load.h"

#include <stdio.h>

#define PIN "SHA256:abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"
#define X10 "xxxxxxxxxx"
#define X48 X10 X10 X10 X10 "xxxxxxxx"
#define X190 X48 X48 X48 X10 X10 X10 X10 "xxxxxx"

static void the_least_configuration_shows_every_default(void **state)
{
    (void)state;
    struct config *config = load_good(MINIMAL);
    char *dump = config_dump(config);

    assert_string_equal(dump, "[gateway]\n"
                              "workers = auto\n"
                              "log = info\n"
                              "log_format = text\n"
                              "max_connections = unlimited\n"
                              "held_bytes = auto\n"
                              "handshake_timeout = 10s\n"
                              "drain_timeout = 30s\n"
                              "stream_local_bind_mask = 0177\n"
                              "stream_local_bind_unlink = no\n"
                              "sandbox = auto\n"
                              "\n"
                              "[upstream a]\n"
                              "host = h\n"
                              "port = 22\n"
                              "address_family = any\n"
                              "tcp_keepalive = yes\n"
                              "ip_qos = none\n"
                              "connection_attempts = 1\n"
                              "agent = yes\n"
                              "identities_only = no\n"
                              "batch_mode = no\n"
                              "password_prompts = 3\n"
                              "pubkey_authentication = yes\n"
                              "password_authentication = yes\n"
                              "kbd_interactive_authentication = yes\n"
                              "preferred_authentications = publickey, keyboard-interactive, "
                              "password\n"
                              "host_key = strict\n"
                              "known_hosts = ~/.ssh/known_hosts, /etc/ssh/ssh_known_hosts\n"
                              "hash_known_hosts = no\n"
                              "no_host_authentication_for_localhost = no\n"
                              "required_rsa_size = 1024\nrequired = auto\n"
                              "engine = auto\nssh_config = no\n"
                              "sessions = 1-32\n"
                              "channels = 100\n"
                              "idle = 1m\n"
                              "keepalive = 15s\n"
                              "keepalive_max = 3\n"
                              "connect_timeout = 15s\n"
                              "open_timeout = 30s\n"
                              "hold = 10s\n"
                              "exit_on_forward_failure = no\n"
                              "post_quantum = warn\n"
                              "compression = no\n"
                              "rekey = default\n"
                              "rekey_time = 0s\n"
                              "\n"
                              "[listen x]\n"
                              "address = localhost:1080\n"
                              "protocols = socks5, socks4, http\n"
                              "auth = none\n"
                              "open = no\n"
                              "bind = no\n"
                              "idle_timeout = 0s\n"
                              "proxy_protocol = no\n"
                              "via = a\n"
                              "\n"
                              "[resolve]\n"
                              "order = remote\n");
    free(dump);
    config_unref(config);
}

/* Dumps and loads again: the same dump must come out, and no line may be cut. */
static char *assert_round_trip(const char *text)
{
    struct config *config = load_good(text);
    char *dump = config_dump(config);
    struct config *again = load_good(dump);
    char *dump_again = config_dump(again);

    assert_string_equal(dump, dump_again);
    free(dump_again);
    config_unref(again);
    config_unref(config);
    return dump;
}

static void every_key_comes_back(void **state)
{
    (void)state;
    /* Where the text is as the dump writes it, the dump must have it line for line. */
    static const char *const parts[] = {
        "[gateway]\nworkers = 7\nlog = debug\nlog_format = json\ncontrol = ~/c\n"
        "max_connections = 5000\nheld_bytes = 64m\n"
        "handshake_timeout = 200ms\ndrain_timeout = 90m\nstream_local_bind_mask = 0007\n"
        "stream_local_bind_unlink = yes\nsandbox = require\n"
        "on_change = /bin/echo \"a b\" 100%\n",
        "[upstream a]\nhost = h1, h2:2222, [::1]:22, ::1\nuser = tunnel\nport = 2022\njump = b\n"
        "address_family = inet6\nbind_address = fd00::1\n"
        "bind_interface = eth1\ntcp_keepalive = no\nip_qos = af21\nconnection_attempts = 3\n"
        "identity = /dev/null, /dev/zero\ncertificate = /dev/null\nagent = no\n"
        "identity_agent = ~/agent\nidentities_only = yes\n"
        "password_file = /dev/null\npassphrase_file = /dev/null\naskpass = /bin/true\n"
        "batch_mode = yes\npassword_prompts = 0\npubkey_authentication = no\n"
        "password_authentication = no\nkbd_interactive_authentication = no\n"
        "preferred_authentications = password, hostbased, publickey\nhost_key = "
        "accept-new\nhost_key_alias = z\n"
        "known_hosts = ~/k\\,1, /etc/k, ~/l m\n"
        "known_hosts_command = /bin/true \"a b\" \"c \"\";d\" %I\nhash_known_hosts = yes\n"
        "revoked_host_keys = /dev/null\nno_host_authentication_for_localhost = yes\n"
        "required_rsa_size = 3072\nrequired = auto\nengine = libssh\n"
        "master_socket = ~/.ssh/cm-%r@%h:%p\nssh_config = no\nsessions = 2-5\nchannels = "
        "3\nidle = 0s\n"
        "keepalive = 0s\nkeepalive_max = 9\nconnect_timeout = 1s\nopen_timeout = 2s\nhold = 0s\n"
        "permit_remote_open = *:80, h:*, [::1]:22\nexit_on_forward_failure = yes\n"
        "ciphers = a, b\nkex = c\npost_quantum = require\nmacs = d, e\nhost_key_algorithms = f\n"
        "public_key_algorithms = g, h\ncompression = yes\nrekey = 1g\nrekey_time = 1h\n",
        "[upstream b]\nhost = h\nport = 22\nproxy_command = nc -x 'a  b' %h %p; true\n"
        "address_family = any\ntcp_keepalive = yes\nip_qos = none\nconnection_attempts = 1\n"
        "agent = yes\nidentities_only = no\nbatch_mode = no\n"
        "password_prompts = 3\npubkey_authentication = yes\npassword_authentication = yes\n"
        "kbd_interactive_authentication = yes\npreferred_authentications = none\n"
        "host_key = ask\nknown_hosts = /k\nhash_known_hosts = no\n"
        "no_host_authentication_for_localhost = no\nrequired_rsa_size = 1024\nrequired = "
        "auto\nengine = openssh\nssh_config = no\n"
        "sessions = 1-32\nchannels = 100\nidle = 1m\nkeepalive = 15s\nkeepalive_max = 3\n"
        "connect_timeout = 15s\nopen_timeout = 30s\nhold = 10s\npermit_remote_open = none\n"
        "exit_on_forward_failure = no\npost_quantum = warn\ncompression = no\nrekey = default\n"
        "rekey_time = 0s\n",
        "[listen x]\naddress = 0.0.0.0:1, [::]:0, unix:~/a.sock, *:2, localhost:3, systemd:a\n"
        "protocols = socks5, http\nauth = none\nopen = yes\nbind = yes\nidle_timeout = 1h\n"
        "proxy_protocol = any\nproxy_from = 10.0.0.0/8, 192.0.2.1, 0.0.0.0/0, ::/0, fd00::/8, "
        "unix\nvia = a\n",
        "[forward f]\nlocal = 5 h:6\nopen = no\nidle_timeout = 90s\nvia = b\n",
        "[forward g]\nremote = 0\nopen = yes\nidle_timeout = 0s\nvia = a\n",
        "[forward h]\ndynamic = *:7\nopen = yes\nidle_timeout = 0s\nvia = a\n",
        "[group s]\nusers = alice, erin smith\n",
        "[limit few]\nfrom = 10.0.0.0/8, unix\nuser = alice, bob\nlisten = x, f\nper = user\n"
        "connections = 7\nbefore_login = 8\nopens = 9\nnew = 10\nrate = 10m\nburst = 90s\n",
        "[limit most]\nper = all\nconnections = default\nbefore_login = default\nopens = default\n"
        "new = unlimited\nrate = unlimited\nburst = 1s\n",
        "[resolve]\norder = local, tunnel\nservers = 10.0.0.1:53, [fd00::1]:54\n",
        ("[acl]\nnames = resolve\ndeny = to=10.0.0.0/8,::1\nallow = user=u listen=x to=* via=a\n"
         "deny = to=x listen=g,h\nallow = group=s to=y\n"),
    };
    char *text = mem_strdup("");

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        char *longer = mem_printf("%s%s%s", text, i ? "\n" : "", parts[i]);
        free(text);
        text = longer;
    }
    char *dump = assert_round_trip(text);
    assert_string_equal(dump, text);
    free(dump);
    free(text);
}

static void pins_and_an_empty_acl_come_back(void **state)
{
    (void)state;
    char *dump = assert_round_trip(MINIMAL "[acl]\n[upstream b]\nhost = h\nhost_key = " PIN ", " PIN
                                           ", " PIN "\n");

    assert_non_null(strstr(dump, "host_key = " PIN ",\n    " PIN ",\n    " PIN "\n"));
    assert_non_null(strstr(dump, "\n[acl]\nnames = as-given\n"));
    free(dump);
}

static void long_values_are_broken_into_lines(void **state)
{
    (void)state;
    static const struct {
        const char *more;     /* keys of an upstream, or a section */
        const char *expected; /* a part of the dump */
    } cases[] = {
        {"[upstream c]\nhost = " X48 ", " X48 ",b\n", "\nhost = " X48 ",\n    " X48 ", b\n"},
        {"[upstream c]\nhost = a,\n " X190 "1234567\n b\n",
         "\nhost = a,\n " X190 "1234567\n    b\n"},
        {"user=" X190 "123\n", "user =\n    " X190 "123\n"},
        {"user=\n " X190 "1234567\n", "user =\n " X190 "1234567\n"},
        {"[acl]\nallow = to=" X48 "," X48 ",\n b port=1,\n 2,3\n    user=u\n",
         "allow = to=" X48 ",\n    " X48 ",b port=1,2,3 user=u\n"},
        {"[acl]\nallow = to=" X48 "\n user=" X48 "\n port=1\n",
         "allow = to=" X48 "\n    user=" X48 " port=1\n"},
        {"[acl]\nallow = port=1\n to=" X190 "1234\n", "allow = port=1\n to=" X190 "1234\n"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = mem_printf(MINIMAL "[upstream b]\nhost = h\n%s", cases[i].more);
        char *dump = assert_round_trip(text);
        if (!strstr(dump, cases[i].expected))
            fail_msg("not in the dump: %s", cases[i].expected);
        free(dump);
        free(text);
    }
}

static void commas_and_backslashes_of_items_come_back(void **state)
{
    (void)state;
    char *dump = assert_round_trip("[upstream a]\nhost = h\nknown_hosts = /x\\ ,/y\\,z\n"
                                   "[listen x]\naddress = unix:/a\\,b\n"
                                   "[group g]\nusers = a\\, b, c\\\n");

    assert_non_null(strstr(dump, "\nknown_hosts = /x\\ , /y\\,z\n"));
    assert_non_null(strstr(dump, "\naddress = unix:/a\\,b\n"));
    assert_non_null(strstr(dump, "\nusers = a\\, b, c\\\n"));
    free(dump);
}

static void commands_come_back(void **state)
{
    (void)state;
    static const struct {
        const char *text, *dump;
    } cases[] = {
        {"nc %h %p", "nc %h %p"},
        {"nc\n  %h\n  %p", "nc %h %p"},
        {"a  'b \t c'", "a  'b \t c'"},
        {X48 " " X48 "  " X48, X48 "\n    " X48 "  " X48},
        {X48 "  " X48 " " X48, X48 "  " X48 "\n    " X48},
        {"\n  " X190 "  x", "\n    " X190 "  x"},
        {"\n  " X190 "  xxxx", "\n    " X190 "\n    xxxx"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text =
            mem_printf(MINIMAL "[upstream b]\nhost = h\nproxy_command = %s\n", cases[i].text);
        char *dump = assert_round_trip(text);
        char *expected = mem_printf("\nproxy_command =%s%s\n", cases[i].dump[0] == '\n' ? "" : " ",
                                    cases[i].dump);
        if (!strstr(dump, expected))
            fail_msg("not in the dump: %s", expected);
        free(expected);
        free(dump);
        free(text);
    }
}

/* Text that no file gives, but a command line does. */
static void what_ends_a_command_is_no_comment(void **state)
{
    (void)state;
    struct config_problems problems = {0};
    char host[] = "h", command[] = "a; b ; c\t;;\td ;";
    struct load load;

    load_begin(&load, NULL);
    load_open(&load, 0, "upstream", "a");
    load_entry(&load, 0, "host", host);
    load_entry(&load, 0, "proxy_command", command);
    struct config *config = load_end(&load, &problems);
    assert_non_null(config);
    assert_null(config->file);
    assert_string_equal(config->upstreams[0].proxy_command, "a; b ; c\t;;\td ;");
    char *dump = config_dump(config);
    assert_non_null(strstr(dump, "\nproxy_command = a; b; c;;\td;\n"));
    free(dump);
    config_unref(config);
}

static void what_no_file_can_hold_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value;
        const char *lack; /* NULL: a file can */
    } cases[] = {
        {"user", "a b", NULL},
        {"identity_agent", "/a#b;c", NULL},
        {"identity_agent", "/a ;b", "[upstream a] identity_agent = /a ;b"},
        {"user", X190, NULL},
        {"user", X190 X10, "[upstream a] user = " X190 X10},
        {"proxy_command", "a ; b", NULL},
        {"proxy_command", "a # b", "[upstream a] proxy_command = a # b"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config_problems problems = {0};
        char host[] = "h", *value = mem_strdup(cases[i].value);
        struct load load;

        load_begin(&load, NULL);
        load_open(&load, 0, "upstream", "a");
        load_entry(&load, 0, "host", host);
        load_entry(&load, 0, cases[i].key, value);
        struct config *config = load_end(&load, &problems);
        assert_non_null(config);
        char *lack = config_dump_lacks(config);
        if (cases[i].lack)
            assert_string_equal(lack, cases[i].lack);
        else
            assert_null(lack);
        free(lack);
        free(value);
        config_unref(config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_configuration_shows_every_default),
        cmocka_unit_test(every_key_comes_back),
        cmocka_unit_test(pins_and_an_empty_acl_come_back),
        cmocka_unit_test(long_values_are_broken_into_lines),
        cmocka_unit_test(commas_and_backslashes_of_items_come_back),
        cmocka_unit_test(commands_come_back),
        cmocka_unit_test(what_ends_a_command_is_no_comment),
        cmocka_unit_test(what_no_file_can_hold_is_named),
    };

    setenv("HOME", "/home/test", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
