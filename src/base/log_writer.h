/* The thread that writes the log, so that no other thread waits for whoever reads it: a pipe that
 * is full, a terminal that is stopped, a slow disk.
 *
 * Lines are queued in order, 1 MiB at most. A line that finds the queue full is dropped and
 * counted; where it is missing, a line says how many are, once there is room for half a queue
 * again. The descriptor is written to as it is (O_NONBLOCK would change it for everybody who shares
 * it), several whole lines at a time, but no more than a pipe takes in one piece (PIPE_BUF). For
 * base/log.c; the functions are any thread's but start and stop. */
#ifndef ADIT_BASE_LOG_WRITER_H
#define ADIT_BASE_LOG_WRITER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_QUEUE_SIZE ((size_t)1 << 20)

/* A line that says that so many are missing: writes it, with its end, and returns its length, or 0
 * if it is not wanted. */
#define LOG_MISSING_MAX 256
typedef size_t log_missing_fn(char line[static LOG_MISSING_MAX], uint64_t count);

/* Starts the thread, which writes to `*fd` as it is at each write. Until then, and if there can be
 * no thread (false), log_writer_put does nothing. */
bool log_writer_start(const atomic_int *fd, log_missing_fn *missing);

/* Queues a line, which ends with its only newline. False: no thread runs. Never waits. */
bool log_writer_put(const char *line, size_t length);

/* Waits until what is queued is written: while something is, 3 seconds at most; half a second if
 * nothing is. */
void log_writer_flush(void);

/* Flushes, and lets the thread end, or leaves it behind in a write that does not end. Lines that
 * come afterwards are dropped then. */
void log_writer_stop(void);

#endif
