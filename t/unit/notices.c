/* What is said of a configuration when it is started. */
#include "load_text.h"

#include "conf/load.h"

#include <stdio.h>
#include <unistd.h>

static void collect_notice(void *arg, const char *text)
{
    char **all = arg;
    char *longer = mem_printf("%s%s\n", *all, text);

    free(*all);
    *all = longer;
}

static void notices_say_what_a_person_should_know(void **state)
{
    (void)state;
    char *open_file = write_file("", 0644);
    char *good_file = write_file("", 0600);
    const struct {
        char *text;
        const char *expected; /* a part of the notices; NULL: there is none */
    } cases[] = {
        {mem_strdup(""), NULL},
        {mem_printf("[resolve]\norder = remote, local\n"), "order has local"},
        {mem_printf("[resolve]\norder = remote\nservers = ::1\n"), "servers are not asked"},
        {mem_printf("[upstream y]\nhost = h\nhost_key = accept-new\n"
                    "preferred_authentications = password, hostbased\n"
                    "password_authentication = no\n"),
         "[upstream y] no way to log in is left"},
        {mem_printf("[upstream y]\nhost = h\nhost_key = accept-new\n"
                    "preferred_authentications = hostbased, password\n"),
         NULL},
        {mem_printf("[acl]\ndeny = to=*\n"), "no allow rule"},
        {mem_printf("[acl]\nallow = to=10.0.0.0/8\n"), "names = resolve"},
        {mem_printf("[acl]\nnames = resolve\nallow = to=10.0.0.0/8\n[resolve]\nservers = ::1\n"),
         NULL},
        {mem_printf("[acl]\nallow = to=10.0.0.0/8\n[resolve]\norder = tunnel\nservers = ::1\n"),
         NULL},
        {mem_printf("[listen y]\naddress = *:9\nopen = yes\n"), "open = yes"},
        {mem_printf("[listen y]\naddress = *:9\nauth = password\nusers = %s\n", good_file),
         "[listen y] SOCKS and HTTP send passwords readable"},
        {mem_printf("[listen y]\naddress = 9\nauth = password\nusers = %s\n", good_file),
         "has no users"},
        {mem_printf("[listen y]\naddress = 9\nauth = password\nusers = %s\n", open_file),
         "is open to every user of this machine"},
        {mem_printf("[upstream y]\nhost = h\nhost_key = accept-new\npassword_file = %s\n",
                    open_file),
         geteuid() == 0 ? "chown root:GROUP /tmp/adit-config-" : "chmod o= /tmp/adit-config-"},
        {mem_printf("[upstream y]\nhost = h\nhost_key = accept-new\npassphrase_file = %s\n",
                    open_file),
         "is open to every user of this machine"},
        {mem_printf("[upstream y]\nhost = h\nhost_key = accept-new\npassphrase_file = %s\n",
                    good_file),
         NULL},
        {mem_printf("[upstream y]\nhost = h\nknown_hosts = /nonexistent\n"),
         "none of its known_hosts files"},
        {mem_printf("[upstream y]\nhost = h\nhost_key = ask\nknown_hosts = /nonexistent\n"), NULL},
        {mem_printf("[upstream y]\nhost = h\nhost_key = ask\nknown_hosts = /dev/null, /etc\n"),
         "known_hosts: /etc cannot be read: Is a directory"},
        {mem_printf("[upstream y]\nhost = h\nhost_key = any\n"),
         "new host keys are believed without a question"},
        {mem_printf("[forward y]\ndynamic = *:9\nopen = yes\n"), "[forward y] open = yes"},
        {mem_printf("[forward y]\ndynamic = 9\nopen = yes\n"), NULL},
        {mem_printf("[forward y]\nlocal = *:9 h:1\n"), NULL},
        {mem_printf("[forward y]\nremote = *:9 h:1\n"), NULL},
        {mem_printf("[forward y]\nremote = 9\n"), "[forward y] everybody who can reach its port"},
        {mem_printf("[forward y]\nremote = 9\n[acl]\nallow = to=h\n"), NULL},
        {mem_printf("[forward y]\nremote = 9\n[acl]\nallow = from=127.0.0.0/8\n"),
         "(allow = from=127.0.0.0/8) never matches its clients"},
        {mem_printf("[forward y]\nremote = 9 h:1\n[acl]\nallow = from=127.0.0.0/8\n"), NULL},
        {mem_printf("[forward y]\nremote = 9\n[acl]\nallow = from=::1\nallow = from=remote\n"),
         NULL},
        {mem_printf("[upstream y]\nhost = h\nknown_hosts = /dev/null\npermit_remote_open = h:1\n"
                    "[forward y]\nremote = 9\nvia = y\n"),
         NULL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = mem_printf("[upstream a]\nhost = h\nknown_hosts = /dev/null\n" LISTEN "%s",
                                cases[i].text);
        struct config *config = load_good(text);
        char *notices = mem_strdup("");
        config_each_notice(config, collect_notice, &notices);
        if (cases[i].expected)
            assert_non_null(strstr(notices, cases[i].expected));
        else
            assert_string_equal(notices, "");
        free(notices);
        config_unref(config);
        free(text);
        free(cases[i].text);
    }
    remove_file(open_file);
    remove_file(good_file);
}

static void nobody_is_told_what_they_typed(void **state)
{
    (void)state;
    struct config_problems problems = {0};
    char host[] = "h", file[] = "/dev/null", dynamic[] = "*:1", yes[] = "yes", remote[] = "2";
    char *notices = mem_strdup("");
    struct load load;

    load_begin(&load, NULL);
    load_open(&load, 0, "upstream", "a");
    load_entry(&load, 0, "host", host);
    load_entry(&load, 0, "known_hosts", file);
    load_open(&load, 0, "forward", "d");
    load_entry(&load, 0, "dynamic", dynamic);
    load_entry(&load, 0, "open", yes);
    load_open(&load, 0, "forward", "r");
    load_entry(&load, 0, "remote", remote);
    struct config *config = load_end(&load, &problems);
    assert_non_null(config);
    config_each_notice(config, collect_notice, &notices);
    assert_string_equal(notices, "");
    free(notices);
    config_unref(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notices_say_what_a_person_should_know),
        cmocka_unit_test(nobody_is_told_what_they_typed),
    };

    setenv("HOME", "/home/test", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
