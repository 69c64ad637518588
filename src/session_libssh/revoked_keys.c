/* Whether a host key is revoked, by a plain list or by ssh-keygen -Q. */
#include "session_libssh/revoked_keys.h"

#include "base/mem.h"
#include "session_libssh/ask.h"
#include "session_libssh/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 10000 /* for ssh-keygen */
#define OUTPUT_MAX 2048

/* ssh-keygen, with the key as its standard input. */
struct query {
    pid_t pid;
    int output_fd; /* what it prints, on both streams */
};

static int make_key_file(const struct public_key *key)
{
    char *text = public_key_text(key);
    size_t length = strlen(text);
    int fd = memfd_create("host key", MFD_CLOEXEC);

    if (fd >= 0 && (write(fd, text, length) != (ssize_t)length || lseek(fd, 0, SEEK_SET) != 0)) {
        close(fd);
        fd = -1;
    }
    free(text);
    return fd;
}

/* 0 or an error of errno(3). */
static int start(struct query *query, const char *path, const struct public_key *key)
{
    const char *const arguments[] = {"ssh-keygen", "-Q", "-f", path, "/dev/stdin", NULL};
    int key_fd = make_key_file(key);
    int ends[2];
    int error;

    if (key_fd < 0)
        return errno;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        error = errno;
        close(key_fd);
        return error;
    }
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    error = child_spawn(arguments, (const int[]){key_fd, ends[1], ends[1]}, &query->pid);
    close(key_fd);
    close(ends[1]);
    query->output_fd = ends[0];
    if (error != 0)
        close(ends[0]);
    return error;
}

/* Its output to the end; what is beyond OUTPUT_MAX is read and dropped. False: it took too long, or
 * the connection has ended. */
static bool read_output(const struct query *query, int connection, char text[static OUTPUT_MAX])
{
    struct timespec begin;
    struct timespec now;
    size_t length = 0;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (;;) {
        char more[512];
        ssize_t n;
        long left;
        clock_gettime(CLOCK_MONOTONIC, &now);
        left = WAIT_MS - (long)(now.tv_sec - begin.tv_sec) * 1000 -
               (now.tv_nsec - begin.tv_nsec) / 1000000;
        text[length] = '\0';
        if (left <= 0 || !ask_wait(query->output_fd, connection, (int)left))
            return false;
        n = read(query->output_fd, more, sizeof(more));
        if (n == 0)
            return true;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        if (n < 0)
            continue;
        if ((size_t)n > OUTPUT_MAX - 1 - length)
            n = (ssize_t)(OUTPUT_MAX - 1 - length);
        memcpy(text + length, more, (size_t)n);
        length += (size_t)n;
    }
}

static int reap(pid_t pid)
{
    int status = -1;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static enum dial_status ask_keygen(const struct known_hosts_file *file,
                                   const struct public_key *key, int connection,
                                   char error[static 700])
{
    struct query query;
    char text[OUTPUT_MAX] = "";
    int number = start(&query, file->path, key);
    bool ended;
    int status;

    if (number != 0) {
        snprintf(error, 700,
                 "the file of revoked host keys %.300s is a key revocation list, and ssh-keygen, "
                 "which reads such, cannot be run: %s",
                 file->path, strerror(number));
        return number == ENOENT ? DIAL_HOST_KEY : DIAL_TRANSPORT;
    }
    ended = read_output(&query, connection, text);
    close(query.output_fd);
    if (!ended)
        kill(query.pid, SIGKILL);
    status = reap(query.pid);
    if (ended && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return DIAL_OK;
    text[strcspn(text, "\r\n")] = '\0';
    if (!ended)
        snprintf(
            error, 700,
            "ssh-keygen -Q -f %.300s did not end within %d seconds, or before the connection did",
            file->path, WAIT_MS / 1000);
    else if (!WIFEXITED(status))
        snprintf(error, 700, "ssh-keygen -Q -f %.300s was ended by signal %d", file->path,
                 WTERMSIG(status));
    else if (strstr(text, ": REVOKED") != NULL)
        snprintf(error, 700, "the key is REVOKED by %.300s: do not trust this server", file->path);
    else
        snprintf(error, 700, "the file of revoked host keys %.200s is not understood: %.200s",
                 file->path, text);
    return ended && WIFEXITED(status) ? DIAL_HOST_KEY : DIAL_TRANSPORT;
}

enum dial_status revoked_keys_check(const struct known_hosts_file *file,
                                    const struct public_key *key, int connection,
                                    char error[static 700])
{
    unsigned line;

    if (revoked_keys_is_krl(file))
        return ask_keygen(file, key, connection, error);
    switch (revoked_keys_look_up(file, key, &line)) {
    case REVOKED_KEYS_CLEAR: return DIAL_OK;
    case REVOKED_KEYS_REVOKED:
        snprintf(error, 700, "the key is REVOKED by %.300s:%u: do not trust this server",
                 file->path, line);
        break;
    case REVOKED_KEYS_UNREADABLE:
        snprintf(error, 700,
                 "%.300s:%u is neither a public key nor a comment: as long as the file of revoked "
                 "host keys is not understood, no host key is believed",
                 file->path, line);
        break;
    }
    return DIAL_HOST_KEY;
}
