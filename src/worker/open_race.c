/* Attempts to open one channel. */
#include "worker/open_race.h"

#include "base/mem.h"
#include "base/probe.h"

#include <assert.h>
#include <stdlib.h>

static unsigned count_running(const struct open_race *race)
{
    unsigned running = 0;

    for (unsigned i = 0; i < OPEN_RACE_ATTEMPTS; i++)
        running += race->attempts[i].open != NULL;
    return running;
}

static unsigned number_of(const struct open_attempt *attempt)
{
    return (unsigned)(attempt - attempt->race->attempts);
}

static void forget_failure(struct open_race *race)
{
    free(race->failure_text);
    race->failure_text = NULL;
}

void open_race_begin(struct open_race *race, const struct open_race_events *events, void *arg)
{
    assert(count_running(race) == 0 && "one race at a time");
    race->events = events;
    race->arg = arg;
}

static void attempt_opened(struct open_attempt *attempt, struct endpoint *channel)
{
    struct open_race *race = attempt->race;

    open_race_cancel(race);
    race->events->opened(race->arg, number_of(attempt), channel);
}

/* Whether the failure that is kept is a server's word, which says more than a lost session. */
static bool has_answer(const struct open_race *race)
{
    return race->failure_text != NULL && !race->failure.lost;
}

/* Keeps the failure while another attempt is under way. */
static void keep_failure(struct open_race *race, const struct open_failure *failure)
{
    if (failure->lost && has_answer(race))
        return;
    forget_failure(race);
    race->failure = *failure;
    race->failure_text = mem_strdup(failure->text != NULL ? failure->text : "");
    race->failure.text = race->failure_text;
}

static void attempt_failed(struct open_attempt *attempt, const struct open_failure *failure)
{
    struct open_race *race = attempt->race;
    bool tell_kept = failure->lost && has_answer(race);
    struct open_failure kept = race->failure;
    char *text = race->failure_text;

    if (count_running(race) > 0) {
        keep_failure(race, failure);
        if (race->events->failed != NULL)
            race->events->failed(race->arg, number_of(attempt));
        return;
    }
    race->failure_text = NULL;
    race->events->refused(race->arg, tell_kept ? &kept : failure);
    free(text);
}

static void on_attempt_answered(void *arg, struct endpoint *channel,
                                const struct open_failure *failure)
{
    struct open_attempt *attempt = arg;

    attempt->open = NULL;
    probe_channel_answer(attempt, channel != NULL, channel != NULL ? 0 : failure->reason);
    if (channel != NULL)
        attempt_opened(attempt, channel);
    else
        attempt_failed(attempt, failure);
}

/* Whether an attempt beside another one is fair to the session's server. */
static bool may_join(struct session *session)
{
    struct session_state state;

    session_state(session, &state);
    return state.abandoned < OPEN_RACE_ABANDONED;
}

static struct open_attempt *free_attempt(struct open_race *race)
{
    for (unsigned i = 0; i < OPEN_RACE_ATTEMPTS; i++)
        if (race->attempts[i].open == NULL)
            return &race->attempts[i];
    return NULL;
}

int open_race_start(struct open_race *race, struct session *session,
                    const struct race_target *target)
{
    struct open_attempt *attempt = free_attempt(race);

    if (attempt == NULL || (count_running(race) > 0 && !may_join(session)))
        return -1;
    attempt->race = race;
    probe_channel_ask(attempt, target->path != NULL ? target->path : target->tcp.host,
                      target->path != NULL ? 0 : target->tcp.port);
    if (target->shell != NULL)
        attempt->open = session_open_shell(session, target->shell, on_attempt_answered, attempt);
    else if (target->path != NULL)
        attempt->open = session_open_unix(session, target->path, on_attempt_answered, attempt);
    else
        attempt->open = session_open_tcp(session, &target->tcp, on_attempt_answered, attempt);
    return (int)number_of(attempt);
}

void open_race_abandon(struct open_race *race, unsigned attempt)
{
    assert(count_running(race) > 1 && race->attempts[attempt].open != NULL &&
           "one of several attempts that are under way");
    session_open_cancel(race->attempts[attempt].open);
    race->attempts[attempt].open = NULL;
}

bool open_race_has(const struct open_race *race, const struct session_open *open)
{
    for (unsigned i = 0; i < OPEN_RACE_ATTEMPTS; i++)
        if (open != NULL && race->attempts[i].open == open)
            return true;
    return false;
}

void open_race_cancel(struct open_race *race)
{
    for (unsigned i = 0; i < OPEN_RACE_ATTEMPTS; i++) {
        if (race->attempts[i].open != NULL)
            session_open_cancel(race->attempts[i].open);
        race->attempts[i].open = NULL;
    }
    forget_failure(race);
}
