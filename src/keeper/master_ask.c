/* What ssh(1) asks during a login: answered from the files of the configuration, from what a person
 * has answered before, or by asking (keeper/ask.h), on a thread for each question. */
#include "base/log.h"
#include "base/mem.h"
#include "base/secrets.h"
#include "base/visible.h"
#include "io/packets.h"
#include "io/socket_calls.h"
#include "io/whole.h"
#include "keeper/ask.h"
#include "keeper/master_askpass.h"
#include "keeper/master_parts.h"
#include "policy/password_prompt.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROMPT_MS 10000 /* for the prompt, which comes at once */

/* ssh asks one thing at a time; but the next question may come before the end of the last is known
 * here. */
#define ASKING_MAX 4

/* What a prompt asks for: ssh has these forms for its own questions, and puts "(user@host) " before
 * those of a server. */
enum prompt_kind {
    PROMPT_PASSPHRASE,
    PROMPT_PASSWORD,
    PROMPT_SERVER_PASSWORD, /* keyboard-interactive: the password proper */
    PROMPT_SERVER,          /* and another one, whose answer may be another one the next time */
    PROMPT_HOST_KEY,
    PROMPT_OTHER,
    PROMPT_NOTE
};

struct master_question {
    LIST_ENTRY(master_question) link;
    struct message message;
    struct keeper_master *master; /* NULL: it has ended, or is up */
    struct mailbox *mailbox;      /* of the main thread */
    struct config *config;        /* a reference */
    const struct config_upstream *upstream;
    char *host;
    char *asked[2];
    int fd;      /* to the askpass program */
    int ends[2]; /* the first is the asker's line; the other is shut down to end the question */
    pthread_t thread;
    bool joined;
    struct asker asker;
    /* What the thread has found. */
    enum prompt_kind kind;
    char *prompt;
    char *answer;
    bool by_person;
};

/* The thread. */

static bool prompt_begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool prompt_ends(const char *text, const char *with)
{
    size_t length = strlen(text), end = strlen(with);

    return length >= end && strcmp(text + length - end, with) == 0;
}

/* "(user@host) " and the server's own words. */
static enum prompt_kind server_prompt_kind(const char *prompt)
{
    const char *words = strstr(prompt, ") ");

    return words != NULL && password_prompt_is(words + 2) ? PROMPT_SERVER_PASSWORD : PROMPT_SERVER;
}

static enum prompt_kind prompt_kind_of(const char *hint, const char *prompt)
{
    if (strcmp(hint, "none") == 0)
        return PROMPT_NOTE;
    if (prompt_begins(prompt, "("))
        return server_prompt_kind(prompt);
    if (strstr(prompt, "(yes/no") != NULL)
        return PROMPT_HOST_KEY;
    if (prompt_begins(prompt, "Enter passphrase for "))
        return PROMPT_PASSPHRASE;
    return prompt_ends(prompt, "'s password: ") ? PROMPT_PASSWORD : PROMPT_OTHER;
}

/* Reads "HINT\nPROMPT". False: there is none. */
static bool read_prompt(struct master_question *q)
{
    const struct wait_limit limit = wait_limit(q->ends[0], PROMPT_MS);
    struct buffer text = {0};
    char *all, *line;

    while (buffer_length(&text) <= MASTER_PROMPT_MAX && receive_some(q->fd, &text, &limit) == 0)
        continue;
    buffer_append(&text, "", 1);
    all = mem_strdup((const char *)buffer_data(&text));
    buffer_clear(&text);
    line = strchr(all, '\n');
    if (line != NULL) {
        *line = '\0';
        q->prompt = text_lines(line + 1);
        q->kind = prompt_kind_of(all, q->prompt);
    }
    free(all);
    return q->prompt != NULL;
}

static char *memory_of_prompt(const struct config_upstream *upstream, const char *prompt)
{
    return mem_printf("ssh of upstream %s: %s", upstream->name, prompt);
}

static bool was_asked(const struct master_question *q)
{
    for (size_t i = 0; i < 2; i++)
        if (q->asked[i] != NULL && strcmp(q->asked[i], q->prompt) == 0)
            return true;
    return false;
}

