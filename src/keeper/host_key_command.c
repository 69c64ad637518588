/* Running KnownHostsCommand. */
#include "keeper/host_key_command.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "base/visible.h"
#include "conf/known_hosts_command.h"
#include "io/subprocess.h"
#include "io/terminal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS 30000                 /* as for the commands of Match exec */
#define OUTPUT_MAX ((size_t)16 << 20) /* bytes; storage that is not used costs nothing */
#define ERRORS_MAX 600

/* The tokens of the key, as text; its strings are to be freed. */
struct key_texts {
    char *type;
    char *base64;
    char *fingerprint;
};

static struct key_texts key_texts_of(const struct public_key *key)
{
    struct key_texts texts = {.type = key != NULL ? public_key_text(key) : mem_strdup("NONE"),
                              .fingerprint =
                                  key != NULL ? public_key_fingerprint(key) : mem_strdup("NONE")};
    char *blank = strchr(texts.type, ' '); /* "TYPE BASE64" */

    texts.base64 = mem_strdup(blank != NULL ? blank + 1 : "NONE");
    if (blank != NULL)
        *blank = '\0';
    return texts;
}

static void key_texts_clear(struct key_texts *texts)
{
    free(texts->type);
    free(texts->base64);
    free(texts->fingerprint);
}

static char **arguments_of(const struct login *l, const char *invocation,
                           const struct public_key *key)
{
    struct key_texts texts = key_texts_of(key);
    const struct ssh_key_tokens key_tokens = {.invocation = invocation,
                                              .name = l->known_as,
                                              .type = texts.type,
                                              .fingerprint = texts.fingerprint,
                                              .base64 = texts.base64};
    char *port = mem_printf("%u", l->host.port);
    const struct ssh_tokens tokens = {
        .host = l->host.alias,
        .name = l->host.name,
        .port = port,
        .user = l->upstream->user,
        .jump = l->upstream->jump.count > 0 ? l->upstream->jump.items[0] : NULL,
        .alias = l->upstream->host_key_alias,
        .key = &key_tokens,
    };
    char **arguments = known_hosts_command_arguments(l->upstream->known_hosts_command, &tokens);

    free(port);
    key_texts_clear(&texts);
    return arguments;
}

/* Whether the program may ask a person, as one that ssh(1) runs. */
static bool may_use_terminal(const struct asker *asker)
{
    int fd = asker->may_ask && !asker->batch_mode ? terminal_open() : -1;

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* Fails with how the program ended, and the beginning of what it printed on standard error. */
static enum login_result fail_command(struct login *l, const char *program, const char *invocation,
                                      struct subprocess_end end, char *errors)
{
    char words[SUBPROCESS_END_MAX];
    size_t length = strlen(errors);

    while (length > 0 && strchr("\r\n ", errors[length - 1]) != NULL)
        errors[--length] = '\0';
    for (char *c = errors; *c != '\0'; c++)
        *c = *c == '\n' ? ' ' : *c;
    char *visible = text_visible(errors);
    enum login_result status = login_fail(
        l, LOGIN_TRANSPORT,
        "KnownHostsCommand %s %s when it was run for %s%s%s%s; without it no host key can be "
        "verified",
        program, subprocess_describe(end, words), invocation, length > 0 ? ": \"" : "", visible,
        length > 0 ? "\"" : "");
    free(visible);
    return status;
}

/* Makes the output the last of the files. */
static void keep_output(struct login *l, const char *program, struct subprocess_text *output)
{
    struct known_hosts_file *file = &l->files.known[l->files.known_count];

    host_key_files_clear_command(&l->files);
    *file = (struct known_hosts_file){.path = mem_printf("KnownHostsCommand %s", program),
                                      .bytes = mem_realloc(output->text, output->length + 1),
                                      .length = output->length,
                                      .is_printed = true};
    output->text = NULL;
}

enum login_result host_key_command_run(struct login *l, const char *invocation,
                                       const struct public_key *key)
{
    char **arguments = NULL;
    char errors[ERRORS_MAX] = "";
    enum login_result status = LOGIN_OK;

    if (l->upstream->known_hosts_command == NULL)
        return LOGIN_OK;
    arguments = arguments_of(l, invocation, key);
    assert(arguments != NULL && "the value was checked when it was read");
    struct subprocess program = {
        .arguments = (const char *const *)arguments,
        .output = {.text = mem_zalloc(OUTPUT_MAX), .size = OUTPUT_MAX},
        .errors = {.text = errors, .size = sizeof(errors)},
        .end_when_cut = true,
        .own_group = !may_use_terminal(&l->asker),
        .limit = wait_limit(l->asker.line, WAIT_MS),
    };
    ask_note(&l->asker, true); /* the time of a login does not run */
    struct subprocess_end end = subprocess_run(&program);
    ask_note(&l->asker, false);
    if (program.output.cut)
        status =
            login_fail(l, LOGIN_TRANSPORT, "KnownHostsCommand %s printed more than %u MiB for %s",
                       arguments[0], (unsigned)(OUTPUT_MAX >> 20), invocation);
    else if (subprocess_succeeded(end))
        keep_output(l, arguments[0], &program.output);
    else
        status = fail_command(l, arguments[0], invocation, end, errors);
    free(program.output.text);
    command_words_free(arguments);
    return status;
}
