/* Lines from the control socket to standard output. */
#include "control/watch_order.h"

#include "base/buffer.h"
#include "base/exit_status.h"
#include "control/protocol.h"
#include "io/whole.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* (Each is parsed, so that nothing but JSON gets to a terminal.) False: the bytes are no such
 * lines. */
static bool print_changes(struct buffer *received)
{
    struct control_line line;
    enum wire_status status;

    while ((status = control_parse(buffer_data(received), buffer_length(received),
                                   CONTROL_ANSWER_MAX, &line)) == WIRE_OK) {
        char *text = control_print(line.object);
        fputs(text, stdout);
        free(text);
        json_decref(line.object);
        buffer_consume(received, line.used);
    }
    return status == WIRE_MORE;
}

/* Waits for more bytes. False: nobody reads standard output any more. */
static bool wait_for_more(int fd)
{
    struct pollfd both[] = {{.fd = fd, .events = POLLIN}, {.fd = STDOUT_FILENO}};

    while (poll(both, 2, -1) < 0 && errno == EINTR)
        continue;
    return (both[1].revents & (POLLERR | POLLNVAL)) == 0;
}

int watch_print(int fd, struct buffer *received)
{
    struct wait_limit limit = wait_limit(-1, -1);
    int error = 0;

    while (print_changes(received) && fflush(stdout) == 0) {
        if (!wait_for_more(fd))
            return EXIT_SUCCESS;
        error = receive_some(fd, received, &limit);
        if (error != 0)
            break;
    }
    if (ferror(stdout))
        return EXIT_SUCCESS;
    fprintf(stderr, "adit: watch: %s\n",
            error == ENODATA ? "the adit has ended, or this was read too slowly"
            : error != 0     ? strerror(error)
                             : "what came is no line of JSON");
    return EXIT_SSH;
}
