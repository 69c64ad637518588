/* The serialiser: every field of every configuration comes back. */
#include "load_text.h"

#include "config_fields.h"
#include "config_random.h"
#include "conf/forward_spec.h"
#include "conf/load.h"
#include "conf/serialise.h"

static void assert_round_trip(const char *what, const struct config *config)
{
    char *text = config_serialise(config, true);
    struct config *again = config_restore(text);

    if (!again)
        fail_msg("%s cannot be restored:\n%s", what, text);
    assert_same_config(what, config, again);
    char *text_again = config_serialise(again, true);
    assert_string_equal(text, text_again);
    free(text_again);
    free(text);
    config_unref(again);
}

static void any_configuration_comes_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3000; i++) {
        struct config *config = random_config();
        char *what = mem_printf("configuration %u", i);
        assert_round_trip(what, config);
        free(what);
        config_unref(config);
    }
}

/* Which keys, of all sections in turn, and which fields had more than one value. */
#define VARIED_MOST 400

struct varied {
    const char *types[VARIED_MOST];
    const char *names[VARIED_MOST];
    bool differed[VARIED_MOST];
    size_t count;
};

static void note(void *arg, const char *type, const struct field_row *row, bool same)
{
    struct varied *varied = arg;
    size_t i = 0;

    while (i < varied->count &&
           (strcmp(varied->types[i], type) != 0 || strcmp(varied->names[i], row->name) != 0))
        i++;
    assert_true(i < VARIED_MOST);
    if (i == varied->count) {
        varied->types[i] = type;
        varied->names[i] = row->name;
        varied->count++;
    }
    varied->differed[i] = varied->differed[i] || !same;
}

static void no_field_is_left_out_of_what_is_compared(void **state)
{
    (void)state;
    struct varied varied = {0};
    const struct field_visit v = {note, &varied};

    for (unsigned i = 0; i < 300; i++) {
        struct config *a = random_config(), *b = random_config();
        visit_config(&v, a, b);
        config_unref(a);
        config_unref(b);
    }
    for (size_t i = 0; i < varied.count; i++) {
        if (!varied.differed[i])
            fail_msg("%s.%s never had another value: no key and no line of the serialiser is "
                     "known to carry it",
                     varied.types[i], varied.names[i]);
    }
}

/* What a key has in an object of defaults. */
static void set_default(const struct key *key, void *object)
{
    struct key_input in = {.text = mem_strdup(key->initial)};

    if (key->initial)
        assert_true(key_parse(key_slot(key, object), &in));
    free(in.text);
}

/* A configuration of one object of the section (and what else it needs to exist). */
static void *lone_object(struct config *config, const struct section *section)
{
    if (section->named)
        section_append(section, config, mem_strdup("x"), 1);
    return section_object(section, config, 0);
}

/* Gives the key another value than its default, alone, and takes it there and back. */
static void check_key(const struct section *section, const struct key *key)
{
    struct config *usual = config_new();
    void *usual_object = lone_object(usual, section);
    bool other = false;

    set_default(key, usual_object);
    for (unsigned i = 0; i < 60; i++) {
        struct config *config = config_new();
        void *object = lone_object(config, section);
        make_value(key, object);
        for (size_t k = 0; k < config->forward_count; k++)
            assert_true(forward_listener_make(&config->forwards[k]));
        other = other || !key_same(key, object, usual_object);
        assert_round_trip(key->name, config);

        struct config *copy = config_new();
        void *copied = lone_object(copy, section);
        key_copy(key, object, copied);
        assert_true(key_same(key, object, copied));
        config_unref(copy);
        config_unref(config);
    }
    if (!other)
        fail_msg("%s.%s has no value but its default here", section->name, key->name);
    config_unref(usual);
}

static void every_key_comes_back(void **state)
{
    (void)state;
    for (size_t s = 0; s < section_count; s++) {
        for (size_t k = 0; k < sections[s].key_count; k++) {
            const struct key *key = &sections[s].keys[k];
            if (key->type->store)
                check_key(&sections[s], key);
            else if (key->type != &type_rule)
                fail_msg("%s.%s is not stored, and nothing here knows how it is", sections[s].name,
                         key->name);
        }
    }
}