/* Whether another prompt of the server's was answered so: it may want a new password now. */
static bool has_answered_server(const struct master_question *q)
{
    for (size_t i = 0; i < 2; i++)
        if (q->asked[i] != NULL && prompt_begins(q->asked[i], "(") &&
            strcmp(q->asked[i], q->prompt) != 0)
            return true;
    return false;
}

static const char *file_for_prompt(const struct master_question *q)
{
    switch (q->kind) {
    case PROMPT_PASSPHRASE: return q->upstream->passphrase_file;
    case PROMPT_PASSWORD:
    case PROMPT_SERVER_PASSWORD:
    case PROMPT_SERVER: return q->upstream->password_file;
    case PROMPT_HOST_KEY:
    case PROMPT_OTHER:
    case PROMPT_NOTE: break;
    }
    return NULL;
}

/* What a file has, or a person has answered at an earlier login; a prompt that comes once more in
 * the same login was not answered rightly. */
static char *find_known_answer(const struct master_question *q)
{
    const char *path = file_for_prompt(q);
    char *memory = memory_of_prompt(q->upstream, q->prompt);
    char *answer = path != NULL ? file_first_line(path) : secrets_get(memory);

    if (path != NULL && answer == NULL)
        log_warning("upstream %s: %s cannot be read, or is empty", q->upstream->name, path);
    if (answer != NULL && was_asked(q)) {
        if (path == NULL)
            secrets_drop(memory, answer);
        secret_free(answer);
        answer = NULL;
    }
    free(memory);
    return answer;
}

/* A touch that is waited for, and the like: shown until ssh ends its askpass program. */
static void show_note(struct master_question *q)
{
    char *line = mem_printf("%s\n", q->prompt);
    const struct wait_limit limit = wait_limit(q->ends[0], -1);

    log_info("upstream %s: ssh: %s", q->upstream->name, q->prompt);
    ask_show(&q->asker, line);
    free(line);
    wait_for(q->fd, POLLHUP, &limit);
}

static void find_answer(struct master_question *q)
{
    if (q->kind != PROMPT_SERVER && (q->kind != PROMPT_SERVER_PASSWORD || !has_answered_server(q)))
        q->answer = find_known_answer(q);
    if (q->answer != NULL)
        return;
    if (!ask_begin(&q->asker)) {
        /* (Without a person a password file answers whatever the server asks.) */
        if (q->kind == PROMPT_SERVER && !has_answered_server(q))
            q->answer = find_known_answer(q);
        if (q->asker.missing != NULL && q->answer == NULL)
            log_info("upstream %s: ssh asks '%s', and nobody can be asked: %s", q->upstream->name,
                     q->prompt, q->asker.missing);
        return;
    }
    /* (ssh does not say which answers may be seen: only this question of its own has one.) */
    q->answer = ask_prompt(&q->asker, q->prompt, q->kind == PROMPT_HOST_KEY);
    q->by_person = q->answer != NULL;
    ask_end(&q->asker);
}

static void *question_thread(void *arg)
{
    struct master_question *q = arg;
    const struct wait_limit limit = wait_limit(q->ends[0], PROMPT_MS);

    if (read_prompt(q)) {
        if (q->kind == PROMPT_NOTE)
            show_note(q);
        else
            find_answer(q);
    }
    if (q->answer != NULL && send_whole(q->fd, q->answer, strlen(q->answer), &limit) == 0)
        send_whole(q->fd, "\n", 1, &limit);
    socket_shutdown(q->fd);
    mailbox_post(q->mailbox, &q->message);
    return NULL;
}

/* The main thread. */

static void question_join(struct master_question *q)
{
    if (!q->joined)
        pthread_join(q->thread, NULL);
    q->joined = true;
}

static void question_free(struct master_question *q)
{
    LIST_REMOVE(q, link);
    for (size_t i = 0; i < 2; i++) {
        close(q->ends[i]);
        free(q->asked[i]);
    }
    close(q->fd);
    config_unref(q->config);
    free(q->host);
    free(q->prompt);
    secret_free(q->answer);
    free(q);
}

