/* Tables, and lines of words. */
#include "control/report.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "base/units.h"
#include "base/visible.h"
#include "control/protocol.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void put_plain(FILE *out, const char *text)
{
    char *shown = mem_strdup(text);

    text_mark_invisible(shown, '?');
    fputs(shown, out);
    free(shown);
}

void report_line(FILE *out, const char *text)
{
    put_plain(out, text != NULL ? text : "");
    fputc('\n', out);
}

void report_text(FILE *out, const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");
        char *line = mem_strndup(text, length);

        report_line(out, line);
        free(line);
        text += length + (text[length] == '\n');
    }
}

/* Tables. */

#define COLUMNS_MAX 10

struct table {
    size_t columns;
    char **cells; /* row by row; the first row is the head */
    size_t count;
};

static void add_cell(struct table *table, char *text)
{
    table->cells = mem_realloc(table->cells, (table->count + 1) * sizeof(char *));
    table->cells[table->count++] = text;
}

/* A cell; "-" where there is nothing. */
static void add_text(struct table *table, const char *text)
{
    add_cell(table, mem_strdup(text != NULL && *text != '\0' ? text : "-"));
}

static void add_number(struct table *table, const json_t *object, const char *key)
{
    add_cell(table,
             mem_printf("%lld", (long long)json_integer_value(json_object_get(object, key))));
}

static struct table new_table(const char *const *head)
{
    struct table table = {0};

    for (; head[table.columns] != NULL; table.columns++)
        add_text(&table, head[table.columns]);
    return table;
}

/* Prints the table after an empty line, if it has more than the head, and frees it. */
static void print_table(FILE *out, struct table *table)
{
    size_t widths[COLUMNS_MAX] = {0};
    bool any = table->count > table->columns;

    for (size_t i = 0; i < table->count; i++) {
        size_t *width = &widths[i % table->columns];
        size_t length = strlen(table->cells[i]);
        *width = length > *width ? length : *width;
    }
    if (any)
        fputc('\n', out);
    for (size_t i = 0; i < table->count; i++) {
        bool last = (i + 1) % table->columns == 0;
        size_t padding = widths[i % table->columns] + 2 - strlen(table->cells[i]);
        if (any) {
            put_plain(out, table->cells[i]);
            fprintf(out, "%*s", last ? 0 : (int)padding, last ? "\n" : "");
        }
        free(table->cells[i]);
    }
    free(table->cells);
}

/* A member that is text; "?" when there is none. */
static const char *text(const json_t *object, const char *key)
{
    const char *value = control_text(object, key);

    return value != NULL ? value : "?";
}

/* Units. */

static long long number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* "3d4h", "2h5m", "1m30s", "12s": the two largest units. */
static char *seconds_text(long long seconds)
{
    static const struct {
        long long length;
        char name;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};

    for (size_t i = 0; i + 1 < sizeof units / sizeof units[0]; i++)
        if (seconds >= units[i].length) {
            long long rest = seconds % units[i].length / units[i + 1].length;
            return rest > 0 ? mem_printf("%lld%c%lld%c", seconds / units[i].length, units[i].name,
                                         rest, units[i + 1].name)
                            : mem_printf("%lld%c", seconds / units[i].length, units[i].name);
        }
    return mem_printf("%llds", seconds);
}

/* "17", "1.2k", "3.4M". */
static char *bytes_text(long long bytes)
{
    static const char names[] = "kMGTPE";
    double value = (double)bytes;
    int unit = -1;

    for (; value >= 1024 && names[unit + 1] != '\0'; unit++)
        value /= 1024;
    return unit < 0 ? mem_printf("%lld", bytes) : mem_printf("%.1f%c", value, names[unit]);
}

/* A state, with the error and the time until the next try, or with the port of the forward. */
static char *state_text(const json_t *object)
{
    const char *error = control_text(object, "error");
    const json_t *retry = json_object_get(object, "retry_ms");
    const json_t *port = json_object_get(object, "port");
    char *when = json_is_integer(retry)
                     ? mem_printf("; next try in %lld s", (json_integer_value(retry) + 999) / 1000)
                 : json_is_integer(port)
                     ? mem_printf(", port %lld", (long long)json_integer_value(port))
                     : mem_strdup("");
    char *all = mem_printf("%s%s%s%s", text(object, "state"), error != NULL ? ": " : "",
                           error != NULL ? error : "", when);

    free(when);
    return all;
}

/* The parts of a status. */