static void collect_line(void *arg, const char *text)
{
    struct buffer *all = arg;

    buffer_append(all, text, strlen(text));
    buffer_append(all, "\n", 1);
}

static char *notices_of(const struct config *config)
{
    struct buffer all = {0};

    config_each_notice(config, collect_line, &all);
    return text_take(&all);
}

#define HASH "$5$saltsalt$JuNF5Ru7okVD58N6eh6DVtqbCYLabS26H.Uw.jynqu/"

/* The gateway has no hash, needs a password nevertheless, and takes none for right by itself. */
static void the_gateway_gets_no_hash_and_all_notices(void **state)
{
    (void)state;
    char *users = write_file("alice:" HASH "\n", 0644);
    char *text = mem_printf("[upstream a]\nhost = h\nhost_key = accept-new\nssh_config = no\n"
                            "[listen b]\naddress = *:9\nauth = password\nusers = %s\n"
                            "[status]\naddress = 10\nusers = %s\n",
                            users, users);
    struct config *config = load_good(text);
    char *whole = config_serialise(config, true);
    char *sent = config_serialise_for_gateway(config);
    struct config *gateway = config_restore(sent);

    assert_non_null(strstr(whole, HASH));
    assert_null(strstr(sent, HASH));
    assert_null(strstr(sent, "alice"));
    assert_non_null(gateway);
    assert_true(users_verify(config->listens[0].users, "alice", "wonder"));
    assert_non_null(gateway->listens[0].users);
    assert_non_null(gateway->status.listen.users);
    assert_false(users_verify(gateway->listens[0].users, "alice", "wonder"));
    assert_false(users_verify(gateway->status.listen.users, "alice", "wonder"));
    unlink(users); /* (what is said of it was found out before) */
    char *found = notices_of(gateway);
    assert_non_null(strstr(found, "is open to every user of this machine"));
    assert_non_null(strstr(found, "send passwords readable"));
    assert_null(strstr(found, "has no users"));
    free(found);
    free(whole);
    free(sent);
    config_unref(config);
    config_unref(gateway);
    free(text);
    free(users);
}

static void a_copy_is_the_same_and_shares_what_is_large(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        struct config *config = random_config();
        struct config *copy = config_copy(config);
        struct config *of_copy = config_copy(copy);

        assert_same_config("copy", config, copy);
        assert_same_config("copy of a copy", config, of_copy);
        assert_ptr_equal(copy->acl, config->acl);
        for (size_t k = 0; k < config->listen_count; k++)
            assert_ptr_equal(of_copy->listens[k].users, config->listens[k].users);
        config_unref(config); /* in an order in which the last one has all */
        config_unref(copy);
        config_unref(of_copy);
    }
}

static void a_forward_more_changes_nothing_else(void **state)
{
    (void)state;
    struct config *config = load_good("[upstream a]\nhost = h\nproxy_command = x\n" LISTEN);
    struct config_forward forward = {0};
    char error[FORWARD_ERROR_MAX];
    static const char command[] = "sh -c 'a  ; b' \"c ;d\"\t; e";

    free(config->upstreams[0].proxy_command);
    config->upstreams[0].proxy_command = mem_strdup(command);
    assert_true(forward_spec_parse(FORWARD_LOCAL, "/tmp/a\\,b\\;\\ c:/d\\:e", &forward, error,
                                   sizeof(error)));
    struct config *more = config_add_forward(config, &forward, NULL, error, sizeof(error));
    assert_non_null(more);
    assert_string_equal(more->upstreams[0].proxy_command, command);
    assert_string_equal(more->forwards[0].bind.path, "/tmp/a,b; c");
    assert_string_equal(more->forwards[0].target.path, "/d:e");
    assert_string_equal(more->forwards[0].listen.addresses[0].path, "/tmp/a,b; c");
    assert_true(config_upstream_same_sessions(&config->upstreams[0], &more->upstreams[0]));
    struct config *fewer_forwards =
        config_remove_forward(more, &more->forwards[0], error, sizeof(error));
    assert_same_config("after the forward has gone", config, fewer_forwards);
    place_clear(&forward.bind);
    place_clear(&forward.target);
    config_unref(fewer_forwards);
    config_unref(more);
    config_unref(config);
}

