/* Tests of io/watch: what is told, and what is not once a watch has ended. */
#include "io_test.h"

#include "io/watch.h"

#include <sys/epoll.h>

static struct loop *loop;

/* One end of a pair of sockets that is watched, and the other. */
struct post {
    struct watch watch;
    int near, far;
    int told;
    uint32_t events;
    bool ended;
    struct post *ends; /* is ended, and its socket closed, when this one is told */
    struct post *then; /* is begun thereupon */
};

static void begin(struct post *post);

static void let_go(struct watch *watch)
{
    container_of(watch, struct post, watch)->ended = true;
}

static void end(struct post *post)
{
    watch_end(loop, &post->watch, let_go);
    assert_false(post->ended);
    close(post->near);
    close(post->far);
}

static void told(struct watch *watch, uint32_t events)
{
    struct post *post = container_of(watch, struct post, watch);
    struct post *other = post->ends;

    post->told++;
    post->events = events;
    post->ends = NULL;
    if (other == NULL)
        return;
    end(other);
    if (post->then != NULL)
        begin(post->then);
}

static void begin(struct post *post)
{
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    post->near = ends[0];
    post->far = ends[1];
    set_nonblocking(post->near);
    assert_int_equal(watch_start(loop, &post->watch, post->near, told), 0);
}

static void send_byte(struct post *post)
{
    assert_int_equal(write(post->far, "x", 1), 1);
}

static void finish(struct post *post)
{
    post->ended = false;
    end(post);
    run_now(loop);
    assert_true(post->ended);
}

static int set_up(void **state)
{
    (void)state;
    loop = loop_new();
    return loop == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

static void news_are_told_once_each(void **state)
{
    struct post post = {0};

    (void)state;
    begin(&post);
    run_now(loop);
    assert_int_equal(post.told, 0);
    for (int i = 1; i <= 3; i++) {
        send_byte(&post);
        run_now(loop);
        assert_int_equal(post.told, i);
        assert_int_equal(post.events, EPOLLIN);
    }
    shutdown(post.far, SHUT_WR);
    run_now(loop);
    assert_int_equal(post.told, 4);
    assert_int_equal(post.events, EPOLLIN | EPOLLRDHUP);
    assert_true(run_for(loop, 50) < 10);
    finish(&post);
}

static void what_was_there_before_is_told(void **state)
{
    struct post post = {0};

    (void)state;
    begin(&post);
    send_byte(&post);
    watch_end(loop, &post.watch, let_go);
    run_now(loop);
    assert_int_equal(post.told, 0);
    assert_int_equal(watch_start(loop, &post.watch, post.near, told), 0);
    run_now(loop);
    assert_int_equal(post.told, 1);
    finish(&post);
}

static void room_is_told_from_when_it_is_asked_for(void **state)
{
    static const char block[65536];
    static char taken[sizeof block];
    struct post post = {0};

    (void)state;
    begin(&post);
    watch_output(loop, &post.watch);
    run_now(loop);
    assert_int_equal(post.told, 1);
    assert_int_equal(post.events, EPOLLOUT);
    while (write(post.near, block, sizeof block) > 0)
        continue;
    assert_int_equal(errno, EAGAIN);
    run_now(loop);
    post.told = 0;
    set_nonblocking(post.far);
    while (read(post.far, taken, sizeof taken) > 0)
        continue;
    run_now(loop);
    assert_true(post.told > 0);
    assert_int_equal(post.events, EPOLLOUT);
    finish(&post);
}

static void a_watch_may_end_itself(void **state)
{
    struct post post = {.ends = &post};

    (void)state;
    begin(&post);
    send_byte(&post);
    run_now(loop);
    assert_int_equal(post.told, 1);
    assert_true(post.ended);
}

/* Whichever of the two is told first ends the other. */
static void a_watch_that_another_has_ended_is_told_nothing(void **state)
{
    struct post a = {0}, b = {.ends = &a};

    (void)state;
    a.ends = &b;
    begin(&a);
    begin(&b);
    send_byte(&a);
    send_byte(&b);
    run_now(loop);
    assert_int_equal(a.told + b.told, 1);
    assert_int_equal(a.ended + b.ended, 1);
    finish(a.ended ? &b : &a);
}

/* The event of a watch that has ended is on its way when another gets its descriptor's number. */
static void a_number_that_is_used_again_is_a_new_watch(void **state)
{
    struct post a = {0}, b = {.ends = &a}, c = {0};
    int number;

    (void)state;
    a.ends = &b;
    a.then = b.then = &c;
    begin(&a);
    begin(&b);
    send_byte(&a);
    send_byte(&b);
    run_now(loop);
    number = a.ended ? a.near : b.near;
    assert_int_equal(c.near, number);
    assert_int_equal(c.told, 0);
    send_byte(&c);
    run_now(loop);
    assert_int_equal(c.told, 1);
    finish(&c);
    finish(a.ended ? &b : &a);
}

static void what_cannot_be_watched_is_said(void **state)
{
    struct watch watch = {0};
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void)state;
    assert_int_equal(watch_start(loop, &watch, file, told), EPERM);
    close(file);
    assert_int_equal(watch_start(loop, &watch, file, told), EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(news_are_told_once_each, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_there_before_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(room_is_told_from_when_it_is_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_watch_may_end_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_watch_that_another_has_ended_is_told_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_number_that_is_used_again_is_a_new_watch, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_watched_is_said, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
