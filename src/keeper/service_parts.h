/* The inside of service lines: what services.c and service_masters.c share. */
#ifndef ADIT_KEEPER_SERVICE_PARTS_H
#define ADIT_KEEPER_SERVICE_PARTS_H

#include "keeper/keeper_parts.h"
#include "wire/service.h"

struct service_line {
    LIST_ENTRY(service_line) link;
    struct gateway_child *child;
    struct packets *packets;
    LIST_HEAD(, line_request) requests;
    unsigned request_count;
};

/* A request that is not answered at once. */
struct line_request {
    LIST_ENTRY(line_request) link;
    struct service_line *line;
    uint32_t number;
    struct hash_check *check;
    struct proxy_command *command;
    struct keeper_master *master;
};

/* Sends an answer with a text (NULL: its kind has none). `fd` is closed once it is sent. */
void service_answer_text(struct service_line *line, enum service_kind kind, const uint32_t *numbers,
                         const char *text, int fd);

struct line_request *line_request_new(struct service_line *line, uint32_t number);
void line_request_free(struct line_request *request);

/* service_masters.c: SERVICE_START_MASTER, whose descriptor (-1: it was lost) stays the caller's;
 * SERVICE_REACH_MASTER; and SERVICE_ASK_CAUSE. */
void service_begin_master(struct service_line *line, const struct service_message *message, int fd);
void service_reach_master(struct service_line *line, const struct service_message *message);
void service_answer_cause(struct service_line *line, const struct service_message *message);

#endif