static void print_upstreams(FILE *out, const json_t *answer)
{
    static const char *const head[] = {"UPSTREAM", "VIA",     "HOSTS", "SESSIONS",
                                       "CHANNELS", "WAITING", "STATE", NULL};
    struct table table = new_table(head);
    const json_t *upstream, *host;
    size_t i, k;

    json_array_foreach(json_object_get(answer, "upstreams"), i, upstream)
    {
        struct buffer hosts = {0};
        add_text(&table, control_text(upstream, "name"));
        add_text(&table, control_text(upstream, "via"));
        json_array_foreach(json_object_get(upstream, "hosts"), k, host)
        {
            const char *name = json_string_value(host);
            if (k > 0)
                buffer_append(&hosts, ",", 1);
            buffer_append(&hosts, name, name != NULL ? strlen(name) : 0);
        }
        buffer_append(&hosts, "", 1);
        add_text(&table, (const char *)buffer_data(&hosts));
        buffer_clear(&hosts);
        add_cell(&table, mem_printf("%lld of %lld-%lld", number(upstream, "up"),
                                    number(upstream, "min"), number(upstream, "max")));
        add_number(&table, upstream, "channels");
        add_number(&table, upstream, "waiting");
        add_cell(&table, state_text(upstream));
    }
    print_table(out, &table);
}

/* The hosts that SRV records name, and before them what is asked for. */
static void print_targets(FILE *out, const json_t *answer)
{
    static const char *const head[] = {"UPSTREAM", "TARGET", "PRIORITY", "WEIGHT",
                                       "SESSIONS", "STATE",  NULL};
    struct table table = new_table(head);
    const json_t *upstream, *target;
    size_t i, k;

    json_array_foreach(json_object_get(answer, "upstreams"), i, upstream)
    {
        const json_t *srv = json_object_get(upstream, "srv");
        const char *error = control_text(srv, "error");
        if (!json_is_object(srv))
            continue;
        add_text(&table, control_text(upstream, "name"));
        add_cell(&table, mem_printf("SRV %s", text(srv, "name")));
        for (int blank = 0; blank < 3; blank++)
            add_text(&table, NULL);
        add_cell(&table, error != NULL ? mem_strdup(error)
                                       : mem_printf("asked again in %lld s",
                                                    (number(srv, "next_ms") + 999) / 1000));
        json_array_foreach(json_object_get(srv, "targets"), k, target)
        {
            add_text(&table, control_text(upstream, "name"));
            add_text(&table, control_text(target, "host"));
            add_number(&table, target, "priority");
            add_number(&table, target, "weight");
            add_number(&table, target, "sessions");
            add_text(&table, control_text(target, "state"));
        }
    }
    print_table(out, &table);
}

/* NULL: it is neither, as it is not known, or an older adit does not tell. */
static const char *yes_or_no(const json_t *value)
{
    return json_is_true(value) ? "yes" : json_is_false(value) ? "no" : NULL;
}

static void print_sessions(FILE *out, const json_t *answer)
{
    static const char *const head[] = {"SESSION", "HOST",  "WORKER",       "CHANNELS", "IN",
                                       "OUT",     "SINCE", "POST-QUANTUM", "STATE",    NULL};
    struct table table = new_table(head);
    const json_t *upstream, *session;
    size_t i, k;

    json_array_foreach(json_object_get(answer, "upstreams"), i, upstream)
        json_array_foreach(json_object_get(upstream, "sessions"), k, session)
    {
        add_cell(&table, mem_printf("%s/%lld", text(upstream, "name"), number(session, "session")));
        add_text(&table, control_text(session, "host"));
        add_number(&table, session, "worker");
        add_number(&table, session, "channels");
        add_cell(&table, bytes_text(number(session, "bytes_in")));
        add_cell(&table, bytes_text(number(session, "bytes_out")));
        add_cell(&table, seconds_text(number(session, "seconds")));
        add_text(&table, yes_or_no(json_object_get(session, "post_quantum")));
        add_cell(&table, state_text(session));
    }
    print_table(out, &table);
}

/* Members of `object` that are text, up to a NULL. */
static void add_texts(struct table *table, const json_t *object, const char *const *keys)
{
    for (; *keys != NULL; keys++)
        add_text(table, control_text(object, *keys));
}

static void print_listeners(FILE *out, const json_t *answer)
{
    static const char *const head[] = {"LISTENER", "ADDRESS", "TARGET", "VIA", NULL};
    static const char *const keys[] = {"name", "address", "target", "via", NULL};
    struct table table = new_table(head);
    const json_t *listener;
    size_t i;

    json_array_foreach(json_object_get(answer, "listeners"), i, listener)
        add_texts(&table, listener, keys);
    print_table(out, &table);
}

