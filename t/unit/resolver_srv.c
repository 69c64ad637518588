/* Tests of io/resolver_srv: what servers say of SRV records, whole, cut short and wrong. */
#include "resolver_world.h"

#include "io/resolver_srv.h"

#define SHORT_MS 400 /* the time-out of questions that are meant to time out */

struct told {
    struct world *world;
    struct srv_question *question;
    unsigned calls;
    bool inside;
    enum resolve_status status;
    uint32_t ttl;
    char targets[1000];
    char error[128];
};

static void note_targets(char text[static 1000], const struct target *targets, size_t count)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, 1000 - used, "%s%u %u %u '%s'", i > 0 ? ", " : "",
                                 targets[i].priority, targets[i].weight, targets[i].port,
                                 targets[i].name);
}

static void on_told(void *arg, const struct srv_answer *answer)
{
    struct told *told = arg;

    told->question = NULL;
    told->calls++;
    told->inside |= told->world->looking_up;
    told->status = answer->status;
    told->ttl = answer->ttl;
    note_targets(told->targets, answer->targets, answer->count);
    snprintf(told->error, sizeof(told->error), "%s", answer->error != NULL ? answer->error : "");
    if (--told->world->waiting == 0)
        loop_stop(told->world->loop);
}

static void ask(struct world *w, const char *name, struct told *told)
{
    *told = (struct told){.world = w};
    w->waiting++;
    w->looking_up = true;
    told->question = resolver_srv(w->resolver, name, on_told, told);
    w->looking_up = false;
}

/* `text`: the targets, or the error; NULL: an error in c-ares' words. */
static void ask_and_expect(struct world *w, const char *name, enum resolve_status status,
                           const char *text)
{
    struct told told;

    ask(w, name, &told);
    await(w);
    assert_int_equal(told.calls, 1);
    assert_false(told.inside);
    assert_int_equal(told.status, status);
    if (text != NULL)
        assert_string_equal(status == RESOLVE_FOUND ? told.targets : told.error, text);
    else
        assert_true(told.error[0] != '\0');
}

#define SSH "10 60 22 'a.example', 20 0 2222 'B.example'"

static void records_are_found(void **state)
{
    struct world *w = *state;
    struct told told;

    ask(w, "_ssh._tcp.example", &told);
    await(w);
    assert_int_equal(told.status, RESOLVE_FOUND);
    assert_string_equal(told.targets, SSH);
    assert_int_equal(told.ttl, 60); /* the shortest */
    ask(w, "_alias._tcp.example", &told);
    await(w);
    assert_string_equal(told.targets, SSH);
    assert_int_equal(told.ttl, 30);
    ask_and_expect(w, "_none._tcp.example", RESOLVE_FOUND, "0 0 0 ''");
}

static void absence_and_failure_are_told_apart(void **state)
{
    struct world *w = *state;

    ask_and_expect(w, "_absent._tcp.example", RESOLVE_NO_SUCH_NAME, "there is no such name");
    ask_and_expect(w, "text.example", RESOLVE_NO_SUCH_NAME, "the name has no SRV record");
    ask_and_expect(w, "servfail.example", RESOLVE_FAILED, NULL);
    ask_and_expect(w, "refused.example", RESOLVE_FAILED, NULL);
    /* (c-ares sees that these are malformed, or libresolv does.) */
    use_server(w, "127.0.0.1", w->server.port, NULL, SHORT_MS);
    ask_and_expect(w, "_brief._tcp.example", RESOLVE_FAILED, NULL);
    ask_and_expect(w, "liar.example", RESOLVE_FAILED, NULL);
    ask_and_expect(w, "_ssh._tcp.example", RESOLVE_FOUND, SSH);
}

static void a_silent_server_is_a_failure_in_time(void **state)
{
    struct world *w = *state;

    use_server(w, "127.0.0.1", w->server.port, NULL, SHORT_MS);
    ask_and_expect(w, "silent.example", RESOLVE_FAILED, NULL);
    ask_and_expect(w, "_ssh._tcp.example", RESOLVE_FOUND, SSH);
}

static void no_server_is_a_failure(void **state)
{
    struct world *w = *state;
    use_server(w, "127.0.0.1", 53, dial_nothing, SHORT_MS);
    ask_and_expect(w, "_ssh._tcp.example", RESOLVE_FAILED, NULL);
}

