/* Tests of control/mux_connection and of how control/server tells mux clients from others: a client
 * of one's own that sends whole, byte by byte, with wrong descriptors, and goes at any point. */
#include "control/mux_connection.h"
#include "control/server.h"

#include "io_test.h"

#include "control/protocol.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>

static struct loop *loop;
static struct control_server *server;
static struct mux_connection_list connections = LIST_HEAD_INITIALIZER(connections);
static struct mux_connection *connection;
static char directory[] = "/tmp/adit-mux-XXXXXX";
static char path[64];
static char other[64];
static char error[256];

static struct mux_request asked; /* the last one, without what its spans are of */
static int asked_count;
static int fds[3];
static int gone_count;
static bool answers; /* each request is answered at once */
static char via_seen[64];

static void on_asked(void *arg, const struct mux_request *request, const int *passed)
{
    assert_ptr_equal(arg, &loop);
    asked = *request;
    asked_count++;
    for (unsigned i = 0; i < mux_descriptors(request); i++) {
        assert_true(fcntl(passed[i], F_GETFD) & FD_CLOEXEC);
        fds[i] = passed[i];
    }
    if (answers)
        mux_connection_answer(connection, &(struct mux_answer){.type = MUX_OK, .id = request->id});
}

static void on_gone(void *arg)
{
    assert_ptr_equal(arg, &loop);
    gone_count++;
    connection = NULL;
}

static const struct mux_connection_events events = {.asked = on_asked, .gone = on_gone};

static void on_mux(void *arg, int fd, const char *via)
{
    assert_ptr_equal(arg, &loop);
    snprintf(via_seen, sizeof via_seen, "%s", via != NULL ? via : "(none)");
    connection = mux_connection_new(loop, &connections, fd, &events, &loop);
    assert_non_null(connection);
}

static void on_json(void *arg, struct control_request *request, const char *command,
                    const json_t *object)
{
    (void)arg;
    (void)command;
    (void)object;
    control_answer(request, control_ok());
}

static int set_up(void **state)
{
    const struct control_place places[] = {{.path = path, .via = "office"}};
    size_t failed;

    (void)state;
    asked_count = gone_count = 0;
    connection = NULL;
    answers = true;
    loop = loop_new();
    server = control_server_new(loop, on_json, on_mux, &loop);
    if (!control_sockets_prepare(control_server_sockets(server), places, 1, &failed, error,
                                 sizeof error))
        return -1;
    control_sockets_commit(control_server_sockets(server), true);
    return 0;
}

static int tear_down(void **state)
{
    struct stat st;

    (void)state;
    mux_connections_close(&connections);
    control_server_free(server);
    loop_free(loop);
    return stat(path, &st) == 0 || stat(other, &st) == 0 ? -1 : 0;
}

/* The client. */

static int connect_to(const char *place)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(at.sun_path, place, strlen(place) + 1);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    set_nonblocking(fd);
    return fd;
}

static void say_bytes(int fd, const void *bytes, size_t length)
{
    assert_int_equal(send(fd, bytes, length, MSG_NOSIGNAL), length);
}

/* One byte with `count` descriptors, as ssh passes each of its own. */
static void pass(int fd, unsigned count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(16 * sizeof(int))];
    } control = {0};
    char zero = 0;
    struct iovec byte = {.iov_base = &zero, .iov_len = 1};
    struct msghdr message = {.msg_iov = &byte, .msg_iovlen = 1};
    struct cmsghdr *part = (struct cmsghdr *)&control;
    int passed = open("/dev/null", O_RDWR | O_CLOEXEC);

    assert_true(count <= 16);
    if (count > 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(count * sizeof(int));
        for (unsigned i = 0; i < count; i++)
            memcpy(CMSG_DATA(part) + i * sizeof(int), &passed, sizeof(int));
    }
    assert_int_equal(sendmsg(fd, &message, MSG_NOSIGNAL), 1);
    close(passed);
}

/* Gathers what is to be sent. */
static struct buffer frames(const struct mux_request *requests, size_t count)
{
    struct buffer out = {0};

    for (size_t i = 0; i < count; i++)
        mux_request_append(&out, &requests[i]);
    return out;
}

/* The answers that have come, as numbers of their types; "(closed)" at the end of them. */
static const char *heard(int fd)
{
    static char text[400];
    uint8_t bytes[4096];
    size_t length = 0, at = 0, used;
    bool closed = false;
    struct mux_answer answer;

    for (int i = 0; i < 20 && !closed; i++) {
        ssize_t got;
        run_now(loop);
        got = recv(fd, bytes + length, sizeof bytes - length, 0);
        if (got > 0)
            length += (size_t)got;
        closed = got == 0 || (got < 0 && errno == ECONNRESET);
    }
    text[0] = '\0';
    while (mux_answer_parse(bytes + at, length - at, &used, &answer) == WIRE_OK) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%08x:%u ", answer.type,
                 answer.id);
        at += used;
    }
    assert_int_equal(at, length);
    if (closed)
        strcat(text, "(closed)");
    return text;
}

