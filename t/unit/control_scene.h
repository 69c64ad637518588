/* A control server with clients of its own. */
#ifndef ADIT_UNIT_CONTROL_SCENE_H
#define ADIT_UNIT_CONTROL_SCENE_H

#include "control/server.h"

#include "io_test.h"

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

static inline void asked(void *arg, struct control_request *request, const char *command,
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
static inline void mux_came(void *arg, int fd, const char *via)
{
    (void)arg;
    (void)fd;
    (void)via;
    fail_msg("no mux client has come");
}

static inline void listen_at(const char *where)
{
    static uint32_t id;
    struct listener_address at = {.is_unix = true, .path = where, .mode = 0600};
    struct given_socket given = {.id = ++id};

    if (where != NULL)
        given.listener = listener_new(&at, error, sizeof error);
    control_sockets_change(control_server_sockets(server), &given, where != NULL, NULL, NULL);
}

static inline int set_up(void **state)
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

static inline int tear_down(void **state)
{
    struct stat st;

    (void)state;
    control_server_free(server);
    loop_free(loop);
    return stat(path, &st) == 0 || stat(other, &st) == 0 ? -1 : 0;
}

/* A connection; -1 and errno. */
static inline int ask_at(const char *place)
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

static inline void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* What has come by now; "(closed)" at the end of it. */
static inline const char *heard(int fd)
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

static inline int make_directory(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/control", directory);
    snprintf(other, sizeof other, "%s/other", directory);
    return 0;
}

static inline int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

#endif
