/* Building the log's lines: each is whole before it is written, so that threads never mix lines. */
#include "base/log.h"

#include "base/json_text.h"
#include "base/log_writer.h"
#include "base/visible.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"error", "warning", "info", "debug"};

static atomic_int sink_fd = STDERR_FILENO;

static struct {
    atomic_int level;
    atomic_int format;
    atomic_bool journal; /* systemd's journal reads what is written */
} sink = {.level = ADIT_LOG_INFO, .format = ADIT_LOG_TEXT};

/* Whether the journal of systemd reads what is written to the descriptor: its socket is the one
 * that JOURNAL_STREAM names (systemd.exec(5)). */
static bool leads_to_journal(int fd)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat status;
    char text[64];

    if (stream == NULL || fstat(fd, &status) != 0)
        return false;
    snprintf(text, sizeof(text), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    return strcmp(stream, text) == 0;
}

/* Before a line for the journal, which keeps it as the line's priority (sd-daemon(3), syslog(3)).
 */
static const char *priority_text(enum log_level level)
{
    static const char *const priorities[] = {"<3>", "<4>", "<6>", "<7>"};

    return priorities[level];
}

void log_setup(int fd, enum log_level level, enum log_format format)
{
    if (atomic_exchange(&sink_fd, fd) != fd)
        log_reopen();
    atomic_store(&sink.journal, leads_to_journal(fd));
    atomic_store(&sink.level, (int)level);
    atomic_store(&sink.format, (int)format);
}

bool log_wants(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&sink.level, memory_order_relaxed);
}

#define LINE_SHORT 1024
#define TIME_TEXT_MAX 64

/* RFC 3339 with milliseconds, UTC. The date is written once a second. */
static const char *format_time(char text[static TIME_TEXT_MAX])
{
    static _Thread_local char date[TIME_TEXT_MAX - 24];
    static _Thread_local time_t dated;
    struct timespec now;
    struct tm utc;

    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec != dated) {
        gmtime_r(&now.tv_sec, &utc);
        strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
        dated = now.tv_sec;
    }
    snprintf(text, TIME_TEXT_MAX, "%s.%03ldZ", date, now.tv_nsec / 1000000);
    return text;
}

/* Without the writer's thread, as before it is started. A log that cannot be written is no reason
 * to stop carrying bytes. */
static void output_line(const char *line, size_t length)
{
    int fd = atomic_load_explicit(&sink_fd, memory_order_relaxed);
    ssize_t written;

    if (log_writer_put(line, length))
        return;
    do {
        written = write(fd, line, length);
        if (written > 0) {
            line += written;
            length -= (size_t)written;
        }
    } while ((written > 0 && length > 0) || (written < 0 && errno == EINTR));
}

/* A line being built. Only a long one takes memory, and if there is none it is cut short: the line
 * that says so must come out. */
struct log_text {
    char *text;
    size_t length;
    size_t size;
    char start[LINE_SHORT];
};

static void put_bytes(struct log_text *line, const char *bytes, size_t length)
{
    if (length > line->size - line->length) {
        size_t size = 2 * (line->length + length);
        char *text = malloc(size);
        if (text == NULL)
            return;
        memcpy(text, line->text, line->length);
        if (line->text != line->start)
            free(line->text);
        line->text = text;
        line->size = size;
    }
    memcpy(line->text + line->length, bytes, length);
    line->length += length;
}

static void put(struct log_text *line, const char *text)
{
    put_bytes(line, text, strlen(text));
}

static void put_decimal(struct log_text *line, uint64_t number)
{
    char digits[24];

    snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);
    put(line, digits);
}

/* Text that a peer may have chosen, and that must not forge lines or drive a terminal. */
static void put_escaped(struct log_text *line, const char *text, bool quotes)
{
    while (*text != '\0') {
        size_t plain = visible_length(text);
        char escape[8];
        if (quotes && plain > strcspn(text, "\"\\"))
            plain = strcspn(text, "\"\\");
        put_bytes(line, text, plain);
        text += plain;
        if (*text == '\0')
            return;
        snprintf(escape, sizeof(escape), *text == '"' || *text == '\\' ? "\\%c" : "\\x%02x",
                 (unsigned char)*text);
        put(line, escape);
        text++;
    }
}

static bool needs_quotes(const char *text)
{
    return *text == '\0' || strpbrk(text, " \"\\=") != NULL;
}

static void put_field(struct log_text *line, const struct log_field *field)
{
    bool quotes = !field->has_number && needs_quotes(field->text);

    put(line, " ");
    put(line, field->key);
    put(line, quotes ? "=\"" : "=");
    if (field->has_number)
        put_decimal(line, field->number);
    else
        put_escaped(line, field->text, quotes);
    put(line, quotes ? "\"" : "");
}

