/* An owner of one socket endpoint whose other end is in the test's hands. */
#ifndef ADIT_T_SOCKET_OWNER_H
#define ADIT_T_SOCKET_OWNER_H

#include "io/socket.h"
#include "io_test.h"

#include "base/mem.h"

#include <poll.h>
#include <stdio.h>

/* An owner that keeps what it hears. */
struct owner {
    struct loop *loop;
    struct endpoint *endpoint; /* NULL: closed */
    int far;                   /* the other end's descriptor; -1: closed */
    size_t room;
    char got[1024];
    size_t got_length;
    uint64_t total; /* bytes heard, also those beyond what `got` keeps */
    bool eof, writable, failed;
    int eofs, writables;
    char why[64];
    const char *close_in; /* the event in which to close, by its name */
    bool abort;
    bool closed;
    bool in_operation; /* no event may come now */
};

static inline bool hears(struct owner *owner, const char *event)
{
    assert_false(owner->in_operation);
    assert_false(owner->closed);
    if (owner->close_in == NULL || strcmp(owner->close_in, event) != 0)
        return false;
    owner->closed = true;
    endpoint_close(owner->endpoint, owner->abort);
    owner->endpoint = NULL;
    return true;
}

static inline size_t on_room(void *arg)
{
    return ((struct owner *)arg)->room;
}

static inline bool on_data(void *arg, const uint8_t *bytes, size_t length)
{
    struct owner *owner = arg;
    size_t left = sizeof owner->got - owner->got_length;

    assert_true(length > 0 && length <= owner->room);
    owner->room -= length;
    owner->total += length;
    if (left > length)
        left = length;
    memcpy(owner->got + owner->got_length, bytes, left);
    owner->got_length += left;
    hears(owner, "data");
    return true;
}

static inline void on_eof(void *arg)
{
    struct owner *owner = arg;

    owner->eof = true;
    owner->eofs++;
    hears(owner, "eof");
}

static inline void on_closed(void *arg)
{
    (void)arg;
    fail();
}

static inline void on_writable(void *arg)
{
    struct owner *owner = arg;

    owner->writable = true;
    owner->writables++;
    hears(owner, "writable");
}

static inline void on_failed(void *arg, const char *why)
{
    struct owner *owner = arg;

    owner->failed = true;
    snprintf(owner->why, sizeof owner->why, "%s", why);
    hears(owner, "failed");
}

static const struct endpoint_events owner_events = {
    .room = on_room,
    .data = on_data,
    .eof = on_eof,
    .closed = on_closed,
    .writable = on_writable,
    .failed = on_failed,
};

/* Operations, during which no event may come. */

static inline void resumes(struct owner *owner)
{
    owner->in_operation = true;
    endpoint_resume(owner->endpoint);
    owner->in_operation = false;
}

static inline size_t writes(struct owner *owner, const void *bytes, size_t length)
{
    size_t taken;

    owner->in_operation = true;
    taken = endpoint_write(owner->endpoint, bytes, length);
    owner->in_operation = false;
    return taken;
}

static inline void writes_eof(struct owner *owner)
{
    owner->in_operation = true;
    endpoint_write_eof(owner->endpoint);
    owner->in_operation = false;
}

static inline void closes(struct owner *owner, bool abort)
{
    owner->in_operation = true;
    endpoint_close(owner->endpoint, abort);
    owner->in_operation = false;
    owner->endpoint = NULL;
    owner->closed = true;
}

static inline void close_far(struct owner *owner)
{
    close(owner->far);
    owner->far = -1;
}

static inline void reset_far(struct owner *owner)
{
    struct linger linger = {.l_onoff = 1};

    setsockopt(owner->far, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close_far(owner);
}

/* Writes zeroes until the kernel takes no more; says how many. */
static inline size_t writes_until_full(struct owner *owner)
{
    static const char zeroes[65536];
    size_t total = 0, taken;

    while ((taken = writes(owner, zeroes, sizeof zeroes)) == sizeof zeroes)
        total += taken;
    assert_int_equal(endpoint_room(owner->endpoint), 0);
    return total + taken;
}

/* Reads at the far end until there is nothing for a while, or the end: -errno, or how many bytes.
 */
static inline ssize_t far_reads(struct owner *owner, bool *eof)
{
    static char bytes[65536];
    ssize_t total = 0;

    *eof = false;
    for (;;) {
        struct pollfd p = {.fd = owner->far, .events = POLLIN};
        ssize_t n;

        if (poll(&p, 1, 50) == 0)
            return total;
        n = read(owner->far, bytes, sizeof bytes);
        if (n < 0)
            return -errno;
        if (n == 0) {
            *eof = true;
            return total;
        }
        total += n;
    }
}

static inline struct owner *owner_new(void (*pair)(int fds[static 2]))
{
    struct owner *owner = mem_zalloc(sizeof *owner);
    int fds[2];

    pair(fds);
    owner->loop = loop_new();
    owner->endpoint = socket_endpoint_new(owner->loop, fds[0]);
    assert_non_null(owner->endpoint);
    owner->far = fds[1];
    owner->room = (size_t)1 << 40;
    endpoint_own(owner->endpoint, &owner_events, owner);
    return owner;
}

static inline int set_up_tcp(void **state)
{
    *state = owner_new(tcp_pair);
    return 0;
}

static inline int set_up_unix(void **state)
{
    *state = owner_new(unix_pair);
    return 0;
}

static inline int tear_down(void **state)
{
    struct owner *owner = *state;

    endpoint_close(owner->endpoint, true);
    socket_linger_abort(owner->loop);
    if (owner->far >= 0)
        close(owner->far);
    loop_free(owner->loop);
    free(owner);
    return 0;
}

static inline void far_says(struct owner *owner, const char *text)
{
    assert_int_equal(write(owner->far, text, strlen(text)), strlen(text));
}

static inline void assert_got(const struct owner *owner, const char *text)
{
    assert_int_equal(owner->got_length, strlen(text));
    assert_memory_equal(owner->got, text, owner->got_length);
}

/* A test over TCP, and one over TCP and over a unix socket; clang-format has no idea of the latter.
 */
/* clang-format off */
#define TCP(name) cmocka_unit_test_setup_teardown(name, set_up_tcp, tear_down)
#define BOTH(name)                                                                                 \
    {#name " (tcp)", name, set_up_tcp, tear_down, NULL},                                           \
    {#name " (unix)", name, set_up_unix, tear_down, NULL}
/* clang-format on */

#endif
