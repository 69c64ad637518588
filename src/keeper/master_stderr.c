/* Lines of ssh(1), as OpenSSH 8.4 to 10 print them. */
#include "keeper/master_stderr.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/visible.h"

#include <stdlib.h>
#include <string.h>

/* In all: no server makes it longer. */
#define ABOUT_MAX 2048

/* (LogVerbose has these functions print more than LogLevel does, each line with where it comes from
 * before it; versions before 8.5 do not know it.) */
const char *const master_stderr_options[] = {
    "LogLevel=VERBOSE",
    "IgnoreUnknown=LogVerbose",
    "LogVerbose=kex.c:kex_choose_conf():*,kex.c:choose_kex():*,kex.c:kex_exchange_identification()"
    ":*,sshconnect.c:verify_host_key():*",
    NULL,
};

/* What some lines have, and how the rest of the line is called. */
static const struct {
    const char *words;
    const char *name;
} abouts[] = {
    {"kex: algorithm: ", "kex"},
    {"kex: server->client cipher: ", "in"},
    {"kex: client->server cipher: ", "out"},
    {"Server host key: ", "host_key"},
    {"remote software version ", "server"},
};

/* Lines that say nothing of why ssh has ended. */
static const char *const idle_words[] = {
    "debug1: ",           "debug2: ",
    "debug3: ",           "Authenticated ",
    "channel ",           "Transferred: ",
    "Bytes per second:",  "@@@",
    "Killed by signal ",  "Warning: Permanently added ",
    "Authenticating to ", "Connection to ",
};

static const struct {
    const char *words;
    enum service_master_end kind;
} kinds[] = {
    {"Host key verification failed", SERVICE_MASTER_HOST_KEY},
    {"Permission denied (", SERVICE_MASTER_DENIED},
    {"Too many authentication failures", SERVICE_MASTER_DENIED},
    {"No supported authentication methods", SERVICE_MASTER_DENIED},
};

static void add_about(struct master_stderr *text, const char *name, const char *value)
{
    if (buffer_length(&text->about) + strlen(name) + strlen(value) + 2 > ABOUT_MAX)
        return;
    buffer_append(&text->about, name, strlen(name));
    buffer_append(&text->about, " ", 1);
    buffer_append(&text->about, value, strlen(value));
    buffer_append(&text->about, "\n", 1);
}

/* (A server's own words are in some of these lines, too: they show what a server says of itself
 * anyhow, and before the login only.) */
static void take_about(struct master_stderr *text, const char *line)
{
    if (strncmp(line, "debug", 5) != 0)
        return;
    for (size_t i = 0; i < sizeof(abouts) / sizeof(abouts[0]); i++) {
        const char *at = strstr(line, abouts[i].words);
        if (at != NULL)
            add_about(text, abouts[i].name, at + strlen(abouts[i].words));
    }
}

/* "Authenticated to HOST ([ADDRESS]:PORT) using "publickey"." */
static void take_login(struct master_stderr *text, const char *line)
{
    const char *method = strstr(line, " using \"");
    char *name;

    if (strncmp(line, "Authenticated to ", 17) != 0 || text->logged_in)
        return;
    text->logged_in = true;
    if (method == NULL)
        return;
    method += strlen(" using \"");
    name = mem_strndup(method, strcspn(method, "\""));
    add_about(text, "login", name);
    free(name);
}

/* "channel 2: open failed: connect failed: Connection refused": what is behind "open failed: ";
 * NULL: it is another line. */
static const char *refusal_in(const char *line)
{
    static const char channel[] = "channel ", failed[] = ": open failed: ";

    if (strncmp(line, channel, strlen(channel)) != 0)
        return NULL;
    line += strlen(channel);
    line += strspn(line, "0123456789");
    return strncmp(line, failed, strlen(failed)) == 0 ? line + strlen(failed) : NULL;
}

static void take_refusal(struct master_refusals *refusals, const char *reason)
{
    if (refusals->count++ == 0) {
        refusals->line = mem_strdup(reason);
    } else if (refusals->line != NULL && strcmp(refusals->line, reason) != 0) {
        free(refusals->line);
        refusals->line = NULL;
    }
}

/* As ssh names them. */
static const char *const refusal_names[] = {
    [1] = "administratively prohibited",
    [2] = "connect failed",
    [3] = "unknown channel type",
    [4] = "resource shortage",
};

