/* Writing the log so that no thread that logs waits for the log's reader: a pipe that is full, a
 * terminal that is stopped, a slow disk.
 *
 * While nothing is queued, a line for a pipe, a terminal or a socket is written at once, by the
 * thread that logs: to a description of this process's own that does not block (the descriptor's
 * own flags are shared with other processes, and stay), or with MSG_DONTWAIT. What does not go out
 * so, and every line for a file, is queued in order, 1 MiB at most, and written by a thread that
 * may wait: several whole lines at a time, but no more than a pipe takes in one piece (PIPE_BUF). A
 * line that finds the queue full is dropped and counted; where it is missing, a line says how many
 * are, once there is room for half a queue again. Lines that cannot be written, as a disk is full,
 * are counted and told in the same way once one can be. For base/log.c; the functions are any
 * thread's but start, reopen and stop. */
#ifndef ADIT_BASE_LOG_WRITER_H
#define ADIT_BASE_LOG_WRITER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_QUEUE_SIZE ((size_t)1 << 20)

/* A line that says that so many are missing: as they found no room (`error` is 0), or could not be
 * written (an error of errno(3)). Writes it, with its end, and returns its length, or 0 if it is
 * not wanted. */
#define LOG_MISSING_MAX 256
typedef size_t log_missing_fn(char line[static LOG_MISSING_MAX], uint64_t count, int error);

/* Opens what log_writer_start else opens itself: before a process gives up opening files. (When the
 * descriptor leads elsewhere later, every line goes through the thread then.) */
void log_writer_prepare(const atomic_int *fd);

/* Starts the thread, which writes to `*fd` as it is at each write. Until then, and if there can be
 * no thread (false), log_writer_put does nothing. */
bool log_writer_start(const atomic_int *fd, log_missing_fn *missing);

/* To be called when the descriptor leads elsewhere than before. */
void log_writer_reopen(void);

/* Writes or queues a line, which ends with its only newline. False: no thread runs. Never waits. */
bool log_writer_put(const char *line, size_t length);

/* Waits until what is queued is written: while something is, 3 seconds at most; half a second if
 * nothing is. */
void log_writer_flush(void);

/* Flushes, and lets the thread end, or leaves it behind in a write that does not end. Lines that
 * come afterwards are dropped then. */
void log_writer_stop(void);

#endif
