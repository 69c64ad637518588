/* SRV records: c-ares asks, and libresolv reads the answer. (c-ares 1.18 reads no times to live.)
 */
#include "io/resolver_srv.h"

#include "base/log.h"
#include "base/mem.h"
#include "io/resolver_dns.h"

#include <arpa/nameser.h>
#include <stdlib.h>
#include <string.h>

/* Priority, weight and port (RFC 2782). */
#define SRV_FIXED_BYTES 6

/* It lives until both its caller and c-ares have done with it. */
struct srv_question {
    struct resolver *resolver;
    struct loop *loop;
    struct deadline deadline; /* until there is an answer */
    struct later later;
    bool asked;        /* c-ares has not called back yet */
    srv_done_fn *done; /* NULL: the caller was answered, or does not want an answer */
    void *arg;
    struct srv_answer answer;
    struct target *targets;
    char name[];
};

/* ---- messages */

/* False: it is malformed. */
static bool read_srv_record(const ns_msg *message, const ns_rr *record, struct target *target)
{
    const uint8_t *data = ns_rr_rdata(*record);
    int used;

    if (ns_rr_rdlen(*record) <= SRV_FIXED_BYTES)
        return false;
    target->priority = (uint16_t)ns_get16(data);
    target->weight = (uint16_t)ns_get16(data + 2);
    target->port = (uint16_t)ns_get16(data + 4);
    used = ns_name_uncompress(ns_msg_base(*message), ns_msg_end(*message), data + SRV_FIXED_BYTES,
                              target->name, sizeof(target->name));
    if (used != ns_rr_rdlen(*record) - SRV_FIXED_BYTES)
        return false;
    if (strcmp(target->name, ".") == 0)
        target->name[0] = '\0';
    return true;
}

int srv_read(const uint8_t *message, size_t length, struct target *targets, uint32_t *ttl)
{
    ns_msg parsed;
    ns_rr record;
    int count = 0;

    *ttl = UINT32_MAX;
    if (length > INT32_MAX || ns_initparse(message, (int)length, &parsed) != 0)
        return -1;
    for (int i = 0; i < ns_msg_count(parsed, ns_s_an); i++) {
        if (ns_parserr(&parsed, ns_s_an, i, &record) != 0)
            return -1;
        /* (Those of a CNAME on the way count, too.) */
        if ((uint32_t)ns_rr_ttl(record) < *ttl)
            *ttl = (uint32_t)ns_rr_ttl(record);
        if (ns_rr_type(record) != ns_t_srv || ns_rr_class(record) != ns_c_in)
            continue;
        if (count == SRV_RECORDS_MAX)
            break;
        if (!read_srv_record(&parsed, &record, &targets[count++]))
            return -1;
    }
    return count;
}

/* ---- questions */

static void srv_question_free(struct srv_question *question)
{
    free(question->targets);
    free(question);
}

static void give_srv_answer(struct later *later)
{
    struct srv_question *question = container_of(later, struct srv_question, later);
    srv_done_fn *done = question->done;
    void *arg = question->arg;
    struct srv_answer answer = question->answer;
    struct target *targets = question->targets;

    question->done = NULL;
    question->targets = NULL;
    if (!question->asked)
        srv_question_free(question);
    done(arg, &answer);
    free(targets);
}

/* Answers later in the turn, so that c-ares is not on the stack. */
static void srv_question_answer(struct srv_question *question, const struct srv_answer *answer)
{
    deadline_cancel(&question->deadline);
    question->answer = *answer;
    later_post(question->loop, &question->later, give_srv_answer);
}

static void srv_question_fail(struct srv_question *question, enum resolve_status status,
                              const char *error)
{
    srv_question_answer(question, &(struct srv_answer){.status = status, .error = error});
}

static void take_srv_reply(struct srv_question *question, const uint8_t *message, size_t length)
{
    struct target *targets = mem_zalloc(SRV_RECORDS_MAX * sizeof(*targets));
    uint32_t ttl;
    int count = srv_read(message, length, targets, &ttl);

    if (count > 0) {
        question->targets = targets;
        srv_question_answer(question, &(struct srv_answer){.status = RESOLVE_FOUND,
                                                           .targets = targets,
                                                           .count = (size_t)count,
                                                           .ttl = ttl});
        return;
    }
    free(targets);
    if (count < 0)
        srv_question_fail(question, RESOLVE_FAILED, "the DNS server's answer is malformed");
    else
        srv_question_fail(question, RESOLVE_NO_SUCH_NAME, "the name has no SRV record");
}

static void ask_srv(struct srv_question *question);

static void on_srv_reply(void *arg, int status, int timeouts, uint8_t *message, int length)
{
    struct srv_question *question = arg;

    (void)timeouts;
    question->asked = false;
    if (question->done == NULL) {
        srv_question_free(question);
        return;
    }
    if (question->deadline.queue == NULL)
        return; /* (it has timed out, and that answer is on its way) */
    if (status == ARES_EDESTRUCTION) {
        ask_srv(question); /* after a flush */
        return;
    }
    log_debug("resolve SRV %s: %s", question->name, ares_strerror(status));
    if (status == ARES_SUCCESS)
        take_srv_reply(question, message, (size_t)length);
    else if (status == ARES_ENOTFOUND)
        srv_question_fail(question, RESOLVE_NO_SUCH_NAME, "there is no such name");
    else if (status == ARES_ENODATA)
        srv_question_fail(question, RESOLVE_NO_SUCH_NAME, "the name has no SRV record");
    else
        srv_question_fail(question, RESOLVE_FAILED, ares_strerror(status));
}

static void ask_srv(struct srv_question *question)
{
    question->asked = true;
    dns_query(resolver_dns(question->resolver), question->name, ns_t_srv, on_srv_reply, question);
}

static void srv_question_expired(struct deadline *deadline)
{
    srv_question_fail(container_of(deadline, struct srv_question, deadline), RESOLVE_FAILED,
                      ares_strerror(ARES_ETIMEOUT));
}

struct srv_question *resolver_srv(struct resolver *resolver, const char *name, srv_done_fn *done,
                                  void *arg)
{
    size_t size = strlen(name) + 1;
    struct srv_question *question = mem_zalloc(sizeof(*question) + size);

    question->resolver = resolver;
    question->loop = resolver_loop(resolver);
    question->done = done;
    question->arg = arg;
    memcpy(question->name, name, size);
    deadline_arm(question->loop, &question->deadline, resolver_timeout_ms(resolver),
                 srv_question_expired);
    ask_srv(question);
    return question;
}

void srv_question_cancel(struct srv_question *question)
{
    if (question == NULL)
        return;
    deadline_cancel(&question->deadline);
    later_cancel(question->loop, &question->later);
    question->done = NULL;
    if (!question->asked)
        srv_question_free(question);
}
