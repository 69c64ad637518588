/* The log: every line is built whole and written with one write(2), so that threads never mix
 * lines. */
#include "base/log.h"

#include "base/json_text.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"error", "warning", "info", "debug"};

static struct {
    atomic_int fd;
    atomic_int level;
    atomic_int format;
} sink = {STDERR_FILENO, LOG_INFO, LOG_TEXT};

void log_setup(int fd, enum log_level level, enum log_format format)
{
    atomic_store(&sink.fd, fd);
    atomic_store(&sink.level, (int)level);
    atomic_store(&sink.format, (int)format);
}

bool log_wants(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&sink.level, memory_order_relaxed);
}

/* RFC 3339 with milliseconds, UTC. */
static void format_time(char *text, size_t size)
{
    struct timespec now;
    struct tm utc;
    char date[40];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text, size, "%s.%03ldZ", date, now.tv_nsec / 1000000);
}

static void write_line(const char *line, size_t length)
{
    int fd = atomic_load_explicit(&sink.fd, memory_order_relaxed);
    ssize_t written;

    /* A log that cannot be written is no reason to stop carrying bytes. */
    do {
        written = write(fd, line, length);
        if (written > 0) {
            line += written;
            length -= (size_t)written;
        }
    } while (written > 0 && length > 0);
}

static bool is_plain(unsigned char c, bool quotes)
{
    return c >= 0x20 && c != 0x7f && !(quotes && (c == '"' || c == '\\'));
}

/* Text that a peer may have chosen: control characters would let it forge lines or drive a
 * terminal. */
static void put_escaped(FILE *out, const char *text, bool quotes)
{
    while (*text != '\0') {
        size_t plain = 0;
        while (text[plain] != '\0' && is_plain((unsigned char)text[plain], quotes))
            plain++;
        fwrite(text, 1, plain, out);
        text += plain;
        if (*text == '\0')
            return;
        fprintf(out, *text == '"' || *text == '\\' ? "\\%c" : "\\x%02x", (unsigned char)*text);
        text++;
    }
}

static bool needs_quotes(const char *text)
{
    return *text == '\0' || strpbrk(text, " \"\\=") != NULL;
}

static void put_text(FILE *out, enum log_level level, const char *event,
                     const struct log_field *fields, size_t count)
{
    char when[64];

    format_time(when, sizeof(when));
    fprintf(out, "%s %s: ", when, level_names[level]);
    put_escaped(out, event, false);
    for (size_t i = 0; i < count; i++) {
        const struct log_field *field = &fields[i];
        if (field->has_number) {
            fprintf(out, " %s=%llu", field->key, (unsigned long long)field->number);
        } else if (field->text != NULL) {
            bool quotes = needs_quotes(field->text);
            fprintf(out, " %s=%s", field->key, quotes ? "\"" : "");
            put_escaped(out, field->text, quotes);
            fputs(quotes ? "\"" : "", out);
        }
    }
    fputc('\n', out);
}

static void put_json(FILE *out, enum log_level level, const char *event,
                     const struct log_field *fields, size_t count)
{
    json_t *line = json_object();
    char when[64];

    format_time(when, sizeof(when));
    json_object_set_new(line, "time", json_string(when));
    json_object_set_new(line, "level", json_string(level_names[level]));
    json_object_set_new(line, "message", json_text(event));
    for (size_t i = 0; i < count; i++) {
        if (fields[i].has_number)
            json_object_set_new(line, fields[i].key, json_integer((json_int_t)fields[i].number));
        else if (fields[i].text != NULL)
            json_object_set_new(line, fields[i].key, json_text(fields[i].text));
    }
    json_dumpf(line, out, JSON_COMPACT | JSON_PRESERVE_ORDER);
    fputc('\n', out);
    json_decref(line);
}

void log_event(enum log_level level, const char *event, const struct log_field *fields,
               size_t count)
{
    char *line = NULL;
    size_t length = 0;
    FILE *out;

    if (!log_wants(level))
        return;
    out = open_memstream(&line, &length);
    if (out == NULL)
        return;
    if (atomic_load_explicit(&sink.format, memory_order_relaxed) == LOG_JSON)
        put_json(out, level, event, fields, count);
    else
        put_text(out, level, event, fields, count);
    fclose(out);
    write_line(line, length);
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
