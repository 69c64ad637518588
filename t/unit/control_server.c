/* Tests of control/server: requests, answers, and clients that do not behave. */
#include "control_scene.h"

#include "base/log.h"

#include <signal.h>

static void requests_are_answered_one_after_the_other(void **state)
{
    int fd = ask_at(path);

    (void)state;
    say(fd, CHECK);
    assert_string_equal(heard(fd), OK);
    say(fd, CHECK "{\"command\":\"stop\"}\n" CHECK);
    assert_string_equal(heard(fd), OK OK OK);
    assert_int_equal(asked_count, 4);
    close(fd);
}

static void a_request_may_come_byte_by_byte(void **state)
{
    int fd = ask_at(path);

    (void)state;
    for (const char *c = CHECK; *c != '\0'; c++) {
        assert_int_equal(asked_count, 0);
        say(fd, (char[]){*c, '\0'});
        run_now(loop);
    }
    assert_string_equal(heard(fd), OK);
    assert_int_equal(asked_count, 1);
    close(fd);
}

static void who_has_said_all_still_gets_the_answer(void **state)
{
    int fd = ask_at(path);

    (void)state;
    say(fd, CHECK CHECK);
    shutdown(fd, SHUT_WR);
    assert_string_equal(heard(fd), OK OK "(closed)");
    close(fd);
}

static void an_answer_may_come_later_and_the_next_request_waits(void **state)
{
    int fd = ask_at(path);

    (void)state;
    answer_later = true;
    say(fd, CHECK CHECK);
    assert_string_equal(heard(fd), "");
    assert_int_equal(asked_count, 1);
    control_answer(pending, control_error(1, "no"));
    assert_string_equal(heard(fd), "{\"ok\":false,\"error\":\"no\",\"status\":1}\n");
    assert_int_equal(asked_count, 2);
    control_answer(pending, control_ok());
    assert_string_equal(heard(fd), OK);
    close(fd);
}

static void an_answer_that_nobody_waits_for_is_dropped(void **state)
{
    int fd = ask_at(path);

    (void)state;
    answer_later = true;
    say(fd, CHECK);
    run_now(loop);
    close(fd);
    run_now(loop);
    control_answer(pending, control_ok());
    run_now(loop);
    fd = ask_at(path);
    say(fd, CHECK);
    run_now(loop);
    control_server_free(server);
    server = NULL;
    control_answer(pending, control_ok());
    assert_string_equal(heard(fd), "(closed)");
    close(fd);
}

