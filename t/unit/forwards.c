/* [forward] sections, and a configuration with a forward more or fewer. */
#include "load_text.h"

#include "conf/forward_spec.h"

#include <stdio.h>
#include <unistd.h>

#define X10 "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void a_forward_alone_is_enough(void **state)
{
    (void)state;
    static const char *const values[] = {"local = 1 h:2", "remote = 1 h:2", "remote = 1",
                                         "dynamic = 1"};

    for (size_t i = 0; i < COUNT(values); i++) {
        char *text = mem_printf(UPSTREAM "[forward f]\n%s\n", values[i]);
        struct config *config = load_good(text);
        assert_int_equal(config->forward_count, 1);
        assert_string_equal(config->forwards[0].name, "f");
        assert_int_equal(config->forwards[0].line, 3);
        assert_string_equal(config->forwards[0].via, "a");
        assert_false(config->forwards[0].open);
        config_unref(config);
        free(text);
    }
}

static void local_and_dynamic_forwards_are_listeners(void **state)
{
    (void)state;
    struct config *config = load_good("[upstream a]\nhost = a\n[upstream b]\nhost = b\n"
                                      "[forward l]\nlocal = *:1 h:2\nvia = b\n"
                                      "[forward r]\nremote = 3\n"
                                      "[forward d]\ndynamic = [::1]:4\n"
                                      "[forward u]\nlocal = ~/a/s:/b/t\n" LISTEN);
    const struct config_listen *listen;

    assert_ptr_equal(config_listen_at(config, 0), &config->listens[0]);

    listen = config_listen_at(config, 1);
    assert_ptr_equal(listen, &config_forward(config, "l")->listen);
    assert_string_equal(listen->name, "l");
    assert_string_equal(listen->via, "b");
    assert_int_equal(listen->address_count, 2);
    assert_int_equal(listen->addresses[0].port, 1);
    assert_false(listen->addresses[0].optional);
    assert_true(listen->addresses[1].optional);
    assert_string_equal(listen->target.host, "h");
    assert_int_equal(listen->target.port, 2);
    assert_int_equal(listen->auth, LISTEN_AUTH_NONE);
    assert_null(listen->users);

    listen = config_listen_at(config, 2);
    assert_string_equal(listen->name, "d");
    assert_string_equal(listen->via, "a");
    assert_int_equal(listen->address_count, 1);
    assert_null(listen->target.host);
    assert_null(listen->target.path);
    for (size_t i = 0; i < WIRE_PROTOCOLS; i++)
        assert_true(listen->protocols[i]);

    listen = config_listen_at(config, 3);
    assert_string_equal(listen->name, "u");
    assert_true(listen->addresses[0].is_unix);
    assert_string_equal(listen->addresses[0].path, "/home/test/a/s");
    assert_string_equal(listen->target.path, "/b/t");
    assert_null(config_listen_at(config, 4));
    assert_null(config_forward(config, "x"));
    config_unref(config);
}

static void the_home_directory_is_that_of_this_machine(void **state)
{
    (void)state;
    struct config *config = load_good(UPSTREAM "[forward l]\nlocal = ~/a ~/b\n"
                                               "[forward r]\nremote = 9 ~/b\n"
                                               "[forward d]\ndynamic = ~/c\n");

    assert_string_equal(config->forwards[0].bind.path, "/home/test/a");
    assert_string_equal(config->forwards[0].target.path, "~/b");
    assert_string_equal(config->forwards[1].target.path, "/home/test/b");
    assert_string_equal(config->forwards[2].bind.path, "/home/test/c");
    config_unref(config);
}

static void every_forward_comes_back_from_a_dump(void **state)
{
    (void)state;
    static const char *const values[] = {
        "local = 5432 db.internal:5432",
        "local = 127.0.0.1:5432 [2001:db8::1]:5432",
        "local = *:5432 h:1",
        "local = /a\\ \\ b\\;\\#\\:\\\\ h:1",
        "local = 1 /b",
        "remote = 0 localhost:3000",
        "remote = *:9000 /a",
        "remote = b:9000",
        "dynamic = 1080",
        "dynamic = /a,b",
    };

    for (size_t i = 0; i < COUNT(values); i++) {
        char *text = mem_printf(UPSTREAM "[forward f]\n%s\n", values[i]);
        struct config *config = load_good(text);
        char *dump = config_dump(config);
        struct config *again = load_good(dump);
        char *dump_again = config_dump(again);
        char *section =
            mem_printf("\n[forward f]\n%s\nopen = no\nidle_timeout = 0s\nvia = a\n", values[i]);
        assert_string_equal(dump, dump_again);
        assert_non_null(strstr(dump, section));
        free(section);
        free(dump_again);
        config_unref(again);
        free(dump);
        config_unref(config);
        free(text);
    }
}

