/* Tests of control/server: clients that are told what changes, and requests whose clients go. */
#include "control_scene.h"

static struct control_request *asked_later(int fd)
{
    answer_later = true;
    say(fd, CHECK);
    run_now(loop);
    return pending;
}

static void tell(const char *what)
{
    json_t *line = json_pack("{s:s}", "event", what);
    control_tell_watchers(server, line);
    json_decref(line);
}

static void who_watches_is_told_line_by_line(void **state)
{
    int fd = ask_at(path);

    (void)state;
    control_watch(asked_later(fd), control_ok());
    assert_string_equal(heard(fd), OK);
    tell("one");
    tell("two");
    assert_string_equal(heard(fd), "{\"event\":\"one\"}\n{\"event\":\"two\"}\n");
    say(fd, CHECK); /* which ends it */
    assert_string_equal(heard(fd), "(closed)");
    close(fd);
}

static void who_watches_and_does_not_read_is_cut(void **state)
{
    static char text[CONTROL_WATCH_HELD / 4];
    int fd = ask_at(path);
    ssize_t got, came = 0;

    (void)state;
    control_watch(asked_later(fd), control_ok());
    memset(text, 'x', sizeof text - 1);
    for (int i = 0; i < 100; i++, run_now(loop))
        tell(text); /* (of which the kernel holds some) */
    while ((got = read(fd, error, sizeof error)) > 0)
        came += got;
    assert_true(got == 0 && came < (ssize_t)(50 * sizeof text)); /* it was closed */
    close(fd);
}

static void note_gone(void *arg)
{
    ++*(int *)arg;
}

/* (One that has only said all, as with nc -N, is still there.) */
static void the_owner_of_a_request_learns_that_its_client_has_gone(void **state)
{
    int fd = ask_at(path), gone = 0;

    (void)state;
    control_watch_client(asked_later(fd), note_gone, &gone);
    say(fd, CHECK);
    shutdown(fd, SHUT_WR);
    run_now(loop);
    assert_int_equal(gone, 0);
    control_answer(pending, control_ok());
    assert_string_equal(heard(fd), OK);
    control_answer(pending, control_ok()); /* of the line that came meanwhile */
    assert_string_equal(heard(fd), OK "(closed)");
    assert_int_equal(gone, 0);
    close(fd);

    fd = ask_at(path);
    control_watch_client(asked_later(fd), note_gone, &gone);
    close(fd);
    run_now(loop);
    assert_int_equal(gone, 1);
    control_answer(pending, control_ok());
    run_now(loop);
    assert_int_equal(gone, 1);
}

/* (Then it is not read any more.) */
static void a_client_may_say_much_while_its_request_is_answered(void **state)
{
    static char text[2 * CONTROL_REQUEST_MAX];
    int fd = ask_at(path), gone = 0;
    ssize_t sent, all = 0;

    (void)state;
    control_watch_client(asked_later(fd), note_gone, &gone);
    memset(text, ' ', sizeof text);
    for (int i = 0; i < 1000; i++, run_now(loop)) {
        sent = send(fd, text, sizeof text, MSG_NOSIGNAL | MSG_DONTWAIT);
        all += sent > 0 ? sent : 0;
    }
    assert_in_range(all, CONTROL_REQUEST_MAX, 64 * CONTROL_REQUEST_MAX);
    control_answer(pending, control_ok());
    assert_non_null(strstr(heard(fd), "the line is too long"));
    assert_int_equal(gone, 0);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_watches_is_told_line_by_line),
        TEST(who_watches_and_does_not_read_is_cut),
        TEST(the_owner_of_a_request_learns_that_its_client_has_gone),
        TEST(a_client_may_say_much_while_its_request_is_answered),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
