/* Forwards as ssh writes them. */
#include "conf/forward_spec.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define X10 "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10

enum { L = FORWARD_LOCAL, R = FORWARD_REMOTE, D = FORWARD_DYNAMIC, W };

/* What one text is: the forward printed again, or NULL with the reason in `error`. */
static char *parse(int kind, const char *text, char error[FORWARD_ERROR_MAX])
{
    struct config_forward forward = {0};
    char *printed;

    error[0] = '\0';
    if (kind == W) {
        if (!forward_spec_parse_stdio(text, &forward.target, error, FORWARD_ERROR_MAX))
            return NULL;
        printed = place_print(&forward.target);
    } else {
        if (!forward_spec_parse((enum forward_kind)kind, text, &forward, error, FORWARD_ERROR_MAX))
            return NULL;
        assert_int_equal(forward.kind, kind);
        printed = forward_spec_print(&forward);
    }
    place_clear(&forward.bind);
    place_clear(&forward.target);
    return printed;
}

/* Whatever the text is, it is right with a print that means the same, or wrong with a reason. */
static void check_sense(int kind, const char *text)
{
    char error[FORWARD_ERROR_MAX];
    char *printed = parse(kind, text, error);

    if (!printed) {
        assert_int_equal(error[0], '\'');
        return;
    }
    assert_string_equal(error, "");
    char *again = parse(kind, printed, error);
    assert_non_null(again);
    assert_string_equal(again, printed);
    free(again);
    free(printed);
}

struct good {
    int kind;
    const char *text;
    const char *printed;
};

static const struct good goods[] = {
    {L, "5432:localhost:5432", "5432 localhost:5432"},
    {L, "5432 localhost:5432", "5432 localhost:5432"},
    {L, "5432 [localhost]:5432", "5432 localhost:5432"},
    {L, "0.0.0.0:8080:host:80", "0.0.0.0:8080 host:80"},
    {L, "[0.0.0.0]:8080 [host]:80", "0.0.0.0:8080 host:80"},
    {L, "localhost:80:h:1", "localhost:80 h:1"},
    {L, "*:80:h:1", "*:80 h:1"},
    {L, "[*]:80 [h]:1", "*:80 h:1"},
    {L, ":80:h:1", "*:80 h:1"},
    {L, "[]:80 [h]:1", "*:80 h:1"},
    {L, "[::1]:80:[2001:db8::1]:90", "[::1]:80 [2001:db8::1]:90"},
    {L, "[::1]:80\t[2001:db8::1]:90", "[::1]:80 [2001:db8::1]:90"},
    {L, "80:[fe80::1%eth0]:90", "80 [fe80::1%eth0]:90"},
    {L, "\\:\\:1:80:h:1", "[::1]:80 h:1"},
    {L, "/a/b:/c/d", "/a/b /c/d"},
    {L, "/a/b /c/d", "/a/b /c/d"},
    {L, "/a/b:h:1", "/a/b h:1"},
    {L, "/a:[::1]:80", "/a [::1]:80"},
    {L, "80:/c/d", "80 /c/d"},
    {L, "1.2.3.4:80:/c/d", "1.2.3.4:80 /c/d"},
    {L, "[1.2.3.4]:80 /c/d", "1.2.3.4:80 /c/d"},
    {L, "a/b:c/d", "a/b c/d"},
    {L, "/a\\:b:/c\\\\d\\ e\\;\\#\\[", "/a\\:b /c\\\\d\\ e\\;\\#\\["},
    {L, "[/a:b]:[/c d]", "/a\\:b /c\\ d"},
    {L, "80:h:http", "80 h:80"},
    {L, "https:h:80", "443 h:80"},
    {L, "  80   h:1  ", "80 h:1"},
    {L, "65535:h:65535", "65535 h:65535"},
    {R, "9000:localhost:3000", "9000 localhost:3000"},
    {R, "9000 [localhost]:3000", "9000 localhost:3000"},
    {R, "*:9000:localhost:3000", "*:9000 localhost:3000"},
    {R, "0:h:1", "0 h:1"},
    {R, "b:0:h:1", "b:0 h:1"},
    {R, "80:/a", "80 /a"},
    {R, "b:80:/a", "b:80 /a"},
    {R, "/a:/b", "/a /b"},
    {R, "/a:h:1", "/a h:1"},
    {R, "1080", "1080"},
    {R, "0", "0"},
    {R, ":1080", "*:1080"},
    {R, "[::]:1080", "[::]:1080"},
    {R, "1080 [socks]:0", "1080"},
    {R, "[::]:1080 [socks]:0", "[::]:1080"},
    {R, "/a", "/a"},
    {R, "/a [socks]:0", "/a"},
    {R, "1080:socks:1", "1080 socks:1"},
    {D, "1080", "1080"},
    {D, "b:1080", "b:1080"},
    {D, "[b]:1080", "b:1080"},
    {D, ":1080", "*:1080"},
    {D, "*:1080", "*:1080"},
    {D, "[::1]:1080", "[::1]:1080"},
    {D, "/a/b", "/a/b"},
    {W, "h:1", "h:1"},
    {W, "[::1]:22", "[::1]:22"},
    {W, "h:ssh", "h:22"},
    {W, "/a/b", "/a/b"},
};

