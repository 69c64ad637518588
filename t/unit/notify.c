/* Tests of io/notify. */
#include "io/notify.h"

#include "io_test.h"

#include <stdio.h>
#include <sys/un.h>
#include <time.h>

/* A service manager's socket, at the path of a file or, with '@', an abstract name. */
static int manager(const char *name)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    memcpy(at.sun_path, name, length);
    if (name[0] == '@')
        at.sun_path[0] = '\0';
    assert_int_equal(bind(fd, (struct sockaddr *)&at,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
                     0);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    return fd;
}

/* The next datagram; "" if none is there. */
static const char *told(int fd)
{
    static char text[4096];
    ssize_t length = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);

    text[length > 0 ? length : 0] = '\0';
    return text;
}

static void what_is_said_arrives_as_one_datagram(void **state)
{
    static char path[] = "/tmp/adit-notify-XXXXXX";
    char name[64];

    (void)state;
    assert_non_null(mkdtemp(path));
    for (int abstract = 0; abstract < 2; abstract++) {
        int fd;
        snprintf(name, sizeof name, abstract ? "@%s/s" : "%s/s", path);
        fd = manager(name);
        notify_send("READY=1");
        notify_send("STATUS=%d sessions\nREADY=%d", 7, 1);
        assert_string_equal(told(fd), "READY=1");
        assert_string_equal(told(fd), "STATUS=7 sessions\nREADY=1");
        assert_string_equal(told(fd), "");
        close(fd);
    }
    snprintf(name, sizeof name, "%s/s", path);
    unlink(name);
    rmdir(path);
}

static void a_reload_has_the_time_of_the_monotonic_clock(void **state)
{
    unsigned long long before, then, after;
    struct timespec now;
    int fd = manager("@adit-notify-reload");

    (void)state;
    clock_gettime(CLOCK_MONOTONIC, &now);
    before = (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000;
    notify_reloading();
    clock_gettime(CLOCK_MONOTONIC, &now);
    after = (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000;
    assert_int_equal(sscanf(told(fd), "RELOADING=1\nMONOTONIC_USEC=%llu", &then), 1);
    assert_true(before <= then && then <= after);
    close(fd);
}

static void without_a_manager_nothing_happens(void **state)
{
    static const char *const names[] = {"", "@", "/", "relative", "/nonexistent/socket"};
    char long_name[200];

    (void)state;
    unsetenv("NOTIFY_SOCKET");
    notify_send("READY=1");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        setenv("NOTIFY_SOCKET", names[i], 1);
        notify_send("READY=1");
    }
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[0] = '/';
    long_name[sizeof long_name - 1] = '\0';
    setenv("NOTIFY_SOCKET", long_name, 1);
    notify_send("READY=1");
}

static void a_manager_that_does_not_read_holds_nobody_up(void **state)
{
    int fd = manager("@adit-notify-full");

    (void)state;
    for (int i = 0; i < 10000; i++)
        notify_send("STATUS=%d", i);
    assert_string_equal(told(fd), "STATUS=0");
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_said_arrives_as_one_datagram),
        cmocka_unit_test(a_reload_has_the_time_of_the_monotonic_clock),
        cmocka_unit_test(without_a_manager_nothing_happens),
        cmocka_unit_test(a_manager_that_does_not_read_holds_nobody_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
