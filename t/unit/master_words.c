/* Tests of conf/master_words: the command line of an ssh that carries sessions. */
#include "conf/master_words.h"

#include "load_text.h"

static char *joined(const char **words)
{
    char *all = mem_strdup("");

    for (size_t i = 0; words[i] != NULL; i++) {
        char *longer = mem_printf("%s%s%s", all, i > 0 ? "|" : "", words[i]);
        free(all);
        all = longer;
    }
    master_words_free(words);
    return all;
}

static char *words_of_host(const struct config_upstream *upstream, const struct upstream_host *host)
{
    static const char *const options[] = {"LogLevel=VERBOSE", NULL};

    return joined(master_words(upstream, host, "/s/1", options));
}

static char *words_of(const char *keys, size_t index)
{
    char *text = mem_printf(LISTEN "[upstream a]\nengine = openssh\n%s", keys);
    struct config *config = load_good(text);
    struct upstream_host host;
    char *words;

    upstream_host_at(&config->upstreams[0], index, &host);
    words = words_of_host(&config->upstreams[0], &host);
    config_unref(config);
    free(text);
    return words;
}

static void assert_has(const char *words, const char *part)
{
    if (strstr(words, part) == NULL)
        fail_msg("'%s' is not in '%s'", part, words);
}

static void it_is_a_master_and_no_more(void **state)
{
    char *words = words_of("host = h\n", 0);

    (void)state;
    assert_int_equal(strncmp(words, "ssh|-M|-N|-T|-S|/s/1|", 21), 0);
    assert_has(words, "|-o|ProxyCommand=-|");
    assert_has(words, "|-o|ClearAllForwardings=yes|");
    assert_has(words, "|-o|StreamLocalBindUnlink=no|");
    assert_has(words, "|-o|LogLevel=VERBOSE|");
    assert_has(words, "|-o|ServerAliveInterval=15|-o|ServerAliveCountMax=3|");
    assert_has(words, "|-F|none|");
    assert_has(words, "|-o|StrictHostKeyChecking=yes|");
    assert_has(words, "|-p|22|--|h");
    assert_null(strstr(words, "KexAlgorithms"));
    free(words);
}

static void keys_become_options(void **state)
{
    static const struct {
        const char *keys, *part;
    } cases[] = {
        {"user = u\n", "|-l|u|"},
        {"identity = none\n", "|-o|IdentityFile=none|"},
        {"known_hosts = /a b, /c%d\n",
         "|-o|UserKnownHostsFile=\"/a b\" \"/c%%d\"|-o|GlobalKnownHostsFile=none|"},
        {"known_hosts = /a${HOME}b, /$c, /d$\n",
         "|-o|UserKnownHostsFile=\"/a${ADIT_DOLLAR}{HOME}b\" \"/$c\" \"/d$\"|"},
        {"identity_agent = /%d${}\n", "|-o|IdentityAgent=\"/%%d${ADIT_DOLLAR}{}\"|"},
        {"agent = no\n", "|-o|IdentityAgent=none|"},
        {"host_key = accept-new\n", "|-o|StrictHostKeyChecking=accept-new|"},
        {"rekey = 1g\nrekey_time = 1h\n", "|-o|RekeyLimit=1073741824 3600|"},
        {"rekey_time = 1500ms\n", "|-o|RekeyLimit=default 2|"},
        {"keepalive = 0\n", "|-o|ServerAliveInterval=0|"},
        {"keepalive = 1500ms\n", "|-o|ServerAliveInterval=2|"},
        {"compression = yes\n", "|-o|Compression=yes|"},
        {"post_quantum = require\n", "|-o|KexAlgorithms=-*ecdh*,curve25519*,diffie-hellman*|"},
        {"post_quantum = require\nkex = curve25519-sha256, mlkem768x25519-sha256, "
         "sntrup761x25519-sha512, ecdh-sha2-nistp256\n",
         "|-o|KexAlgorithms=mlkem768x25519-sha256,sntrup761x25519-sha512|"},
        {"post_quantum = require\nkex = curve25519-sha256\n",
         "|-o|KexAlgorithms=curve25519-sha256|"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *keys = mem_printf("host = h\n%s", cases[i].keys);
        char *words = words_of(keys, 0);
        assert_has(words, cases[i].part);
        free(words);
        free(keys);
    }
}

static void each_host_is_named_behind_all_options(void **state)
{
    static const char *const ends[] = {"|-p|2222|--|a", "|-p|23|--|fe80::1%lo"};
    const char *keys = "host = a, [fe80::1%lo]:23\nport = 2222\n";

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char *words = words_of(keys, i);
        assert_string_equal(words + strlen(words) - strlen(ends[i]), ends[i]);
        free(words);
    }
}

static void a_host_that_an_srv_record_names(void **state)
{
    const char *text = LISTEN "[upstream a]\nengine = openssh\nhost = srv:_ssh._tcp.x.test\n";
    struct config *config = load_good(text);
    struct config_upstream *upstream = &config->upstreams[0];
    struct upstream_host host;
    char *words;

    (void)state;
    assert_true(upstream_host_find(upstream, "b.x.test:2222", &host));
    words = words_of_host(upstream, &host);
    assert_has(words, "|-p|2222|--|b.x.test");
    free(words);
    /* With ssh_config. */
    master_words_host(upstream, "_ssh._tcp.x.test", 0);
    words = words_of_host(upstream, &host);
    assert_has(words, "|-o|HostName=b.x.test|-p|2222|--|_ssh._tcp.x.test");
    free(words);
    config_unref(config);
}

static void a_jump_host_and_a_control_socket_are_adits(void **state)
{
    const char *const asked[] = {"-J", "b", "-i", "/k", "-S", "/c", "-S"};
    struct config_upstream upstream = {0};

    (void)state;
    master_words_take(&upstream, asked, 7);
    assert_int_equal(upstream.master_words.count, 3);
    assert_string_equal(upstream.master_words.items[0], "-i");
    assert_string_equal(upstream.master_words.items[1], "/k");
    for (size_t i = 0; i < upstream.master_words.count; i++)
        free(upstream.master_words.items[i]);
    free(upstream.master_words.items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_a_master_and_no_more),
        cmocka_unit_test(keys_become_options),
        cmocka_unit_test(each_host_is_named_behind_all_options),
        cmocka_unit_test(a_host_that_an_srv_record_names),
        cmocka_unit_test(a_jump_host_and_a_control_socket_are_adits),
    };

    return cmocka_run_group_tests_name("tests", tests, NULL, NULL);
}
