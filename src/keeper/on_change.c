/* The states of upstreams and forwards, and the runs of the program. */
#include "keeper/on_change.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/visible.h"
#include "conf/known_hosts_command.h"
#include "io/environment.h"
#include "io/own_program.h"
#include "io/spawn.h"
#include "keeper/keeper_parts.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A program that runs longer than this is killed. */
#define RUN_MS 30000

/* From the end of a run to the next: what a gateway tells must not keep this machine busy. */
#define PAUSE_MS 100

/* Of a reason, in bytes. */
#define REASON_MAX 500

enum change_state { CHANGE_UNKNOWN, CHANGE_DOWN, CHANGE_UP, CHANGE_STATES };

/* An upstream, or a remote forward. */
struct change_subject {
    TAILQ_ENTRY(change_subject) link; /* those that wait the longest are first */
    char *upstream;
    char *forward; /* "": it is the upstream itself */
    enum change_state reported;
    enum change_state state;
    char *reason; /* of the state */
    bool waits;   /* the program has still to be run for the state */
};

struct on_change {
    struct keeper *keeper;
    TAILQ_HEAD(change_subjects, change_subject) subjects;
    struct proxy_command *program; /* that runs; NULL: none */
    pid_t pid;                     /* the leader of its group of processes */
    char *about;                   /* "upstream-down of office", for the log */
    struct deadline patience;      /* with the program; or the pause */
};

struct on_change *on_change_new(struct keeper *k)
{
    struct on_change *c = mem_zalloc(sizeof(*c));

    c->keeper = k;
    TAILQ_INIT(&c->subjects);
    return c;
}

static void subject_free(struct on_change *c, struct change_subject *s)
{
    TAILQ_REMOVE(&c->subjects, s, link);
    free(s->upstream);
    free(s->forward);
    free(s->reason);
    free(s);
}

static struct change_subject *subject_of(struct on_change *c, const char *upstream,
                                         const char *forward)
{
    struct change_subject *s;

    TAILQ_FOREACH (s, &c->subjects, link)
        if (strcmp(s->upstream, upstream) == 0 && strcmp(s->forward, forward) == 0)
            return s;
    s = mem_zalloc(sizeof(*s));
    s->upstream = mem_strdup(upstream);
    s->forward = mem_strdup(forward);
    s->reason = mem_strdup("");
    TAILQ_INSERT_TAIL(&c->subjects, s, link);
    return s;
}

static bool is_configured(const struct config *config, const char *upstream, const char *forward)
{
    const struct config_forward *found = config_forward(config, forward);

    return config_upstream(config, upstream) != NULL &&
           (forward[0] == '\0' || (found != NULL && strcmp(found->via, upstream) == 0));
}

/* Forgets what the configuration does not have any more. */
static void forget_old(struct on_change *c, const struct config *config)
{
    struct change_subject *s = TAILQ_FIRST(&c->subjects);

    while (s != NULL) {
        struct change_subject *next = TAILQ_NEXT(s, link);
        if (!is_configured(config, s->upstream, s->forward))
            subject_free(c, s);
        s = next;
    }
}

/* Running the program. */

static void run_next(struct on_change *c);

static void on_change_pause_over(struct deadline *patience)
{
    run_next(container_of(patience, struct on_change, patience));
}

static void program_ended(struct on_change *c)
{
    c->program = NULL;
    free(c->about);
    c->about = NULL;
    deadline_arm(c->keeper->loop, &c->patience, PAUSE_MS, on_change_pause_over);
}

static void on_program_exited(void *arg, int status, int number)
{
    struct on_change *c = arg;

    if (number != 0)
        log_warning("on_change, told of %s, was killed by signal %d (%s)", c->about, number,
                    strsignal(number));
    else if (status != 0)
        log_warning("on_change, told of %s, exited with status %d", c->about, status);
    program_ended(c);
}

