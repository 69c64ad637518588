/* A ring of bytes under a mutex, and the thread that empties it; and the way past it. */
#include "base/log_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 500 /* without a byte written */
#define FLUSH_MS 3000   /* with some */
#define LOOK_MS 2       /* how often a dying thread looks */
#define GATHER_MS 10    /* lines for a file are written together, at most this late */

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t filled;  /* there is something to write, or the thread has to end */
    pthread_cond_t written; /* something was */
    pthread_t thread;
    const atomic_int *fd;
    log_missing_fn *missing;
    /* Bytes queued and bytes written since the start; what lies between is in the ring. The
     * mutex's, but that a thread that dies looks at them without it. */
    atomic_size_t head;
    atomic_size_t tail;
    uint64_t dropped; /* lines after the last one queued */
    bool failed;      /* what was to be written last could not be: the thread has to tell that */
    int direct;       /* takes what it can at once, and never blocks; -1: there is no such way */
    bool direct_is_socket;
    bool idle; /* the thread waits for `filled` */
    bool stopping;
    bool ended;
    atomic_int running;
    char ring[LOG_QUEUE_SIZE];
} queue = {.mutex = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER, .direct = -1};

/* The thread's: lines before the ring's that could not be written. */
static struct {
    uint64_t lines;
    int error; /* of errno(3) */
    bool torn; /* what was written ends inside a line */
} lost;

enum { NOT_RUNNING, RUNNING, LEFT_BEHIND };

/* Adds bytes, for which there is room. */
static void ring_add(const char *bytes, size_t length)
{
    size_t head = atomic_load_explicit(&queue.head, memory_order_relaxed);
    size_t at = head % LOG_QUEUE_SIZE;
    size_t first = LOG_QUEUE_SIZE - at < length ? LOG_QUEUE_SIZE - at : length;

    memcpy(queue.ring + at, bytes, first);
    memcpy(queue.ring, bytes + first, length - first);
    atomic_store(&queue.head, head + length);
}

static size_t ring_used(void)
{
    return atomic_load(&queue.head) - atomic_load(&queue.tail);
}

/* Says how many lines are missing here. There is room for it. */
static void add_missing(void)
{
    char line[LOG_MISSING_MAX];
    size_t length = queue.missing(line, queue.dropped, 0);

    queue.dropped = 0;
    ring_add(line, length);
}

/* Whether the line can be queued. After some were dropped there must be room for many: else every
 * other line would say that some are missing. */
static bool ring_has_room(size_t length)
{
    size_t used = ring_used();

    if (length > LOG_QUEUE_SIZE / 2)
        return false;
    return queue.dropped > 0 ? used + length + LOG_MISSING_MAX <= LOG_QUEUE_SIZE / 2
                             : used + length <= LOG_QUEUE_SIZE;
}

/* What goes out at once, past the queue, which is empty; in bytes. */
static size_t write_direct(const char *line, size_t length)
{
    ssize_t n;

    if (queue.direct < 0)
        return 0;
    n = queue.direct_is_socket ? send(queue.direct, line, length, MSG_DONTWAIT | MSG_NOSIGNAL)
                               : write(queue.direct, line, length);
    return n > 0 ? (size_t)n : 0;
}

bool log_writer_put(const char *line, size_t length)
{
    size_t out = 0;
    int state = atomic_load(&queue.running);

    if (state != RUNNING)
        return state == LEFT_BEHIND;
    pthread_mutex_lock(&queue.mutex);
    state = atomic_load(&queue.running); /* (log_writer_stop may have had the mutex) */
    if (state == RUNNING && ring_has_room(length)) {
        if (queue.dropped > 0)
            add_missing();
        if (ring_used() == 0 && !queue.failed)
            out = write_direct(line, length);
        ring_add(line + out, length - out);
    } else if (state == RUNNING) {
        queue.dropped++;
    }
    if (queue.idle && (ring_used() > 0 || queue.dropped > 0))
        pthread_cond_signal(&queue.filled);
    pthread_mutex_unlock(&queue.mutex);
    return state != NOT_RUNNING;
}

/* How many of the bytes queued at `tail` make whole lines that a pipe takes in one piece, or the
 * length of the first line if that is longer. */
