/* Tests of policy/acl: what is told of rules, and which are refused. */
#include "acl_test.h"

static void a_wrong_rule_is_refused_with_the_word_named(void **state)
{
    static const struct {
        const char *line;
        const char *names; /* must be in the message */
    } cases[] = {
        {"allow =", "allow"},
        {"deny =  \t ", "deny"},
        {"allow = everything", "everything"},
        {"allow = to=* port", "port"},
        {"allow = =x", "=x"},
        {"allow = host=a", "host=a"},
        {"allow = To=a", "To=a"},
        {"allow = t=a", "t=a"},
        {"allow = too=a", "too=a"},
        {"allow = to=", "to="},
        {"allow = to=a,", "to=a,"},
        {"allow = to=,a", "to=,a"},
        {"allow = to=a,,b", "to=a,,b"},
        {"allow = to=a, b", "to=a,"},
        {"allow = to = a", "to"},
        {"allow = to=a to=b", "to=b"},
        {"allow = port=80 to=a port=81", "port=81"},

        {"allow = from=example.com", "example.com"},
        {"allow = from=10.0.0.1/8", "10.0.0.1/8"},
        {"allow = from=*", "*"},
        {"allow = from=Unix", "Unix"},

        {"allow = to=10.0.0.1/8", "10.0.0.1/8"},
        {"allow = to=10.0.0.0/33", "10.0.0.0/33"},
        {"allow = to=10.0.0.256", "10.0.0.256"},
        {"allow = to=10.1", "10.1"},
        {"allow = to=10", "10"},
        {"allow = to=.", "."},
        {"allow = to=..", ".."},
        {"allow = to=example.com:80", "example.com:80"},
        {"allow = to=http://example.com", "http://example.com"},
        {"allow = to=[a-z].example.com", "[a-z].example.com"},
        {"allow = to=www?.example.com", "www?.example.com"},
        {"allow = to=!example.com", "!example.com"},
        {"allow = to=::1%lo", "::1%lo"},
        {"allow = to=b\xfc"
         "cher.example",
         "is not ASCII"},
        {"allow = to=b\u00fc*.example", "a label that is not ASCII"},
        {"allow = to=1:2", "1:2"},

        {"allow = port=0", "\"0\""},
        {"allow = port=80,65536", "\"65536\""},
        {"allow = port=http", "http"},
        {"allow = port=80-", "80-"},
        {"allow = port=-80", "-80"},
        {"allow = port=0-80", "0-80"},
        {"allow = port=80-90-100", "80-90-100"},
        {"allow = port=90-80", "90-80"},
        {"allow = port=*", "*"},

        {"allow = user=*", "*"},
        {"allow = user=a*", "a*"},
        {"allow = listen=*", "*"},
        {"allow = via=*", "*"},
        {"allow = via=a,b", "\"b\""},
        {"allow = via=a via=b", "via=b"},
        {"deny = to=* via=a", "via=a"},
        {"allow = to=a\r", "to=a"},
        {"allow = user=a\x1b[m", "user=a"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct acl *acl = acl_new();
        char error[256] = "";
        if (add_line(acl, cases[i].line, 7, error, sizeof(error)) == 0)
            fail_msg("%s was taken", cases[i].line);
        if (!strstr(error, cases[i].names))
            fail_msg("%s: %s", cases[i].line, error);
        assert_null(acl_rule_at(acl, 0));
        acl_free(acl);
    }
}

static void a_message_fits_the_room_it_is_given(void **state)
{
    struct acl *acl = acl_new();
    char *error = malloc(8); /* on the heap: the address sanitizer sees a byte too many */

    (void)state;
    assert_int_equal(acl_add(acl, &(struct acl_words){true, "nonsense", 1}, error, 8), -1);
    assert_int_equal(strlen(error), 7);
    free(error);
    acl_free(acl);
}

static void a_name_in_a_rule_may_have_255_bytes(void **state)
{
    char words[3 + HOST_MAX + 2] = "to=";
    char error[512];
    struct acl *acl = acl_new();

    (void)state;
    memset(words + 3, 'a', HOST_MAX);
    assert_int_equal(acl_add(acl, &(struct acl_words){true, words, 1}, error, sizeof(error)), 0);
    assert_true(decide(acl, &(struct request){.host = words + 3}).allow);
    words[3 + HOST_MAX] = 'a';
    assert_int_equal(acl_add(acl, &(struct acl_words){true, words, 1}, error, sizeof(error)), -1);
    acl_free(acl);
}

static void rules_are_listed_as_written(void **state)
{
    static const char *const texts[] = {"allow = to=*.Example.com port=80",
                                        "deny = from=unix to=*"};
    struct acl *acl = acl_of("allow = \t to=*.Example.com \t  port=80 \t\n\ndeny =from=unix to=*");

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++)
        assert_string_equal(acl_rule_text(acl_rule_at(acl, i)), texts[i]);
    assert_int_equal(acl_rule_line(acl_rule_at(acl, 0)), 1);
    assert_int_equal(acl_rule_line(acl_rule_at(acl, 1)), 3);
    assert_null(acl_rule_at(acl, 2));
    assert_null(acl_rule_at(NULL, 0));
    acl_free(acl);
}

static void networks_in_to_are_seen(void **state)
{
    static const struct {
        const char *rules;
        bool networks;
    } cases[] = {
        {"", false},
        {"allow = from=10.0.0.0/8 to=a,*.b", false},
        {"allow = to=*", false},
        {"allow = to=a,10.0.0.1", true},
        {"allow = to=a\ndeny = to=::/0", true},
    };

    (void)state;
    assert_false(acl_has_networks(NULL));
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct acl *acl = acl_of(cases[i].rules);
        assert_int_equal(acl_has_networks(acl), cases[i].networks);
        acl_free(acl);
    }
}