static void every_form_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(goods); i++) {
        char error[FORWARD_ERROR_MAX];
        char *printed = parse(goods[i].kind, goods[i].text, error);
        assert_string_equal(error, "");
        assert_string_equal(printed, goods[i].printed);
        free(printed);
        check_sense(goods[i].kind, goods[i].text);
    }
}

static void every_beginning_of_a_form_makes_sense_or_has_a_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(goods); i++) {
        for (size_t length = 0; length < strlen(goods[i].text); length++) {
            char *text = mem_strndup(goods[i].text, length);
            for (int kind = L; kind <= W; kind++)
                check_sense(kind, text);
            free(text);
        }
    }
}

static void nothing_may_follow_a_form(void **state)
{
    (void)state;
    static const char *const tails[] = {":1:2:3:4", " x y", "\n", "\x7f", "\x01", "\\"};

    for (size_t i = 0; i < COUNT(goods); i++) {
        for (size_t k = 0; k < COUNT(tails); k++) {
            char error[FORWARD_ERROR_MAX];
            char *text = mem_printf("%s%s", goods[i].text, tails[k]);
            assert_null(parse(goods[i].kind, text, error));
            assert_int_equal(error[0], '\'');
            free(text);
        }
    }
}

#define NO_LOCAL " is not [BIND:]PORT:HOST:HOSTPORT, with a socket's path in place of either end"
#define NO_REMOTE                                                                                  \
    " is not [BIND:]PORT:HOST:HOSTPORT or [BIND:]PORT, with a socket's path in place of either "   \
    "end"
#define NO_DYNAMIC " is not [BIND:]PORT"
#define NO_PORT " for a port, which is a number from 1 to 65535 or a service"
#define NO_PORT_0 " for a port, which is a number from 0 to 65535 or a service"