static size_t chunk_length(size_t tail, size_t used)
{
    size_t whole = 0;

    for (size_t i = 0; i < used && (i < PIPE_BUF || whole == 0); i++)
        if (queue.ring[(tail + i) % LOG_QUEUE_SIZE] == '\n')
            whole = i + 1;
    return whole > 0 ? whole : used; /* (a line that was cut short as there was no memory) */
}

/* The first `length` bytes of both parts have been written. */
static void take_written(struct iovec parts[2], size_t length)
{
    for (size_t i = 0; i < 2 && length > 0; i++) {
        size_t part = parts[i].iov_len < length ? parts[i].iov_len : length;
        char *end = (char *)parts[i].iov_base + part;
        if (part > 0)
            lost.torn = end[-1] != '\n';
        parts[i].iov_base = end;
        parts[i].iov_len -= part;
        length -= part;
    }
}

/* Writes both parts; waits as long as it takes. Returns how many bytes could not be written. */
static size_t write_parts(struct iovec parts[2])
{
    bool can = true;

    while (can && parts[0].iov_len + parts[1].iov_len > 0) {
        int fd = atomic_load(queue.fd);
        ssize_t n = writev(fd, parts, 2);
        if (n > 0) {
            take_written(parts, (size_t)n);
        } else if (n < 0 && errno == EAGAIN) {
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
        } else if (n == 0 || errno != EINTR) {
            lost.error = n < 0 ? errno : EIO;
            can = false;
        }
    }
    return parts[0].iov_len + parts[1].iov_len;
}

/* Says how many lines could not be written, on a line of its own. False: that cannot be written
 * either. */
static bool tell_lost(void)
{
    char text[1 + LOG_MISSING_MAX] = "\n";
    size_t start = lost.torn ? 0 : 1;
    size_t length = lost.lines > 0 ? queue.missing(text + 1, lost.lines, lost.error) : 0;
    struct iovec parts[2] = {{text + start, 1 + length - start}, {NULL, 0}};

    if (write_parts(parts) > 0)
        return false;
    lost.lines = 0;
    return true;
}

/* Writes bytes of the ring. What cannot be written (a disk is full) is lost and counted: a log is
 * no reason to stop. */
static void write_chunk(size_t tail, size_t length)
{
    size_t at = tail % LOG_QUEUE_SIZE;
    size_t first = LOG_QUEUE_SIZE - at < length ? LOG_QUEUE_SIZE - at : length;
    struct iovec parts[2] = {{queue.ring + at, first}, {queue.ring, length - first}};
    size_t left = length;

    if ((lost.lines == 0 && !lost.torn) || tell_lost())
        left = write_parts(parts);
    for (size_t i = length - left; i < length; i++)
        lost.lines += queue.ring[(tail + i) % LOG_QUEUE_SIZE] == '\n';
}

/* With the mutex. Without a way past the queue (a file, whose disk may stand still) every line goes
 * through the thread: to wake it for each would cost more than the line itself. */
static void gather_lines(void)
{
    if (queue.direct >= 0 || queue.stopping)
        return;
    pthread_mutex_unlock(&queue.mutex);
    nanosleep(&(struct timespec){.tv_nsec = GATHER_MS * 1000000}, NULL);
    pthread_mutex_lock(&queue.mutex);
}

static void *writer_thread(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&queue.mutex);
    for (;;) {
        size_t tail = atomic_load(&queue.tail);
        if (ring_used() == 0 && queue.dropped > 0)
            add_missing();
        if (ring_used() == 0 && queue.stopping)
            break;
        if (ring_used() == 0) {
            queue.idle = true;
            pthread_cond_wait(&queue.filled, &queue.mutex);
            queue.idle = false;
            gather_lines();
            continue;
        }
        size_t length = chunk_length(tail, ring_used());
        pthread_mutex_unlock(&queue.mutex);
        write_chunk(tail, length);
        pthread_mutex_lock(&queue.mutex);
        atomic_store(&queue.tail, tail + length);
        queue.failed = lost.lines > 0;
        pthread_cond_broadcast(&queue.written);
    }
    queue.ended = true;
    pthread_cond_broadcast(&queue.written);
    pthread_mutex_unlock(&queue.mutex);
    return NULL;
}

/* The last lines before a crash are those that are looked for: the thread that dies lets the other
 * one write them. (Only calls of signal-safety(7); after that the signal does what it does by
 * default.) */
