/* Tests of gateway/places: which host is dialled next, by priority, weight and what has failed, and
 * how hosts join and leave. */
#include "gateway/places.h"
#include "load_text.h"

#define NOW 1000000

struct places_scene {
    struct config *config;
    const struct config_upstream *upstream;
    struct host_backoffs *hosts;
    struct places places;
};

static int places_set_up_with(void **state, const char *hosts)
{
    struct places_scene *scene = mem_zalloc(sizeof(*scene));
    char *text = mem_printf("[upstream a]\nssh_config = no\nhost = %s\n"
                            "[listen l]\naddress = 1080\n",
                            hosts);

    scene->config = load_good(text);
    scene->upstream = &scene->config->upstreams[0];
    scene->hosts = host_backoffs_new();
    places_init(&scene->places, scene->hosts, scene->upstream);
    free(text);
    *state = scene;
    return 0;
}

static int set_up_by_srv(void **state)
{
    return places_set_up_with(state, "srv:_ssh._tcp.example");
}

static int set_up_by_name(void **state)
{
    return places_set_up_with(state, "a, b:2222, c");
}

static int places_tear_down(void **state)
{
    struct places_scene *scene = *state;

    places_clear(&scene->places);
    host_backoffs_free(scene->hosts);
    config_unref(scene->config);
    free(scene);
    return 0;
}

/* As an answer has them; all have the same luck. */
static void say(struct places_scene *scene, const struct target *targets, size_t count)
{
    struct target ordered[8];

    if (count > 0)
        memcpy(ordered, targets, count * sizeof(*targets));
    count = targets_order(ordered, count);
    places_change(&scene->places, scene->upstream, ordered, count);
    for (size_t i = 0; i < scene->places.count; i++)
        scene->places.items[i]->luck = 500;
}

static struct place *place_named(const struct places_scene *scene, const char *name)
{
    for (size_t i = 0; i < scene->places.count; i++)
        if (strcmp(scene->places.items[i]->at.name, name) == 0)
            return scene->places.items[i];
    return NULL;
}

static void place_fails(struct place *place)
{
    host_backoff_begin(place->host);
    host_backoff_end(place->host, NOW, NOW, false, DIAL_TRANSPORT);
}

static void place_works(struct place *place)
{
    host_backoff_begin(place->host);
    host_backoff_end(place->host, NOW, NOW, true, DIAL_OK);
    host_backoff_well(place->host);
}

static const char *chosen(const struct places_scene *scene, uint64_t now)
{
    uint64_t wait;
    const struct place *place = places_choose(&scene->places, now, false, &wait);

    return place != NULL ? place->at.name : "none";
}

/* Sessions are dialled until there are so many more. */
static void fill(struct places_scene *scene, unsigned count)
{
    uint64_t wait;

    while (count-- > 0)
        places_choose(&scene->places, NOW, false, &wait)->sessions++;
}

static void all_work(struct places_scene *scene)
{
    for (size_t i = 0; i < scene->places.count; i++)
        place_works(scene->places.items[i]);
}

/* ---- hosts of the configuration */

static void hosts_of_the_configuration_are_alike(void **state)
{
    struct places_scene *scene = *state;

    all_work(scene);
    assert_int_equal(scene->places.count, 3);
    assert_string_equal(scene->places.items[1]->entry, "b:2222");
    assert_string_equal(scene->places.items[1]->label, "b:2222");
    assert_string_equal(scene->places.items[0]->label, "a");
    assert_string_equal(chosen(scene, NOW), "a");
    fill(scene, 7);
    assert_int_equal(place_named(scene, "a")->sessions, 3);
    assert_int_equal(place_named(scene, "b")->sessions, 2);
    assert_int_equal(place_named(scene, "c")->sessions, 2);
}

static void one_that_is_down_is_left_out_while_others_live(void **state)
{
    struct places_scene *scene = *state;

    all_work(scene);
    place_fails(place_named(scene, "a"));
    assert_string_equal(chosen(scene, NOW), "b");
    assert_string_equal(chosen(scene, NOW + 100000), "b"); /* its wait is over, but others work */
    place_fails(place_named(scene, "b"));
    place_fails(place_named(scene, "c"));
    assert_true(places_are_down(&scene->places));
    assert_string_equal(chosen(scene, NOW), "none");
    assert_string_equal(chosen(scene, NOW + 100000), "a");
}

static void a_session_is_moved_only_where_that_is_better(void **state)
{
    struct places_scene *scene = *state;
    struct place *a = place_named(scene, "a");
    struct place *b = place_named(scene, "b");
    struct place *c = place_named(scene, "c");

    all_work(scene);
    assert_null(places_improve(&scene->places, NOW)); /* there is none */
    a->sessions = b->sessions = 1;
    assert_null(places_improve(&scene->places, NOW));
    a->sessions = 2;
    assert_ptr_equal(places_improve(&scene->places, NOW), c);
    assert_ptr_equal(places_worst(&scene->places, c), a);
    c->sessions = 1;
    assert_null(places_improve(&scene->places, NOW));
    c->sessions = 0;
    place_fails(c);
    assert_null(places_improve(&scene->places, NOW));
    assert_ptr_equal(places_improve(&scene->places, NOW + 100000), c); /* it is tried */
}

/* ---- hosts by SRV records */

static const struct target two_levels[] = {
    {"main", 22, 10, 60}, {"side", 22, 10, 20}, {"zero", 22, 10, 0}, {"spare", 22, 20, 5}};

static void there_is_none_before_an_answer(void **state)
{
    struct places_scene *scene = *state;

    assert_int_equal(scene->places.count, 0);
    assert_string_equal(chosen(scene, NOW), "none");
    assert_false(places_need_person(&scene->places));
    assert_null(places_improve(&scene->places, NOW));
}

