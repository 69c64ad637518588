/* Requests to an ssh that is the master, one at a time. */
#include "control/ssh_master.h"

#include "base/mem.h"
#include "control/wait_end.h"
#include "io/mux_call.h"
#include "io/socket_calls.h"
#include "io/unix_connect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECT_MS 10000
/* The master answers most requests at once. */
#define ANSWER_MS 30000
/* A remote forward and a connection are answered when the server has. */
#define SERVER_MS 120000

struct ssh_master {
    struct mux_call call;
    const char *path;
    uint32_t next_id;
    bool has_info; /* it knows EXT_INFO */
    bool lost;
    bool closed; /* by the master */
};

/* Answers. */

static struct span span_of(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

/* The master cannot be asked again. */
static char *lose(struct ssh_master *m, const char *what)
{
    m->lost = true;
    return mem_printf("the ssh master at %s %s", m->path, what);
}

static char *lose_by(struct ssh_master *m, int error)
{
    switch (error) {
    case ETIMEDOUT: return lose(m, "does not answer");
    case ENODATA:
    case EPIPE:
    case ECONNRESET: m->closed = true; return lose(m, "has closed the connection");
    default: return lose(m, strerror(error));
    }
}

static char *receive_mux_answer(struct ssh_master *m, const struct wait_limit *limit,
                                struct mux_answer *answer)
{
    int error = mux_call_answer(&m->call, answer, limit);

    if (error == 0)
        return NULL;
    return error == EPROTO ? lose(m, "does not speak ssh's multiplexing protocol")
                           : lose_by(m, error);
}

/* 0, or an error. */
static int pass_descriptor(struct ssh_master *m, int passed, const struct wait_limit *limit)
{
    int error = socket_send_passed(m->call.fd, passed);

    while (error == EAGAIN) {
        error = wait_for(m->call.fd, POLLOUT, limit);
        if (error == 0)
            error = socket_send_passed(m->call.fd, passed);
    }
    return error;
}

/* Sends the request, with a number of its own, and the descriptors that follow it. */
static char *send_request_frame(struct ssh_master *m, struct mux_request *request, const int *fds,
                                const struct wait_limit *limit)
{
    int error;

    request->id = m->next_id++;
    error = mux_call_send(&m->call, request, limit);
    for (unsigned i = 0; fds != NULL && error == 0 && i < mux_descriptors(request); i++)
        error = pass_descriptor(m, fds[i], limit);
    /* (What the master sent before it closed may say why.) */
    return error == 0 || error == EPIPE || error == ECONNRESET ? NULL : lose_by(m, error);
}

/* What ssh(1) calls the requests that a master refuses. */
static char *refusal(const struct ssh_master *m, const struct mux_answer *answer, const char *what)
{
    const char *text = (const char *)answer->text.bytes;
    int length = (int)answer->text.length;

    return answer->type == MUX_FAILURE
               ? mem_printf("%s request failed: %.*s (the ssh master at %s)", what, length, text,
                            m->path)
               : mem_printf("the ssh master at %s refused the %s request: %.*s", m->path, what,
                            length, text);
}

/* What is asked, and what is expected of the answer. */
struct mux_question {
    struct mux_request request;
    const char *what; /* the request in words */
    uint32_t expected;
    uint32_t or_expected; /* 0: nothing else */
    const int *fds;       /* that follow the request */
    int patience_ms;
};

static char *put_question(struct ssh_master *m, struct mux_question *question,
                          struct mux_answer *answer)
{
    struct wait_limit limit = wait_limit(-1, question->patience_ms);
    char *why = send_request_frame(m, &question->request, question->fds, &limit);

    if (why == NULL)
        why = receive_mux_answer(m, &limit, answer);
    if (why != NULL)
        return why;
    if (answer->type == MUX_HELLO || answer->id != question->request.id)
        return lose(m, "answers a request that was not made");
    if (answer->type == MUX_FAILURE || answer->type == MUX_PERMISSION_DENIED)
        return refusal(m, answer, question->what);
    if (answer->type == question->expected ||
        (question->or_expected != 0 && answer->type == question->or_expected))
        return NULL;
    return lose(m, "answers another request than the one that was made");
}

/* Begin and end. */

static char *greet_master(struct ssh_master *m)
{
    struct wait_limit limit = wait_limit(-1, CONNECT_MS);
    struct mux_request hello = {.type = MUX_HELLO};
    struct mux_answer answer;
    char *why = send_request_frame(m, &hello, NULL, &limit);

    m->next_id = 0;
    if (why == NULL)
        why = receive_mux_answer(m, &limit, &answer);
    if (why != NULL)
        return why;
    if (answer.type != MUX_HELLO)
        return lose(m, "does not greet as a master does");
    m->has_info = answer.info;
    return NULL;
}

struct ssh_master *ssh_master_open(const char *path, char **why)
{
    struct ssh_master *m = mem_zalloc(sizeof(*m));

    m->path = path;
    m->call.fd = unix_connect_wait(path, DESCRIPTOR_GATEWAY, CONNECT_MS);
    *why = m->call.fd < 0 ? mem_printf("Control socket connect(%s): %s", path, strerror(errno))
                          : greet_master(m);
    if (*why == NULL)
        return m;
    ssh_master_free(m);
    return NULL;
}

void ssh_master_free(struct ssh_master *m)
{
    if (m == NULL)
        return;
    if (m->call.fd >= 0)
        close(m->call.fd);
    mux_call_clear(&m->call);
    free(m);
}

bool ssh_master_is_lost(const struct ssh_master *m)
{
    return m->lost;
}

bool ssh_master_wait(struct ssh_master *m)
{
    return wait_for_end(m->call.fd);
}

/* Requests. */

char *ssh_master_check(struct ssh_master *m, uint32_t *pid)
{
    struct mux_question question = {.request = {.type = MUX_ALIVE_CHECK},
                                    .what = "alive check",
                                    .expected = MUX_ALIVE,
                                    .patience_ms = ANSWER_MS};
    struct mux_answer answer;
    char *why = put_question(m, &question, &answer);

    if (why == NULL)
        *pid = answer.number;
    return why;
}

char *ssh_master_stop(struct ssh_master *m)
{
    struct mux_question question = {.request = {.type = MUX_STOP_LISTENING},
                                    .what = "stop listening",
                                    .expected = MUX_OK,
                                    .patience_ms = ANSWER_MS};
    struct mux_answer answer;

    return put_question(m, &question, &answer);
}

char *ssh_master_exit(struct ssh_master *m)
{
    struct mux_question question = {.request = {.type = MUX_TERMINATE},
                                    .what = "termination",
                                    .expected = MUX_OK,
                                    .patience_ms = ANSWER_MS};
    struct mux_answer answer;
    char *why = put_question(m, &question, &answer);

    /* (As to ssh, one that has ended without an answer has done what it was asked.) */
    if (!m->closed)
        return why;
    free(why);
    return NULL;
}

char *ssh_master_info(struct ssh_master *m, const char *name, char **text)
{
    struct mux_question question = {.request = {.type = MUX_EXT_INFO, .name = span_of(name)},
                                    .what = "info",
                                    .expected = MUX_INFO,
                                    .patience_ms = ANSWER_MS};
    struct mux_answer answer;
    char *why;

    if (!m->has_info)
        return mem_printf("the ssh master at %s is too old to tell (OpenSSH 10.1 can)", m->path);
    why = put_question(m, &question, &answer);
    if (why != NULL)
        return why;
    *text = mem_strndup((const char *)answer.answer.text.bytes, answer.answer.text.length);
    if (answer.answer.status != 0)
        return NULL;
    why = mem_printf("info request failed: %s (the ssh master at %s)", *text, m->path);
    free(*text);
    return why;
}

/* Forwards. */

/* As mux_client_forward of OpenSSH's mux.c, and parse_forward of its readconf.c, write a forward:
 * the target of one that serves SOCKS is "socks", port 0. */
static struct mux_forward frame_forward(const struct config_forward *forward)
{
    static const uint32_t kinds[] = {[FORWARD_LOCAL] = MUX_FORWARD_LOCAL,
                                     [FORWARD_REMOTE] = MUX_FORWARD_REMOTE,
                                     [FORWARD_DYNAMIC] = MUX_FORWARD_DYNAMIC};
    const struct config_place *bind = &forward->bind, *target = &forward->target;

    return (struct mux_forward){
        .kind = kinds[forward->kind],
        .listen = span_of(bind->path   ? bind->path
                          : bind->host ? bind->host
                                       : ""),
        .port = bind->path ? MUX_PORT_UNIX : bind->port,
        .connect = span_of(target->path   ? target->path
                           : target->host ? target->host
                                          : "socks"),
        .connect_port = target->path ? MUX_PORT_UNIX : target->port,
    };
}

char *ssh_master_forward(struct ssh_master *m, const struct config_forward *forward, uint16_t *port)
{
    struct mux_question question = {
        .request = {.type = MUX_OPEN_FWD, .forward = frame_forward(forward)},
        .what = "forwarding",
        .expected = MUX_OK,
        .or_expected = MUX_REMOTE_PORT,
        .patience_ms = SERVER_MS};
    struct mux_answer answer;
    char *why = put_question(m, &question, &answer);

    *port = 0;
    if (why != NULL || answer.type != MUX_REMOTE_PORT)
        return why;
    if (answer.number == 0 || answer.number > UINT16_MAX)
        return lose(m, "names a port that there cannot be");
    *port = (uint16_t)answer.number;
    return NULL;
}

char *ssh_master_cancel(struct ssh_master *m, const struct config_forward *forward)
{
    struct mux_question question = {
        .request = {.type = MUX_CLOSE_FWD, .forward = frame_forward(forward)},
        .what = "forwarding",
        .expected = MUX_OK,
        .patience_ms = ANSWER_MS};
    struct mux_answer answer;

    return put_question(m, &question, &answer);
}

char *ssh_master_stdio(struct ssh_master *m, const struct config_place *target, int input,
                       int output)
{
    int fds[] = {input, output};
    struct mux_question question = {
        .request = {.type = MUX_NEW_STDIO_FWD,
                    .place = {.host = span_of(target->path ? target->path : target->host),
                              .port = target->path ? MUX_PORT_UNIX : target->port}},
        .what = "stdio forwarding",
        .expected = MUX_SESSION_OPENED,
        .fds = fds,
        .patience_ms = SERVER_MS};
    struct mux_answer answer;

    return put_question(m, &question, &answer);
}
