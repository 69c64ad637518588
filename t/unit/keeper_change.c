/* Tests of keeper/change: what a gateway may ask for, and what comes of it. */
#include "keeper/change.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "load_text.h"

#define ONE_UPSTREAM "[upstream a]\nhost = h\nhost_key = accept-new\nssh_config = no\n"
#define FORWARD "[forward web]\nlocal = 8080 web:80\n"

static void no_hosts(struct config *config)
{
    (void)config;
}

static const struct change_sources sources = {.find_hosts = no_hosts};

/* What the gateway sends; false: it may not be sent. */
static bool read_request(struct change_request *request, uint32_t kind, const char *const *texts,
                         size_t count)
{
    struct buffer packet = {0};
    struct keeper_message message;

    assert_true(
        keeper_message_write(&packet, GATEWAY_CHANGE, (const uint32_t[]){1, kind}, texts, count));
    assert_true(keeper_message_parse((struct span){buffer_data(&packet), buffer_length(&packet)},
                                     false, true, &message));
    bool ok = change_request_read(&message, request);
    buffer_clear(&packet);
    return ok;
}

/* The result of one forward's change; the caller drops it. */
static struct change_result make(struct config *base, uint32_t kind, const char *const *texts)
{
    struct change_request request;
    struct change_result result;

    assert_true(read_request(&request, kind, texts, 4));
    change_make(&sources, base, &request, -1, &result);
    change_request_clear(&request);
    return result;
}

static void a_forward_is_added_and_removed(void **state)
{
    struct config *base = load_good(ONE_UPSTREAM FORWARD);
    static const char *const more[] = {"local", "8081:db:5432", "", ""};
    static const char *const web[] = {"local", "8080:web:80", NULL, NULL};
    static const char *const by_name[] = {"", "", "", "web"};
    struct change_result added = make(base, CONFIG_ADD_FORWARDS, more);

    (void)state;
    assert_non_null(added.config);
    assert_int_equal(added.config->forward_count, 2);
    assert_int_equal(added.config->forwards[1].bind.port, 8081);
    struct change_result removed = make(added.config, CONFIG_REMOVE_FORWARDS, web);
    assert_int_equal(removed.config->forward_count, 1);
    assert_string_equal(removed.config->forwards[0].target.host, "db");
    struct change_result named = make(added.config, CONFIG_REMOVE_NAMED_FORWARDS, by_name);
    assert_int_equal(named.config->forward_count, 1);
    struct change_result again = make(named.config, CONFIG_REMOVE_NAMED_FORWARDS, by_name);
    assert_int_equal(again.config->forward_count, 1);
    struct change_result there = make(base, CONFIG_ADD_FORWARDS, web);
    assert_ptr_equal(there.config, base); /* (it has it already) */
    config_unref(added.config);
    config_unref(removed.config);
    config_unref(named.config);
    config_unref(again.config);
    config_unref(there.config);
    config_unref(base);
}

static void what_is_no_forward_is_refused_with_a_reason(void **state)
{
    static const char *const samples[][4] = {
        {"", "", ""},
        {"up", "8080:web:80", ""},
        {"local", "", ""},
        {"local", "x", ""},
        {"remote", "9", "", "\x01"},
        {"dynamic", "999999", ""},
        {"local", "1:2:3:4:5:6", ""},
    };
    struct config *base = load_good(ONE_UPSTREAM FORWARD);

    (void)state;
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        struct change_result result = make(base, CONFIG_ADD_FORWARDS, samples[i]);
        bool remote = strcmp(samples[i][0], "remote") == 0; /* (a SOCKS proxy there) */
        assert_int_equal(result.config != NULL, remote);
        assert_true(remote || result.error[0] != '\0');
        config_unref(result.config);
    }
    config_unref(base);
}

static void there_are_no_other_changes(void **state)
{
    static const char *const texts[] = {"local", "8081:db:5432", "", ""};
    struct change_request request;

    (void)state;
    assert_false(read_request(&request, CONFIG_CHANGE_KINDS, NULL, 0));
    change_request_clear(&request);
    assert_false(read_request(&request, UINT32_MAX, texts, 4));
    change_request_clear(&request);
    assert_false(read_request(&request, CONFIG_RELOAD, texts, 4)); /* a reload has no forwards */
    change_request_clear(&request);
    assert_true(read_request(&request, CONFIG_RELOAD, NULL, 0));
    change_request_clear(&request);
}

static void what_cannot_be_read_again_is_not(void **state)
{
    struct config *base = load_good(ONE_UPSTREAM FORWARD);
    struct change_request reload = {.kind = CONFIG_RELOAD};
    struct change_result result;

    (void)state;
    free(base->file);
    base->file = mem_strdup("/nonexistent/adit.ini");
    change_make(&sources, base, &reload, -1, &result);
    assert_null(result.config);
    assert_int_equal(result.problems.count, 1);
    assert_non_null(strstr(result.problems.lines[0], "/nonexistent/adit.ini"));
    config_problems_clear(&result.problems);
    free(base->file);
    base->file = NULL; /* (-W, whose one connection has begun) */
    change_make(&sources, base, &reload, -1, &result);
    assert_null(result.config);
    assert_string_equal(result.error, "there is no file to read again");
    config_unref(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forward_is_added_and_removed),
        cmocka_unit_test(what_is_no_forward_is_refused_with_a_reason),
        cmocka_unit_test(there_are_no_other_changes),
        cmocka_unit_test(what_cannot_be_read_again_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