static void a_long_forward_is_broken_into_lines(void **state)
{
    (void)state;
    struct config *config = load_good(UPSTREAM "[forward f]\nlocal = 192.0.2.1:1\n " X100 ":1\n");
    char *dump = config_dump(config);
    struct config *again = load_good(dump);

    assert_string_equal(again->forwards[0].target.host, X100);
    assert_non_null(strstr(dump, "\nlocal = 192.0.2.1:1\n    " X100 ":1\n"));
    config_unref(again);
    free(dump);
    config_unref(config);
}

static void a_bind_address_that_is_meant_need_not_be_said_so(void **state)
{
    (void)state;
    static const char *const good[] = {
        "local = *:1 h:2",
        "local = 192.0.2.1:1 h:2",
        "remote = *:1",
        "remote = example.com:1",
        "dynamic = *:1\nopen = yes",
        "dynamic = 192.0.2.1:1\n[acl]\nallow = from=192.0.2.0/24 listen=f\ndeny = listen=f",
        "dynamic = 127.0.0.2:1",
    };

    for (size_t i = 0; i < COUNT(good); i++) {
        char *text = mem_printf(UPSTREAM "[forward f]\n%s\n", good[i]);
        config_unref(load_good(text));
        free(text);
    }
}

#define NO_LOCAL " is not [BIND:]PORT:HOST:HOSTPORT, with a socket's path in place of either end\n"
#define ANYBODY(address)                                                                           \
    "f:4: dynamic: everybody who can reach " address                                               \
    " could use it: narrow it by from= in [acl], or "                                              \
    "say open = yes\n"

static void what_is_wrong_with_a_forward_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *keys;
        const char *problems;
    } cases[] = {
        {"", "f:3: [forward f] has no local, remote or dynamic\n"},
        {"via = a\n", "f:3: [forward f] has no local, remote or dynamic\n"},
        {"local = 1\n", "f:4: local: '1'" NO_LOCAL},
        {"local = 1:h:2\ndynamic = 3\n", "f:5: dynamic: this forward is a local one already\n"},
        {"dynamic = 1\nremote = 2\n", "f:5: remote: this forward is a dynamic one already\n"},
        {"local = 1:h:2\nlocal = 2:h:2\n", "f:5: local was given on line 4 already\n"},
        {"local = example.com:1:h:2\n",
         "f:4: local: 'example.com' is not an IP address of this machine, localhost or *\n"},
        {"dynamic = example.com:1\n",
         "f:4: dynamic: 'example.com' is not an IP address of this machine, localhost or *\n"},
        {"dynamic = *:1\n", ANYBODY("0.0.0.0:1") ANYBODY("[::]:1")},
        {"dynamic = 192.0.2.1:1\nopen = maybe\n", "f:5: open: 'maybe' is not one of no, yes\n"},
        {"dynamic = 1\nvia = b\n", "f:5: via: there is no [upstream b]\n"},
        {"remote = 1\nvia = b\n", "f:5: via: there is no [upstream b]\n"},
        {"dynamic = 1\nlocl = 1\n",
         "f:5: unknown key 'locl' in [forward]; did you mean 'local'?\n"},
        {"dynamic = 1\n[forward f]\n", "f:5: [forward f] was given on line 3 already\n"},
        {"dynamic = 1\n[listen f]\naddress = 2\n", "f:3: [forward f] has the name of a [listen]\n"},
        {"dynamic = 1\n[listen g]\naddress = 1\n",
         "f:4: dynamic: 127.0.0.1:1 is there twice\nf:4: dynamic: [::1]:1 is there twice\n"},
        {"dynamic = 1\n[forward g]\nlocal = 127.0.0.1:1 h:2\n",
         "f:6: local: 127.0.0.1:1 is there twice\n"},
        {"remote = 1\n[forward g]\nlocal = 1 h:2\n", ""},
        {"dynamic = 1\n[acl]\nallow = listen=g\n",
         "f:6: listen=g: there is no [listen g] and no [forward g]\n"},
        {"remote = 1\n[acl]\nallow = listen=f\n", ""},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        char *text = mem_printf(UPSTREAM "[forward f]\n%s", cases[i].keys);
        char *problems = load_problems(text, NULL);
        assert_string_equal(problems, cases[i].problems);
        free(problems);
        free(text);
    }
}

