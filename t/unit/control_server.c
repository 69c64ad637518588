/* Tests of control/server: requests, answers, and clients that do not behave. */
#include "control/server.h"

#include "io_test.h"

#include "base/log.h"
#include "control/protocol.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>

static struct loop *loop;
static struct control_server *server;
static char directory[] = "/tmp/adit-control-XXXXXX";
static char path[64];
static char other[64];
static char error[256];

/* What was asked last, and how it is answered. */
static struct control_request *pending;
static int asked_count;
static char asked_command[64];
static bool answer_later;
static bool free_inside;

static void asked(void *arg, struct control_request *request, const char *command,
                  const json_t *object)
{
    assert_ptr_equal(arg, &loop);
    assert_string_equal(control_text(object, "command"), command);
    snprintf(asked_command, sizeof asked_command, "%s", command);
    asked_count++;
    if (free_inside) {
        control_server_free(server);
        server = NULL;
    }
    if (answer_later)
        pending = request;
    else
        control_answer(request, control_ok());
}

/* (Mux clients are t/unit/control_mux's.) */
static void mux_came(void *arg, int fd, const char *via)
{
    (void)arg;
    (void)fd;
    (void)via;
    fail_msg("no mux client has come");
}

static void listen_at(const char *where)
{
    static uint32_t id;
    struct listener_address at = {.is_unix = true, .path = where, .mode = 0600};
    struct given_socket given = {.id = ++id};

    if (where != NULL)
        given.listener = listener_new(&at, error, sizeof error);
    control_sockets_change(control_server_sockets(server), &given, where != NULL, NULL, NULL);
}

static int set_up(void **state)
{
    (void)state;
    asked_count = 0;
    pending = NULL;
    answer_later = false;
    free_inside = false;
    loop = loop_new();
    server = control_server_new(loop, asked, mux_came, &loop);
    listen_at(path);
    return 0;
}

static int tear_down(void **state)
{
    struct stat st;

    (void)state;
    control_server_free(server);
    loop_free(loop);
    return stat(path, &st) == 0 || stat(other, &st) == 0 ? -1 : 0;
}

/* A connection; -1 and errno. */
static int ask_at(const char *place)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(strlen(place) < sizeof at.sun_path);
    memcpy(at.sun_path, place, strlen(place) + 1);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0) {
        set_nonblocking(fd);
        return fd;
    }
    close(fd);
    return -1;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* What has come by now; "(closed)" at the end of it. */
static const char *heard(int fd)
{
    static char text[8192];
    size_t length = 0;

    for (int i = 0; i < 20; i++) {
        ssize_t got;
        run_now(loop);
        got = recv(fd, text + length, sizeof text - length - 10, 0);
        if (got > 0)
            length += (size_t)got;
        if (got == 0 || (got < 0 && errno == ECONNRESET)) {
            memcpy(text + length, "(closed)", 8);
            length += 8;
            break;
        }
    }
    text[length] = '\0';
    return text;
}

#define OK "{\"ok\":true}\n"
#define CHECK "{\"command\":\"check\"}\n"

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

static void tell(const char *what)
{
    json_t *line = json_pack("{s:s}", "event", what);
    control_tell_watchers(server, line);
    json_decref(line);
}

static struct control_request *asked_later(int fd)
{
    answer_later = true;
    say(fd, CHECK);
    run_now(loop);
    return pending;
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

static int make_directory(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/control", directory);
    snprintf(other, sizeof other, "%s/other", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(requests_are_answered_one_after_the_other),
        TEST(a_request_may_come_byte_by_byte),
        TEST(who_has_said_all_still_gets_the_answer),
        TEST(an_answer_may_come_later_and_the_next_request_waits),
        TEST(who_watches_is_told_line_by_line),
        TEST(who_watches_and_does_not_read_is_cut),
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