static void what_is_none_is_told_in_words(void **state)
{
    (void)state;
    static const struct {
        int kind;
        const char *text;
        const char *error;
    } cases[] = {
        {L, "", "''" NO_LOCAL},
        {L, " ", "' '" NO_LOCAL},
        {L, "80", "'80'" NO_LOCAL},
        {L, "/a", "'/a'" NO_LOCAL},
        {L, "80:h", "'80:h'" NO_LOCAL},
        {L, "80/h/90", "'80/h/90'" NO_LOCAL},
        {L, "80 h:1 x", "'80 h:1 x'" NO_LOCAL},
        {L, "80:h 1", "'80:h 1'" NO_LOCAL},
        {L, "b 80:h:1", "'b 80:h:1'" NO_LOCAL},
        {L, "b:80:h:1:2", "'b:80:h:1:2'" NO_LOCAL},
        {L, "[::1:80:h:1", "'[::1:80:h:1'" NO_LOCAL},
        {L, "[::1]80:h:1", "'[::1]80:h:1'" NO_LOCAL},
        {L, "/a:b/c:d", "'/a:b/c:d'" NO_LOCAL},
        {L, "/a:1:/b", "'/a:1:/b'" NO_LOCAL},
        {L, "80:h:1\\", "'80:h:1\\'" NO_LOCAL},
        {L, "0:h:1", "'0:h:1' has '0'" NO_PORT},
        {L, "80:h:0", "'80:h:0' has '0'" NO_PORT},
        {L, "80:h:70000", "'80:h:70000' has '70000'" NO_PORT},
        {L, "80:h:nothing", "'80:h:nothing' has 'nothing'" NO_PORT},
        {L, "80:h:", "'80:h:' has no port"},
        {L, "-1:h:1", "'-1:h:1' has '-1'" NO_PORT},
        {L, "/a:b:c:d", "'/a:b:c:d' has 'b'" NO_PORT},
        {L, "80::80", "'80::80' has no host"},
        {L, "80:[]:80", "'80:[]:80' has no host"},
        {L, "80:[a:b]:80", "'80:[a:b]:80' has 'a:b' for a host"},
        {L, "80:[a b]:80", "'80:[a b]:80' has 'a b' for a host"},
        {L, "x:80:/c:/d", "'x:80:/c:/d' has '/c' for a host"},
        {L, "80:" X100 X100 X10 X10 X10 X10 X10 "xxxxxx:1",
         "'80:" X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 "xxxxxxx' has '" X100 "' for a host"},
        {L, "/" X100 "xxxxxxx:h:1",
         "'/" X100 "xxxxxxx:h:1' has too long a path (107 bytes at most)"},
        {L, "80:/\n", "'80:/\n' has a control character in it"},
        {R, "", "'' has no port"},
        {R, "9000:localhost", "'9000:localhost' has 'localhost'" NO_PORT_0},
        {R, "80:h:0", "'80:h:0' has '0'" NO_PORT},
        {R, "b:80 socks:0:1", "'b:80 socks:0:1'" NO_REMOTE},
        {R, "b:0:socks", "'b:0:socks' has 'b'" NO_PORT_0},
        {D, "", "'' has no port"},
        {D, "0", "'0' has '0'" NO_PORT},
        {D, "80 90", "'80 90'" NO_DYNAMIC},
        {D, "a:b:c", "'a:b:c'" NO_DYNAMIC},
        {D, "80:/a", "'80:/a'" NO_DYNAMIC},
        {D, "80:h:1:2", "'80:h:1:2'" NO_DYNAMIC},
        {W, "", "'' is not HOST:PORT"},
        {W, "h", "'h' is not HOST:PORT"},
        {W, "h 1", "'h 1' is not HOST:PORT"},
        {W, "h:1:2", "'h:1:2' is not HOST:PORT"},
        {W, "h:0", "'h:0' has '0'" NO_PORT},
        {W, ":1", "':1' has no host"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        char error[FORWARD_ERROR_MAX];
        assert_null(parse(cases[i].kind, cases[i].text, error));
        assert_string_equal(error, cases[i].error);
    }
}

static void a_long_error_is_cut(void **state)
{
    (void)state;
    char error[10];
    struct config_forward forward;

    memset(error, 'x', sizeof(error));
    assert_false(forward_spec_parse(FORWARD_LOCAL, X100, &forward, error, sizeof(error) - 1));
    assert_string_equal(error, "'xxxxxxx");
    assert_int_equal(error[9], 'x');
}

static void what_was_there_stays_where_a_text_is_none(void **state)
{
    (void)state;
    char error[FORWARD_ERROR_MAX], name[] = "n";
    struct config_forward forward = {.name = name, .kind = FORWARD_DYNAMIC, .bind.port = 7};

    assert_false(forward_spec_parse(FORWARD_LOCAL, "80:h:x:y:z", &forward, error, sizeof(error)));
    assert_int_equal(forward.kind, FORWARD_DYNAMIC);
    assert_int_equal(forward.bind.port, 7);
    assert_true(forward_spec_parse(FORWARD_LOCAL, "80:h:9", &forward, error, sizeof(error)));
    assert_ptr_equal(forward.name, name);
    assert_string_equal(forward.bind.host, "");
    assert_int_equal(forward.bind.port, 80);
    assert_null(forward.bind.path);
    assert_string_equal(forward.target.host, "h");
    assert_int_equal(forward.target.port, 9);
    place_clear(&forward.bind);
    place_clear(&forward.target);
}

static void an_end_that_listens_stands_for_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        const char *addresses; /* "?" before one that may be missing; NULL: there are none */
    } cases[] = {
        {"", "127.0.0.1 ?::1 "}, {"localhost", "127.0.0.1 ?::1 "},
        {"*", "0.0.0.0 ?:: "},   {"192.0.2.1", "192.0.2.1 "},
        {"::1", "::1 "},         {"::", ":: "},
        {"0.0.0.0", "0.0.0.0 "}, {"example.com", NULL},
        {"fe80::1%eth0", NULL},  {"127.1", NULL},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct config_place place = {.host = (char *)cases[i].host, .port = 80};
        struct config_address *addresses = NULL;
        size_t count = 0;
        char *text = mem_strdup("");
        assert_int_equal(addresses_append(&place, &addresses, &count), cases[i].addresses != NULL);
        for (size_t k = 0; k < count; k++) {
            char ip[IP_TEXT_MAX];
            char *longer = mem_printf("%s%s%s ", text, addresses[k].optional ? "?" : "",
                                      ip_format(&addresses[k].ip, ip));
            assert_int_equal(addresses[k].port, 80);
            assert_false(addresses[k].is_unix);
            free(text);
            text = longer;
        }
        assert_string_equal(text, cases[i].addresses ? cases[i].addresses : "");
        free(text);
        free(addresses);
    }
}

static void a_path_stands_for_itself(void **state)
{
    (void)state;
    struct config_place place = {.path = (char *)"/a"};
    struct config_address *addresses = NULL;
    size_t count = 0;

    assert_true(addresses_append(&place, &addresses, &count));
    assert_int_equal(count, 1);
    assert_true(addresses[0].is_unix);
    assert_string_equal(addresses[0].path, "/a");
    assert_ptr_not_equal(addresses[0].path, place.path);
    free(addresses[0].path);
    free(addresses);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_is_read),
        cmocka_unit_test(every_beginning_of_a_form_makes_sense_or_has_a_reason),
        cmocka_unit_test(nothing_may_follow_a_form),
        cmocka_unit_test(what_is_none_is_told_in_words),
        cmocka_unit_test(a_long_error_is_cut),
        cmocka_unit_test(what_was_there_stays_where_a_text_is_none),
        cmocka_unit_test(an_end_that_listens_stands_for_addresses),
        cmocka_unit_test(a_path_stands_for_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