static void put_plain_line(struct log_text *line, enum log_level level, const char *event,
                           const struct log_field *fields, size_t count)
{
    char when[TIME_TEXT_MAX];

    if (!atomic_load_explicit(&sink.journal, memory_order_relaxed)) { /* (which has the time) */
        put(line, format_time(when));
        put(line, " ");
    }
    put(line, level_names[level]);
    put(line, ": ");
    put_escaped(line, event, false);
    for (size_t i = 0; i < count; i++)
        if (fields[i].has_number || fields[i].text != NULL)
            put_field(line, &fields[i]);
}

static int put_part(const char *part, size_t length, void *line)
{
    put_bytes(line, part, length);
    return 0;
}

static void put_json_line(struct log_text *line, enum log_level level, const char *event,
                          const struct log_field *fields, size_t count)
{
    json_t *object = json_object();
    char when[TIME_TEXT_MAX];

    json_object_set_new(object, "time", json_string(format_time(when)));
    json_object_set_new(object, "level", json_string(level_names[level]));
    json_object_set_new(object, "message", json_text(event));
    for (size_t i = 0; i < count; i++) {
        if (fields[i].has_number)
            json_object_set_new(object, fields[i].key, json_integer((json_int_t)fields[i].number));
        else if (fields[i].text != NULL)
            json_object_set_new(object, fields[i].key, json_text(fields[i].text));
    }
    json_dump_callback(object, put_part, line,
                       JSON_TEXT_FLAGS | JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(object);
}

/* `line` is given its storage here, which text_clear gives back. */
static void build_line(struct log_text *line, enum log_level level, const char *event,
                       const struct log_field *fields, size_t count)
{
    line->text = line->start;
    line->length = 0;
    line->size = sizeof(line->start);
    if (atomic_load_explicit(&sink.journal, memory_order_relaxed))
        put(line, priority_text(level));
    if (atomic_load_explicit(&sink.format, memory_order_relaxed) == ADIT_LOG_JSON)
        put_json_line(line, level, event, fields, count);
    else
        put_plain_line(line, level, event, fields, count);
    put(line, "\n");
}

static void log_text_clear(struct log_text *line)
{
    if (line->text != line->start)
        free(line->text);
}

void log_event(enum log_level level, const char *event, const struct log_field *fields,
               size_t count)
{
    struct log_text line;

    if (!log_wants(level))
        return;
    build_line(&line, level, event, fields, count);
    output_line(line.text, line.length);
    log_text_clear(&line);
}

/* (For the writer, in the place of lines that it had no room for, or could not write.) */
static size_t missing_line(char text[static LOG_MISSING_MAX], uint64_t count, int error)
{
    char event[128] = "lines are missing here: nothing read the log";
    const struct log_field fields[] = {ADIT_LOG_NUMBER_FIELD("lines", count)};
    struct log_text line;
    size_t length = 0;

    if (!log_wants(ADIT_LOG_WARNING))
        return 0;
    if (error != 0)
        snprintf(event, sizeof(event), "lines are missing here: the log cannot be written: %s",
                 strerror(error));
    build_line(&line, ADIT_LOG_WARNING, event, fields, 1);
    if (line.length <= LOG_MISSING_MAX) {
        length = line.length;
        memcpy(text, line.text, length);
    }
    log_text_clear(&line);
    return length;
}

void log_prepare(void)
{
    log_writer_prepare(&sink_fd);
}

bool log_start(void)
{
    return log_writer_start(&sink_fd, missing_line);
}

void log_reopen(void)
{
    atomic_store(&sink.journal, leads_to_journal(atomic_load(&sink_fd)));
    log_writer_reopen();
}

void log_flush(void)
{
    log_writer_flush();
}

void log_stop(void)
{
    log_writer_stop();
}

void log_print(const char *text)
{
    struct pollfd writable = {.fd = STDERR_FILENO, .events = POLLOUT};
    size_t length = strlen(text);
    const char *priority = leads_to_journal(STDERR_FILENO) ? priority_text(ADIT_LOG_ERROR) : "";
    char *line = malloc(strlen(priority) + length + 1);

    if (line == NULL)
        return;
    memcpy(line, priority, strlen(priority));
    memcpy(line + strlen(priority), text, length);
    length += strlen(priority);
    line[length] = '\n';
    if (atomic_load(&sink_fd) == STDERR_FILENO)
        output_line(line, length + 1);
    else if (poll(&writable, 1, 0) > 0 && write(STDERR_FILENO, line, length + 1) < 0)
        errno = 0; /* nobody is left to be told */
    free(line);
}

void log_line(enum log_level level, const char *format, ...)
{
    char text[2048];
    va_list arguments;

    if (!log_wants(level))
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    log_event(level, text, NULL, 0);
}
