/* Tests of io/mailbox. */
#include "io/mailbox.h"
#include "io_test.h"

#include "base/mem.h"

#include <pthread.h>

#define SENDERS 4
#define MESSAGES_EACH 25000

struct reader {
    struct loop *loop;
    struct mailbox *mailbox;
    int next[SENDERS]; /* the number that each sender's next message bears */
    int received;
    int expected;
    int dropped;
};

struct numbered {
    struct message message;
    int sender;
    int number;
    struct reader *reader;
};

static void receive(struct message *message, void *owner)
{
    struct numbered *numbered = container_of(message, struct numbered, message);
    struct reader *reader = owner;

    assert_ptr_equal(owner, numbered->reader);
    assert_int_equal(numbered->number, reader->next[numbered->sender]++);
    free(numbered);
    if (++reader->received == reader->expected)
        loop_stop(reader->loop);
}

static void drop(struct message *message)
{
    struct numbered *numbered = container_of(message, struct numbered, message);

    numbered->reader->dropped++;
    free(numbered);
}

static void post(struct reader *reader, int sender, int number,
                 void (*run)(struct message *message, void *owner))
{
    struct numbered *numbered = mem_zalloc(sizeof *numbered);

    numbered->message.run = run;
    numbered->message.drop = drop;
    numbered->sender = sender;
    numbered->number = number;
    numbered->reader = reader;
    mailbox_post(reader->mailbox, &numbered->message);
}

static int set_up(void **state)
{
    struct reader *reader = mem_zalloc(sizeof *reader);

    reader->loop = loop_new();
    assert_non_null(reader->loop);
    reader->mailbox = mailbox_new(reader->loop, reader);
    *state = reader;
    return 0;
}

static int tear_down(void **state)
{
    struct reader *reader = *state;

    mailbox_free(reader->mailbox);
    loop_free(reader->loop);
    free(reader);
    return 0;
}

struct sender {
    struct reader *reader;
    int number;
};

static void *send_all(void *arg)
{
    struct sender *sender = arg;

    for (int i = 0; i < MESSAGES_EACH; i++)
        post(sender->reader, sender->number, i, receive);
    return NULL;
}

static void messages_of_each_of_many_threads_arrive_once_and_in_order(void **state)
{
    struct reader *reader = *state;
    struct sender senders[SENDERS];
    pthread_t threads[SENDERS];

    reader->expected = SENDERS * MESSAGES_EACH;
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){reader, i};
        assert_int_equal(pthread_create(&threads[i], NULL, send_all, &senders[i]), 0);
    }
    loop_run(reader->loop);
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(reader->next[i], MESSAGES_EACH);
    }
    assert_int_equal(reader->received, reader->expected);
}

static void a_message_is_never_run_by_the_call_that_posts_it(void **state)
{
    struct reader *reader = *state;

    reader->expected = 2;
    post(reader, 0, 0, receive);
    post(reader, 0, 1, receive);
    assert_int_equal(reader->received, 0);
    loop_run(reader->loop);
    assert_int_equal(reader->received, 2);
}

static void answer(struct message *message, void *owner)
{
    struct numbered *numbered = container_of(message, struct numbered, message);
    struct reader *reader = owner;
    int number = numbered->number;

    receive(message, owner);
    if (number < 3)
        post(reader, 0, number + 1, answer);
}

static void a_message_can_post_messages(void **state)
{
    struct reader *reader = *state;

    reader->expected = 4;
    post(reader, 0, 0, answer);
    loop_run(reader->loop);
    assert_int_equal(reader->received, 4);
}

static void messages_that_were_not_delivered_are_dropped(void **state)
{
    struct reader *reader = *state;

    post(reader, 0, 0, receive);
    post(reader, 1, 0, receive);
    mailbox_free(reader->mailbox);
    reader->mailbox = NULL;
    assert_int_equal(reader->dropped, 2);
    run_now(reader->loop);
    assert_int_equal(reader->received, 0);
}

static void free_mailbox(struct message *message, void *owner)
{
    struct reader *reader = owner;

    free(container_of(message, struct numbered, message));
    mailbox_free(reader->mailbox);
    reader->mailbox = NULL;
}

static void a_message_may_free_the_mailbox(void **state)
{
    struct reader *reader = *state;

    post(reader, 0, 0, receive);
    post(reader, 0, 1, free_mailbox);
    post(reader, 0, 2, receive);
    run_now(reader->loop);
    assert_int_equal(reader->received, 1);
    assert_int_equal(reader->dropped, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(messages_of_each_of_many_threads_arrive_once_and_in_order),
        TEST(a_message_is_never_run_by_the_call_that_posts_it),
        TEST(a_message_can_post_messages),
        TEST(messages_that_were_not_delivered_are_dropped),
        TEST(a_message_may_free_the_mailbox),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
