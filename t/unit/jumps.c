/* Jump hosts, from a list to a chain of upstreams. */
#include "load_text.h"

#include "conf/jumps.h"

#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FROM_FILE "ssh_config = yes\nssh_config_file = ~/config\n"
#define PIN "SHA256:abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"

/* "USER HOST PORT", or NULL for what is no hop. */
static char *hop_text(const char *text)
{
    struct hop hop;

    if (!hop_parse(text, &hop))
        return NULL;
    char *read = mem_printf("%s %s %u", hop.user ? hop.user : "-", hop.host, hop.port);
    hop_clear(&hop);
    return read;
}

static void a_hop_is_written_as_for_ssh(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *read;
    } cases[] = {
        {"h", "- h 0"},
        {"h:22", "- h 22"},
        {"u@h", "u h 0"},
        {"u@h:2222", "u h 2222"},
        {"u@v@h", "u@v h 0"},
        {"[::1]", "- ::1 0"},
        {"::1", "- ::1 0"},
        {"[::1]:33", "- ::1 33"},
        {"u@[2001:db8::1]:33", "u 2001:db8::1 33"},
        {"ssh://h", "- h 0"},
        {"ssh://h/", "- h 0"},
        {"ssh://u@h:33", "u h 33"},
        {"ssh://u@[::1]:33/", "u ::1 33"},
        {"ssh://u%40x@h", "u@x h 0"},
        {"ssh://%C3%bc@h", "\xC3\xBC h 0"},
        {"ssh://u;fingerprint=ssh-rsa-x@h", "u h 0"},
        {"a%40b@h", "a%40b h 0"},
        {"", NULL},
        {"@h", NULL},
        {"u@", NULL},
        {"u v@h", NULL},
        {"-u@h", NULL},
        {"-oProxyCommand=x", NULL},
        {"u@-h", NULL},
        {"h:", NULL},
        {"h:0", NULL},
        {"h:65536", NULL},
        {"h:x", NULL},
        {"h/", NULL},
        {"ssh://", NULL},
        {"ssh:///", NULL},
        {"ssh://@h", NULL},
        {"ssh://;x@h", NULL},
        {"ssh://h/x", NULL},
        {"ssh://h//", NULL},
        {"ssh://u%4@h", NULL},
        {"ssh://u%@h", NULL},
        {"ssh://u%00@h", NULL},
        {"ssh://u%20v@h", NULL},
        {"SSH://h", NULL},
        {"a b", NULL},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        char *read = hop_text(cases[i].text);
        if (cases[i].read)
            assert_string_equal(read, cases[i].read);
        else
            assert_null(read);
        free(read);
    }
}

static void every_beginning_of_a_hop_can_be_read_or_refused(void **state)
{
    (void)state;
    static const char whole[] = "ssh://u%40;a=b@[2001:db8::1]:33/";

    for (size_t length = 0; length < sizeof(whole); length++) {
        char *text = mem_strndup(whole, length);
        char *read = hop_text(text);
        bool hop = strcmp(text, "s") == 0 || strcmp(text, "ss") == 0 || strcmp(text, "ssh") == 0 ||
                   length >= strlen("ssh://u") || strcmp(text, "ssh://u") == 0;
        assert_true(hop || !read);
        free(read);
        free(text);
    }
    char *read = hop_text(whole);
    assert_string_equal(read, "u@ 2001:db8::1 33");
    free(read);
}

/* Every upstream as "NAME USER@HOST:PORT<JUMP", a line each. */
static char *upstreams_text(const struct config *config)
{
    char *all = mem_strdup("");

    for (size_t i = 0; i < config->upstream_count; i++) {
        const struct config_upstream *u = &config->upstreams[i];
        assert_true(u->jump.count <= 1);
        assert_int_equal(u->hosts.count, 1);
        char *longer = mem_printf("%s%s: %s@%s:%u%s%s\n", all, u->name, u->user ? u->user : "",
                                  u->hosts.items[0], u->port, u->jump.count > 0 ? " behind " : "",
                                  u->jump.count > 0 ? u->jump.items[0] : "");
        free(all);
        all = longer;
    }
    return all;
}