static void sessions_are_as_the_weights(void **state)
{
    struct places_scene *scene = *state;

    say(scene, two_levels, 4);
    all_work(scene);
    fill(scene, 8);
    assert_int_equal(place_named(scene, "main")->sessions, 6);
    assert_int_equal(place_named(scene, "side")->sessions, 2);
    assert_int_equal(place_named(scene, "zero")->sessions, 0);
    assert_int_equal(place_named(scene, "spare")->sessions, 0);
    assert_null(places_improve(&scene->places, NOW));
}

static void weights_of_nought_alone_are_alike(void **state)
{
    static const struct target targets[] = {{"a", 22, 0, 0}, {"b", 22, 0, 0}};
    struct places_scene *scene = *state;

    say(scene, targets, 2);
    all_work(scene);
    fill(scene, 4);
    assert_int_equal(place_named(scene, "a")->sessions, 2);
    assert_int_equal(place_named(scene, "b")->sessions, 2);
}

static void the_next_priority_is_for_when_the_first_is_down(void **state)
{
    struct places_scene *scene = *state;
    uint64_t wait;

    say(scene, two_levels, 4);
    all_work(scene);
    place_fails(place_named(scene, "main"));
    assert_string_equal(chosen(scene, NOW), "side");
    place_fails(place_named(scene, "side"));
    assert_string_equal(chosen(scene, NOW), "zero");
    host_backoff_begin(place_named(scene, "zero")->host);
    host_backoff_asks(place_named(scene, "zero")->host, true);
    assert_null(places_choose(&scene->places, NOW, false, &wait)); /* it is only to be waited for */
    host_backoff_abandon(place_named(scene, "zero")->host);
    place_fails(place_named(scene, "zero"));
    assert_string_equal(chosen(scene, NOW), "spare");
    place_fails(place_named(scene, "spare"));
    assert_string_equal(chosen(scene, NOW), "none");
    assert_string_equal(chosen(scene, NOW + 100000), "main");
}

static void a_session_of_the_next_priority_goes_back(void **state)
{
    struct places_scene *scene = *state;

    say(scene, two_levels, 4);
    all_work(scene);
    place_named(scene, "spare")->sessions = 1;
    assert_ptr_equal(places_improve(&scene->places, NOW), place_named(scene, "main"));
    assert_ptr_equal(places_worst(&scene->places, place_named(scene, "main")),
                     place_named(scene, "spare"));
    place_named(scene, "main")->sessions = 9;
    assert_ptr_equal(places_worst(&scene->places, place_named(scene, "side")),
                     place_named(scene, "spare"));
}

static void hosts_join_stay_and_leave(void **state)
{
    static const struct target first[] = {{"a", 22, 10, 1}, {"b", 22, 10, 1}};
    static const struct target second[] = {{"b", 22, 5, 7}, {"b", 2222, 10, 1}, {"c", 22, 10, 1}};
    struct places_scene *scene = *state;
    struct place *a;
    struct place *b;

    say(scene, first, 2);
    a = place_named(scene, "a");
    b = place_named(scene, "b");
    a->sessions = 1;
    a->retiring = 1;
    assert_string_equal(a->entry, "a:22");
    assert_string_equal(a->label, "a");
    say(scene, second, 3);
    assert_int_equal(scene->places.count, 3);
    assert_ptr_equal(scene->places.items[0], b); /* the same, with other numbers */
    assert_int_equal(b->priority, 5);
    assert_int_equal(b->weight, 7);
    assert_string_equal(scene->places.items[1]->entry, "b:2222");
    assert_true(a->gone);
    assert_null(place_named(scene, "a"));
    places_release(&scene->places, a, true);
    assert_int_equal(a->sessions, 1); /* it is there as long as it has a session */
    places_release(&scene->places, a, false);
    say(scene, NULL, 0);
    assert_int_equal(scene->places.count, 0);
}

static void one_that_leaves_and_comes_back_is_new(void **state)
{
    static const struct target targets[] = {{"a", 22, 10, 1}};
    struct places_scene *scene = *state;
    struct place *old;

    say(scene, targets, 1);
    old = place_named(scene, "a");
    old->sessions = 1;
    place_fails(old);
    say(scene, NULL, 0);
    say(scene, targets, 1);
    assert_ptr_not_equal(place_named(scene, "a"), old);
    assert_true(host_backoff_is_down(place_named(scene, "a")->host)); /* the record is the same */
    places_release(&scene->places, old, false);
    say(scene, NULL, 0);
    say(scene, targets, 1);
    assert_false(host_backoff_is_down(place_named(scene, "a")->host)); /* nobody had it any more */
}

#define BY_SRV(name) cmocka_unit_test_setup_teardown(name, set_up_by_srv, places_tear_down)
#define BY_NAME(name) cmocka_unit_test_setup_teardown(name, set_up_by_name, places_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BY_NAME(hosts_of_the_configuration_are_alike),
        BY_NAME(one_that_is_down_is_left_out_while_others_live),
        BY_NAME(a_session_is_moved_only_where_that_is_better),
        BY_SRV(there_is_none_before_an_answer),
        BY_SRV(sessions_are_as_the_weights),
        BY_SRV(weights_of_nought_alone_are_alike),
        BY_SRV(the_next_priority_is_for_when_the_first_is_down),
        BY_SRV(a_session_of_the_next_priority_goes_back),
        BY_SRV(hosts_join_stay_and_leave),
        BY_SRV(one_that_leaves_and_comes_back_is_new),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
