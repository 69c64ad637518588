/* Tests of what the log says of a client: each line has its number. */
#include "worker_scene.h"

#include "base/log.h"

#include <sys/mman.h>

#define LISTENS "[listen l]\naddress = 1080\n"

static int file;

static int set_up(void **state)
{
    file = memfd_create("log", MFD_CLOEXEC);
    scene_set_up(state);
    scene_configure("hold = 20s\n", LISTENS);
    log_setup(file, ADIT_LOG_DEBUG, ADIT_LOG_TEXT);
    return file < 0;
}

static int tear_down(void **state)
{
    int failed = scene_tear_down(state);

    log_setup(STDERR_FILENO, ADIT_LOG_INFO, ADIT_LOG_TEXT);
    close(file);
    return failed;
}

/* How many lines have the text. */
static unsigned logged(const char *text)
{
    static char written[1 << 18];
    ssize_t length = pread(file, written, sizeof written - 1, 0);
    unsigned count = 0;

    assert_true(length >= 0);
    written[length] = '\0';
    for (const char *at = written; (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}

static void each_transition_has_the_clients_number(void **state)
{
    int first, second;

    (void)state;
    fake.script.opens = FAKE_NEVER;
    scene_session(0, 0);
    first = client_comes("l");
    second = client_comes("l");
    UNTIL(logged("connection 2: accepted by worker 0 on listener l\n") == 1);
    assert_int_equal(logged("connection 1: accepted by worker 0 on listener l\n"), 1);
    client_asks(second, "web");
    UNTIL(logged("connection 2: routing -> opening (session)\n") == 1);
    assert_int_equal(logged("connection 2: asking -> routing (request)\n"), 1);
    assert_int_equal(logged("connection 1: asking ->"), 0);
    close(second);
    fake_open_confirm(fake_open_at(fake_session_at(0), 0));
    UNTIL(logged("connection 2: opening -> answering (opened)\n") == 1);
    assert_int_equal(logged("connection 2: answering -> relaying (answered)\n"), 1);
    close(first);
    UNTIL(logged("connection 1: asking -> lingering (request truncated)\n") == 1);
    assert_int_equal(logged("connection 1: lingering -> ended (reply taken)\n"), 1);
    /* (It asked nothing, as a health check.) */
    assert_int_equal(logged("debug: connection connection=1 client=192.0.2.7:5555 "), 1);
}

static void an_internal_connection_has_a_number(void **state)
{
    char host[] = "10.0.0.53";
    const struct internal_request request = {.via = "a", .to = {.host = host, .port = 53}};
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    workers_send_internal(&scene.gateway.workers, scene.gateway.generation, &request, ends[1]);
    UNTIL(logged("connection 1: adit's own, to 10.0.0.53:53 through upstream a\n") == 1);
    close(ends[0]);
    UNTIL(logged("connection 1: waiting -> ended (closed)\n") == 1);
}

/* Clients whose channels are asked for are told, once for each time that the server falls silent.
 */
static void an_overdue_session_is_told_of(void **state)
{
    struct fake_session *session;
    int asking, opening;

    (void)state;
    fake.script.opens = FAKE_NEVER;
    session = scene_session(0, 0);
    asking = client_comes("l");
    opening = client_comes("l");
    client_asks(opening, "web");
    UNTIL(logged("connection 2: routing -> opening (session)\n") == 1);
    session->added.silent_ms = 500;
    scene_skip(260);
    UNTIL(logged("connection 2: opening (session overdue)\n") == 1);
    scene_skip(260);
    scene_skip(260);
    assert_int_equal(logged("session overdue"), 1);
    session->added.silent_ms = 0;
    scene_skip(260);
    session->added.silent_ms = 700;
    scene_skip(260);
    UNTIL(logged("connection 2: opening (session overdue)\n") == 2);
    fake_open_confirm(fake_open_at(session, 0));
    client_is_told(opening, 0);
    close(opening);
    close(asking);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_transition_has_the_clients_number),
        TEST(an_internal_connection_has_a_number),
        TEST(an_overdue_session_is_told_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