static uint32_t refusal_code(struct text name)
{
    for (uint32_t i = 1; i < sizeof(refusal_names) / sizeof(refusal_names[0]); i++)
        if (text_is(name, refusal_names[i]))
            return i;
    return 0;
}

uint32_t master_stderr_refusal(struct master_stderr *text, char **words)
{
    struct master_refusals *r = &text->refusals;
    uint32_t code = 0;

    *words = NULL;
    if (r->line != NULL) {
        struct text rest = {r->line, strlen(r->line)};
        code = refusal_code(text_take_until(&rest, ':'));
        text_skip(&rest, rest.length > 0 && rest.at[0] == ' ');
        *words = mem_strndup(rest.at, rest.length);
    }
    r->count -= r->count > 0;
    if (r->count == 0) {
        free(r->line);
        r->line = NULL;
    }
    return code;
}

/* What is behind the place in ssh's sources that LogVerbose puts before a line:
 * "kex.c:kex_exchange_identification():1383 (pid=5035): Connection closed". */
static const char *without_place(const char *line)
{
    static const char source[] = ".c:", number[] = "():", process[] = " (pid=", end[] = "): ";
    const char *at = line + strcspn(line, " .:");

    if (strncmp(at, source, strlen(source)) != 0)
        return line;
    at += strcspn(at, " (");
    if (strncmp(at, number, strlen(number)) != 0)
        return line;
    at += strlen(number);
    at += strspn(at, "0123456789");
    if (strncmp(at, process, strlen(process)) != 0)
        return line;
    at += strlen(process);
    at += strspn(at, "0123456789");
    return strncmp(at, end, strlen(end)) == 0 ? at + strlen(end) : line;
}

static void keep_line(struct master_stderr *text, const char *line)
{
    free(text->last[0]);
    memmove(text->last, text->last + 1, sizeof(text->last) - sizeof(text->last[0]));
    text->last[MASTER_STDERR_LINES - 1] = mem_strdup(line);
}

static bool is_idle_line(const char *line)
{
    if (line[strspn(line, " ")] == '\0')
        return true;
    for (size_t i = 0; i < sizeof(idle_words) / sizeof(idle_words[0]); i++)
        if (strncmp(line, idle_words[i], strlen(idle_words[i])) == 0)
            return true;
    return false;
}

static void end_stderr_line(struct master_stderr *text, master_stderr_line_fn *told, void *arg)
{
    const char *refusal;
    char *line;

    while (text->length > 0 && text->line[text->length - 1] == '\r')
        text->length--;
    text->line[text->length] = '\0';
    text->length = 0;
    line = text_visible(text->line);
    refusal = text->logged_in ? refusal_in(line) : NULL;
    if (refusal != NULL)
        take_refusal(&text->refusals, refusal);
    if (!text->logged_in)
        take_about(text, line);
    take_login(text, line);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strstr(line, kinds[i].words) != NULL)
            text->kind = kinds[i].kind;
    if (!is_idle_line(line)) {
        keep_line(text, without_place(line));
        told(arg, line);
    }
    free(line);
}

void master_stderr_take(struct master_stderr *text, struct span bytes, master_stderr_line_fn *line,
                        void *arg)
{
    for (size_t i = 0; i < bytes.length; i++) {
        char c = (char)bytes.bytes[i];
        if (c == '\n')
            end_stderr_line(text, line, arg);
        else if (c != '\0' && text->length < MASTER_STDERR_LINE_MAX)
            text->line[text->length++] = c == '\t' ? ' ' : c;
    }
}

char *master_stderr_why(const struct master_stderr *text)
{
    char *why = NULL;

    for (size_t i = 0; i < MASTER_STDERR_LINES; i++) {
        char *more;
        if (text->last[i] == NULL)
            continue;
        more = why != NULL ? mem_printf("%s; %s", why, text->last[i]) : mem_strdup(text->last[i]);
        free(why);
        why = more;
    }
    return why;
}

void master_stderr_clear(struct master_stderr *text)
{
    for (size_t i = 0; i < MASTER_STDERR_LINES; i++)
        free(text->last[i]);
    buffer_clear(&text->about);
    free(text->refusals.line);
    *text = (struct master_stderr){0};
}
