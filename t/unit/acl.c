/* Tests of policy/acl: which client may reach what. */
#include "acl_test.h"

static void a_word_holds_or_does_not(void **state)
{
    static const struct {
        const char *words;
        struct request request;
        bool holds;
    } cases[] = {
        {"from=192.0.2.0/24", {0}, true},
        {"from=192.0.2.0/24", {.from = "192.0.3.1"}, false},
        {"from=192.0.2.0/24", {.from = "::ffff:192.0.2.9"}, true},
        {"from=192.0.2.0/24", {.from = "unix"}, false},
        {"from=unix", {.from = "unix"}, true},
        {"from=unix", {0}, false},
        {"from=10.0.0.0/8,unix,192.0.2.1", {0}, true},
        {"from=10.0.0.0/8,unix,192.0.2.1", {.from = "unix"}, true},
        {"from=10.0.0.0/8,unix,192.0.2.1", {.from = "192.0.2.2"}, false},
        {"from=::/0", {.from = "2001:db8::1"}, true},
        {"from=::/0", {0}, false},
        {"from=remote", {0}, false},
        {"from=remote", {.from = "unix"}, false},
        {"from=remote", {.from = "remote 127.0.0.1"}, true},
        {"from=127.0.0.0/8", {.from = "remote 127.0.0.1"}, false},
        {"from=0.0.0.0/0,::/0,unix", {.from = "remote 127.0.0.1"}, false},
        {"from=10.0.0.0/8,remote", {.from = "remote 127.0.0.1"}, true},
        {"from=10.0.0.0/8,remote", {.from = "10.0.0.1"}, true},
        {"listen=main", {.from = "remote 127.0.0.1"}, true},

        {"user=alice", {.user = "alice"}, true},
        {"user=alice", {.user = "Alice"}, false},
        {"user=alice", {.user = "alicex"}, false},
        {"user=alice", {.user = ""}, false},
        {"user=alice", {0}, false},
        {"user=bob,alice", {.user = "alice"}, true},
        {"user=a=b", {.user = "a=b"}, true},

        {"listen=main", {0}, true},
        {"listen=main,other", {.listen = "other"}, true},
        {"listen=other", {0}, false},

        {"to=*", {0}, true},
        {"to=*", {.host = "10.0.0.1"}, true},
        {"to=*", {.host = "::1"}, true},
        {"to=www.example.com", {0}, true},
        {"to=WWW.Example.COM.", {0}, true},
        {"to=www.example.com", {.host = "WWW.EXAMPLE.com."}, true},
        {"to=www.example.com", {.host = "xwww.example.com"}, false},
        {"to=www.example.com", {.host = "www.example.com.evil.net"}, false},
        {"to=www.example.com", {.host = "wwwxexample.com"}, false},
#ifdef HAVE_LIBIDN2
        {"to=b\u00fccher.example", {.host = "xn--bcher-kva.example"}, true},
        {"to=B\u00dcCHER.example", {.host = "xn--bcher-kva.example"}, true},
        {"to=b\u00fccher.example", {.host = "bcher.example"}, false},
        {"to=*.b\u00fccher.example", {.host = "www.xn--bcher-kva.example"}, true},
        {"to=.b\u00fccher.example.", {.host = "xn--bcher-kva.example"}, true},
        {"to=.b\u00fccher.example.", {.host = "www.xn--bcher-kva.example"}, true},
#endif
        {"to=*.example.com", {0}, true},
        {"to=*.example.com", {.host = "a.b.example.com"}, true},
        {"to=*.example.com", {.host = "example.com"}, false},
        {"to=*.example.com", {.host = "notexample.com"}, false},
        {"to=*.example.com", {.host = "www.example.com.evil.net"}, false},
        {"to=.example.com", {.host = "example.com"}, true},
        {"to=.example.com", {.host = "www.example.com"}, true},
        {"to=.example.com", {.host = "a.b.example.com"}, true},
        {"to=.example.com", {.host = "notexample.com"}, false},
        {"to=.example.com", {.host = "example.com.evil.net"}, false},
        {"to=.Example.com.", {.host = "example.com"}, true},
        {"to=.c*.example.com", {.host = "x.cde.example.com"}, true},
        {"to=www*.example.*", {.host = "www1.example.org"}, true},
        {"to=*a*b*", {.host = "xxayybzz"}, true},
        {"to=*a*b*", {.host = "xxbyyazz"}, false},
        {"to=10.0.0.*", {.host = "10.0.0.7"}, true},
        {"to=10.0.0.*", {.host = "10.0.1.7"}, false},
        {"to=localhost", {.host = "localhost"}, true},
        {"to=a,b,www.example.com", {0}, true},
        {"to=a,b", {0}, false},

        {"to=10.0.0.0/8", {.host = "10.1.2.3"}, true},
        {"to=10.0.0.0/8", {.host = "11.1.2.3"}, false},
        {"to=10.0.0.0/8", {.host = "::ffff:10.1.2.3"}, true},
        {"to=10.0.0.0/8", {.host = "[::ffff:a01:203]"}, true},
        {"to=10.0.0.0/8", {.host = "10.66051"}, true},
        {"to=10.0.0.0/8", {.host = "0xa.1.2.3"}, true},
        {"to=10.0.0.0/8", {.host = "167838211"}, true},
        {"to=10.0.0.0/8", {.host = "012.1.2.3"}, true},
        {"to=10.0.0.0/8", {.host = "10.1.2.3."}, true},
        {"to=10.0.0.0/8", {0}, false},
        {"to=10.0.0.0/8", {.ip = "10.1.2.3"}, true},
        {"to=10.0.0.0/8", {.ip = "11.1.2.3"}, false},
        {"to=10.1.2.3", {.host = "::ffff:10.1.2.3"}, true},
        {"to=::1", {.host = "0:0:0:0:0:0:0:1"}, true},
        {"to=::1", {.host = "::1%lo"}, true},
        {"to=[::1]", {.host = "[::1]"}, true},
        {"to=::ffff:10.1.2.3", {.host = "10.1.2.3"}, true},
        {"to=2001:db8::/32", {.ip = "2001:db8:1::1"}, true},
        {"to=2001:db8::/32,www.example.com", {.ip = "10.0.0.1"}, true},

        {"port=80", {0}, true},
        {"port=443", {0}, false},
        {"port=443,8000-8999", {.port = 8000}, true},
        {"port=443,8000-8999", {.port = 8999}, true},
        {"port=443,8000-8999", {.port = 7999}, false},
        {"port=443,8000-8999", {.port = 9000}, false},
        {"port=1-65535", {.port = 65535}, true},
        {"port=80-80", {0}, true},

        {"via=office", {0}, true},
        {"to=*.example.com port=80 from=192.0.2.1 listen=main", {0}, true},
        {"to=*.example.com port=81 from=192.0.2.1 listen=main", {0}, false},
        {"to=*.example.com port=80 from=192.0.2.2 listen=main", {0}, false},
        {"to=*.example.net port=80 from=192.0.2.1 listen=main", {0}, false},
        {"to=*.example.com port=80 from=192.0.2.1 listen=x", {0}, false},
        {"to=*.example.com port=80 user=alice", {0}, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char error[256];
        struct acl *acl = acl_new();
        if (acl_add(acl, &(struct acl_words){true, cases[i].words, 1}, error, sizeof(error)) < 0)
            fail_msg("%s", error);
        struct acl_verdict verdict = decide(acl, &cases[i].request);
        if (verdict.allow != cases[i].holds || (verdict.rule != NULL) != cases[i].holds)
            fail_msg("%s: case %zu", cases[i].words, i);
        acl_free(acl);
    }
}

/* The plainest matcher, for comparison. */
static bool glob_reference(const char *pattern, const char *text)
{
    if (*pattern == '*')
        return glob_reference(pattern + 1, text) || (*text && glob_reference(pattern, text + 1));
    if (*pattern == '\0' || *text == '\0')
        return *pattern == *text;
    return *pattern == *text && glob_reference(pattern + 1, text + 1);
}

/* The word of number `n` over an alphabet; the empty word is number 0. */
static void spell(unsigned n, const char *alphabet, char *word)
{
    unsigned letters = (unsigned)strlen(alphabet);

    for (; n > 0; n = (n - 1) / letters)
        *word++ = alphabet[(n - 1) % letters];
    *word = '\0';
}

static void globs_match_as_the_plainest_matcher_does(void **state)
{
    (void)state;
    for (unsigned p = 1; p < 364; p++) { /* every pattern of up to five letters */
        char words[32] = "to=";
        char error[256];
        struct acl *acl = acl_new();
        spell(p, "ab*", words + 3);
        assert_int_equal(acl_add(acl, &(struct acl_words){true, words, 1}, error, sizeof(error)),
                         0);
        for (unsigned t = 1; t < 127; t++) { /* every text of up to six */
            char text[16];
            spell(t, "ab", text);
            struct acl_verdict verdict = decide(acl, &(struct request){.host = text});
            if (verdict.allow != glob_reference(words + 3, text))
                fail_msg("%s and %s", words, text);
        }
        acl_free(acl);
    }
}

static void a_hostile_pattern_takes_no_time(void **state)
{
    char words[4 + HOST_MAX] = "to=";
    char host[HOST_MAX + 1];
    char error[512];
    struct acl *acl = acl_new();

    (void)state;
    for (size_t i = 3; i < sizeof(words) - 2; i += 2)
        memcpy(words + i, "a*", 3);
    words[strlen(words) - 1] = 'b';
    memset(host, 'a', HOST_MAX);
    host[HOST_MAX] = '\0';
    assert_int_equal(acl_add(acl, &(struct acl_words){true, words, 1}, error, sizeof(error)), 0);
    assert_false(decide(acl, &(struct request){.host = host}).allow);
    acl_free(acl);
}

static void what_denies_loopback_denies_the_unspecified_address(void **state)
{
    static const struct {
        const char *words;
        struct request request;
        bool denied;
    } cases[] = {
        {"to=127.0.0.0/8", {.host = "0.0.0.0"}, true},
        {"to=127.0.0.1", {.host = "0"}, true},
        {"to=127.0.0.1", {.ip = "::ffff:0.0.0.0"}, true},
        {"to=127.0.0.1", {.host = "0.0.0.0", .bind = true}, false},
        {"to=127.0.0.2", {.host = "0.0.0.0"}, false},
        {"to=127.0.0.1", {.host = "0.0.0.1"}, false},
        {"to=127.0.0.0/8", {.host = "::"}, false},
        {"to=::1", {.host = "[::]"}, true},
        {"to=::1", {.host = "0.0.0.0"}, false},
        {"to=0.0.0.0", {.host = "0.0.0.0"}, true},
        {"to=0.0.0.0", {.host = "127.0.0.1"}, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char error[256];
        struct acl *denies = acl_new();
        struct acl *allows = acl_new();
        struct acl_words deny = {false, cases[i].words, 1};
        struct acl_words allow = {true, cases[i].words, 1};
        assert_int_equal(acl_add(denies, &deny, error, sizeof(error)), 0);
        assert_int_equal(acl_add(allows, &allow, error, sizeof(error)), 0);
        if ((decide(denies, &cases[i].request).rule != NULL) != cases[i].denied)
            fail_msg("deny %s: case %zu", cases[i].words, i);
        /* What allows loopback allows no more than it says. */
        if (decide(allows, &cases[i].request).allow &&
            strstr(cases[i].words, cases[i].request.host) == NULL)
            fail_msg("allow %s: case %zu", cases[i].words, i);
        acl_free(denies);
        acl_free(allows);
    }
}

static void the_first_match_decides(void **state)
{
    static const char rules[] =
        "deny  = to=169.254.0.0/16,127.0.0.0/8\n"
        "allow = from=127.0.0.0/8 to=*.corp.example.com port=443 via=office\n"
        "allow = user=alice to=10.0.0.0/8\n"
        "deny = to=.secret.example.com\n"
        "allow = to=* port=80,443 via=lab\n"
        "deny = to=* port=80\n";
    static const struct {
        struct request request;
        unsigned line; /* 0: none matches */
        bool allow;
        const char *via;
    } cases[] = {
        {{.host = "127.0.0.1"}, 1, false, NULL},
        {{.host = "2130706433"}, 1, false, NULL},
        {{.host = "rebound.example.com", .ip = "127.0.0.1"}, 1, false, NULL},
        {{.from = "127.0.0.1", .host = "a.corp.example.com", .port = 443}, 2, true, "office"},
        {{.host = "a.corp.example.com", .port = 443}, 5, true, "lab"},
        {{.user = "alice", .host = "10.0.0.1", .port = 22}, 3, true, NULL},
        {{.user = "bob", .host = "10.0.0.1", .port = 22}, 0, false, NULL},
        {{.host = "secret.example.com"}, 4, false, NULL},
        {{.host = "a.secret.example.com"}, 4, false, NULL},
        {{.host = "www.example.com"}, 5, true, "lab"},
        {{.host = "www.example.com", .port = 25}, 0, false, NULL},
    };
    struct acl *acl = acl_of(rules);

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct acl_verdict verdict = decide(acl, &cases[i].request);
        if (verdict.allow != cases[i].allow || acl_rule_line(verdict.rule) != cases[i].line)
            fail_msg("case %zu: %s", i, acl_rule_text(verdict.rule));
        assert_int_equal(verdict.via != NULL, cases[i].via != NULL);
        if (verdict.via)
            assert_string_equal(verdict.via, cases[i].via);
    }
    acl_free(acl);
}

static void without_a_list_all_is_allowed_and_with_an_empty_one_nothing(void **state)
{
    struct acl *acl = acl_new();

    (void)state;
    assert_true(decide(NULL, &(struct request){0}).allow);
    assert_null(decide(NULL, &(struct request){0}).rule);
    assert_false(decide(acl, &(struct request){0}).allow);
    assert_null(decide(acl, &(struct request){0}).rule);
    assert_string_equal(acl_rule_text(NULL), "default");
    acl_free(acl);
    acl_free(NULL);
}

/* alice and bob are in staff, and erin smith is in "night shift". */
static bool in_group(const void *groups, const char *group, const char *user)
{
    assert_string_equal(groups, "the groups");
    return strcmp(group, "staff") == 0 ? strcmp(user, "alice") == 0 || strcmp(user, "bob") == 0
                                       : strcmp(group, "night") == 0 && strcmp(user, "erin") == 0;
}

static void a_group_holds_for_its_members(void **state)
{
    static const struct {
        const char *user;
        bool allowed;
    } cases[] = {{"alice", true}, {"bob", true}, {"erin", true}, {"mallory", false}, {NULL, false}};
    struct acl *acl = acl_of("allow = group=staff,night");

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct acl_query query = {.host = "a",
                                  .port = 1,
                                  .user = cases[i].user,
                                  .in_group = in_group,
                                  .groups = "the groups"};
        assert_int_equal(acl_decide(acl, &query).allow, cases[i].allowed);
        query.in_group = NULL;
        assert_false(acl_decide(acl, &query).allow);
    }
    /* A rule for a group makes a listener beyond loopback no open one. */
    assert_true(acl_narrows(acl, "main"));
    acl_free(acl);
}

static void an_internal_request_meets_no_listen_word(void **state)
{
    struct acl *acl = acl_of("allow = listen=main\ndeny = to=*");
    struct acl_query query = {.host = "a", .port = 1};

    (void)state;
    assert_int_equal(acl_rule_line(acl_decide(acl, &query).rule), 2);
    acl_free(acl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_holds_or_does_not),
        cmocka_unit_test(globs_match_as_the_plainest_matcher_does),
        cmocka_unit_test(a_hostile_pattern_takes_no_time),
        cmocka_unit_test(what_denies_loopback_denies_the_unspecified_address),
        cmocka_unit_test(the_first_match_decides),
        cmocka_unit_test(without_a_list_all_is_allowed_and_with_an_empty_one_nothing),
        cmocka_unit_test(a_group_holds_for_its_members),
        cmocka_unit_test(an_internal_request_meets_no_listen_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
