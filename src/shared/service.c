/* Requests to the keeper, and its answers, by number. */
#include "shared/service.h"

#include "base/mem.h"
#include "io/packets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>

struct service_request {
    UT_hash_handle hh;
    struct service *service;
    uint32_t number;
    service_answered_fn *answered;
    void *arg;
    struct buffer packet; /* to ask again; empty once a command or a master runs */
    int passed;           /* the descriptor beside it, until it is sent; -1: none */
    int input;            /* of a command whose output has still to come; -1: none */
    struct later failed;  /* the line has ended */
};

struct service {
    struct loop *loop;
    struct packets *packets; /* NULL: the line has ended */
    struct service_request *requests;
    uint32_t last_number;
};

static void close_input(struct service_request *r)
{
    if (r->input >= 0)
        close(r->input);
    r->input = -1;
}

static void service_request_free(struct service_request *r)
{
    HASH_DEL(r->service->requests, r); /* NOLINT(clang-analyzer-unix.Malloc): not the tail yet */
    later_cancel(r->service->loop, &r->failed);
    close_input(r);
    if (r->passed >= 0)
        close(r->passed);
    buffer_wipe(&r->packet);
    free(r);
}

static void answer_and_free(struct service_request *r, struct service_answer *answer)
{
    service_answered_fn *answered = r->answered;
    void *arg = r->arg;

    service_request_free(r);
    answered(arg, answer);
}

/* The end of the line. */

static void on_request_failed(struct later *later)
{
    struct service_answer answer = {.kind = SERVICE_FAILED, .numbers = {EPIPE}, .fds = {-1, -1}};

    answer_and_free(container_of(later, struct service_request, failed), &answer);
}

/* (Later: an answer may lead to further requests, or free this service.) */
static void service_ended(void *arg)
{
    struct service *s = arg;
    struct service_request *r, *next;

    packets_free(s->packets);
    s->packets = NULL;
    HASH_ITER (hh, s->requests, r, next)
        later_post(s->loop, &r->failed, on_request_failed);
}

/* Requests. */

static void send_to_keeper(struct service_request *r)
{
    struct service *s = r->service;

    HASH_ADD(hh, s->requests, number, sizeof(r->number), r);
    if (s->packets == NULL || buffer_length(&r->packet) == 0) {
        later_post(s->loop, &r->failed, on_request_failed);
        return;
    }
    packets_send(s->packets, (struct span){buffer_data(&r->packet), buffer_length(&r->packet)},
                 r->passed);
    r->passed = -1;
}

struct service_request *service_ask(struct service *s, const struct service_question *question,
                                    service_answered_fn *answered, void *arg)
{
    struct service_request *r = mem_zalloc(sizeof(*r));
    uint32_t numbers[SERVICE_NUMBERS_MAX] = {++s->last_number};

    memcpy(numbers + 1, question->numbers, sizeof(question->numbers));
    *r = (struct service_request){
        .service = s,
        .number = numbers[0],
        .answered = answered,
        .arg = arg,
        .passed = question->passes ? question->fd : -1,
        .input = -1,
    };
    service_message_write(&r->packet, question->kind, numbers, question->texts);
    send_to_keeper(r);
    if (question->passes) /* (what was passed cannot be passed again) */
        buffer_wipe(&r->packet);
    return r;
}

static void give_up(struct service_request *r, enum service_kind kind)
{
    struct buffer packet = {0};

    if (r == NULL)
        return;
    if (r->service->packets != NULL) {
        service_message_write(&packet, kind, &r->number, NULL);
        packets_send(r->service->packets,
                     (struct span){buffer_data(&packet), buffer_length(&packet)}, -1);
        buffer_clear(&packet);
    }
    service_request_free(r);
}

void service_forget(struct service_request *r)
{
    give_up(r, SERVICE_FORGET);
}

void service_leave(struct service_request *r)
{
    give_up(r, SERVICE_LEAVE);
}

/* Asks again, by another number: the program that was the keeper before may have left a request in
 * the line, which the next one answers, too. */
static void renew_requests(struct service *s)
{
    struct service_request *r, *all = s->requests;

    s->requests = NULL;
    while ((r = all) != NULL) {
        HASH_DEL(all, r);
        close_input(r);
        if (buffer_length(&r->packet) == 0) { /* (a command or a master, which runs) */
            HASH_ADD(hh, s->requests, number, sizeof(r->number), r);
            continue;
        }
        r->number = ++s->last_number;
        service_message_renumber((uint8_t *)buffer_data(&r->packet), r->number);
        send_to_keeper(r);
    }
}

/* Answers. */

/* Takes what is no whole answer yet. */
static bool take_part(struct service_request *r, const struct service_message *message, int *fd)
{
    if (message->kind != SERVICE_INPUT)
        return false;
    close_input(r);
    r->input = *fd;
    *fd = -1;
    return true;
}

static void take_answer(struct service_request *r, const struct service_message *message, int *fd)
{
    struct service_answer answer = {.kind = message->kind,
                                    .numbers = {message->numbers[1], message->numbers[2]},
                                    .fds = {*fd, -1},
                                    .text = message->texts[0]};

    *fd = -1;
    if (message->kind == SERVICE_MASTER_ASKS || message->kind == SERVICE_MASTER_UP) {
        r->answered(r->arg, &answer);
        return;
    }
    if (message->kind != SERVICE_OUTPUT) {
        answer_and_free(r, &answer);
        return;
    }
    answer.fds[1] = answer.fds[0];
    answer.fds[0] = r->input;
    r->input = -1;
    buffer_wipe(&r->packet);
    r->answered(r->arg, &answer);
}

static void service_received(void *arg, struct span packet, int *fd)
{
    struct service *s = arg;
    struct service_message message;
    struct service_request *r;

    if (!service_message_parse(packet, *fd >= 0, false, &message)) {
        service_ended(s);
        return;
    }
    if (message.kind == SERVICE_RENEWED) {
        renew_requests(s);
        return;
    }
    HASH_FIND(hh, s->requests, &message.numbers[0], sizeof(message.numbers[0]), r);
    if (r != NULL && !take_part(r, &message, fd))
        take_answer(r, &message, fd);
}

/* Life. */

struct service *service_new(struct loop *loop, int end)
{
    struct service *s = mem_zalloc(sizeof(*s));

    s->loop = loop;
    if (end < 0)
        return s;
    s->packets = packets_new(loop, end,
                             &(struct packets_options){.max = SERVICE_PACKET_MAX,
                                                       .received = service_received,
                                                       .ended = service_ended,
                                                       .arg = s});
    if (s->packets != NULL)
        return s;
    free(s);
    return NULL;
}

void service_free(struct service *s)
{
    if (s == NULL)
        return;
    packets_free(s->packets);
    while (s->requests != NULL)
        service_request_free(s->requests);
    free(s);
}
