/* Prompts through a program, as SSH_ASKPASS of ssh(1). */
#include "base/log.h"
#include "base/mem.h"
#include "io/subprocess.h"
#include "session_libssh/ask.h"

#include <string.h>

#define ANSWER_MAX 4096

char *program_ask(const char *program, const char *prompt, int connection)
{
    const char *const arguments[] = {program, prompt, NULL};
    char answer[ANSWER_MAX];
    struct subprocess askpass = {
        .arguments = arguments,
        .output = {.text = answer, .size = sizeof(answer)},
        .limit = wait_limit(connection, -1),
    };
    struct subprocess_end end = subprocess_run(&askpass);
    char words[SUBPROCESS_END_MAX];
    char *given = NULL;

    if (subprocess_succeeded(end))
        given = mem_strndup(answer, strcspn(answer, "\r\n"));
    else if (end.outcome == SUBPROCESS_EXITED || end.outcome == SUBPROCESS_KILLED)
        log_info("askpass %s gave no answer: the program %s", program,
                 subprocess_describe(end, words));
    else if (end.outcome != SUBPROCESS_ABORTED)
        log_warning("askpass %s %s", program, subprocess_describe(end, words));
    explicit_bzero(answer, sizeof(answer));
    return given;
}