#define HELLO "00000001:0 "
#define OK_7 "80000001:7 "

static const struct mux_request hello = {.type = MUX_HELLO};
static const struct mux_request alive = {.type = MUX_ALIVE_CHECK, .id = 7};
static const struct mux_request shell = {.type = MUX_NEW_SESSION, .id = 7};
static const struct mux_request stdio = {.type = MUX_NEW_STDIO_FWD, .id = 7};

static int open_descriptors(void)
{
    DIR *all = opendir("/proc/self/fd");
    int count = 0;

    while (readdir(all) != NULL)
        count++;
    closedir(all);
    return count;
}

static void say_request(int fd, const struct mux_request *request)
{
    struct buffer out = frames(request, 1);

    say_bytes(fd, buffer_data(&out), buffer_length(&out));
    buffer_clear(&out);
}

static int greeted_client(void)
{
    int fd = connect_to(path);

    say_request(fd, &hello);
    assert_string_equal(heard(fd), HELLO);
    return fd;
}

/* Tests. */

static void ssh_is_told_by_its_first_byte(void **state)
{
    int fd = connect_to(path);

    (void)state;
    say_request(fd, &hello);
    assert_string_equal(heard(fd), HELLO);
    assert_string_equal(via_seen, "office");
    close(fd);
    fd = connect_to(path);
    connection = NULL;
    say_bytes(fd, "{\"command\":\"check\"}\n", 20);
    for (int i = 0; i < 20; i++)
        run_now(loop);
    assert_null(connection);
    assert_int_equal(recv(fd, error, sizeof error, 0), 12);
    assert_memory_equal(error, "{\"ok\":true}\n", 12);
    close(fd);
    run_now(loop);
}

static void requests_are_answered_in_turn(void **state)
{
    int fd = greeted_client();

    (void)state;
    say_request(fd, &alive);
    assert_string_equal(heard(fd), OK_7);
    assert_int_equal(asked.type, MUX_ALIVE_CHECK);
    answers = false;
    say_request(fd, &alive);
    say_request(fd, &alive);
    assert_string_equal(heard(fd), "");
    assert_int_equal(asked_count, 2);
    mux_connection_answer(connection, &(struct mux_answer){.type = MUX_OK, .id = 7});
    assert_string_equal(heard(fd), OK_7);
    assert_int_equal(asked_count, 3);
    close(fd);
    run_now(loop);
    run_now(loop);
    assert_int_equal(gone_count, 1);
}

/* Everything at once, and byte by byte. */
static void however_it_is_cut(void **state)
{
    const struct mux_request all[] = {hello, alive, alive};
    struct buffer out = frames(all, 3);
    int fd = connect_to(path);

    (void)state;
    say_bytes(fd, buffer_data(&out), buffer_length(&out));
    assert_string_equal(heard(fd), HELLO OK_7 OK_7);
    close(fd);
    run_now(loop);
    fd = connect_to(path);
    for (size_t i = 0; i < buffer_length(&out); i++) {
        say_bytes(fd, buffer_data(&out) + i, 1);
        run_now(loop);
    }
    assert_string_equal(heard(fd), HELLO OK_7 OK_7);
    close(fd);
    buffer_clear(&out);
}

static void close_fds(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        close(fds[i]);
}

static void descriptors_come_behind_their_request(void **state)
{
    int fd = greeted_client();

    (void)state;
    say_request(fd, &shell);
    assert_string_equal(heard(fd), "");
    pass(fd, 1);
    pass(fd, 1);
    assert_string_equal(heard(fd), "");
    assert_int_equal(asked_count, 0);
    pass(fd, 1);
    assert_string_equal(heard(fd), OK_7);
    close_fds(3);
    /* The next request is read behind their bytes. */
    say_request(fd, &stdio);
    pass(fd, 1);
    pass(fd, 1);
    say_request(fd, &alive);
    assert_string_equal(heard(fd), OK_7 OK_7);
    close_fds(2);
    close(fd);
}

/* Descriptors while no client is connected; the loop has made its own by then. */
static int count_without_clients(void)
{
    int fd = greeted_client();

    close(fd);
    for (int i = 0; i < 4; i++)
        run_now(loop);
    return open_descriptors();
}

