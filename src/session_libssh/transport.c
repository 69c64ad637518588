/* recv(2), poll(2) and RAND_bytes(3) as libssh sees them. */
#include "session_libssh/transport.h"

#include <errno.h>
#include <openssl/rand.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define INPUT_SIZE (128 * 1024)

/* What may stand before the version (RFC 4253 section 4.2): ssh(1) takes 8,192 bytes a line, libssh
 * 255. */
#define LINE_MAX_BYTES 8192
#define FOLDED_BYTES 128
static const char version_start[] = "SSH-";

/* A packet's padding is shorter than this, and a key is not. */
#define PADDING_SIZE 32
#define RANDOM_SIZE 1024

struct transport {
    int fd;       /* the buffered session that this thread's libssh calls are about; -1: none */
    int reader;   /* the session whose turn it is, and whose input it is; -1: none */
    bool entered; /* some session is, buffered or not */
    bool out;
    bool ended; /* or failed: that is the kernel's to tell */
    size_t begin, end;
    unsigned packets_left; /* TRANSPORT_UNLIMITED: as many as it likes */
    size_t random_left;    /* of `random`, at its beginning */
    uint8_t random[RANDOM_SIZE];
    uint8_t input[INPUT_SIZE];
};

/* The one in use: NULL until this thread has entered one. Freed by the key. */
static _Thread_local struct transport *current;
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* What a login's calls are watched for. */
static _Thread_local struct {
    bool watching;
    int fd;
    bool received, polled;
    struct transport_watcher by;
    size_t greeted;
    char greeting[TRANSPORT_GREETING_MAX];
    bool is_past_version; /* or it is about to come */
    size_t column;        /* of the line that is being received */
    size_t alike;         /* how many bytes at its start are those of a version */
} watched;

static void make_key(void)
{
    if (pthread_key_create(&key, free) != 0)
        abort();
}

static struct transport *transport_new(void)
{
    struct transport *t = malloc(sizeof(*t));

    pthread_once(&once, make_key);
    if (t == NULL || pthread_setspecific(key, t) != 0)
        abort();
    t->fd = t->reader = -1;
    t->entered = t->out = t->ended = false;
    t->begin = t->end = 0;
    t->packets_left = TRANSPORT_UNLIMITED;
    t->random_left = 0;
    return t;
}

void transport_watch(int fd, const struct transport_watcher *watcher)
{
    watched.watching = true;
    watched.fd = fd;
    watched.by = *watcher;
    watched.received = watched.polled = false;
    watched.greeted = 0;
    watched.greeting[0] = '\0';
    watched.is_past_version = false;
    watched.column = watched.alike = 0;
}

const char *transport_greeting(void)
{
    return watched.greeting;
}

/* Of the first bytes that came: as many as there is room for. */
static void keep_greeting(const char *bytes, ssize_t count)
{
    for (ssize_t i = 0; i < count && watched.greeted < sizeof(watched.greeting) - 1; i++)
        if (bytes[i] != '\0')
            watched.greeting[watched.greeted++] = bytes[i];
    watched.greeting[watched.greeted] = '\0';
}

/* Takes a byte of a line, from its first one on; returns what libssh is to see in its place. */
static char fold_byte(char byte)
{
    size_t column = watched.column++;

    if (byte == '\n') {
        watched.column = watched.alike = 0;
        return byte;
    }
    if (column == watched.alike && byte == version_start[column]) {
        watched.alike++;
        watched.is_past_version = watched.alike == sizeof(version_start) - 1;
    }
    if (column < FOLDED_BYTES || column >= LINE_MAX_BYTES)
        return byte;
    return column % FOLDED_BYTES == 0 ? '\n' : ' ';
}

/* Makes short lines of a long one before the version, none of which looks like a version: libssh
 * refuses it, and ssh(1) does not. */
static void fold_lines(char *bytes, ssize_t count)
{
    for (ssize_t i = 0; i < count && !watched.is_past_version; i++)
        bytes[i] = fold_byte(bytes[i]);
}

bool transport_is_called(void)
{
    watched.watching = false;
    return watched.received && watched.polled;
}

void transport_enter(int fd, bool buffered)
{
    if (current == NULL)
        current = transport_new();
    current->fd = buffered ? fd : -1;
    current->entered = true;
}

void transport_leave(void)
{
    if (current == NULL)
        return;
    current->fd = -1;
    current->entered = false;
}

void transport_let_out(bool out)
{
    current->out = out;
}

unsigned transport_limit(unsigned packets)
{
    unsigned before = current->packets_left;

    current->packets_left = packets;
    return before;
}

static ssize_t kernel_recv(int fd, void *buffer, size_t size, int flags)
{
    return syscall(SYS_recvfrom, fd, buffer, size, flags, NULL, NULL);
}

static int kernel_poll(struct pollfd *fds, nfds_t count, int milliseconds)
{
    struct timespec limit = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000};

    return (int)syscall(SYS_ppoll, fds, count, milliseconds < 0 ? NULL : &limit, NULL, _NSIG / 8);
}