static void print_forwards(FILE *out, const json_t *answer)
{
    static const char *const head[] = {"FORWARD", "KIND", "BIND", "TARGET", "VIA", "STATE", NULL};
    static const char *const keys[] = {"name", "kind", "bind", "target", "via", NULL};
    struct table table = new_table(head);
    const json_t *forward;
    size_t i;

    json_array_foreach(json_object_get(answer, "forwards"), i, forward)
    {
        add_texts(&table, forward, keys);
        add_cell(&table, state_text(forward));
    }
    print_table(out, &table);
}

/* The counters that are not 0. */
static void print_counters(FILE *out, const json_t *answer)
{
    static const char *const head[] = {"COUNTER", "NUMBER", NULL};
    struct table table = new_table(head);
    const char *group, *name;
    json_t *counters, *value;

    json_object_foreach(json_object_get(answer, "counters"), group, counters)
        json_object_foreach(counters, name, value) if (json_integer_value(value) > 0)
    {
        add_cell(&table, mem_printf("%s/%s", group, name));
        add_cell(&table, mem_printf("%lld", (long long)json_integer_value(value)));
    }
    print_table(out, &table);
}

void report_status(FILE *out, const json_t *answer)
{
    const char *file = control_text(answer, "file");
    char *uptime = seconds_text(number(answer, "seconds"));

    fprintf(out, "adit %s, pid %lld, %s for %s, %lld connections; ", text(answer, "version"),
            number(answer, "pid"), text(answer, "state"), uptime, number(answer, "connections"));
    report_line(out, file != NULL ? file : "from a command line");
    free(uptime);
    print_upstreams(out, answer);
    print_targets(out, answer);
    print_sessions(out, answer);
    print_listeners(out, answer);
    print_forwards(out, answer);
    print_counters(out, answer);
}

/* Connections. */

/* (The words of ssh(1) where it has some.) */
static void print_connection(FILE *out, const json_t *connection, long long pid)
{
    static const char *const words[] = {
        "user",   "login", "server",     "kexalgorithm", "hostkeyalgorithm",
        "cipher", "mac",   "compression"};
    char *duration = seconds_text(number(connection, "seconds"));
    char *in = bytes_text(number(connection, "bytes_in"));
    char *sent = bytes_text(number(connection, "bytes_out"));

    fprintf(out, "Connection information for %s/%lld (%s) pid %lld\n", text(connection, "upstream"),
            number(connection, "session"), text(connection, "host"), pid);
    if (control_text(connection, "local") != NULL)
        fprintf(out, "  tcp %s -> %s\n", text(connection, "local"), text(connection, "remote"));
    fprintf(out, "  duration %s\n", duration);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (control_text(connection, words[i]) != NULL) {
            fprintf(out, "  %s ", words[i]);
            report_line(out, control_text(connection, words[i]));
        }
    if (json_is_boolean(json_object_get(connection, "post_quantum")))
        fprintf(out, "  post-quantum %s\n",
                json_is_true(json_object_get(connection, "post_quantum")) ? "yes" : "no");
    fprintf(out, "  traffic %s in, %s out\n", in, sent);
    free(duration);
    free(in);
    free(sent);
}

void report_conninfo(FILE *out, const json_t *answer)
{
    const json_t *connection;
    size_t i;

    json_array_foreach(json_object_get(answer, "connections"), i, connection)
        print_connection(out, connection, number(answer, "pid"));
}

void report_connections(FILE *out, const json_t *answer)
{
    static const char *const head[] = {"CONNECTION", "CLIENT",   "USER",  "LISTENER",
                                       "TARGET",     "UPSTREAM", "SINCE", "UP",
                                       "DOWN",       "STATE",    NULL};
    static const char *const keys[] = {"source", "user", "listener", "target", "upstream", NULL};
    struct table table = new_table(head);
    const json_t *connection;
    size_t i;

    json_array_foreach(json_object_get(answer, "connections"), i, connection)
    {
        add_number(&table, connection, "connection");
        add_texts(&table, connection, keys);
        add_cell(&table, seconds_text(number(connection, "seconds")));
        add_cell(&table, bytes_text(number(connection, "bytes_up")));
        add_cell(&table, bytes_text(number(connection, "bytes_down")));
        add_text(&table, control_text(connection, "state"));
    }
    print_table(out, &table);
}

void report_list(FILE *out, const json_t *tunnels)
{
    static const char *const head[] = {"HOST", "PID", "STATE", "CONTROL", NULL};
    struct table table = new_table(head);
    const json_t *tunnel;
    size_t i;

    json_array_foreach(tunnels, i, tunnel)
    {
        const json_t *upstream = json_array_get(json_object_get(tunnel, "upstreams"), 0);
        add_text(&table, text(tunnel, "host"));
        add_number(&table, tunnel, "pid");
        add_cell(&table, state_text(upstream));
        add_text(&table, text(tunnel, "control"));
    }
    print_table(out, &table);
}