static void upstreams_that_print_alike_are_not_the_same(void **state)
{
    (void)state;
    struct config *a = load_good(MINIMAL), *b = load_good(MINIMAL);

    a->upstreams[0].proxy_command = mem_strdup("x ; y");
    b->upstreams[0].proxy_command = mem_strdup("x; y");
    assert_false(config_upstream_same_sessions(&a->upstreams[0], &b->upstreams[0]));
    config_unref(a);
    config_unref(b);
}

/* What arrives cut short, or changed on the way, is refused or read; nothing is leaked. */
static void damaged_text_is_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 30; i++) {
        struct config *config = random_config();
        char *text = config_serialise(config, true);
        size_t length = strlen(text);
        for (size_t cut = 0; cut < length; cut += 1 + pick(50)) {
            char *part = mem_strndup(text, cut);
            assert_null(config_restore(part));
            free(part);
        }
        for (unsigned k = 0; k < 200; k++) {
            char *changed = mem_strdup(text);
            changed[pick((unsigned)length)] = (char)(1 + pick(255));
            config_unref(config_restore(changed));
            free(changed);
        }
        free(text);
        config_unref(config);
    }
}

static void text_of_another_kind_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "\n",
        "end\n",
        "adit-configuration \"2\"\nend\n",
        "adit-configuration \"1\"\n",
        "adit-configuration \"1\"\nend",
        "adit-configuration \"1\"\nend\nend\n",
        "adit-configuration \"1\" \"1\"\nend\n",
        "adit-configuration \"1\"\nworkers \"1\"\nend\n",
        "adit-configuration \"1\"\nsection \"gateway\"\nworkers \"1\"\nworkers \"1\"\nend\n",
        "adit-configuration \"1\"\nsection \"gateway\"\nlog \"9\"\nend\n",
        "adit-configuration \"1\"\nsection \"gateway\"\nworkers \"-1\"\nend\n",
        "adit-configuration \"1\"\nsection \"gateway\"\nsection \"gateway\"\nend\n",
        "adit-configuration \"1\"\nsection \"acl\"\nsection \"gateway\"\nend\n",
        "adit-configuration \"1\"\nsection \"nowhere\"\nend\n",
        "adit-configuration \"1\"\nsection \"upstream\"\nend\n",
        "adit-configuration \"1\"\nsection \"gateway\"\ncontrol \"\\x4\"\nend\n",
        "adit-configuration \"1\"\nsection \"gateway\"\ncontrol \"\\x00\"\nend\n",
        "adit-configuration \"1\"\nsection \"gateway\"\ncontrol x\nend\n",
        "adit-configuration \"1\"\n+rule \"1\" \"1\" \"to=*\"\nend\n",
        "adit-configuration \"1\"\n+users \"\"\nend\n",
        "adit-configuration \"1\"\n+libssh_config \"1\"\nend\n",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (config_restore(texts[i]))
            fail_msg("text %zu was restored", i);
    }
    struct config *config = config_restore("adit-configuration \"1\"\nend\n");
    assert_non_null(config);
    config_unref(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_comes_back),
        cmocka_unit_test(the_gateway_gets_no_hash_and_all_notices),
        cmocka_unit_test(any_configuration_comes_back),
        cmocka_unit_test(no_field_is_left_out_of_what_is_compared),
        cmocka_unit_test(a_copy_is_the_same_and_shares_what_is_large),
        cmocka_unit_test(a_forward_more_changes_nothing_else),
        cmocka_unit_test(upstreams_that_print_alike_are_not_the_same),
        cmocka_unit_test(damaged_text_is_refused),
        cmocka_unit_test(text_of_another_kind_is_refused),
    };

    return cmocka_run_group_tests_name("serialise", tests, NULL, NULL);
}
