/* Tests of keeper/password_checks: gateways that ask, one of which was taken over. */
#include "keeper/password_checks.h"

#include "base/mem.h"
#include "io_test.h"
#include "load_text.h"

#define ASKED_MAX 10000

/* crypt(3) of "wonder". */
static const char users_file[] = "alice:$5$saltsalt$JuNF5Ru7okVD58N6eh6DVtqbCYLabS26H.Uw.jynqu/\n";

struct stage {
    struct loop *loop;
    struct mailbox *mailbox;
    struct password_checks *checks;
    struct config *config;
    const struct users *users; /* the configuration's, which a thread that is left behind keeps */
};

/* A question, and what came of it. */
struct asked {
    struct hash_check *check; /* NULL: it was answered */
    unsigned *count;          /* of answers */
    enum service_verdict verdict;
    bool answered;
};

static void stage_begin(struct stage *s)
{
    char *file = write_file(users_file, 0600);
    char *text = mem_printf(UPSTREAM LISTEN "auth = password\nusers = %s\n", file);

    s->loop = loop_new();
    s->mailbox = mailbox_new(s->loop, s);
    s->checks = password_checks_new(s->loop, s->mailbox);
    s->config = load_good(text);
    s->users = s->config->listens[0].users;
    assert_non_null(s->users);
    free(text);
    remove_file(file);
}

static void stage_end(struct stage *s)
{
    password_checks_free(s->checks);
    mailbox_free(s->mailbox);
    loop_free(s->loop);
    config_unref(s->config);
}

static void on_checked(void *arg, enum service_verdict verdict)
{
    struct asked *asked = arg;

    asked->check = NULL;
    asked->verdict = verdict;
    asked->answered = true;
    if (verdict != SERVICE_UNCHECKED)
        ++*asked->count;
}

static void ask(struct stage *s, struct guess_queue *queue, uint64_t source, const char *password,
                struct asked *asked)
{
    const struct password_question question = {
        .config = s->config,
        .users = s->users,
        .source = source,
        .user = {(const uint8_t *)"alice", 5},
        .password = {(const uint8_t *)password, strlen(password)},
        .checked = on_checked,
        .arg = asked,
    };

    asked->check = password_checks_ask(queue, &question);
}

static void forget(struct asked *asked)
{
    if (asked->check != NULL)
        password_check_forget(asked->check);
}

/* It makes up a source for each of more questions than may wait. */
static void one_gateway_does_not_keep_another_waiting(void **state)
{
    static struct asked flood[ASKED_MAX];
    struct stage s;
    struct guess_queue *broken, *good;
    unsigned of_broken = 0, of_good = 0, refused = 0;

    (void)state;
    stage_begin(&s);
    broken = guess_queue_new(s.checks);
    for (size_t i = 0; i < ASKED_MAX; i++) {
        flood[i] = (struct asked){.count = &of_broken};
        ask(&s, broken, i, "a guess", &flood[i]);
    }
    good = guess_queue_new(s.checks);
    for (unsigned i = 0; i < 20; i++) {
        struct asked one = {.count = &of_good};
        ask(&s, good, i, i % 2 == 0 ? "wonder" : "another", &one);
        run_until(s.loop, &one.answered);
        assert_int_equal(one.verdict, i % 2 == 0 ? SERVICE_RIGHT : SERVICE_WRONG);
    }
    /* (Up to four are under way when one comes, and again when it is hashed.) */
    assert_in_range(of_broken, 1, 20 * 10);
    for (size_t i = 0; i < ASKED_MAX; i++) {
        refused += flood[i].answered && flood[i].verdict == SERVICE_UNCHECKED;
        forget(&flood[i]);
    }
    assert_in_range(refused, ASKED_MAX / 10, ASKED_MAX / 4);
    guess_queue_free(broken); /* (while a thread hashes for it) */
    guess_queue_free(good);
    stage_end(&s);
}

/* A gateway ends while threads hash for it: that is nothing to others. */
static void a_gateway_may_end_at_any_time(void **state)
{
    struct stage s;
    struct guess_queue *queue;
    unsigned answers = 0;

    (void)state;
    stage_begin(&s);
    for (uint64_t i = 0; i < 8; i++) {
        struct asked first = {.count = &answers}, last = {.count = &answers};
        queue = guess_queue_new(s.checks);
        ask(&s, queue, i, "wonder", &first);
        ask(&s, queue, i + 100, "wonder", &last);
        if (i % 2 == 0)
            run_until(s.loop, &first.answered);
        forget(&first);
        forget(&last);
        guess_queue_free(queue);
    }
    queue = guess_queue_new(s.checks);
    struct asked one = {.count = &answers};
    ask(&s, queue, 1, "wonder", &one);
    run_until(s.loop, &one.answered);
    assert_int_equal(one.verdict, SERVICE_RIGHT);
    guess_queue_free(queue);
    stage_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_gateway_does_not_keep_another_waiting),
        cmocka_unit_test(a_gateway_may_end_at_any_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
