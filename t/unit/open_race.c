/* Tests of worker/open_race over sessions whose answers the test gives. */
#include "worker/open_race.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A session that keeps what it is asked for. */
struct fake_open {
    struct session_open open;
    session_opened_fn *opened;
    void *arg;
    char target[64];
    bool cancelled;
    bool answered;
};

#define OPENS_MAX 8

struct fake_session {
    struct session session;
    struct fake_open opens[OPENS_MAX];
    unsigned count;
    unsigned abandoned;
    unsigned closed; /* channels that opened too late */
};

/* What the owner of a race has heard. */
struct owner {
    struct open_race race;
    unsigned opened, failed, refused;
    unsigned number;
    struct endpoint *channel;
    struct open_failure failure;
    char text[64];
};

static struct fake_open *add_open(struct session *session, const char *target,
                                  session_opened_fn *opened, void *arg)
{
    struct fake_session *fake = (struct fake_session *)session;
    struct fake_open *open = &fake->opens[fake->count++];

    assert_true(fake->count <= OPENS_MAX);
    open->open.operations = session->operations;
    open->opened = opened;
    open->arg = arg;
    snprintf(open->target, sizeof open->target, "%s", target);
    return open;
}

static struct session_open *fake_open_tcp(struct session *session, const struct tcp_target *target,
                                          session_opened_fn *opened, void *arg)
{
    char text[64];

    snprintf(text, sizeof text, "%s %u from %s %u", target->host, target->port, target->origin,
             target->origin_port);
    return &add_open(session, text, opened, arg)->open;
}

static struct session_open *fake_open_unix(struct session *session, const char *path,
                                           session_opened_fn *opened, void *arg)
{
    return &add_open(session, path, opened, arg)->open;
}

static void fake_open_cancel(struct session_open *open)
{
    struct fake_open *fake = (struct fake_open *)open;

    assert_false(fake->cancelled || fake->answered);
    fake->cancelled = true;
}

static void fake_state(const struct session *session, struct session_state *state)
{
    *state = (struct session_state){.abandoned = ((struct fake_session *)session)->abandoned};
}

static const struct session_operations fake_operations = {
    .open_tcp = fake_open_tcp,
    .open_unix = fake_open_unix,
    .open_cancel = fake_open_cancel,
    .state = fake_state,
};

static struct fake_session fake_session(void)
{
    return (struct fake_session){.session.operations = &fake_operations};
}

static struct endpoint channels[OPENS_MAX];

/* An answer of the server's; an abandoned open is the engine's own, which closes the channel. */
enum reply { OPENS, REFUSES, DIES };

static void answers(struct fake_session *session, unsigned which, enum reply reply)
{
    struct fake_open *open = &session->opens[which];
    char text[32];
    struct open_failure failure = {.lost = reply == DIES, .reason = reply == DIES ? 0 : 2};

    assert_false(open->answered);
    open->answered = true;
    if (open->cancelled) {
        session->closed += reply == OPENS;
        return;
    }
    snprintf(text, sizeof text, "%s %u", reply == DIES ? "died" : "refused", which);
    failure.text = text;
    open->opened(open->arg, reply == OPENS ? &channels[which] : NULL,
                 reply == OPENS ? NULL : &failure);
    memset(text, 'x', sizeof text); /* (The text was valid during the call.) */
}

static void on_opened(void *arg, unsigned attempt, struct endpoint *channel)
{
    struct owner *owner = arg;

    owner->opened++;
    owner->number = attempt;
    owner->channel = channel;
}

static void on_failed(void *arg, unsigned attempt)
{
    struct owner *owner = arg;

    owner->failed++;
    owner->number = attempt;
}

static void on_refused(void *arg, const struct open_failure *failure)
{
    struct owner *owner = arg;

    owner->refused++;
    owner->failure = *failure;
    snprintf(owner->text, sizeof owner->text, "%s", failure->text);
}

static const struct open_race_events events = {
    .opened = on_opened,
    .failed = on_failed,
    .refused = on_refused,
};