static struct config_forward forward_of(enum forward_kind kind, const char *spec)
{
    struct config_forward forward = {0};
    char error[FORWARD_ERROR_MAX];

    assert_true(forward_spec_parse(kind, spec, &forward, error, sizeof(error)));
    return forward;
}

static void forward_done(struct config_forward *forward)
{
    place_clear(&forward->bind);
    place_clear(&forward->target);
}

/* With users and rules, which a configuration made of it shares. */
static struct config *rich_config(void)
{
    char name[] = "/tmp/adit-forwards-XXXXXX";
    int fd = mkstemp(name);
    static const char users[] = "u:$2y$05$abcdefghijklmnopqrstuuzS1y1Y8m3d5C0C0Xq3n1Q7Xb2pV5v6y\n";

    assert_true(fd >= 0);
    assert_int_equal(write(fd, users, strlen(users)), strlen(users));
    close(fd);
    char *text = mem_printf("[upstream a]\nhost = a\njump = j\nhost_key = accept-new\n"
                            "[upstream b]\nhost = b\n"
                            "[listen x]\naddress = *:1080\nauth = password\nusers = %s\n"
                            "[forward f]\nlocal = 1 h:2\nvia = b\n"
                            "[acl]\nnames = resolve\nallow = listen=f\ndeny = to=x port=1\n"
                            "[resolve]\norder = tunnel\nservers = ::1\n",
                            name);
    struct config *config = load_good(text);
    unlink(name); /* nothing is read again */
    free(text);
    return config;
}

/* A dump with the text before [resolve], where one more forward is written. */
static char *dump_with(const struct config *config, const char *text)
{
    char *dump = config_dump(config);
    char *at = strstr(dump, "[resolve]");
    char *with = mem_printf("%.*s%s%s", (int)(at - dump), dump, text, at);

    free(dump);
    return with;
}

static void a_forward_can_be_added(void **state)
{
    (void)state;
    static const struct {
        enum forward_kind kind;
        const char *spec, *via;
        const char *section;
    } cases[] = {
        {FORWARD_LOCAL, "5432:db:5432", NULL,
         "[forward local-5432]\nlocal = 5432 db:5432\nopen = no\nidle_timeout = 0s\nvia = a\n\n"},
        {FORWARD_LOCAL, "*:80:h:1", "b",
         "[forward local-80]\nlocal = *:80 h:1\nopen = no\nidle_timeout = 0s\nvia = b\n\n"},
        {FORWARD_REMOTE, "0:h:1", "b",
         "[forward remote-0]\nremote = 0 h:1\nopen = no\nidle_timeout = 0s\nvia = b\n\n"},
        {FORWARD_REMOTE, "1080", NULL,
         "[forward remote-1080]\nremote = 1080\nopen = no\nidle_timeout = 0s\nvia = a\n\n"},
        {FORWARD_DYNAMIC, "7", NULL,
         "[forward dynamic-7]\ndynamic = 7\nopen = no\nidle_timeout = 0s\nvia = a\n\n"},
        {FORWARD_DYNAMIC, "0.0.0.0:7", NULL,
         "[forward dynamic-0.0.0.0-7]\ndynamic = 0.0.0.0:7\nopen = yes\nidle_timeout = 0s\nvia = "
         "a\n\n"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct config *config = rich_config();
        struct config_forward forward = forward_of(cases[i].kind, cases[i].spec);
        char error[200] = "";
        char *expected = dump_with(config, cases[i].section);
        struct config *more = config_add_forward(config, &forward, cases[i].via, error, 200);
        assert_string_equal(error, "");
        assert_non_null(more);

        char *dump = config_dump(more);
        assert_string_equal(dump, expected);
        assert_string_equal(more->file, "f");
        assert_ptr_equal(more->acl, config->acl);
        assert_ptr_equal(more->listens[0].users, config->listens[0].users);
        assert_int_equal(more->listens[0].line, config->listens[0].line);
        assert_ptr_equal(config_listen_at(more, 1), &more->forwards[0].listen);
        assert_ptr_equal(config_listen_at(more, 2),
                         cases[i].kind == FORWARD_REMOTE ? NULL : &more->forwards[1].listen);
        for (size_t k = 0; k < config->upstream_count; k++)
            assert_true(config_upstream_same_sessions(&config->upstreams[k], &more->upstreams[k]));
        /* What it shares lives as long as it does. */
        config_unref(config);
        assert_int_equal(users_count(more->listens[0].users), 1);
        assert_non_null(acl_rule_at(more->acl, 1));
        free(dump);
        free(expected);
        forward_done(&forward);
        config_unref(more);
    }
}

static void a_forward_that_cannot_be_added_is_refused(void **state)
{
    (void)state;
    static const struct {
        enum forward_kind kind;
        const char *spec, *via;
        const char *error;
    } cases[] = {
        {FORWARD_LOCAL, "1:h:2", NULL, "local: 127.0.0.1:1 is there twice"},
        {FORWARD_DYNAMIC, "*:1080", NULL, "dynamic: 0.0.0.0:1080 is there twice"},
        {FORWARD_DYNAMIC, "example.com:5", NULL,
         "dynamic: 'example.com' is not an IP address of this machine, localhost or *"},
        {FORWARD_REMOTE, "5:h:1", "c", "via: there is no [upstream c]"},
    };
    struct config *config = rich_config();

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct config_forward forward = forward_of(cases[i].kind, cases[i].spec);
        char error[200];
        assert_null(config_add_forward(config, &forward, cases[i].via, error, sizeof(error)));
        assert_string_equal(error, cases[i].error);
        forward_done(&forward);
    }
    config_unref(config);
}

