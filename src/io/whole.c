/* Loops around read(2), write(2), recv(2) and send(2). */
#include "io/whole.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_STEP 4096
#define RECEIVE_STEP 65536

int receive_whole(int fd, void *bytes, size_t length, const struct wait_limit *limit)
{
    char *at = bytes;

    while (length > 0) {
        int error = wait_for(fd, POLLIN, limit);
        ssize_t n = error == 0 ? recv(fd, at, length, MSG_DONTWAIT) : 0;

        if (error != 0)
            return error;
        if (n == 0)
            return ENODATA;
        if (n > 0) {
            at += n;
            length -= (size_t)n;
        } else if (errno != EINTR && errno != EAGAIN) {
            return errno;
        }
    }
    return 0;
}

int receive_some(int fd, struct buffer *bytes, const struct wait_limit *limit)
{
    for (;;) {
        int error = wait_for(fd, POLLIN, limit);
        ssize_t n = error == 0
                        ? recv(fd, buffer_reserve(bytes, RECEIVE_STEP), RECEIVE_STEP, MSG_DONTWAIT)
                        : 0;

        if (error != 0)
            return error;
        if (n > 0)
            buffer_commit(bytes, (size_t)n);
        if (n >= 0)
            return n > 0 ? 0 : ENODATA;
        if (errno != EINTR && errno != EAGAIN)
            return errno;
    }
}

int send_whole(int fd, const void *bytes, size_t length, const struct wait_limit *limit)
{
    const char *at = bytes;

    while (length > 0) {
        ssize_t n = send(fd, at, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        int error = n < 0 ? errno : 0;

        if (n > 0) {
            at += n;
            length -= (size_t)n;
        }
        if (error == EAGAIN)
            error = wait_for(fd, POLLOUT, limit);
        if (error != 0 && error != EINTR)
            return error;
    }
    return 0;
}

int write_whole(int fd, const void *bytes, size_t length)
{
    const char *at = bytes;

    while (length > 0) {
        ssize_t n = write(fd, at, length);

        if (n < 0 && errno != EINTR)
            return errno;
        if (n > 0) {
            at += n;
            length -= (size_t)n;
        }
    }
    return 0;
}

static const char *reason(int number)
{
    errno = number;
    return strerror(number);
}

static const char *too_large(size_t max)
{
    static _Thread_local char text[64];
    size_t mib = max >> 20;

    snprintf(text, sizeof(text), "The file is larger than %zu %s", mib > 0 ? mib : max,
             mib > 0 ? "MiB" : "bytes");
    errno = EFBIG;
    return text;
}

/* Reads to the end of the file, or to more than `max` bytes. */
static const char *read_to_end(int fd, size_t max, size_t expected, struct buffer *bytes)
{
    size_t room = expected + 1; /* one more byte, to see the end without more room */
    ssize_t got;

    do {
        got = read(fd, buffer_reserve(bytes, room), room);
        if (got > 0)
            buffer_commit(bytes, (size_t)got);
        if (buffer_length(bytes) > max)
            return too_large(max);
        room = got > 0 && (size_t)got < room ? room - (size_t)got : READ_STEP;
    } while (got > 0 || (got < 0 && errno == EINTR));
    return got < 0 ? reason(errno) : NULL;
}

const char *descriptor_read(int fd, size_t max, enum file_kind kind, struct buffer *bytes)
{
    size_t expected = READ_STEP;
    struct stat status;

    if (fstat(fd, &status) != 0)
        return reason(errno);
    if (S_ISDIR(status.st_mode))
        return reason(EISDIR);
    if (kind == FILE_REGULAR_OR_EMPTY && S_ISCHR(status.st_mode))
        return NULL;
    if (kind != FILE_ANY && !S_ISREG(status.st_mode)) {
        errno = EINVAL;
        return kind == FILE_REGULAR ? "Not a regular file" : "Neither a regular file nor a device";
    }
    if (S_ISREG(status.st_mode) && (uint64_t)status.st_size > max)
        return too_large(max);
    if (S_ISREG(status.st_mode))
        expected = (size_t)status.st_size;
    return read_to_end(fd, max, expected, bytes);
}

const char *file_read(const char *path, size_t max, enum file_kind kind, struct buffer *bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (kind == FILE_ANY ? 0 : O_NONBLOCK));
    const char *wrong;
    int number;

    if (fd < 0)
        return reason(errno);
    wrong = descriptor_read(fd, max, kind, bytes);
    number = errno;
    close(fd);
    errno = number;
    return wrong;
}

char *file_first_line(const char *path)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    char *secret;

    if (file == NULL)
        return NULL;
    setvbuf(file, NULL, _IONBF, 0); /* no copy of the secret in a stdio buffer */
    length = getline(&line, &size, file);
    fclose(file);
    if (length < 0) {
        free(line);
        errno = ENODATA;
        return NULL;
    }
    secret = mem_strndup(line, strcspn(line, "\r\n"));
    mem_free_secret(line, size);
    return secret;
}
