/* Lines of ssh(1), as OpenSSH 8.7 to 10 print them. */
#include "keeper/master_stderr.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/visible.h"

#include <stdlib.h>
#include <string.h>

#define OPENING "mux.c:mux_master_process_stdio_fwd()"
#define REFUSED "channels.c:channel_input_open_failure()"

/* (LogVerbose has these functions print more than LogLevel does, each line with where it comes from
 * before it; versions before 8.5 do not know it. The last two print which channel leads where, and
 * why one could not be opened.) */
const char *const master_stderr_options[] = {
    "LogLevel=VERBOSE",
    "IgnoreUnknown=LogVerbose",
    "LogVerbose=kex.c:kex_choose_conf():*,kex.c:choose_kex():*,kex.c:kex_exchange_identification()"
    ":*,sshconnect.c:verify_host_key():*," OPENING ":*," REFUSED ":*",
    NULL,
};

/* The lines of what was agreed: which function prints them, how they begin, and what the rest of
 * the line is. */
static const struct {
    const char *function;
    const char *words;
    const char *name;
} abouts[MASTER_ABOUTS] = {
    {"kex.c:kex_exchange_identification()", "Remote protocol version 2.0, remote software version ",
     "server"},
    {"kex.c:kex_exchange_identification()",
     "Remote protocol version 1.99, remote software version ", "server"},
    {"kex.c:choose_kex()", "kex: algorithm: ", "kex"},
    {"kex.c:kex_choose_conf()", "kex: server->client cipher: ", "in"},
    {"kex.c:kex_choose_conf()", "kex: client->server cipher: ", "out"},
    {"sshconnect.c:verify_host_key()", "Server host key: ", "host_key"},
    {"", "", "login"}, /* (take_login) */
};
#define ABOUT_LOGIN (MASTER_ABOUTS - 1)

/* Lines that say nothing of why ssh has ended. */
static const char *const idle_words[] = {
    "debug1: ",
    "debug2: ",
    REFUSED,
    "debug3: ",
    "Authenticated ",
    "channel ",
    "Transferred: ",
    "Bytes per second:",
    "@@@",
    "Killed by signal ",
    "Warning: Permanently added ",
    "Authenticating to ",
    "Connection to ",
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

/* What is behind ":LINE (pid=N): "; OpenSSH 10 has "(bin=ssh, pid=N)". NULL: that is not there. */
static const char *skip_process(const char *at, long *process)
{
    static const char binary[] = "bin=", number[] = "pid=";
    char *end;

    at += strspn(at, ":0123456789");
    if (strncmp(at, " (", 2) != 0)
        return NULL;
    at += 2;
    if (strncmp(at, binary, strlen(binary)) == 0) {
        at += strcspn(at, " ");
        at += *at == ' ';
    }
    if (strncmp(at, number, strlen(number)) != 0)
        return NULL;
    at += strlen(number);
    *process = strtol(at, &end, 10);
    return end > at && strncmp(end, "): ", 3) == 0 ? end + 3 : NULL;
}

/* What a function of ssh says in a line that LogVerbose has it print: "debug1: FILE:FUNCTION():LINE
 * (pid=N): WORDS", without the first word if it is not said for debugging. NULL: it is no such
 * line. (A server does not know the number of the process.) */
static const char *words_of_function(const struct master_stderr *text, const char *line,
                                     const char *function)
{
    size_t length = strlen(function);
    long process;

    if (strncmp(line, "debug", 5) == 0 && line[5] != '\0' && strncmp(line + 6, ": ", 2) == 0)
        line += 8;
    if (strncmp(line, function, length) != 0)
        return NULL;
    line = skip_process(line + length, &process);
    return line != NULL && process == text->process ? line : NULL;
}

/* (Each is printed before the server can have a banner shown: what comes first counts.) */
static void take_about(struct master_stderr *text, const char *line)
{
    for (size_t i = 0; i < ABOUT_LOGIN; i++) {
        size_t length = strlen(abouts[i].words);
        const char *at;
        if (text->about[i] == NULL &&
            (at = words_of_function(text, line, abouts[i].function)) != NULL &&
            strncmp(at, abouts[i].words, length) == 0)
            text->about[i] = mem_strdup(at + length);
    }
}

/* "Authenticated to HOST ([ADDRESS]:PORT) using "publickey"." (A banner comes before it: the last
 * one counts.) */
static void take_login(struct master_stderr *text, const char *line)
{
    const char *method = strstr(line, " using \"");

    if (strncmp(line, "Authenticated to ", 17) != 0)
        return;
    text->logged_in = true;
    free(text->about[ABOUT_LOGIN]);
    text->about[ABOUT_LOGIN] = NULL;
    if (method == NULL)
        return;
    method += strlen(" using \"");
    text->about[ABOUT_LOGIN] = mem_strndup(method, strcspn(method, "\""));
}

/* (What does not fit into a line is cut off: then the target is not known.) */
static void take_refusal(struct master_stderr *text, const char *line, bool whole)
{
    const char *words = words_of_function(text, line, OPENING);

    if (words != NULL && whole)
        master_refusals_asked(&text->refusals, words);
    words = words_of_function(text, line, REFUSED);
    if (words != NULL)
        master_refusals_failed(&text->refusals, words);
}

/* What is behind the place in ssh's sources that LogVerbose puts before a line:
 * "kex.c:kex_exchange_identification():1383 (pid=5035): Connection closed"; OpenSSH 10 has
 * "(bin=ssh, pid=5035)". */
static const char *without_place(const char *line)
{
    static const char source[] = ".c:", function[] = "()";
    const char *at = line + strcspn(line, " .:");
    long process;

    if (strncmp(at, source, strlen(source)) != 0)
        return line;
    at += strcspn(at, " (");
    if (strncmp(at, function, strlen(function)) != 0)
        return line;
    at = skip_process(at + strlen(function), &process);
    return at != NULL ? at : line;
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
    bool whole = text->length < MASTER_STDERR_LINE_MAX;
    char *line;

    while (text->length > 0 && text->line[text->length - 1] == '\r')
        text->length--;
    text->line[text->length] = '\0';
    text->length = 0;
    line = text_visible(text->line);
    if (text->logged_in)
        take_refusal(text, line, whole);
    else
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

char *master_stderr_about(const struct master_stderr *text)
{
    struct buffer all = {0};
    char *about;

    for (size_t i = 0; i < MASTER_ABOUTS; i++) {
        if (text->about[i] == NULL)
            continue;
        buffer_append(&all, abouts[i].name, strlen(abouts[i].name));
        buffer_append(&all, " ", 1);
        buffer_append(&all, text->about[i], strlen(text->about[i]));
        buffer_append(&all, "\n", 1);
    }
    about = mem_strndup((const char *)buffer_data(&all), buffer_length(&all));
    buffer_clear(&all);
    return about;
}

void master_stderr_begin(struct master_stderr *text, pid_t process, bool logged_in)
{
    master_stderr_clear(text);
    text->process = process;
    text->logged_in = logged_in;
}

void master_stderr_clear(struct master_stderr *text)
{
    for (size_t i = 0; i < MASTER_STDERR_LINES; i++)
        free(text->last[i]);
    for (size_t i = 0; i < MASTER_ABOUTS; i++)
        free(text->about[i]);
    master_refusals_clear(&text->refusals);
    *text = (struct master_stderr){0};
}
