/* Waiting by poll(2), with a limit of time and a connection that may end. */
#include "io/wait.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

struct wait_limit wait_limit(int connection, int milliseconds)
{
    return (struct wait_limit){
        .connection = connection,
        .until = milliseconds < 0 ? UINT64_MAX : clock_now() + (uint64_t)milliseconds,
    };
}

/* The time that is left, as poll(2) takes it. */
static int poll_timeout(const struct wait_limit *limit)
{
    uint64_t now;

    if (limit->until == UINT64_MAX)
        return -1;
    now = clock_now();
    if (now >= limit->until)
        return 0;
    return limit->until - now > INT_MAX ? INT_MAX : (int)(limit->until - now);
}

int wait_for_any(struct pollfd *polled, size_t count, const struct wait_limit *limit)
{
    struct pollfd all[1 + WAIT_ANY_MAX] = {{.fd = limit->connection, .events = POLLRDHUP}};

    assert(count <= WAIT_ANY_MAX && "wait_for_any takes WAIT_ANY_MAX descriptors");
    memcpy(all + 1, polled, count * sizeof(*polled));
    for (;;) {
        int ready = poll(all, 1 + count, poll_timeout(limit));

        if (ready < 0 && errno != EINTR)
            return errno;
        if (ready > 0) {
            memcpy(polled, all + 1, count * sizeof(*polled));
            return all[0].revents != 0 ? ECONNABORTED : 0;
        }
        if (ready == 0 && poll_timeout(limit) == 0)
            return ETIMEDOUT;
    }
}

int wait_for(int fd, short events, const struct wait_limit *limit)
{
    return wait_for_any(&(struct pollfd){.fd = fd, .events = events}, 1, limit);
}
