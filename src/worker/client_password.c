/* Passwords: crypt(3) takes its time by design, so that they are checked on libuv's threads, few at
 * a time, and in turn by source: of those that wait, the next is one of the source that had its
 * turn longest ago. */
#include "worker/client_parts.h"

#include "base/mem.h"
#include "wire/socks5.h"

#include <string.h>

/* How many one worker has checked at a time. (All workers share libuv's threads with look-ups.) */
#define CHECKS_MAX 2

struct password_check {
    uv_work_t work;
    TAILQ_ENTRY(password_check) link; /* worker->checks, while it waits */
    struct worker *worker;
    uint64_t source; /* a hash of it */
    bool waits;
    struct client *client; /* NULL: it has gone */
    struct generation *generation;
    const struct users *users;
    struct wire_credentials credentials;
    bool accepted;
};

/* Credentials that one users file accepts are nothing to another. */
static uint64_t users_tag(const struct client *c)
{
    return c->generation->serial << 16 | (uint64_t)(c->listen - c->generation->config->listens);
}

/* The password was right: the client is told where its protocol has a message for it. */
static void accept_password(struct client *c)
{
    struct client_reading *reading = &c->request->reading;
    uint8_t reply[2];

    c->wish.user = mem_strdup(reading->credentials.user);
    explicit_bzero(&reading->credentials, sizeof(reading->credentials));
    if (c->wish.protocol == WIRE_HTTP)
        return;
    reading->wants_password = false;
    endpoint_send(c->endpoint, reply, socks5_password_reply(true, reply));
}

static void check_password(uv_work_t *work)
{
    struct password_check *check = container_of(work, struct password_check, work);

    check->accepted =
        users_verify(check->users, check->credentials.user, check->credentials.password);
}

/* Turns. */

/* The turn of the source, or the one that is the longest ago, of another source. */
static struct check_turn *turn_of(struct worker *worker, uint64_t source)
{
    struct check_turn *oldest = &worker->turns[0];

    for (size_t i = 0; i < CHECK_TURNS; i++) {
        struct check_turn *turn = &worker->turns[i];
        if (turn->at != 0 && turn->source == source)
            return turn;
        if (turn->at < oldest->at)
            oldest = turn;
    }
    return oldest;
}

/* When the source had its turn; 0: not lately. */
static uint64_t turn_at(struct worker *worker, uint64_t source)
{
    const struct check_turn *turn = turn_of(worker, source);

    return turn->source == source ? turn->at : 0;
}

/* The first of the source whose turn was the longest ago. */
static struct password_check *next_check(struct worker *worker)
{
    struct password_check *check, *best = TAILQ_FIRST(&worker->checks);

    TAILQ_FOREACH (check, &worker->checks, link)
        if (turn_at(worker, check->source) < turn_at(worker, best->source))
            best = check;
    return best;
}

static void on_password_checked(uv_work_t *work, int status);

static void start_checks(struct worker *worker)
{
    while (worker->checking < CHECKS_MAX && !TAILQ_EMPTY(&worker->checks)) {
        struct password_check *check = next_check(worker);
        *turn_of(worker, check->source) =
            (struct check_turn){.source = check->source, .at = ++worker->turn};
        TAILQ_REMOVE(&worker->checks, check, link);
        check->waits = false;
        worker->checking++;
        uv_queue_work(loop_uv(worker->loop), &check->work, check_password, on_password_checked);
    }
}

static void free_check(struct password_check *check)
{
    generation_unref(check->generation);
    mem_free_secret(check, sizeof(*check));
}

static void on_password_checked(uv_work_t *work, int status)
{
    struct password_check *check = container_of(work, struct password_check, work);
    struct client *c = check->client;
    bool accepted = status == 0 && check->accepted &&
                    (c == NULL || config_listen_admits(c->generation->config, c->listen,
                                                       check->credentials.user));

    if (c != NULL) {
        c->check = NULL;
        if (accepted)
            credential_cache_add(c->worker->credentials, users_tag(c), check->credentials.user,
                                 check->credentials.password, loop_now(c->worker->loop));
    }
    if (c != NULL && !accepted)
        c->wish.tried = mem_strdup(check->credentials.user);
    check->worker->checking--;
    start_checks(check->worker);
    free_check(check);
    if (c == NULL)
        return;
    if (accepted) {
        accept_password(c);
        client_event(c, CLIENT_CHECKED, NULL);
    } else {
        client_refuse(c, OUTCOME_AUTHENTICATION, NULL);
    }
}

void client_forget_check(struct client *c)
{
    if (c->check == NULL)
        return;
    c->check->client = NULL;
    if (c->check->waits) {
        TAILQ_REMOVE(&c->worker->checks, c->check, link);
        free_check(c->check);
    } else {
        uv_cancel((uv_req_t *)&c->check->work); /* if it has not begun yet */
    }
    c->check = NULL;
}

bool client_password_is_known(const struct client *c, const struct wire_credentials *given)
{
    return credential_cache_has(c->worker->credentials, users_tag(c), given->user, given->password,
                                loop_now(c->worker->loop));
}

enum client_event client_check(struct client *c)
{
    const struct wire_credentials *given = &c->request->reading.credentials;
    struct password_check *check;

    if (!client_may_ask(c))
        return client_refuse_limited(c);
    if (client_password_is_known(c, given)) {
        accept_password(c);
        return CLIENT_CHECKED;
    }
    check = mem_zalloc(sizeof(*check));
    check->client = c;
    check->generation = generation_ref(c->generation); /* the users lie in it */
    check->users = c->listen->users;
    check->credentials = *given;
    check->worker = c->worker;
    check->source = client_source_hash(c);
    check->waits = true;
    c->check = check;
    TAILQ_INSERT_TAIL(&c->worker->checks, check, link);
    start_checks(c->worker);
    return CLIENT_NOTHING;
}