static const struct race_target a_name = {
    .tcp = {.host = "example.org", .port = 80, .origin = "192.0.2.1", .origin_port = 5000}};

static void begin(struct owner *owner, struct fake_session *session, unsigned attempts)
{
    *owner = (struct owner){0};
    open_race_begin(&owner->race, &events, owner);
    for (unsigned i = 0; i < attempts; i++)
        assert_int_equal(open_race_start(&owner->race, &session->session, &a_name), i);
}

static void the_target_is_asked_for(void **state)
{
    struct fake_session session = fake_session();
    struct owner owner;

    (void)state;
    begin(&owner, &session, 1);
    assert_string_equal(session.opens[0].target, "example.org 80 from 192.0.2.1 5000");
    assert_int_equal(open_race_start(&owner.race, &session.session,
                                     &(struct race_target){.path = "/run/socket"}),
                     1);
    assert_string_equal(session.opens[1].target, "/run/socket");
    open_race_cancel(&owner.race);
}

static void one_attempt_is_told_as_it_ends(void **state)
{
    (void)state;
    for (enum reply reply = OPENS; reply <= DIES; reply++) {
        struct fake_session session = fake_session();
        struct owner owner;

        begin(&owner, &session, 1);
        assert_int_equal(owner.opened + owner.refused, 0);
        answers(&session, 0, reply);
        assert_int_equal(owner.opened, reply == OPENS);
        assert_int_equal(owner.refused, reply != OPENS);
        assert_int_equal(owner.failed, 0);
        if (reply == OPENS)
            assert_ptr_equal(owner.channel, &channels[0]);
        else
            assert_string_equal(owner.text, reply == DIES ? "died 0" : "refused 0");
        assert_int_equal(owner.failure.lost, reply == DIES);
        open_race_cancel(&owner.race); /* (of a race that is over: nothing) */
        assert_false(session.opens[0].cancelled);
    }
}

/* Which of two failures is told: the later one that a server stated. */
static const char *told(unsigned first, enum reply first_reply, enum reply second_reply)
{
    static const char *const texts[2][3] = {{"", "refused 0", "died 0"},
                                            {"", "refused 1", "died 1"}};
    unsigned second = 1 - first;

    if (second_reply == DIES && first_reply == REFUSES)
        return texts[first][first_reply];
    return texts[second][second_reply];
}

static void two_attempts_answer(unsigned first, enum reply first_reply, enum reply second_reply)
{
    struct fake_session session = fake_session();
    struct owner owner;
    unsigned second = 1 - first;
    bool opens = first_reply == OPENS || second_reply == OPENS;

    begin(&owner, &session, 2);
    answers(&session, first, first_reply);
    assert_int_equal(owner.opened, first_reply == OPENS);
    assert_int_equal(owner.failed, first_reply != OPENS);
    assert_int_equal(owner.number, first);
    assert_int_equal(owner.refused, 0);
    assert_int_equal(session.opens[second].cancelled, first_reply == OPENS);
    answers(&session, second, second_reply);
    assert_int_equal(owner.opened, opens);
    assert_int_equal(owner.refused, !opens);
    assert_int_equal(session.closed, first_reply == OPENS && second_reply == OPENS);
    if (opens) {
        assert_int_equal(owner.number, first_reply == OPENS ? first : second);
        assert_ptr_equal(owner.channel, &channels[owner.number]);
    } else {
        assert_string_equal(owner.text, told(first, first_reply, second_reply));
        assert_int_equal(owner.failure.lost, first_reply == DIES && second_reply == DIES);
    }
    open_race_cancel(&owner.race);
}

static void every_order_of_two_answers_is_told_once(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 2; first++)
        for (enum reply a = OPENS; a <= DIES; a++)
            for (enum reply b = OPENS; b <= DIES; b++)
                two_attempts_answer(first, a, b);
}

static void a_failed_attempt_makes_room_for_another(void **state)
{
    struct fake_session session = fake_session();
    struct owner owner;

    (void)state;
    begin(&owner, &session, 2);
    answers(&session, 0, REFUSES);
    assert_int_equal(open_race_start(&owner.race, &session.session, &a_name), 0);
    answers(&session, 1, REFUSES);
    assert_int_equal(owner.refused, 0);
    answers(&session, 2, OPENS);
    assert_int_equal(owner.opened, 1);
    assert_ptr_equal(owner.channel, &channels[2]);
}

