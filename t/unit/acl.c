/* Tests of policy/acl: what rules say, and to whom. */
#include "policy/acl.h"

#include "base/hostport.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Appends "allow = WORDS" or "deny = WORDS". */
static int add_line(struct acl *acl, const char *text, unsigned line, char *error, size_t size)
{
    const char *words = strchr(text, '=') + 1;

    return acl_add(acl, strncmp(text, "allow", 5) == 0, words, line, error, size);
}

/* Builds a list from lines; they are numbered from 1. */
static struct acl *acl_of(const char *text)
{
    struct acl *acl = acl_new();
    char *lines = strdup(text);
    char *rest = lines;
    char *line;
    char error[256];

    for (unsigned number = 1; (line = strsep(&rest, "\n")); number++) {
        if (*line && add_line(acl, line, number, error, sizeof(error)) < 0)
            fail_msg("%s: %s", line, error);
    }
    free(lines);
    return acl;
}

/* A request in words; an empty one is to www.example.com:80 from 192.0.2.1 without a user at
 * "main". */
struct request {
    const char *from; /* "unix": a unix socket; "remote ADDRESS": by a remote forward */
    const char *user;
    const char *listen;
    const char *host; /* as a client might write it */
    const char *ip;   /* resolved */
    uint16_t port;
};

static struct acl_verdict decide(const struct acl *acl, const struct request *request)
{
    struct ip from;
    struct ip ip;
    char host[HOST_MAX + 1];
    struct acl_query query = {
        .from = &from,
        .user = request->user,
        .listen = request->listen ? request->listen : "main",
        .host = host,
        .port = request->port ? request->port : 80,
    };

    strcpy(host, request->host ? request->host : "www.example.com");
    host_normalise(host);
    query.remote = request->from && strncmp(request->from, "remote ", strlen("remote ")) == 0;
    if (request->from && strcmp(request->from, "unix") == 0)
        query.from = NULL;
    else if (query.remote)
        assert_true(ip_parse(request->from + strlen("remote "), &from));
    else
        assert_true(ip_parse(request->from ? request->from : "192.0.2.1", &from));
    if (request->ip) {
        assert_true(ip_parse(request->ip, &ip));
        query.ip = &ip;
    }
    return acl_decide(acl, &query);
}

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
        if (acl_add(acl, true, cases[i].words, 1, error, sizeof(error)) < 0)
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
        assert_int_equal(acl_add(acl, true, words, 1, error, sizeof(error)), 0);
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
    assert_int_equal(acl_add(acl, true, words, 1, error, sizeof(error)), 0);
    assert_false(decide(acl, &(struct request){.host = host}).allow);
    acl_free(acl);
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

static void an_internal_request_meets_no_listen_word(void **state)
{
    struct acl *acl = acl_of("allow = listen=main\ndeny = to=*");
    struct acl_query query = {.host = "a", .port = 1};

    (void)state;
    assert_int_equal(acl_rule_line(acl_decide(acl, &query).rule), 2);
    acl_free(acl);
}

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
    assert_int_equal(acl_add(acl, true, "nonsense", 1, error, 8), -1);
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
    assert_int_equal(acl_add(acl, true, words, 1, error, sizeof(error)), 0);
    assert_true(decide(acl, &(struct request){.host = words + 3}).allow);
    words[3 + HOST_MAX] = 'a';
    assert_int_equal(acl_add(acl, true, words, 1, error, sizeof(error)), -1);
    acl_free(acl);
}

static void rules_are_listed_as_written(void **state)
{
    static const char *const texts[] = {"allow = to=*.Example.com port=80",
                                        "deny = from=unix to=*"};
    struct acl *acl = acl_of("allow = \t to=*.Example.com port=80 \t\n\ndeny =from=unix to=*");

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
        cmocka_unit_test(a_word_holds_or_does_not),
        cmocka_unit_test(a_rule_with_networks_misses_clients_of_a_remote_forward),
        cmocka_unit_test(globs_match_as_the_plainest_matcher_does),
        cmocka_unit_test(a_hostile_pattern_takes_no_time),
        cmocka_unit_test(the_first_match_decides),
        cmocka_unit_test(without_a_list_all_is_allowed_and_with_an_empty_one_nothing),
        cmocka_unit_test(an_internal_request_meets_no_listen_word),
        cmocka_unit_test(a_wrong_rule_is_refused_with_the_word_named),
        cmocka_unit_test(a_message_fits_the_room_it_is_given),
        cmocka_unit_test(a_name_in_a_rule_may_have_255_bytes),
        cmocka_unit_test(rules_are_listed_as_written),
        cmocka_unit_test(networks_in_to_are_seen),
        cmocka_unit_test(names_that_rules_refer_to_are_told_with_their_lines),
        cmocka_unit_test(a_listener_is_narrowed_when_no_rule_lets_all_the_world_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
