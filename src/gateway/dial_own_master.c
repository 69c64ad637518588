/* What the keeper answers about an ssh(1) that it has started. */
#include "gateway/dial_own_master.h"

#include "base/mem.h"
#include "io/descriptors.h"
#include "io/socket_calls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct dial_own_master {
    struct service_request *request; /* NULL: it has ended */
    dial_own_master_fn *done;        /* NULL: told already, or nobody wants to know */
    void *arg;
    bool asking;
    char local[HOSTPORT_TEXT_MAX]; /* the ends of the connection to the server */
    char remote[HOSTPORT_TEXT_MAX];
};

static void report_master(struct dial_own_master *m, const struct own_master_result *result)
{
    dial_own_master_fn *done = m->done;

    m->asking = false;
    m->done = NULL;
    if (done != NULL)
        done(m->arg, result);
    else if (result->fd >= 0)
        close(result->fd);
}

static void report_master_failure(struct dial_own_master *m, enum dial_status status,
                                  const char *error)
{
    report_master(m, &(struct own_master_result){.fd = -1, .status = status, .error = error});
}

static void on_up(struct dial_own_master *m, const struct service_answer *answer)
{
    int fd = descriptor_unless_reserved(answer->fds[0], DESCRIPTOR_GATEWAY);
    char *about = mem_printf("local %s\nremote %s\n%.*s", m->local, m->remote,
                             (int)answer->text.length, (const char *)answer->text.bytes);

    if (fd < 0)
        report_master_failure(m, DIAL_TRANSPORT, "no descriptors are left");
    else
        report_master(m,
                      &(struct own_master_result){.fd = fd,
                                                  .master = answer->numbers[0],
                                                  .about = {(const uint8_t *)about, strlen(about)},
                                                  .status = DIAL_OK});
    free(about);
}

static void on_ended(struct dial_own_master *m, const struct service_answer *answer)
{
    static const enum dial_status statuses[SERVICE_MASTER_ENDS] = {
        [SERVICE_MASTER_LOST] = DIAL_TRANSPORT,
        [SERVICE_MASTER_HOST_KEY] = DIAL_HOST_KEY,
        [SERVICE_MASTER_DENIED] = DIAL_AUTHENTICATION,
    };
    char *why = mem_strndup((const char *)answer->text.bytes, answer->text.length);
    enum dial_status status =
        answer->numbers[0] < SERVICE_MASTER_ENDS ? statuses[answer->numbers[0]] : DIAL_TRANSPORT;

    m->request = NULL;
    report_master_failure(m, status, why);
    free(why);
}

static void on_own_master_answered(void *arg, const struct service_answer *answer)
{
    struct dial_own_master *m = arg;

    if (answer->kind == SERVICE_MASTER_ASKS) {
        m->asking = answer->numbers[0] != 0;
    } else if (answer->kind == SERVICE_MASTER_UP) {
        on_up(m, answer);
    } else if (answer->kind == SERVICE_MASTER_ENDED) {
        on_ended(m, answer);
    } else {
        m->request = NULL;
        report_master_failure(m, DIAL_TRANSPORT, strerror((int)answer->numbers[0]));
    }
}

struct dial_own_master *dial_own_master_start(const struct own_master_request *request)
{
    struct dial_own_master *m = mem_zalloc(sizeof(*m));

    socket_prepare_ssh(request->fd);
    socket_names(request->fd, m->local, m->remote);
    m->done = request->done;
    m->arg = request->arg;
    m->request = service_ask(request->service,
                             &(struct service_question){.kind = SERVICE_START_MASTER,
                                                        .texts = {request->upstream, request->host},
                                                        .passes = true,
                                                        .fd = request->fd},
                             on_own_master_answered, m);
    return m;
}

bool dial_own_master_is_asking(const struct dial_own_master *m)
{
    return m->asking;
}

void dial_own_master_forget(struct dial_own_master *m)
{
    m->done = NULL;
}

void dial_own_master_hang_up(struct dial_own_master *m)
{
    if (m != NULL)
        service_forget(m->request);
    free(m);
}

void dial_own_master_leave(struct dial_own_master *m)
{
    if (m != NULL)
        service_leave(m->request);
    free(m);
}