/* The upstreams are these, and still after a dump. */
static void assert_upstreams(const char *text, const char *expected)
{
    struct config *config = load_good(text);
    char *dump = config_dump(config);
    char *upstreams = upstreams_text(config);

    assert_string_equal(upstreams, expected);
    free(upstreams);
    config_unref(config);

    config = load_good(dump);
    upstreams = upstreams_text(config);
    assert_string_equal(upstreams, expected);
    char *again = config_dump(config);
    assert_string_equal(again, dump);
    free(again);
    free(upstreams);
    free(dump);
    config_unref(config);
}

static void hops_become_a_chain_of_upstreams(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *upstreams;
    } cases[] = {
        {"[upstream z]\nhost=z\njump = none\n", "z: @z:22\n"},
        {"[upstream z]\nhost=z\njump = h\n", "z: @z:22 behind h\nh: @h:22\n"},
        {"[upstream z]\nhost=z\njump = u@h:33, [::1]\n", "z: @z:22 behind 1\n"
                                                         "u-h-33: u@h:33\n"
                                                         "1: @::1:22 behind u-h-33\n"},
        {"[upstream z]\nhost=z\njump = ssh://u@h:33/,\n    ssh://h\n",
         "z: @z:22 behind h\nu-h-33: u@h:33\nh: @h:22 behind u-h-33\n"},
        /* The port and the user of the upstream that names a hop are not the hop's. */
        {"[upstream z]\nhost=z\nport=44\nuser=u\njump = h\n", "z: u@z:44 behind h\nh: @h:22\n"},
        /* Names are made what names of sections are, and not longer than they can be. */
        {"[upstream z]\nhost=z\njump = a.b_c-d+e@h\n", "z: @z:22 behind a.b_c-d-e-h\n"
                                                       "a.b_c-d-e-h: a.b_c-d+e@h:22\n"},
        {"[upstream z]\nhost=z\njump = xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n",
         "z: @z:22 behind xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"
         "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx: @xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx:22\n"},
        {"[upstream z]\nhost=z\njump = a+b@h, a-b@h\n", "z: @z:22 behind a-b-h-2\n"
                                                        "a-b-h: a+b@h:22\n"
                                                        "a-b-h-2: a-b@h:22 behind a-b-h\n"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        char *text = mem_printf("%s" LISTEN, cases[i].text);
        assert_upstreams(text, cases[i].upstreams);
        free(text);
    }
}

static void hops_that_are_the_same_are_one(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *upstreams;
    } cases[] = {
        {"[upstream y]\nhost=y\njump = h\n[upstream z]\nhost=z\njump = h\n",
         "y: @y:22 behind h\nz: @z:22 behind h\nh: @h:22\n"},
        {"[upstream y]\nhost=y\njump = u@h:33, g\n[upstream z]\nhost=z\njump = ssh://u@h:33\n",
         "y: @y:22 behind g\nz: @z:22 behind u-h-33\nu-h-33: u@h:33\ng: @g:22 behind u-h-33\n"},
        /* Other keys, another user or another path are another session. */
        {"[upstream y]\nhost=y\njump=h\nagent=no\n[upstream z]\nhost=z\njump=h\n",
         "y: @y:22 behind h\nz: @z:22 behind h-2\nh: @h:22\nh-2: @h:22\n"},
        {"[upstream y]\nhost=y\njump=h\n[upstream z]\nhost=z\njump=u@h\n",
         "y: @y:22 behind h\nz: @z:22 behind u-h\nh: @h:22\nu-h: u@h:22\n"},
        {"[upstream y]\nhost=y\njump=h\n[upstream z]\nhost=z\njump=g,h\n",
         "y: @y:22 behind h\nz: @z:22 behind h-2\nh: @h:22\ng: @g:22\nh-2: @h:22 behind g\n"},
        /* The password is for one server, and no reason for another session to the hop. */
        {"[upstream y]\nhost=y\njump=h\npassword_file=/dev/null\n[upstream z]\nhost=z\njump=h\n",
         "y: @y:22 behind h\nz: @z:22 behind h\nh: @h:22\n"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        char *text = mem_printf("%s" LISTEN, cases[i].text);
        assert_upstreams(text, cases[i].upstreams);
        free(text);
    }
}