/* Each of these ends the connection, and every descriptor that has come is closed. */
static void wrong_clients_are_closed(void **state)
{
    static const struct {
        const char *name;
        const struct mux_request *first;
        const struct mux_request *second;
        int passed[4]; /* descriptors with each further byte; -1: no byte */
    } wrong[] = {
        {"no hello", &alive, NULL, {-1}},
        {"two", &hello, &hello, {-1}},
        {"bytes without descriptors", &hello, &shell, {0, 0, 0, -1}},
        {"one is missing", &hello, &shell, {1, 0, 1, -1}},
        {"too many", &hello, &shell, {16, -1}},
        {"too many in two messages", &hello, &stdio, {6, 6, -1}},
        {"before it was asked for", &hello, NULL, {9, -1}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        int before = count_without_clients();
        int fd = connect_to(path);
        const char *said;

        asked_count = 0;
        say_request(fd, wrong[i].first);
        if (wrong[i].second != NULL)
            say_request(fd, wrong[i].second);
        for (int k = 0; k < 4 && wrong[i].passed[k] >= 0; k++)
            pass(fd, (unsigned)wrong[i].passed[k]);
        said = heard(fd);
        if (strstr(said, "(closed)") == NULL)
            fail_msg("%s: not closed: %s", wrong[i].name, said);
        assert_int_equal(asked_count, 0);
        close(fd);
        run_now(loop);
        if (open_descriptors() != before)
            fail_msg("%s: %d descriptors, not %d", wrong[i].name, open_descriptors(), before);
    }
}

static void a_frame_that_is_none(void **state)
{
    int fd = connect_to(path);

    (void)state;
    say_bytes(fd, "\0\0\0\1\0", 5);
    assert_string_equal(heard(fd), "(closed)");
    assert_int_equal(gone_count, 1);
    close(fd);
}

/* A client that goes at each point of a session's request: nothing is left of it. */
static void gone_at_each_point(void **state)
{
    const struct mux_request all[] = {hello, shell};
    struct buffer out = frames(all, 2);
    int before = count_without_clients();

    (void)state;
    for (size_t length = 0; length <= buffer_length(&out) + 2; length++) {
        size_t plain = length < buffer_length(&out) ? length : buffer_length(&out);
        int fd = connect_to(path);
        if (plain > 0)
            say_bytes(fd, buffer_data(&out), plain);
        for (size_t i = plain; i < length; i++)
            pass(fd, 1);
        run_now(loop);
        run_now(loop);
        close(fd);
        for (int i = 0; i < 6; i++)
            run_now(loop);
        assert_int_equal(asked_count, 0);
        assert_int_equal(open_descriptors(), before);
    }
    buffer_clear(&out);
}

/* The end of a client is noticed while its request is carried out. */
static void gone_while_it_waits(void **state)
{
    int fd = greeted_client();

    (void)state;
    answers = false;
    say_request(fd, &alive);
    assert_string_equal(heard(fd), "");
    close(fd);
    run_now(loop);
    run_now(loop);
    assert_int_equal(gone_count, 1);
}

/* What was answered last goes out before the connection is closed. */
static void the_owner_ends_it(void **state)
{
    int fd = greeted_client();

    (void)state;
    mux_connection_answer(connection,
                          &(struct mux_answer){.type = MUX_EXIT_MESSAGE, .id = 1, .number = 3});
    mux_connection_end(connection);
    assert_string_equal(heard(fd), "80000004:1 (closed)");
    assert_int_equal(gone_count, 0);
    close(fd);
}

/* Several places change together, or none does. */
static void places_change_together(void **state)
{
    const struct control_place two[] = {{.path = path, .via = "a"}, {.path = other, .via = "b"}};
    const struct control_place bad[] = {{.path = other}, {.path = "/nonexistent/control"}};
    struct control_sockets *sockets = control_server_sockets(server);
    struct stat st;
    size_t failed;
    int fd;

    (void)state;
    assert_true(control_sockets_prepare(sockets, two, 2, &failed, error, sizeof error));
    control_sockets_commit(sockets, true);
    fd = connect_to(other);
    say_request(fd, &hello);
    assert_string_equal(heard(fd), HELLO);
    assert_string_equal(via_seen, "b");
    close(fd);
    fd = greeted_client(); /* (the socket was there before, and has another upstream now) */
    assert_string_equal(via_seen, "a");
    close(fd);
    assert_false(control_sockets_prepare(sockets, bad, 2, &failed, error, sizeof error));
    assert_int_equal(failed, 1);
    control_sockets_commit(sockets, false);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(stat(other, &st), 0);
    assert_true(control_sockets_prepare(sockets, &two[1], 1, &failed, error, sizeof error));
    control_sockets_commit(sockets, true);
    assert_int_not_equal(stat(path, &st), 0);
    assert_int_equal(stat(other, &st), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ssh_is_told_by_its_first_byte),
        TEST(requests_are_answered_in_turn),
        TEST(however_it_is_cut),
        TEST(descriptors_come_behind_their_request),
        TEST(wrong_clients_are_closed),
        TEST(a_frame_that_is_none),
        TEST(gone_at_each_point),
        TEST(gone_while_it_waits),
        TEST(the_owner_ends_it),
        TEST(places_change_together),
    };
    int failed;

    if (mkdtemp(directory) == NULL)
        return 1;
    snprintf(path, sizeof path, "%s/control", directory);
    snprintf(other, sizeof other, "%s/other", directory);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(directory);
    return failed;
}
