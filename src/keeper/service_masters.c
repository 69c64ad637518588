/* Masters, as a service line has them: those that it has started, and connections to them. */
#include "keeper/service_parts.h"

#include "base/mem.h"
#include "keeper/master_refusals.h"
#include "keeper/masters.h"

#include <errno.h>
#include <stdlib.h>

static void on_master_asks(void *arg, bool waits)
{
    const struct line_request *request = arg;

    service_answer_text(request->line, SERVICE_MASTER_ASKS,
                        (const uint32_t[]){request->number, waits}, NULL, -1);
}

static void on_master_up(void *arg, uint32_t number, const char *about, int fd)
{
    const struct line_request *request = arg;

    service_answer_text(request->line, SERVICE_MASTER_UP,
                        (const uint32_t[]){request->number, number}, about, fd);
}

static void answer_master_ended(struct service_line *line, uint32_t number,
                                enum service_master_end kind, const char *why)
{
    service_answer_text(line, SERVICE_MASTER_ENDED, (const uint32_t[]){number, (uint32_t)kind}, why,
                        -1);
}

static void on_master_ended(void *arg, enum service_master_end kind, const char *why)
{
    struct line_request *request = arg;

    answer_master_ended(request->line, request->number, kind, why);
    request->master = NULL;
    line_request_free(request);
}

static const struct master_events master_events = {
    .asks = on_master_asks,
    .up = on_master_up,
    .ended = on_master_ended,
};

/* Finds the upstream, if an ssh carries its sessions, and the host. */
static bool find_master_place(const struct service_line *line, struct span upstream,
                              const char *entry, struct child_place *place)
{
    char *name = mem_strndup((const char *)upstream.bytes, upstream.length);
    bool found = child_find_place(line->child, name, entry, place) && place->upstream->by_openssh;

    free(name);
    return found;
}

void service_begin_master(struct service_line *line, const struct service_message *message, int fd)
{
    uint32_t number = message->numbers[0];
    char *entry = mem_strndup((const char *)message->texts[1].bytes, message->texts[1].length);
    struct child_place place;
    struct line_request *request;
    char *why = NULL;

    if (fd < 0) {
        answer_master_ended(line, number, SERVICE_MASTER_LOST,
                            "ssh cannot be started: too many files are open in the keeper");
        free(entry);
        return;
    }
    if (!find_master_place(line, message->texts[0], entry, &place)) {
        answer_master_ended(line, number, SERVICE_MASTER_LOST,
                            "the configuration does not have it any more");
        free(entry);
        return;
    }
    request = line_request_new(line, number);
    request->master = master_start(line->child->keeper->masters,
                                   &(struct master_order){.child = line->child,
                                                          .config = place.config,
                                                          .upstream = place.upstream,
                                                          .host = &place.host,
                                                          .entry = entry,
                                                          .fd = fd,
                                                          .events = &master_events,
                                                          .arg = request},
                                   &why);
    free(entry);
    if (request->master != NULL)
        return;
    answer_master_ended(line, number, SERVICE_MASTER_LOST, why);
    line_request_free(request);
    free(why);
}

void service_reach_master(struct service_line *line, const struct service_message *message)
{
    int fd = master_reach(line->child->keeper->masters, line->child, message->numbers[1]);

    if (fd >= 0)
        service_answer_text(line, SERVICE_CONNECTED, message->numbers, NULL, fd);
    else
        service_answer_text(line, SERVICE_FAILED,
                            (const uint32_t[]){message->numbers[0], (uint32_t)errno}, NULL, -1);
}

void service_answer_cause(struct service_line *line, const struct service_message *message)
{
    char *target = mem_strndup((const char *)message->texts[0].bytes, message->texts[0].length);
    const struct master_refusal *refusal =
        master_refused(line->child->keeper->masters, line->child, message->numbers[1], target,
                       message->numbers[2]);

    service_answer_text(
        line, SERVICE_CAUSE,
        (const uint32_t[]){message->numbers[0], refusal != NULL ? refusal->reason : 0},
        refusal != NULL ? refusal->words : "", -1);
    free(target);
}

void service_line_adopt_master(struct gateway_child *child, uint32_t number,
                               struct keeper_master *master)
{
    struct service_line *line = LIST_FIRST(&child->lines);
    struct line_request *request;

    if (line == NULL) {
        master_hang_up(master);
        return;
    }
    request = line_request_new(line, number);
    request->master = master;
    master_own(master, &master_events, request);
}