static void a_hop_can_be_an_upstream(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *upstreams;
    } cases[] = {
        {"[upstream z]\nhost=z\njump=a\n[upstream a]\nhost=h\nuser=u\n",
         "z: @z:22 behind a\na: u@h:22\n"},
        /* The first hop has its own way. */
        {"[upstream z]\nhost=z\njump=a\n[upstream a]\nhost=h\njump=b\n[upstream b]\nhost=g\n",
         "z: @z:22 behind a\na: @h:22 behind b\nb: @g:22\n"},
        /* A further one is the upstream itself if that is its way, */
        {"[upstream z]\nhost=z\njump=b,a\n[upstream a]\nhost=h\njump=b\n[upstream b]\nhost=g\n",
         "z: @z:22 behind a\na: @h:22 behind b\nb: @g:22\n"},
        {"[upstream a]\nhost=h\njump=g\n[upstream z]\nhost=z\njump=g,a\n",
         "a: @h:22 behind g\nz: @z:22 behind a\ng: @g:22\n"},
        /* and else the same place by that way. */
        {"[upstream z]\nhost=z\njump=b,a\n[upstream a]\nhost=h\nuser=u\n[upstream b]\nhost=g\n",
         "z: @z:22 behind a-2\na: u@h:22\nb: @g:22\na-2: u@h:22 behind b\n"},
        {"[upstream z]\nhost=z\njump=b,a\n[upstream a]\nhost=h\njump=c\n[upstream b]\nhost=g\n",
         "z: @z:22 behind a-2\na: @h:22 behind c\nb: @g:22\nc: @c:22\na-2: @h:22 behind b\n"},
        {"[upstream z]\nhost=z\njump=b,a\n[upstream a]\nhost=h\nproxy_command=x\n"
         "[upstream b]\nhost=g\n",
         "z: @z:22 behind a-2\na: @h:22\nb: @g:22\na-2: @h:22 behind b\n"},
        {"[upstream y]\nhost=y\njump=b,a\n[upstream z]\nhost=z\njump=b,a\n[upstream a]\nhost=h\n"
         "[upstream b]\nhost=g\n",
         "y: @y:22 behind a-2\nz: @z:22 behind a-2\na: @h:22\nb: @g:22\na-2: @h:22 behind b\n"},
        /* Two that go through each other by given ways do not meet themselves. */
        {"[upstream y]\nhost=y\njump=h,z\n[upstream z]\nhost=z\njump=h,y\n",
         "y: @y:22 behind z-2\nz: @z:22 behind y-2\nh: @h:22\n"
         "y-2: @y:22 behind h\nz-2: @z:22 behind h\n"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        char *text = mem_printf("%s" LISTEN, cases[i].text);
        assert_upstreams(text, cases[i].upstreams);
        free(text);
    }
}

static void a_hop_has_the_settings_of_who_names_it(void **state)
{
    (void)state;
    struct config *config = load_good(
        "[upstream z]\nhost = z\nuser = u\njump = h, g\nidentity = /dev/null\nagent = no\n"
        "password_file = /dev/null\npassphrase_file = /dev/zero\nhost_key = accept-new\n"
        "known_hosts = /k\nhost_key_alias = zz\nidentities_only = yes\nidentity_agent = /a\n"
        "connect_timeout = 3s\nkeepalive = 4s\nciphers = c\naskpass = /bin/true\n"
        "batch_mode = yes\nsessions = 2-3\nhold = 1s\nexit_on_forward_failure = yes\n"
        "permit_remote_open = none\naddress_family = inet6\n[forward f]\ndynamic = 1\n");

    assert_int_equal(config->upstream_count, 3);
    for (size_t i = 1; i < 3; i++) {
        const struct config_upstream *hop = &config->upstreams[i];
        assert_int_equal(hop->line, 4); /* of jump */
        assert_null(hop->user);
        assert_string_equal(hop->identities.items[0], "/dev/null");
        assert_false(hop->agent);
        assert_null(hop->password_file);
        assert_string_equal(hop->passphrase_file, "/dev/zero");
        assert_int_equal(hop->host_key, HOST_KEY_ACCEPT_NEW);
        assert_string_equal(hop->known_hosts.items[0], "/k");
        assert_int_equal(hop->known_hosts.count, 1);
        assert_null(hop->host_key_alias);
        assert_true(hop->identities_only);
        assert_string_equal(hop->identity_agent, "/a");
        assert_int_equal(hop->connect_timeout_ms, 3000);
        assert_int_equal(hop->keepalive_ms, 4000);
        assert_string_equal(hop->ciphers, "c");
        assert_string_equal(hop->askpass, "/bin/true");
        assert_true(hop->batch_mode);
        assert_int_equal(hop->sessions_min, 1);
        assert_int_equal(hop->sessions_max, 32);
        assert_int_equal(hop->hold_ms, 10000);
        assert_false(hop->exit_on_forward_failure);
        assert_int_equal(hop->permit_remote_open.count, 0);
        assert_int_equal(hop->address_family, AF_INET6);
    }
    config_unref(config);
}