static void on_crash(int number)
{
    size_t tail = atomic_load(&queue.tail);
    unsigned waited = 0, all = 0;

    while (atomic_load(&queue.head) != tail && waited < PATIENCE_MS && all < FLUSH_MS) {
        nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000}, NULL);
        waited += LOOK_MS;
        all += LOOK_MS;
        if (atomic_load(&queue.tail) != tail)
            waited = 0;
        tail = atomic_load(&queue.tail);
    }
    raise(number);
}

/* (A sanitizer's own handlers stay.) */
static void catch_crashes(void)
{
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    struct sigaction before, action = {.sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND};

    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (sigaction(numbers[i], NULL, &before) == 0 && !(before.sa_flags & SA_SIGINFO) &&
            before.sa_handler == SIG_DFL)
            sigaction(numbers[i], &action, NULL);
}

/* A descriptor that writes where `fd` does, and never blocks whatever flags `fd` has; -1: there can
 * be none. (proc(5): opening what /proc/self/fd names makes another description of the same pipe or
 * terminal.) */
static int open_direct(int fd, bool is_socket)
{
    char path[40];

    if (is_socket)
        return fcntl(fd, F_DUPFD_CLOEXEC, 3);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void log_writer_reopen(void)
{
    struct stat st;
    int fd = queue.fd != NULL ? atomic_load(queue.fd) : -1;
    bool is_file =
        fstat(fd, &st) != 0 || !(S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || isatty(fd));

    pthread_mutex_lock(&queue.mutex);
    if (queue.direct >= 0)
        close(queue.direct);
    queue.direct_is_socket = !is_file && S_ISSOCK(st.st_mode);
    queue.direct = is_file ? -1 : open_direct(fd, queue.direct_is_socket);
    pthread_mutex_unlock(&queue.mutex);
}

void log_writer_prepare(const atomic_int *fd)
{
    queue.fd = fd;
    log_writer_reopen();
}

bool log_writer_start(const atomic_int *fd, log_missing_fn *missing)
{
    pthread_condattr_t monotonic;
    sigset_t all, before;

    if (queue.fd == NULL)
        log_writer_prepare(fd);
    queue.missing = missing;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&queue.written, &monotonic);
    pthread_condattr_destroy(&monotonic);
    /* No signal is delivered to the thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool ok = pthread_create(&queue.thread, NULL, writer_thread, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (ok) {
        catch_crashes();
        atomic_store(&queue.running, RUNNING);
    }
    return ok;
}

static struct timespec time_in(unsigned ms)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += (time_t)(ms / 1000) + (at.tv_nsec + (long)(ms % 1000) * 1000000) / 1000000000;
    at.tv_nsec = (at.tv_nsec + (long)(ms % 1000) * 1000000) % 1000000000;
    return at;
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

/* With the mutex: waits until the thread has written up to `head`, or has ended. False: it does
 * not. */
static bool wait_written(size_t head, bool end)
{
    struct timespec last = time_in(FLUSH_MS);
    bool in_time = true;

    while (in_time && (end ? !queue.ended : (ssize_t)(head - atomic_load(&queue.tail)) > 0)) {
        struct timespec until = time_in(PATIENCE_MS);
        if (is_before(&last, &until))
            until = last;
        in_time = pthread_cond_timedwait(&queue.written, &queue.mutex, &until) == 0;
    }
    return in_time;
}

void log_writer_flush(void)
{
    if (atomic_load(&queue.running) != RUNNING)
        return;
    pthread_mutex_lock(&queue.mutex);
    wait_written(atomic_load(&queue.head), false);
    pthread_mutex_unlock(&queue.mutex);
}

void log_writer_stop(void)
{
    if (atomic_load(&queue.running) != RUNNING)
        return;
    pthread_mutex_lock(&queue.mutex);
    queue.stopping = true;
    pthread_cond_signal(&queue.filled);
    bool ended = wait_written(0, true);
    atomic_store(&queue.running, ended ? NOT_RUNNING : LEFT_BEHIND);
    if (queue.direct >= 0)
        close(queue.direct);
    queue.direct = -1;
    pthread_mutex_unlock(&queue.mutex);
    if (ended)
        pthread_join(queue.thread, NULL);
    else
        pthread_detach(queue.thread);
}