static void on_program_overdue(struct deadline *patience)
{
    struct on_change *c = container_of(patience, struct on_change, patience);

    log_warning("on_change, told of %s, has not ended after %d s: it is killed", c->about,
                RUN_MS / 1000);
    kill(-c->pid, SIGKILL);
}

/* (proxy_commands waits for the process.) */
static void watch_program(struct on_change *c, pid_t pid)
{
    c->pid = pid;
    c->program = proxy_command_adopt(c->keeper->commands, pid, on_program_exited, c);
    if (c->program != NULL) {
        deadline_arm(c->keeper->loop, &c->patience, RUN_MS, on_program_overdue);
        return;
    }
    log_warning("on_change cannot be waited for: %s", strerror(errno));
    kill(-pid, SIGKILL);
    own_program_reap(pid);
    program_ended(c);
}

static const char *change_event_name(const struct change_subject *s)
{
    bool up = s->state == CHANGE_UP;

    return s->forward[0] == '\0' ? (up ? "upstream-up" : "upstream-down")
                                 : (up ? "forward-up" : "forward-down");
}

#define VARIABLES 5

/* 0 or an errno. */
static int start_change_program(const struct on_change *c, const struct change_subject *s,
                                pid_t *pid)
{
    char **words = command_words_split(c->keeper->config->gateway.on_change);
    char *ours[VARIABLES] = {
        mem_printf("ADIT_EVENT=%s", change_event_name(s)),
        mem_printf("ADIT_UPSTREAM=%s", s->upstream),
        mem_printf("ADIT_FORWARD=%s", s->forward),
        mem_printf("ADIT_REASON=%s", s->reason),
        mem_printf("ADIT_PID=%lld", (long long)getpid()),
    };
    const char **environment = environment_with((const char *const *)ours, VARIABLES);
    int error = spawn_start(
        &(struct spawn_request){
            .arguments = (const char *const *)words,
            .environment = (char *const *)environment,
            .fds = {-1, STDERR_FILENO, STDERR_FILENO},
            .own_group = true,
        },
        pid);

    for (size_t i = 0; i < VARIABLES; i++)
        free(ours[i]);
    free(environment);
    command_words_free(words);
    return error;
}

static void run_on_change(struct on_change *c, struct change_subject *s)
{
    pid_t pid;
    int error;

    c->about = mem_printf("%s of %s", change_event_name(s),
                          s->forward[0] != '\0' ? s->forward : s->upstream);
    log_debug("on_change is told of %s", c->about);
    error = start_change_program(c, s, &pid);
    if (error == 0) {
        watch_program(c, pid);
        return;
    }
    log_warning("on_change, %s, cannot be run: %s", c->keeper->config->gateway.on_change,
                strerror(error));
    program_ended(c);
}

/* Tells of the first change that waits and still is one. */
static void run_next(struct on_change *c)
{
    struct change_subject *s;

    if (c->program != NULL || c->patience.queue != NULL || c->keeper->ending)
        return;
    TAILQ_FOREACH (s, &c->subjects, link) {
        bool tells = s->waits && s->state != s->reported;
        s->waits = false;
        s->reported = s->state;
        if (tells && c->keeper->config->gateway.on_change != NULL) {
            run_on_change(c, s);
            return;
        }
    }
}

/* What has changed. */

static void note_change(struct on_change *c, struct change_subject *s, enum change_state state,
                        const char *reason)
{
    s->state = state;
    free(s->reason);
    s->reason = mem_strndup(reason, strnlen(reason, REASON_MAX));
    text_mark_invisible(s->reason, ' ');
    if (!s->waits) {
        TAILQ_REMOVE(&c->subjects, s, link);
        TAILQ_INSERT_TAIL(&c->subjects, s, link);
    }
    s->waits = true;
}

static char *next_change_text(struct keeper_message *message)
{
    struct span text = keeper_message_text(message);

    return mem_strndup((const char *)text.bytes, text.length);
}

