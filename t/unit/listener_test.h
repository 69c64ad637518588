/* What the tests of listeners and of of accepting share: a directory for unix sockets,
 * and ways in. */
#ifndef ADIT_T_LISTENER_TEST_H
#define ADIT_T_LISTENER_TEST_H

#include "io/listener.h"
#include "io_test.h"

#include <stdio.h>
#include <sys/un.h>

static char directory[] = "/tmp/adit-listener-XXXXXX";
static char path[64]; /* of a unix socket */

static inline int make_directory(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/socket", directory);
    return 0;
}

static inline int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

/* On an address, or on a path. */
static inline struct listener *listen_on(const char *address, uint16_t port, char error[static 256])
{
    struct listener_address at = {.is_unix = address[0] == '/', .path = address, .port = port};

    if (!at.is_unix)
        assert_true(ip_parse(address, &at.ip));
    return listener_new(&at, error, 256);
}

/* A connection to `path`; -1 and errno if there is none. */
static inline int unix_connect(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    close(fd);
    return -1;
}

#endif