static void fingerprints_are_those_of_one_server(void **state)
{
    (void)state;
    struct config *config = load_good("[upstream z]\nhost=z\nhost_key = " PIN "\njump = h, a\n"
                                      "[upstream a]\nhost=a\nhost_key = " PIN ", " PIN "\n" LISTEN);

    assert_int_equal(config->upstream_count, 4);
    assert_int_equal(config->upstreams[0].host_key, HOST_KEY_PINNED);
    assert_string_equal(config->upstreams[2].name, "h");
    assert_int_equal(config->upstreams[2].host_key, HOST_KEY_STRICT);
    assert_int_equal(config->upstreams[2].host_key_pins.count, 0);
    assert_string_equal(config->upstreams[3].name, "a-2");
    assert_int_equal(config->upstreams[3].host_key, HOST_KEY_PINNED);
    assert_int_equal(config->upstreams[3].host_key_pins.count, 2);
    config_unref(config);
}

static void hops_come_after_what_was_written(void **state)
{
    (void)state;
    struct config *config = load_good("[upstream z]\nhost=z\njump=h\n" LISTEN);

    assert_string_equal(config->listens[0].via, "z");
    config_unref(config);
}

static void ways_without_a_beginning_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *problems;
    } cases[] = {
        {"[upstream a]\nhost=h\njump=a\n",
         "f:5: jump: a is reached through a, which has no beginning\n"},
        {"[upstream a]\nhost=h\njump=b\n[upstream b]\nhost=h\njump=a\n",
         "f:5: jump: a is reached through b through a, which has no beginning\n"
         "f:8: jump: b is reached through a through b, which has no beginning\n"},
        /* Whoever goes there is not to blame. */
        {"[upstream c]\nhost=h\njump=a\n[upstream a]\nhost=h\njump=a\n",
         "f:8: jump: a is reached through a, which has no beginning\n"},
        {"[upstream a]\nhost=h\njump=x,\n", "f:5: jump: an item of the list is empty\n"},
        {"[upstream a]\nhost=h\njump=h:x\n",
         "f:5: jump: 'h:x' is not [USER@]HOST[:PORT], ssh://[USER@]HOST[:PORT] or the name of an "
         "upstream\n"},
        {"[upstream a]\nhost=h\njump=x\nproxy_command=nc %h %p\n",
         "f:6: proxy_command and jump exclude each other\n"},
        {"[upstream a]\nhost=h\njump=x\nproxy_command=none\n", ""},
        {"[upstream a]\nhost=h\njump=none\nproxy_command=nc %h %p\n", ""},
        {"[upstream a]\nhost=h\njump=x\nidentity=/nonexistent\n",
         "f:6: identity: cannot read /nonexistent: No such file or directory\n"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        char *text = mem_printf(LISTEN "%s", cases[i].text);
        char *problems = load_problems(text, NULL);
        assert_string_equal(problems, cases[i].problems);
        free(problems);
        free(text);
    }
}

