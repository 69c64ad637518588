/* Running ssh -G. */
#include "conf/ssh_ask.h"

#include "base/mem.h"
#include "io/subprocess.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 30000                /* names of CanonicalizeHostname, commands of Match exec */
#define OUTPUT_MAX ((size_t)1 << 20) /* more is no answer */

/* The text of a stream without the blanks at its end, and without the room it did not use. */
static char *take_text(struct subprocess_text *stream)
{
    size_t length = strlen(stream->text);
    char *text = stream->text;

    while (length > 0 && strchr("\r\n ", text[length - 1]))
        length--;
    text[length] = '\0';
    stream->text = NULL;
    return mem_realloc(text, length + 1);
}

static enum ssh_ask_outcome refuse(struct ssh_reply *reply, char *why)
{
    if (*reply->said == '\0') {
        free(reply->said);
        reply->said = why;
    } else {
        free(why);
    }
    return SSH_REFUSED;
}

/* Runs the program, and judges how it ended. */
static enum ssh_ask_outcome run_ssh(const char *const *arguments, int connection,
                                    struct ssh_reply *reply)
{
    struct subprocess ssh = {
        .arguments = arguments,
        .output = {.text = mem_zalloc(OUTPUT_MAX), .size = OUTPUT_MAX},
        .errors = {.text = mem_zalloc(OUTPUT_MAX), .size = OUTPUT_MAX},
        .end_when_cut = true,
        .own_group = connection >= 0, /* (before that a person may be there, and press Ctrl-C) */
        .limit = wait_limit(connection, WAIT_MS),
    };
    struct subprocess_end end = subprocess_run(&ssh);
    char words[SUBPROCESS_END_MAX];

    reply->text = take_text(&ssh.output);
    reply->said = take_text(&ssh.errors);
    if (subprocess_succeeded(end))
        return SSH_ANSWERED;
    if (end.outcome == SUBPROCESS_NOT_STARTED && end.number == ENOENT)
        return SSH_ABSENT;
    return refuse(reply, mem_printf("ssh -G %s", subprocess_describe(end, words)));
}

enum ssh_ask_outcome ssh_ask(const struct ssh_question *question, struct ssh_reply *reply)
{
    static const char *const first[] = {"ssh", "-G", "-T"};
    const size_t fixed = sizeof(first) / sizeof(first[0]);
    const size_t count = question->count;
    const char **arguments = mem_zalloc((fixed + count + 3) * sizeof(*arguments));

    memcpy(arguments, first, sizeof(first));
    if (count > 0)
        memcpy(arguments + fixed, question->words, count * sizeof(*arguments));
    arguments[fixed + count] = "--";
    arguments[fixed + count + 1] = question->host;
    enum ssh_ask_outcome outcome = run_ssh(arguments, question->connection, reply);
    free(arguments);
    return outcome;
}

void ssh_reply_clear(struct ssh_reply *reply)
{
    free(reply->text);
    free(reply->said);
    *reply = (struct ssh_reply){0};
}