static void a_question_outlives_a_flush(void **state)
{
    struct world *w = *state;
    struct told told;

    ask(w, "silent.example", &told);
    await_questions(w, 1);
    resolver_flush(w->resolver);
    await_questions(w, 2);
    assert_int_equal(told.calls, 0);
    srv_question_cancel(told.question);
    w->waiting = 0;
}

static void a_question_can_be_cancelled(void **state)
{
    struct world *w = *state;
    struct told told;

    srv_question_cancel(NULL);
    ask(w, "_ssh._tcp.example", &told); /* before it is sent */
    srv_question_cancel(told.question);
    ask(w, "silent.example", &told); /* while it is under way */
    await_questions(w, 2);
    srv_question_cancel(told.question);
    w->waiting = 0;
    ask_and_expect(w, "_ssh._tcp.example", RESOLVE_FOUND, SSH);
    assert_int_equal(told.calls, 0);
}

/* ---- messages */

/* To "_s._t.x" SRV: two records, one by a pointer. */
static const uint8_t whole[] = {
    0,    1,   0x81, 0x80, 0,   1,   0, 2,   0, 0, 0,  0,     /* the header */
    2,    '_', 's',  2,    '_', 't', 1, 'x', 0, 0, 33, 0,  1, /* the question */
    0xc0, 12,  0,    33,   0,   1,   0, 0,   0, 9, 0,  10, 0,    1,    0, 2, 0, 22, 1, 'a',
    0xc0, 18,                                                                          /* a.x */
    0xc0, 12,  0,    33,   0,   1,   0, 0,   0, 7, 0,  7,  0xff, 0xff, 0, 0, 0, 0,  0, /* the root
                                                                                        */
};

static void a_message_is_read_whole_only(void **state)
{
    struct target targets[SRV_RECORDS_MAX];
    uint8_t longer[sizeof(whole) + 1];
    char text[1000];
    uint32_t ttl;

    (void)state;
    assert_int_equal(srv_read(whole, sizeof(whole), targets, &ttl), 2);
    note_targets(text, targets, 2);
    assert_string_equal(text, "1 2 22 'a.x', 65535 0 0 ''");
    assert_int_equal(ttl, 7);
    for (size_t length = 0; length < sizeof(whole); length++) {
        uint8_t *cut = malloc(length + 1); /* (the byte behind it is not read: sanitizers) */
        memcpy(cut, whole, length);
        assert_int_equal(srv_read(cut, length, targets, &ttl), -1);
        free(cut);
    }
    memcpy(longer, whole, sizeof(whole));
    longer[sizeof(whole)] = 0;
    assert_int_equal(srv_read(longer, sizeof(longer), targets, &ttl), -1);
}

static void a_changed_byte_does_no_harm(void **state)
{
    struct target targets[SRV_RECORDS_MAX];
    uint8_t message[sizeof(whole)];
    uint32_t ttl;

    (void)state;
    for (size_t i = 0; i < sizeof(whole); i++)
        for (int value = 0; value < 256; value++) {
            memcpy(message, whole, sizeof(whole));
            message[i] = (uint8_t)value;
            assert_in_range(srv_read(message, sizeof(message), targets, &ttl) + 1, 0, 3);
        }
}

static void odd_records(void **state)
{
    struct target targets[SRV_RECORDS_MAX];
    uint8_t message[sizeof(whole)];
    uint32_t ttl;

    (void)state;
    memcpy(message, whole, sizeof(whole));
    message[28] = 16; /* a TXT in between is passed over */
    assert_int_equal(srv_read(message, sizeof(message), targets, &ttl), 1);
    memcpy(message, whole, sizeof(whole));
    message[30] = 3; /* another class, too */
    assert_int_equal(srv_read(message, sizeof(message), targets, &ttl), 1);
    memcpy(message, whole, sizeof(whole));
    message[44] = ' '; /* "a" */
    assert_int_equal(srv_read(message, sizeof(message), targets, &ttl), 2);
    assert_string_equal(targets[0].name, "\\032.x");
    assert_non_null(target_name_wrong(targets[0].name));
    message[46] = 45; /* a pointer to itself */
    assert_int_equal(srv_read(message, sizeof(message), targets, &ttl), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(records_are_found),
        test(absence_and_failure_are_told_apart),
        test(a_silent_server_is_a_failure_in_time),
        test(no_server_is_a_failure),
        test(a_question_outlives_a_flush),
        test(a_question_can_be_cancelled),
        cmocka_unit_test(a_message_is_read_whole_only),
        cmocka_unit_test(a_changed_byte_does_no_harm),
        cmocka_unit_test(odd_records),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