bool on_change_event(struct on_change *c, const struct config *config,
                     struct keeper_message *message)
{
    uint32_t event = message->numbers[0];
    bool of_forward = event == KEEPER_EVENT_FORWARD_UP || event == KEEPER_EVENT_FORWARD_DOWN;
    bool up = event == KEEPER_EVENT_UPSTREAM_UP || event == KEEPER_EVENT_FORWARD_UP;
    char *upstream = next_change_text(message);
    char *forward = next_change_text(message);
    char *reason = next_change_text(message);
    bool good = event < KEEPER_EVENTS && of_forward == (forward[0] != '\0');

    if (good && is_configured(config, upstream, forward)) {
        forget_old(c, config);
        note_change(c, subject_of(c, upstream, forward), up ? CHANGE_UP : CHANGE_DOWN, reason);
        run_next(c);
    }
    free(reason);
    free(forward);
    free(upstream);
    return good;
}

void on_change_gateway_died(struct on_change *c, const char *reason)
{
    struct change_subject *s, *last = TAILQ_LAST(&c->subjects, change_subjects);
    bool more = last != NULL;

    /* (Each that is noted goes to the end.) */
    while (more) {
        s = TAILQ_FIRST(&c->subjects);
        more = s != last;
        TAILQ_REMOVE(&c->subjects, s, link);
        TAILQ_INSERT_TAIL(&c->subjects, s, link);
        if (s->state == CHANGE_UP)
            note_change(c, s, CHANGE_DOWN, reason);
    }
    run_next(c);
}

/* An upgrade. */

void on_change_save(const struct on_change *c, struct buffer *out)
{
    const struct change_subject *s;

    TAILQ_FOREACH (s, &c->subjects, link) {
        buffer_append(out, "change", 6);
        word_add_number(out, s->reported);
        word_add_number(out, s->state);
        word_add_number(out, s->waits);
        word_add(out, s->upstream);
        word_add(out, s->forward);
        word_add(out, s->reason);
        buffer_append(out, "\n", 1);
    }
    if (c->program == NULL)
        return;
    buffer_append(out, "change-program", 14);
    word_add_number(out, (uint64_t)c->pid);
    word_add(out, c->about);
    buffer_append(out, "\n", 1);
}

bool on_change_restore(struct on_change *c, struct word_reader *words)
{
    uint64_t reported, state, waits;
    char *texts[3] = {NULL};
    struct change_subject *s;
    bool ok = word_next_number(words, CHANGE_STATES - 1, &reported) &&
              word_next_number(words, CHANGE_STATES - 1, &state) &&
              word_next_number(words, 1, &waits);

    for (size_t i = 0; ok && i < 3; i++)
        ok = (texts[i] = word_next(words)) != NULL;
    if (ok) {
        s = subject_of(c, texts[0], texts[1]);
        note_change(c, s, (enum change_state)state, texts[2]);
        s->reported = (enum change_state)reported;
        s->waits = waits != 0;
    }
    for (size_t i = 0; i < 3; i++)
        free(texts[i]);
    if (c->program == NULL && c->patience.queue == NULL)
        deadline_arm(c->keeper->loop, &c->patience, PAUSE_MS, on_change_pause_over);
    return ok;
}

bool on_change_restore_program(struct on_change *c, struct word_reader *words)
{
    uint64_t pid;

    if (!word_next_number(words, INT_MAX, &pid) || (c->about = word_next(words)) == NULL)
        return false;
    deadline_cancel(&c->patience);
    watch_program(c, (pid_t)pid);
    return true;
}

void on_change_free(struct on_change *c)
{
    if (c == NULL)
        return;
    deadline_cancel(&c->patience);
    if (c->program != NULL) {
        kill(-c->pid, SIGTERM);
        proxy_command_leave(c->program);
    }
    while (!TAILQ_EMPTY(&c->subjects))
        subject_free(c, TAILQ_FIRST(&c->subjects));
    free(c->about);
    free(c);
}
