/* Passwords: "password" of RFC 4252 section 8, and "keyboard-interactive" of RFC 4256, whose
 * prompts mostly ask for the password, and sometimes for a second factor. */
#include "base/mem.h"
#include "base/secrets.h"
#include "base/visible.h"
#include "policy/password_prompt.h"
#include "session_libssh/authentication.h"

#include <stdlib.h>

#define ROUNDS_MAX 10 /* some rounds have a text and no prompt */

static void show_try_again(struct authentication *a)
{
    login_show_lines(a->h, "Permission denied, please try again.\n");
}

/* Password. */

static int offer_password(struct authentication *a, const char *password)
{
    auth_note_tried(a, "password", NULL);
    return auth_answer(a, ssh_userauth_password(a->h->handle, NULL, password));
}

static int ask_for_password(struct authentication *a)
{
    const struct auth_question question = {
        .question = LOGIN_QUESTION_PASSWORD, .about = a->user, .may_keep = true};
    int answer = SSH_AUTH_DENIED;

    for (unsigned i = 0; !auth_is_final(answer) && auth_can_ask(a) && i < auth_prompts(a); i++) {
        char *password;
        if (i > 0)
            show_try_again(a);
        password = auth_ask(a, &question);
        if (password == NULL)
            break;
        answer = offer_password(a, password);
        if (answer == SSH_AUTH_SUCCESS || answer == SSH_AUTH_PARTIAL)
            auth_keep_answer(a);
        secret_free(password);
    }
    return answer;
}

/* Offers a password that the keeper has, which is in this process only meanwhile. */
static int offer_known(struct authentication *a, enum login_password which)
{
    char *password = auth_has_password(a, which) ? login_take_password(a->h, which) : NULL;
    int answer;

    if (password == NULL)
        return SSH_AUTH_DENIED;
    answer = offer_password(a, password);
    secret_free(password);
    if (!auth_is_final(answer) && which == LOGIN_PASSWORD_KEPT)
        login_refused(a->h, which);
    return answer;
}

int auth_try_password(struct authentication *a)
{
    int answer = offer_known(a, LOGIN_PASSWORD_CONFIGURED);

    if (!auth_is_final(answer))
        answer = offer_known(a, LOGIN_PASSWORD_KEPT);
    return auth_is_final(answer) ? answer : ask_for_password(a);
}

/* Keyboard-interactive. */

/* One exchange: rounds of prompts until the server has decided. */
struct exchange {
    struct authentication *a;
    bool has_password;         /* there is one, which answers the prompt that asks for it; else a
                                  person is asked */
    enum login_password which; /* the password */
    bool used;                 /* it was given */
    bool learnt;               /* a person gave a password */
    bool anew; /* a person answered a prompt whose answer may be another one at the next login */
    unsigned prompts;
};

/* The server's name and instruction, RFC 4256 section 3.2, once a round; the caller frees. */
static char *introduction(ssh_session handle)
{
    char *name = text_lines(ssh_userauth_kbdint_getname(handle));
    char *instruction = text_lines(ssh_userauth_kbdint_getinstruction(handle));
    char *text = mem_printf("%s%s%s%s", name, *name != '\0' ? "\n" : "", instruction,
                            *instruction != '\0' ? "\n" : "");

    free(name);
    free(instruction);
    return text;
}

static char *ask_for_answer(struct exchange *e, const char *text, bool echo)
{
    struct authentication *a = e->a;
    char *shown = text_lines(text);
    char *about = mem_printf("%s\n%s", a->user, shown);
    bool password = !echo && !e->learnt && password_prompt_is(shown);
    char *answer = auth_ask(a, &(struct auth_question){.question = LOGIN_QUESTION_SERVER,
                                                       .about = about,
                                                       .echo = echo,
                                                       .may_keep = password});

    if (answer != NULL && password)
        e->learnt = true;
    else if (answer != NULL)
        e->anew = true;
    free(about);
    free(shown);
    return answer;
}

/* The answer to one prompt; NULL: there is none. */
static char *answer_to(struct exchange *e, const char *text, bool echo)
{
    bool person = auth_can_ask(e->a);

    /* Where no person can be asked, each prompt without echo is answered with the password. */
    if (!echo && e->has_password && (!person || (!e->used && password_prompt_is(text)))) {
        e->used = true;
        return login_take_password(e->a->h, e->which);
    }
    if (person)
        return ask_for_answer(e, text, echo);
    return e->has_password ? mem_strdup("") : NULL;
}

static bool answer_round(struct exchange *e)
{
    ssh_session handle = e->a->h->handle;
    int prompts = ssh_userauth_kbdint_getnprompts(handle);

    /* Without a person a password is given in one round only, so that a wrong one is not offered
     * over and over. */
    if (prompts > 0 && e->used && !auth_can_ask(e->a))
        return false;
    if (auth_can_ask(e->a)) {
        char *words = introduction(handle);
        if (*words != '\0')
            login_show_lines(e->a->h, words);
        free(words);
    }
    for (int i = 0; i < prompts; i++) {
        char echo = 0;
        const char *text = ssh_userauth_kbdint_getprompt(handle, (unsigned)i, &echo);
        char *answer = answer_to(e, text != NULL ? text : "", echo != 0);
        if (answer == NULL)
            return false;
        ssh_userauth_kbdint_setanswer(handle, (unsigned)i, answer);
        secret_free(answer);
        e->prompts++;
    }
    return true;
}

static int run_exchange(struct exchange *e)
{
    ssh_session handle = e->a->h->handle;
    int answer;
    int rounds = 0;

    auth_note_tried(e->a, "keyboard-interactive", NULL);
    answer = auth_answer(e->a, ssh_userauth_kbdint(handle, NULL, NULL));
    while (answer == SSH_AUTH_INFO) {
        if (++rounds > ROUNDS_MAX || !answer_round(e))
            return SSH_AUTH_DENIED;
        answer = auth_answer(e->a, ssh_userauth_kbdint(handle, NULL, NULL));
    }
    if (answer == SSH_AUTH_SUCCESS || answer == SSH_AUTH_PARTIAL) {
        if (e->learnt)
            auth_keep_answer(e->a);
        e->a->h->info.asks_anew = e->a->h->info.asks_anew || e->anew;
    }
    return answer;
}

/* With a password that the keeper has. */
static int exchange_with(struct authentication *a, enum login_password which)
{
    struct exchange e = {.a = a, .has_password = true, .which = which};
    int answer = auth_has_password(a, which) ? run_exchange(&e) : SSH_AUTH_DENIED;

    if (!auth_is_final(answer) && e.used)
        login_refused(a->h, which);
    return answer;
}

static int ask_in_exchanges(struct authentication *a)
{
    int answer = SSH_AUTH_DENIED;
    unsigned prompts = 1;

    /* (A server that denies without a question would do so again.) */
    for (unsigned i = 0; !auth_is_final(answer) && prompts > 0 && i < auth_prompts(a); i++) {
        if (!auth_can_ask(a))
            break;
        if (i > 0)
            show_try_again(a);
        struct exchange e = {.a = a};
        answer = run_exchange(&e);
        prompts = e.prompts;
        if (a->unanswered)
            break;
    }
    return answer;
}

int auth_try_interactive(struct authentication *a)
{
    int answer = exchange_with(a, LOGIN_PASSWORD_CONFIGURED);

    if (!auth_is_final(answer))
        answer = exchange_with(a, LOGIN_PASSWORD_KEPT);
    return auth_is_final(answer) || a->unanswered ? answer : ask_in_exchanges(a);
}