bool transport_fill(int socket)
{
    struct transport *t = current;
    ssize_t got = kernel_recv(socket, t->input, sizeof(t->input), MSG_DONTWAIT);

    t->reader = t->fd;
    t->begin = 0;
    t->end = got > 0 ? (size_t)got : 0;
    t->ended = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
    return got > 0 || t->ended;
}

bool transport_filled(void)
{
    return current->end == sizeof(current->input);
}

bool transport_pending(void)
{
    return current->begin < current->end;
}

void transport_drop(void)
{
    current->reader = -1;
    current->begin = current->end = 0;
    current->ended = false;
}

/* Whether it is a call of libssh, about the session that was entered. */
static bool serves(const struct transport *t, int fd)
{
    return t != NULL && fd == t->fd && fd >= 0 && !(t->ended && fd == t->reader);
}

static size_t available(const struct transport *t)
{
    return t->fd == t->reader ? t->end - t->begin : 0;
}

static bool is_watched(int fd)
{
    return watched.watching && fd == watched.fd;
}

static ssize_t recv_watched(int fd, void *buffer, size_t size, int flags)
{
    ssize_t got = kernel_recv(fd, buffer, size, flags);

    watched.received = true;
    keep_greeting(buffer, got);
    if (got > 0 && watched.by.received != NULL)
        watched.by.received(watched.by.arg, buffer, (size_t)got);
    fold_lines(buffer, got);
    return got;
}

ssize_t recv(int fd, void *buffer, size_t size, int flags)
{
    struct transport *t = current;

    if (!serves(t, fd))
        return is_watched(fd) ? recv_watched(fd, buffer, size, flags)
                              : kernel_recv(fd, buffer, size, flags);
    if (size > available(t))
        size = available(t);
    if (size == 0) {
        errno = EAGAIN;
        return -1;
    }
    memcpy(buffer, t->input + t->begin, size);
    t->begin += size;
    return (ssize_t)size;
}

/* Whether `fd` takes output only the kernel knows; whether there is input, the buffer. */
static int poll_served(const struct transport *t, struct pollfd *fd)
{
    short asked = fd->events;
    int ready = 0;

    fd->revents = 0;
    if (t->out && (asked & POLLOUT) != 0) {
        fd->events = POLLOUT;
        ready = kernel_poll(fd, 1, 0);
        fd->events = asked;
    }
    if (ready >= 0 && (asked & POLLIN) != 0 && available(t) > 0) {
        fd->revents |= POLLIN;
        ready = 1;
    }
    return ready;
}

/* (glibc declares that poll writes to `fds` only, which is not so.) */
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

int poll(struct pollfd *fds, nfds_t count, int milliseconds)
{
    if (count == 1 && serves(current, fds->fd))
        return poll_served(current, fds);
    /* A login whose request could not be sent: libssh has closed its socket, and waits for the
     * answer all the same, until its own time-out. */
    if (watched.watching && count == 1 && fds->fd < 0) {
        errno = EBADF;
        return -1;
    }
    if (count == 1 && is_watched(fds->fd)) {
        watched.polled = true;
        if (milliseconds != 0 && watched.by.wait != NULL)
            watched.by.wait(watched.by.arg);
    }
    return kernel_poll(fds, count, milliseconds);
}

/* What glibc's headers make of the two in a program that is compiled with _FORTIFY_SOURCE, where
 * the compiler does not see that the buffer is large enough. Their names are glibc's. */
ssize_t __recv_chk(int fd, void *buffer, size_t size, size_t room, int flags);
int __poll_chk(struct pollfd *fds, nfds_t count, int milliseconds, size_t room);

ssize_t __recv_chk(int fd, void *buffer, size_t size, size_t room, int flags)
{
    if (size > room)
        abort(); /* as glibc's */
    return recv(fd, buffer, size, flags);
}

int __poll_chk(struct pollfd *fds, nfds_t count, int milliseconds, size_t room)
{
    if (room / sizeof(*fds) < count)
        abort();
    return poll(fds, count, milliseconds);
}

/* (OpenSSL's RAND_bytes calls the same function.) */
int RAND_bytes(unsigned char *bytes, int count)
{
    struct transport *t = current;

    if (count < 0)
        return 0;
    if (t == NULL || !t->entered || count >= PADDING_SIZE)
        return RAND_bytes_ex(NULL, bytes, (size_t)count, 0);
    if (t->packets_left != TRANSPORT_UNLIMITED) {
        if (t->packets_left == 0)
            return 0;
        t->packets_left--;
    }
    if (t->random_left < (size_t)count) {
        int drawn = RAND_bytes_ex(NULL, t->random, sizeof(t->random), 0);
        if (drawn != 1)
            return drawn;
        t->random_left = sizeof(t->random);
    }
    t->random_left -= (size_t)count;
    memcpy(bytes, t->random + t->random_left, (size_t)count);
    return 1;
}
