/* Prompts through a program, as SSH_ASKPASS of ssh(1). */
#include "base/log.h"
#include "base/mem.h"
#include "io/environment.h"
#include "io/subprocess.h"
#include "keeper/ask.h"

#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX 4096

char *program_ask(const struct asker *asker, const char *program, const char *prompt)
{
    const char *const arguments[] = {program, prompt, NULL};
    char *upstream = mem_printf("ADIT_UPSTREAM=%s", asker->upstream);
    char *host = mem_printf("ADIT_HOST=%s", asker->host);
    const char **environment = environment_with((const char *const[]){upstream, host}, 2);
    char answer[ANSWER_MAX];
    struct subprocess askpass = {
        .arguments = arguments,
        .environment = environment,
        .output = {.text = answer, .size = sizeof(answer)},
        .limit = wait_limit(asker->line, -1),
    };
    struct subprocess_end end = subprocess_run(&askpass);
    char words[SUBPROCESS_END_MAX];
    char *given = NULL;

    if (subprocess_succeeded(end))
        given = mem_strndup(answer, strcspn(answer, "\r\n"));
    else if (end.outcome == SUBPROCESS_EXITED || end.outcome == SUBPROCESS_KILLED)
        log_info("upstream %s: askpass %s gave no answer: the program %s", asker->upstream, program,
                 subprocess_describe(end, words));
    else if (end.outcome != SUBPROCESS_ABORTED)
        log_warning("upstream %s: askpass %s %s", asker->upstream, program,
                    subprocess_describe(end, words));
    explicit_bzero(answer, sizeof(answer));
    free(environment);
    free(host);
    free(upstream);
    return given;
}