/* What ssh itself says of hosts; without it there is nothing to hold this against. */
static void each_hop_has_its_own_entry_of_ssh_config(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *upstreams;
    } cases[] = {
        {"[upstream z]\nhost=final\n" FROM_FILE,
         "z: f@10.0.0.2:22 behind i2-inner-44\ni2-inner-44: i2@10.0.0.1:44 behind bastion\n"
         "bastion: b@192.0.2.1:2222\n"},
        /* A further hop is reached by the way that was given, not by its own. */
        {"[upstream z]\nhost=both\n" FROM_FILE,
         "z: f@10.0.0.3:22 behind inner\nbastion: b@192.0.2.1:2222\n"
         "inner: i@10.0.0.1:22 behind bastion\n"},
        {"[upstream z]\nhost=final\njump=none\n" FROM_FILE, "z: f@10.0.0.2:22\n"},
        {"[upstream z]\nhost=final\njump=u@bastion\n" FROM_FILE,
         "z: f@10.0.0.2:22 behind u-bastion\nu-bastion: u@192.0.2.1:2222\n"},
        {"[upstream y]\nhost=final\n" FROM_FILE "[upstream z]\nhost=both\n" FROM_FILE,
         "y: f@10.0.0.2:22 behind i2-inner-44\nz: f@10.0.0.3:22 behind inner\n"
         "i2-inner-44: i2@10.0.0.1:44 behind bastion\nbastion: b@192.0.2.1:2222\n"
         "inner: i@10.0.0.1:22 behind bastion\n"},
        /* What is said beats what ssh_config says. */
        {"[upstream z]\nhost=final\nuser=u\nport=7\nproxy_command=nc %h\n" FROM_FILE,
         "z: u@10.0.0.2:7\n"},
        /* An upstream that jumps by the file to one that is described without it. */
        {"[upstream z]\nhost=inner\n" FROM_FILE "[upstream bastion]\nhost=h\nuser=u\n",
         "z: i@10.0.0.1:22 behind bastion\nbastion: u@h:22\n"},
    };
    static const char config[] =
        "Host bastion\n HostName 192.0.2.1\n User b\n Port 2222\n"
        "Host inner\n HostName 10.0.0.1\n User i\n ProxyJump bastion\n"
        "Host final\n HostName 10.0.0.2\n User f\n ProxyJump i2@inner:44\n"
        "Host both\n HostName 10.0.0.3\n User f\n ProxyJump bastion,inner\n"
        "Host one\n ProxyJump two\nHost two\n ProxyJump one\n";
    char home[] = "/tmp/adit-jumps-XXXXXX";

    if (system("ssh -V 2>/dev/null") != 0)
        skip();
    assert_non_null(mkdtemp(home));
    char *name = mem_printf("%s/config", home);
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    fputs(config, file);
    fclose(file);
    setenv("HOME", home, 1);
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *text = mem_printf("%s" LISTEN, cases[i].text);
        assert_upstreams(text, cases[i].upstreams);
        free(text);
    }
    char *problems = load_problems("[upstream z]\nhost=one\n" FROM_FILE LISTEN, NULL);
    assert_string_equal(
        problems, "f:1: jump: two is reached through one through two, which has no beginning\n"
                  "f:1: jump: one is reached through two through one, which has no beginning\n");
    free(problems);
    setenv("HOME", "/home/test", 1);
    unlink(name);
    rmdir(home);
    free(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hop_is_written_as_for_ssh),
        cmocka_unit_test(every_beginning_of_a_hop_can_be_read_or_refused),
        cmocka_unit_test(hops_become_a_chain_of_upstreams),
        cmocka_unit_test(hops_that_are_the_same_are_one),
        cmocka_unit_test(a_hop_can_be_an_upstream),
        cmocka_unit_test(a_hop_has_the_settings_of_who_names_it),
        cmocka_unit_test(fingerprints_are_those_of_one_server),
        cmocka_unit_test(hops_come_after_what_was_written),
        cmocka_unit_test(ways_without_a_beginning_are_refused),
        cmocka_unit_test(each_hop_has_its_own_entry_of_ssh_config),
    };

    setenv("HOME", "/home/test", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
