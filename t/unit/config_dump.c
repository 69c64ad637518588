/* The dump: the configuration again, as text. */
#include "load_text.h"

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
                              "handshake_timeout = 10s\n"
                              "drain_timeout = 30s\n"
                              "\n"
                              "[upstream a]\n"
                              "host = h\n"
                              "port = 22\n"
                              "agent = yes\n"
                              "host_key = strict\n"
                              "known_hosts = ~/.ssh/known_hosts, /etc/ssh/ssh_known_hosts\n"
                              "ssh_config = no\n"
                              "sessions = 1-32\n"
                              "channels = 100\n"
                              "idle = 1m\n"
                              "keepalive = 15s\n"
                              "keepalive_max = 3\n"
                              "connect_timeout = 15s\n"
                              "open_timeout = 30s\n"
                              "hold = 10s\n"
                              "compression = no\n"
                              "rekey = default\n"
                              "\n"
                              "[listen x]\n"
                              "address = 127.0.0.1:1080, [::1]:1080\n"
                              "protocols = socks5, socks4, http\n"
                              "auth = none\n"
                              "open = no\n"
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
    static const char *const sections[] = {
        "[gateway]\nworkers = 7\nlog = debug\nlog_format = json\nhandshake_timeout = 200ms\n"
        "drain_timeout = 90m\n",
        "[upstream a]\nhost = h1, h2:2222, [::1]:22, ::1\nuser = tunnel\nport = 2022\n"
        "identity = /dev/null, /dev/zero\ncertificate = /dev/null\nagent = no\n"
        "password_file = /dev/null\npassphrase_file = /dev/null\nhost_key = accept-new\n"
        "known_hosts = ~/k, /etc/k\nssh_config = no\nsessions = 2-5\nchannels = 3\nidle = 0s\n"
        "keepalive = 0s\nkeepalive_max = 9\nconnect_timeout = 1s\nopen_timeout = 2s\nhold = 0s\n"
        "ciphers = a, b\nkex = c\nmacs = d, e\nhost_key_algorithms = f\ncompression = yes\n"
        "rekey = 1g\n",
        "[listen x]\naddress = 0.0.0.0:1, [::]:0, unix:~/a.sock\nprotocols = socks5, http\n"
        "auth = none\nopen = yes\nvia = a\n",
        "[resolve]\norder = local, tunnel\nservers = 10.0.0.1:53, [fd00::1]:54\n",
        "[acl]\nnames = resolve\ndeny = to=10.0.0.0/8,::1\nallow = user=u listen=x to=* via=a\n"
        "deny = to=x\n",
    };
    char *text = mem_strdup("");

    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
        char *longer = mem_printf("%s%s%s", text, i ? "\n" : "", sections[i]);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_configuration_shows_every_default),
        cmocka_unit_test(every_key_comes_back),
        cmocka_unit_test(pins_and_an_empty_acl_come_back),
        cmocka_unit_test(long_values_are_broken_into_lines),
    };

    setenv("HOME", "/home/test", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