static void forwards_can_be_added_and_removed_again_and_again(void **state)
{
    (void)state;
    struct config *config = rich_config();
    char *before = config_dump(config);
    char error[200];

    for (unsigned i = 0; i < 5; i++) {
        struct config_forward first = forward_of(FORWARD_LOCAL, "1:h:2");
        struct config_forward added = forward_of(FORWARD_REMOTE, "[::1]:9:/s");
        struct config *more = config_add_forward(config, &added, "b", error, sizeof(error));
        struct config *twice = config_add_forward(more, &added, "b", error, sizeof(error));
        assert_non_null(config_forward(twice, "remote-1-9"));
        assert_non_null(config_forward(twice, "remote-1-9-2"));
        config_unref(config);
        config_unref(more);

        more = config_remove_forward(twice, config_forward(twice, "remote-1-9-2"), error,
                                     sizeof(error));
        assert_non_null(config_forward(more, "remote-1-9"));
        assert_null(config_forward(more, "remote-1-9-2"));
        config_unref(more);

        struct config *less = config_remove_forward(twice, &added, error, sizeof(error));
        assert_null(config_forward(less, "remote-1-9"));
        assert_non_null(config_forward(less, "remote-1-9-2"));
        config_unref(twice);
        config = config_remove_forward(less, &added, error, sizeof(error));
        config_unref(less);
        assert_null(config_remove_forward(config, &added, error, sizeof(error)));
        assert_string_equal(error, "there is no such forward");

        less = config_remove_forward(config, &first, error, sizeof(error));
        assert_int_equal(less->forward_count, 0);
        assert_null(config_listen_at(less, 1));
        config_unref(less);
        forward_done(&first);
        forward_done(&added);
    }
    char *after = config_dump(config);
    assert_string_equal(after, before);
    free(after);
    free(before);
    config_unref(config);
}

static void another_kind_or_target_is_another_forward(void **state)
{
    (void)state;
    static const struct {
        enum forward_kind kind;
        const char *spec;
    } others[] = {
        {FORWARD_LOCAL, "1:h:3"}, {FORWARD_LOCAL, "localhost:1:h:2"},
        {FORWARD_LOCAL, "1:/h"},  {FORWARD_REMOTE, "1:h:2"},
        {FORWARD_DYNAMIC, "1"},
    };
    struct config *config = rich_config();

    for (size_t i = 0; i < COUNT(others); i++) {
        struct config_forward other = forward_of(others[i].kind, others[i].spec);
        char error[200];
        assert_null(config_remove_forward(config, &other, error, sizeof(error)));
        forward_done(&other);
    }
    config_unref(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forward_alone_is_enough),
        cmocka_unit_test(local_and_dynamic_forwards_are_listeners),
        cmocka_unit_test(the_home_directory_is_that_of_this_machine),
        cmocka_unit_test(every_forward_comes_back_from_a_dump),
        cmocka_unit_test(a_long_forward_is_broken_into_lines),
        cmocka_unit_test(a_bind_address_that_is_meant_need_not_be_said_so),
        cmocka_unit_test(what_is_wrong_with_a_forward_is_told),
        cmocka_unit_test(a_forward_can_be_added),
        cmocka_unit_test(a_forward_that_cannot_be_added_is_refused),
        cmocka_unit_test(forwards_can_be_added_and_removed_again_and_again),
        cmocka_unit_test(another_kind_or_target_is_another_forward),
    };

    setenv("HOME", "/home/test", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