static void what_makes_no_sense_is_told_so_and_closed(void **state)
{
    static const struct {
        const char *line;
        const char *why;
    } cases[] = {
        {"\n", "the line is not a JSON object"},
        {"hello\n" CHECK, "the line is not a JSON object"},
        {"{}\n", "the object has no string \\\"command\\\""},
        {"{\"command\":[]}\n", "the object has no string \\\"command\\\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int fd = ask_at(path);
        char wanted[256];
        snprintf(wanted, sizeof wanted, "{\"ok\":false,\"error\":\"%s\",\"status\":255}\n(closed)",
                 cases[i].why);
        say(fd, cases[i].line);
        assert_string_equal(heard(fd), wanted);
        close(fd);
    }
    assert_int_equal(asked_count, 0);
}

static void too_long_a_line_is_not_read_to_its_end(void **state)
{
    char *line = calloc(1, CONTROL_REQUEST_MAX + 2);
    int fd = ask_at(path);

    (void)state;
    memset(line, ' ', CONTROL_REQUEST_MAX + 1);
    fcntl(fd, F_SETFL, 0);
    say(fd, line);
    set_nonblocking(fd);
    assert_string_equal(heard(fd),
                        "{\"ok\":false,\"error\":\"the line is too long\",\"status\":255}\n"
                        "(closed)");
    close(fd);
    free(line);
}

static void who_waits_is_told_by_the_end(void **state)
{
    int fd = ask_at(path);
    int gone = ask_at(path);

    (void)state;
    say(fd, "{\"command\":\"wait\"}\n");
    say(gone, "{\"command\":\"wait\"}\n");
    assert_string_equal(heard(fd), "");
    close(gone);
    run_now(loop);
    control_server_free(server);
    server = NULL;
    assert_string_equal(heard(fd), "(closed)");
    assert_int_equal(asked_count, 0);
    close(fd);
}

#define TOO_MANY                                                                                   \
    "{\"ok\":false,\"error\":\"the control socket has too many connections\",\"status\":255}\n"

static void whoever_says_nothing_makes_room(void **state)
{
    int fds[CONTROL_CONNECTIONS_MAX];
    int fd;

    (void)state;
    for (int i = 0; i < CONTROL_CONNECTIONS_MAX; i++) {
        fds[i] = ask_at(path);
        run_now(loop);
    }
    say(fds[0], "{\"command\":\"wait\"}\n");
    run_now(loop);
    fd = ask_at(path);
    say(fd, CHECK);
    assert_string_equal(heard(fd), OK);
    assert_string_equal(heard(fds[0]), ""); /* it waits */
    assert_string_equal(heard(fds[1]), TOO_MANY "(closed)");
    say(fds[2], CHECK);
    assert_string_equal(heard(fds[2]), OK);
    for (int i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
        close(fds[i]);
    close(fd);
}

/* (The newest connects first, so that it is accepted before the request is read.) */
static void a_request_that_has_arrived_makes_no_room(void **state)
{
    int fds[CONTROL_CONNECTIONS_MAX];
    int fd;

    (void)state;
    for (int i = 0; i < CONTROL_CONNECTIONS_MAX; i++) {
        fds[i] = ask_at(path);
        run_now(loop);
    }
    fd = ask_at(path);
    say(fds[0], CHECK);
    assert_string_equal(heard(fds[0]), OK);
    assert_string_equal(heard(fds[1]), TOO_MANY "(closed)");
    for (int i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
        close(fds[i]);
    close(fd);
}

static void another_user_takes_nobody_s_place(void **state)
{
    int fds[CONTROL_CONNECTIONS_MAX];
    int fd;

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(chmod(directory, 0711), 0);
    assert_int_equal(chmod(path, 0666), 0);
    for (int i = 0; i < CONTROL_CONNECTIONS_MAX; i++) {
        fds[i] = ask_at(path);
        run_now(loop);
    }
    assert_int_equal(seteuid(65534), 0);
    fd = ask_at(path);
    assert_int_equal(seteuid(0), 0);
    assert_string_equal(
        heard(fd),
        "{\"ok\":false,\"error\":\"this adit belongs to another user\",\"status\":255}\n(closed)");
    say(fds[0], CHECK);
    assert_string_equal(heard(fds[0]), OK);
    for (int i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
        close(fds[i]);
    close(fd);
}

static void while_all_wait_for_answers_no_more_are_heard(void **state)
{
    int fds[CONTROL_CONNECTIONS_MAX];
    int fd;

    (void)state;
    for (int i = 0; i < CONTROL_CONNECTIONS_MAX; i++) {
        fds[i] = ask_at(path);
        say(fds[i], "{\"command\":\"wait\"}\n");
        run_now(loop);
    }
    fd = ask_at(path);
    assert_string_equal(heard(fd), TOO_MANY "(closed)");
    close(fd);
    for (int i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
        close(fds[i]);
    run_now(loop);
    fd = ask_at(path);
    say(fd, CHECK);
    assert_string_equal(heard(fd), OK);
    close(fd);
}

static void the_server_may_be_freed_inside_a_request(void **state)
{
    int fd = ask_at(path);

    (void)state;
    free_inside = true;
    say(fd, CHECK);
    assert_string_equal(heard(fd), "(closed)");
    close(fd);
}

static void a_change_of_the_path_keeps_who_is_connected(void **state)
{
    int fd = ask_at(path);
    int later;

    (void)state;
    run_now(loop);
    listen_at(other);
    say(fd, CHECK);
    assert_string_equal(heard(fd), OK);
    assert_int_equal(ask_at(path), -1);
    later = ask_at(other);
    say(later, CHECK);
    assert_string_equal(heard(later), OK);
    close(fd);
    close(later);
}

static void without_a_socket_nobody_can_come(void **state)
{
    int fd = ask_at(path);

    (void)state;
    run_now(loop);
    listen_at(NULL);
    assert_int_equal(ask_at(path), -1);
    say(fd, CHECK); /* who is connected stays */
    assert_string_equal(heard(fd), OK);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(requests_are_answered_one_after_the_other),
        TEST(a_request_may_come_byte_by_byte),
        TEST(who_has_said_all_still_gets_the_answer),
        TEST(an_answer_may_come_later_and_the_next_request_waits),
        TEST(an_answer_that_nobody_waits_for_is_dropped),
        TEST(what_makes_no_sense_is_told_so_and_closed),
        TEST(too_long_a_line_is_not_read_to_its_end),
        TEST(who_waits_is_told_by_the_end),
        TEST(whoever_says_nothing_makes_room),
        TEST(a_request_that_has_arrived_makes_no_room),
        TEST(another_user_takes_nobody_s_place),
        TEST(while_all_wait_for_answers_no_more_are_heard),
        TEST(the_server_may_be_freed_inside_a_request),
        TEST(a_change_of_the_path_keeps_who_is_connected),
        TEST(without_a_socket_nobody_can_come),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
