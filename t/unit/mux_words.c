/* Tests of gateway/mux_escape and gateway/mux_forward: what a mux client types and names. */
#include "gateway/mux_escape.h"
#include "gateway/mux_forward.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Passes the text through a new filter, `step` bytes at a time. Returns what comes out, with
 * "(end)" where the filter ends. */
static const char *typed(const char *text, size_t step)
{
    static char out[200];
    struct pump_options options = {0};
    size_t length = strlen(text), at = 0;

    out[0] = '\0';
    mux_escape_add(&options, '~');
    while (at < length) {
        uint8_t bytes[200 + PUMP_FILTER_ROOM];
        size_t part = length - at < step ? length - at : step;
        ssize_t left;
        memcpy(bytes, text + at, part);
        left = options.filter(options.arg, bytes, part);
        if (left < 0) {
            strcat(out, "(end)");
            break;
        }
        strncat(out, (const char *)bytes, (size_t)left);
        at += part;
    }
    options.free_arg(options.arg);
    return out;
}

static void escapes_at_the_beginning_of_a_line(void **state)
{
    static const struct {
        const char *in;
        const char *out;
    } cases[] = {
        {"ls ~/x\r", "ls ~/x\r"}, {"~~x\r", "~x\r"},      {"a~.b", "a~.b"}, {"a\r~~.b", "a\r~.b"},
        {"a\n~~~", "a\n~~"},      {"~xy\r~a", "~xy\r~a"}, {"", ""},         {"\r\r~~\r", "\r\r~\r"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t step = 1; step < 12; step++)
            assert_string_equal(typed(cases[i].in, step), cases[i].out);
}

static void tilde_dot_ends(void **state)
{
    (void)state;
    for (size_t step = 1; step < 8; step++) {
        assert_non_null(strstr(typed("~.rest", step), "(end)"));
        assert_null(strstr(typed("~.rest", step), "rest"));
        assert_non_null(strstr(typed("ab\r~.", step), "(end)"));
    }
}

static void without_a_character_there_is_no_filter(void **state)
{
    struct pump_options options = {0};

    (void)state;
    mux_escape_add(&options, MUX_ESCAPE_NONE);
    assert_null(options.filter);
}

/* Forwards. */

static struct span text(const char *string)
{
    return (struct span){(const uint8_t *)string, strlen(string)};
}

static void forwards_in_the_words_of_ssh(void **state)
{
    static const struct {
        uint32_t kind;
        const char *listen;
        uint32_t port;
        const char *connect;
        uint32_t connect_port;
        const char *words; /* NULL: it is none */
    } cases[] = {
        {MUX_FORWARD_LOCAL, "", 80, "h", 81, "local 80 h:81"},
        {MUX_FORWARD_LOCAL, "*", 80, "::1", 81, "local *:80 [::1]:81"},
        {MUX_FORWARD_LOCAL, "/a", MUX_PORT_UNIX, "/b", MUX_PORT_UNIX, "local /a /b"},
        {MUX_FORWARD_LOCAL, "", 80, "", 81, NULL},
        {MUX_FORWARD_LOCAL, "", 80, "h", 0, NULL},
        {MUX_FORWARD_LOCAL, "a", MUX_PORT_UNIX, "h", 81, NULL},
        {MUX_FORWARD_DYNAMIC, "", 1080, "socks", 0, "dynamic 1080"},
        {MUX_FORWARD_DYNAMIC, "127.0.0.1", 1080, "", 0, "dynamic 127.0.0.1:1080"},
        {MUX_FORWARD_REMOTE, "", 0, "h", 81, "remote 0 h:81"},
        {MUX_FORWARD_REMOTE, "localhost", 80, "socks", 0, "remote localhost:80"},
        {MUX_FORWARD_REMOTE, "", 80, "/b", MUX_PORT_UNIX, "remote 80 /b"},
        {0, "", 80, "h", 81, NULL},
        {4, "", 80, "h", 81, NULL},
        {UINT32_MAX, "", 80, "h", 81, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mux_forward forward = {cases[i].kind, text(cases[i].listen), cases[i].port,
                                      text(cases[i].connect), cases[i].connect_port};
        struct forward_words words = {0};
        char whole[100];
        bool ok = mux_forward_words(&forward, "office", &words);

        assert_int_equal(ok, cases[i].words != NULL);
        if (!ok)
            continue;
        snprintf(whole, sizeof whole, "%s %s", words.kind, words.spec);
        assert_string_equal(whole, cases[i].words);
        assert_string_equal(words.via, "office");
        free(words.kind);
        free(words.spec);
        free(words.via);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_at_the_beginning_of_a_line),
        cmocka_unit_test(tilde_dot_ends),
        cmocka_unit_test(without_a_character_there_is_no_filter),
        cmocka_unit_test(forwards_in_the_words_of_ssh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