static void note_asked(struct keeper_master *m, const char *prompt)
{
    free(m->asked[0]);
    m->asked[0] = m->asked[1];
    m->asked[1] = mem_strdup(prompt);
}

static void forget_learnt(struct learnt_answer *learnt)
{
    free(learnt->prompt);
    secret_free(learnt->answer);
    *learnt = (struct learnt_answer){0};
}

/* (What is asked about a host key has the key's fingerprint: ssh asks the same again where it
 * cannot write its known_hosts file.) */
static void learn(struct keeper_master *m, const struct master_question *q)
{
    struct learnt_answer *learnt = &m->learnt[q->kind == PROMPT_HOST_KEY];

    if (q->kind == PROMPT_SERVER || q->kind == PROMPT_OTHER || q->kind == PROMPT_NOTE) {
        m->asked_anew |= q->kind == PROMPT_SERVER;
        return;
    }
    forget_learnt(learnt);
    *learnt = (struct learnt_answer){mem_strdup(q->prompt), mem_strdup(q->answer)};
}

static void on_question_ended(struct message *message, void *owner)
{
    struct master_question *q = container_of(message, struct master_question, message);
    struct keeper_master *m = q->master;

    (void)owner;
    question_join(q);
    if (m != NULL && q->answer != NULL) {
        if (q->by_person)
            learn(m, q);
        else
            note_asked(m, q->prompt);
    }
    question_free(q);
    if (m != NULL && --m->asking == 0 && m->events != NULL)
        m->events->asks(m->arg, false);
}

static void on_question_dropped(struct message *message)
{
    struct master_question *q = container_of(message, struct master_question, message);

    question_join(q);
    question_free(q);
}

/* (Signals are the main thread's.) */
static bool start_question(struct master_question *q)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    error = pthread_create(&q->thread, NULL, question_thread, q);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error == 0;
}

void master_ask(struct keeper_master *m, int fd)
{
    struct master_question *q;
    int ends[2];

    if (m->up || m->asking >= ASKING_MAX || !packet_pair(ends)) {
        close(fd);
        return;
    }
    q = mem_zalloc(sizeof(*q));
    *q = (struct master_question){
        .message = {.run = on_question_ended, .drop = on_question_dropped},
        .master = m,
        .mailbox = m->masters->keeper->mailbox,
        .config = config_ref(m->config),
        .upstream = m->upstream,
        .host = mem_strdup(m->host),
        .asked = {mem_strdup(m->asked[0]), mem_strdup(m->asked[1])},
        .fd = fd,
        .ends = {ends[0], ends[1]},
        .asker = {.upstream = m->upstream->name,
                  .askpass = m->upstream->askpass,
                  .batch_mode = m->upstream->batch_mode,
                  .may_ask = m->masters->keeper->options->may_ask,
                  .line = ends[0]},
    };
    q->asker.host = q->host;
    LIST_INSERT_HEAD(&m->masters->questions, q, link);
    if (!start_question(q)) {
        question_free(q);
        return;
    }
    m->asking++;
    m->events->asks(m->arg, true);
}

void master_keep_answers(struct keeper_master *m)
{
    for (size_t i = 0; i < 2; i++) {
        char *memory;
        if (m->learnt[i].answer == NULL)
            continue;
        memory = memory_of_prompt(m->upstream, m->learnt[i].prompt);
        secrets_keep(memory, m->learnt[i].answer);
        free(memory);
    }
}

void master_questions_end(struct keeper_master *m)
{
    struct master_question *q;

    LIST_FOREACH (q, &m->masters->questions, link)
        if (q->master == m) {
            q->master = NULL;
            socket_shutdown(q->ends[1]);
        }
    m->asking = 0;
    for (size_t i = 0; i < 2; i++) {
        free(m->asked[i]);
        m->asked[i] = NULL;
        forget_learnt(&m->learnt[i]);
    }
}

void master_questions_join(const struct keeper_masters *all)
{
    struct master_question *q;

    LIST_FOREACH (q, &all->questions, link)
        question_join(q);
}
