/* What a gateway has a person asked: the keeper says who asks, whatever the text is. */
#include "base/mem.h"
#include "base/secrets.h"
#include "base/visible.h"
#include "io/login_line.h"
#include "keeper/login.h"

#include <stdlib.h>
#include <string.h>

/* More than any login has: a gateway that was taken over does not ask for ever. */
#define QUESTIONS_MAX 200

/* The name that logs in: the configuration's, or what libssh has read in ssh_config(5) or knows. */
static char *asking_user(const struct login *l, const char *said)
{
    return text_visible(l->upstream->user != NULL ? l->upstream->user : said);
}

/* Cuts the text after its first line, and returns the rest. */
static char *cut_line(char *text)
{
    char *end = text + strcspn(text, "\n");

    if (*end == '\0')
        return end;
    *end = '\0';
    return end + 1;
}

static char *prompt_of(const struct login *l, enum login_question question, char *text)
{
    char *rest = question == LOGIN_QUESTION_SERVER ? cut_line(text) : text;
    char *user = question != LOGIN_QUESTION_PASSPHRASE ? asking_user(l, text) : NULL;
    char *words = text_lines(rest);
    char *prompt = NULL;

    switch (question) {
    case LOGIN_QUESTION_PASSWORD:
        prompt = mem_printf("%s@%s's password: ", user, l->host.name);
        break;
    case LOGIN_QUESTION_SERVER: prompt = mem_printf("(%s@%s) %s", user, l->host.name, words); break;
    case LOGIN_QUESTION_PASSPHRASE:
        prompt = mem_printf("Enter passphrase for key '%s': ", words);
        break;
    case LOGIN_QUESTIONS: break;
    }
    free(words);
    free(user);
    return prompt;
}

char *login_question(struct login *l, enum login_question question, bool echo, bool may_keep,
                     struct span said)
{
    char *text = login_text(said);
    char *prompt = prompt_of(l, question, text);
    char *answer = NULL;

    if (l->asker.prompts < QUESTIONS_MAX)
        answer = ask_prompt(&l->asker, prompt, echo);
    if (answer != NULL && may_keep && !echo) {
        secret_free(l->learnt);
        l->learnt = mem_strdup(answer);
    }
    free(prompt);
    free(text);
    return answer;
}

void login_show(struct login *l, struct span said)
{
    char *text = login_text(said);
    char *lines = text_lines(text);

    ask_show(&l->asker, lines);
    free(lines);
    free(text);
}