static void note(void *arg, const char *name, unsigned line)
{
    char *notes = arg;

    sprintf(notes + strlen(notes), "%s:%u ", name, line);
}

static void names_that_rules_refer_to_are_told_with_their_lines(void **state)
{
    struct acl *acl = acl_of("allow = via=office listen=a,b\ndeny = to=x\nallow = via=lab\n"
                             "deny = listen=c");
    char notes[64] = "";

    (void)state;
    acl_each_via(acl, note, notes);
    assert_string_equal(notes, "office:1 lab:3 ");
    *notes = '\0';
    acl_each_listen(acl, note, notes);
    assert_string_equal(notes, "a:1 b:1 c:4 ");
    *notes = '\0';
    acl_each_via(NULL, note, notes);
    acl_each_listen(NULL, note, notes);
    assert_string_equal(notes, "");
    acl_free(acl);
}

static void a_listener_is_narrowed_when_no_rule_lets_all_the_world_in(void **state)
{
    static const struct {
        const char *rules;
        bool narrow;
    } cases[] = {
        {"", true},
        {"deny = to=*", true},
        {"allow = to=*", false},
        {"allow = to=10.0.0.0/8 port=80", false},
        {"allow = via=office", false},
        {"allow = from=10.0.0.0/8", true},
        {"allow = from=unix", true},
        {"allow = from=remote", true},
        {"allow = from=remote,0.0.0.0/0", false},
        {"allow = user=alice", true},
        {"allow = from=0.0.0.0/0", false},
        {"allow = from=::ffff:0:0/96", false},
        {"allow = from=::/0", false},
        {"allow = from=10.0.0.0/8,::/0", false},
        {"allow = from=unix,0.0.0.0/0", false},
        {"allow = from=::/1", true},
        {"allow = from=0.0.0.0/0 user=alice", true},
        {"allow = from=10.0.0.0/8\nallow = to=example.com", false},
        {"allow = to=* listen=other", true},
        {"allow = to=* listen=other,main", false},
        {"deny = from=0.0.0.0/0,::/0\nallow = to=*", false},
        {"deny = to=*\nallow = from=10.0.0.0/8", true},
    };

    (void)state;
    assert_false(acl_narrows(NULL, "main"));
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct acl *acl = acl_of(cases[i].rules);
        if (acl_narrows(acl, "main") != cases[i].narrow)
            fail_msg("%s", cases[i].rules);
        acl_free(acl);
    }
}

static void rules_may_send_a_listener_s_requests_elsewhere(void **state)
{
    static const struct {
        const char *rules;
        bool elsewhere;
    } cases[] = {
        {"", false},
        {"allow = to=*", false},
        {"allow = to=* via=office", false},
        {"allow = to=10.0.0.0/8 via=spare", true},
        {"allow = to=* listen=other via=spare", false},
        {"allow = to=* listen=other,main via=spare", true},
        {"allow = to=* via=office\nallow = user=alice via=spare", true},
    };

    (void)state;
    assert_false(acl_sends_elsewhere(NULL, "main", "office"));
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct acl *acl = acl_of(cases[i].rules);
        if (acl_sends_elsewhere(acl, "main", "office") != cases[i].elsewhere)
            fail_msg("%s", cases[i].rules);
        acl_free(acl);
    }
}

static void a_rule_with_networks_misses_clients_of_a_remote_forward(void **state)
{
    static const struct {
        const char *rules;
        unsigned line; /* 0: there is none */
    } cases[] = {
        {"", 0},
        {"allow = to=*", 0},
        {"allow = from=unix", 0},
        {"allow = to=*\nallow = from=127.0.0.0/8", 2},
        {"deny = from=10.0.0.0/8\nallow = from=::1", 1},
        {"allow = from=127.0.0.0/8 listen=other", 0},
        {"allow = from=127.0.0.0/8 listen=far", 1},
        {"deny = from=unix,10.0.0.0/8 listen=far\nallow = to=*", 1},
        {"allow = from=127.0.0.0/8 listen=far\nallow = listen=far", 0},
        {"allow = from=127.0.0.0/8 listen=far,other\nallow = from=unix listen=far", 1},
        {"allow = from=127.0.0.0/8,remote", 0},
        {"allow = from=127.0.0.0/8\nallow = from=remote to=a", 0},
        {"allow = from=127.0.0.0/8\nallow = listen=far to=a", 0},
        {"allow = from=127.0.0.0/8\nallow = listen=other to=a", 1},
    };

    (void)state;
    assert_null(acl_misses_remote(NULL, "far"));
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct acl *acl = acl_of(cases[i].rules);
        if (acl_rule_line(acl_misses_remote(acl, "far")) != cases[i].line)
            fail_msg("%s", cases[i].rules);
        acl_free(acl);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_rule_is_refused_with_the_word_named),
        cmocka_unit_test(a_message_fits_the_room_it_is_given),
        cmocka_unit_test(a_name_in_a_rule_may_have_255_bytes),
        cmocka_unit_test(rules_are_listed_as_written),
        cmocka_unit_test(networks_in_to_are_seen),
        cmocka_unit_test(names_that_rules_refer_to_are_told_with_their_lines),
        cmocka_unit_test(a_listener_is_narrowed_when_no_rule_lets_all_the_world_in),
        cmocka_unit_test(rules_may_send_a_listener_s_requests_elsewhere),
        cmocka_unit_test(a_rule_with_networks_misses_clients_of_a_remote_forward),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