static void a_cancelled_race_tells_nothing(void **state)
{
    (void)state;
    for (unsigned answered = 0; answered < 2; answered++) {
        struct fake_session session = fake_session();
        struct owner owner;

        begin(&owner, &session, 2);
        if (answered > 0)
            answers(&session, 0, REFUSES);
        open_race_cancel(&owner.race);
        if (answered == 0)
            answers(&session, 0, OPENS);
        answers(&session, 1, OPENS);
        assert_int_equal(owner.opened + owner.refused, 0);
        assert_int_equal(session.closed, 2 - answered);
    }
}

/* Today's next address: the same owner begins again inside `refused`. */
static void begin_again(void *arg, const struct open_failure *failure)
{
    struct owner *owner = arg;

    on_refused(arg, failure);
    open_race_begin(&owner->race, &events, owner);
}

static void a_race_may_follow_another(void **state)
{
    static const struct open_race_events again = {
        .opened = on_opened, .failed = on_failed, .refused = begin_again};
    struct fake_session session = fake_session();
    struct owner owner = {0};

    (void)state;
    open_race_begin(&owner.race, &again, &owner);
    assert_int_equal(open_race_start(&owner.race, &session.session, &a_name), 0);
    answers(&session, 0, REFUSES);
    assert_int_equal(owner.refused, 1);
    assert_int_equal(open_race_start(&owner.race, &session.session, &a_name), 0);
    answers(&session, 1, DIES);
    assert_int_equal(owner.refused, 2);
    assert_true(owner.failure.lost); /* (not the failure of the race before) */
}

/* The owner may free itself, and the race with it, in an event. */
static void free_owner(void *arg, const struct open_failure *failure)
{
    assert_string_equal(failure->text, "refused 0");
    memset(arg, 0xff, sizeof(struct owner));
    free(arg);
}

static void the_owner_may_end_in_an_event(void **state)
{
    static const struct open_race_events ends = {.opened = on_opened, .refused = free_owner};
    struct fake_session session = fake_session();
    struct owner *owner = calloc(1, sizeof *owner);

    (void)state;
    assert_non_null(owner);
    open_race_begin(&owner->race, &ends, owner);
    assert_int_equal(open_race_start(&owner->race, &session.session, &a_name), 0);
    assert_int_equal(open_race_start(&owner->race, &session.session, &a_name), 1);
    answers(&session, 0, REFUSES);
    answers(&session, 1, DIES);
}

static void abandoned_opens_are_bounded(void **state)
{
    struct fake_session session = fake_session();
    struct fake_session overdue = fake_session();
    struct owner owner;

    (void)state;
    begin(&owner, &session, OPEN_RACE_ATTEMPTS);
    assert_int_equal(open_race_start(&owner.race, &session.session, &a_name), -1);
    assert_int_equal(session.count, OPEN_RACE_ATTEMPTS);
    open_race_cancel(&owner.race);

    /* The first attempt takes any session that was chosen, a second one spares it. */
    overdue.abandoned = OPEN_RACE_ABANDONED;
    begin(&owner, &overdue, 1);
    assert_int_equal(open_race_start(&owner.race, &overdue.session, &a_name), -1);
    overdue.abandoned--;
    assert_int_equal(open_race_start(&owner.race, &overdue.session, &a_name), 1);
    open_race_cancel(&owner.race);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_target_is_asked_for),
        cmocka_unit_test(one_attempt_is_told_as_it_ends),
        cmocka_unit_test(every_order_of_two_answers_is_told_once),
        cmocka_unit_test(a_failed_attempt_makes_room_for_another),
        cmocka_unit_test(a_cancelled_race_tells_nothing),
        cmocka_unit_test(a_race_may_follow_another),
        cmocka_unit_test(the_owner_may_end_in_an_event),
        cmocka_unit_test(abandoned_opens_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
