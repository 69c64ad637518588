/* A thread for each connection to an agent. */
#include "keeper/agent_filter.h"

#include "base/mem.h"
#include "io/agent_connection.h"
#include "io/socket_calls.h"
#include "wire/agent_messages.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a gateway sends is far less: a request with a certificate in it twice. */
#define REQUEST_MAX ((size_t)64 * 1024)

struct agent_filter {
    int gateway;
    int agent;
    bool shows_all;
    struct quota *quota;
    struct buffer only; /* unless it shows all: a public half; no bytes: of no key */
};

static bool is_shown(const struct agent_filter *f, struct span key)
{
    struct span only = span_of_buffer(&f->only);

    return f->shows_all || (only.length > 0 && key.length == only.length &&
                            memcmp(key.bytes, only.bytes, key.length) == 0);
}

static bool is_passed(const struct agent_filter *f, enum agent_request_kind kind, struct span key)
{
    switch (kind) {
    case AGENT_ASKS_KEYS:
    case AGENT_BINDS_SESSION: return true;
    case AGENT_ASKS_SIGNATURE: return is_shown(f, key);
    case AGENT_ASKS_OTHER: break;
    }
    return false;
}

static bool refuse_request(const struct agent_filter *f, const struct wait_limit *limit)
{
    static const uint8_t failure = AGENT_FAILURE;

    return agent_send(f->gateway, limit, (struct span){&failure, 1});
}

/* Sends the agent's answer on, of keys only the one that is to be seen. */
static bool pass_answer(const struct agent_filter *f, enum agent_request_kind kind,
                        struct span answer, const struct wait_limit *limit)
{
    struct buffer changed = {0};
    bool sent;

    if (kind != AGENT_ASKS_KEYS || f->shows_all)
        return agent_send(f->gateway, limit, answer);
    sent = agent_keys_answer_one(answer, span_of_buffer(&f->only), &changed)
               ? agent_send(f->gateway, limit, span_of_buffer(&changed))
               : refuse_request(f, limit);
    buffer_clear(&changed);
    return sent;
}

/* One request and its answer. False: one side has ended. */
static bool pass_one(const struct agent_filter *f, struct buffer *message)
{
    /* (The gateway's end is what ends a wait for the agent, which may ask its user.) */
    struct wait_limit of_gateway = wait_limit(f->gateway, -1);
    struct wait_limit none = wait_limit(-1, -1);
    enum agent_request_kind kind;
    struct span key;

    if (!agent_receive(f->gateway, &none, REQUEST_MAX, message))
        return false;
    kind = agent_request_kind(span_of_buffer(message), &key);
    if (!is_passed(f, kind, key))
        return refuse_request(f, &none);
    return agent_send(f->agent, &of_gateway, span_of_buffer(message)) &&
           agent_receive(f->agent, &of_gateway, AGENT_MESSAGE_MAX, message) &&
           pass_answer(f, kind, span_of_buffer(message), &none);
}

static void filter_free(struct agent_filter *f)
{
    close(f->gateway);
    close(f->agent);
    buffer_clear(&f->only);
    quota_give(f->quota);
    free(f);
}

static void *filter_thread(void *arg)
{
    struct agent_filter *f = arg;
    struct buffer message = {0};

    while (pass_one(f, &message))
        continue;
    buffer_clear(&message);
    filter_free(f);
    return NULL;
}

static int start_filter(int agent, bool shows_all, struct span only, struct quota *quota)
{
    struct agent_filter *f;
    pthread_t thread;
    int ends[2];

    if (!quota_take(quota)) {
        close(agent);
        errno = EAGAIN;
        return -1;
    }
    if (!socket_pair(true, ends)) {
        int error = errno;
        quota_give(quota);
        close(agent);
        errno = error;
        return -1;
    }
    f = mem_zalloc(sizeof(*f));
    *f = (struct agent_filter){
        .gateway = ends[0], .agent = agent, .shows_all = shows_all, .quota = quota};
    buffer_append(&f->only, only.bytes, only.length);
    if (pthread_create(&thread, NULL, filter_thread, f) == 0) {
        pthread_detach(thread);
        return ends[1];
    }
    filter_free(f);
    close(ends[1]);
    errno = EAGAIN;
    return -1;
}

int agent_filter_start(int agent, struct span only, struct quota *quota)
{
    return start_filter(agent, false, only, quota);
}

int agent_filter_start_all(int agent, struct quota *quota)
{
    return start_filter(agent, true, (struct span){0}, quota);
}
