/* The log: one line an event, whole, to one descriptor, from any thread, which does not wait. */
#ifndef ADIT_BASE_LOG_H
#define ADIT_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { ADIT_LOG_ERROR, ADIT_LOG_WARNING, ADIT_LOG_INFO, ADIT_LOG_DEBUG };
enum log_format { ADIT_LOG_TEXT, ADIT_LOG_JSON };

/* Sets where lines go, from which level on and in which form; may be called again at any time, from
 * the main thread. The log begins as standard error, ADIT_LOG_INFO, ADIT_LOG_TEXT. `fd` stays the
 * caller's. Where systemd's journal reads it, a line begins with its priority (sd-daemon(3)), and a
 * line of text has no time, which the journal adds. */
void log_setup(int fd, enum log_level level, enum log_format format);

/* From here on no thread that logs waits for the reader of the log: a thread of its own does
 * (base/log_writer.h: what does not fit into a queue is dropped, and told). Before the first other
 * thread, after the last fork(2) that has no exec(3). False: there can be no thread, and lines are
 * written as before.
 *
 * log_reopen: the descriptor leads elsewhere now. log_flush waits until what was logged is written,
 * or is not going to be: before what ends the process at once, and before the descriptor is another
 * file. log_stop does so at the end. A signal of a crash (SIGSEGV, SIGABRT, ...) does it too. */
bool log_start(void);

/* Opens what log_start needs, for a process that gives up opening files before it has threads. */
void log_prepare(void);

void log_reopen(void);
void log_flush(void);
void log_stop(void);

/* A line on standard error without time and level, for the person who started this: an error to
 * systemd's journal, if that reads it. It keeps its
 * place among the log's lines if those go there. It never waits; what standard error does not take
 * is lost. */
void log_print(const char *line);

/* Whether a line at `level` would be written: ask before costly formatting. */
bool log_wants(enum log_level level);

/* Writes one line, formatted as printf(3) does. Characters that a terminal or a reader of the log
 * acts upon (base/visible.h) are escaped, so that no peer can forge a line. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(ADIT_LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(ADIT_LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_line(ADIT_LOG_INFO, __VA_ARGS__)
#define log_debug(...)                                                                             \
    do {                                                                                           \
        if (log_wants(ADIT_LOG_DEBUG))                                                             \
            log_line(ADIT_LOG_DEBUG, __VA_ARGS__);                                                 \
    } while (0)

/* One named value of an event. `text` NULL means the number is meant; a field with neither is left
 * out. */
struct log_field {
    const char *key;
    const char *text;
    uint64_t number;
    bool has_number;
};

#define ADIT_LOG_TEXT_FIELD(k, v) ((struct log_field){.key = (k), .text = (v)})
#define ADIT_LOG_NUMBER_FIELD(k, v)                                                                \
    ((struct log_field){.key = (k), .number = (v), .has_number = true})

/* Writes one line: `event` and its fields, as key=value words in text, as members in JSON. */
void log_event(enum log_level level, const char *event, const struct log_field *fields,
               size_t count);

#endif
