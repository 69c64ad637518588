/* Lists of clients, and closing one by its number. */
#include "shared/connection_list.h"

#include "base/mem.h"
#include "worker/client_parts.h"
#include "worker/http_exchange.h"

#include <stdlib.h>
#include <string.h>

/* What is asked of all workers. */
struct connection_question {
    struct workers *workers;
    unsigned waiting;          /* workers that have not answered */
    unsigned long long number; /* to be closed; 0: the page is asked for */
    bool found;
    struct connection_page page;
    connections_listed_fn *listed;
    connection_closed_fn *closed;
    void *arg;
};

/* One worker's part: goes to the worker, and comes back. */
struct connection_part {
    struct message message;
    struct connection_question *question;
    struct connection_page page;
    bool found;
    bool dropped;
};

/* Pages. */

bool connection_page_wants(struct connection_page *page, unsigned long long number)
{
    if (number <= page->after)
        return false;
    if (page->count < page->most || number < page->rows[page->count - 1].number)
        return true;
    page->more = true;
    return false;
}

static void row_clear(struct connection_row *row)
{
    free(row->listener);
    free(row->source);
    free(row->user);
    free(row->target);
    free(row->upstream);
}

static void page_clear(struct connection_page *page)
{
    for (size_t i = 0; i < page->count; i++)
        row_clear(&page->rows[i]);
    free(page->rows);
}

void connection_page_add(struct connection_page *page, const struct connection_row *row)
{
    size_t at = page->count;

    if (page->rows == NULL)
        page->rows = mem_zalloc(page->most * sizeof(*page->rows));
    if (page->count == page->most) {
        page->more = true;
        at = --page->count;
        row_clear(&page->rows[at]);
    }
    for (; at > 0 && page->rows[at - 1].number > row->number; at--)
        page->rows[at] = page->rows[at - 1];
    page->rows[at] = *row;
    page->count++;
}

/* On the worker. */

static void row_of(const struct client *c, struct connection_row *row)
{
    uint64_t now = loop_now(c->worker->loop);

    *row = (struct connection_row){
        .number = c->number,
        .listener = mem_strdup(c->listen->name),
        .source = client_source(c),
        .user = mem_strdup(c->wish.user),
        .target = mem_strdup(c->wish.target),
        .upstream = c->session.upstream != NULL ? mem_strdup(c->session.upstream->name) : NULL,
        .protocol = client_protocol_name(c),
        .state = client_state_name(c->state),
        .session = c->session.slot,
        .age_ms = now > c->began ? now - c->began : 0,
    };
    if (c->relay != NULL)
        relay_bytes(c->relay, row->bytes);
    if (c->exchange != NULL)
        http_exchange_bytes(c->exchange, row->bytes);
}

static void list_clients(const struct worker *worker, struct connection_page *page)
{
    const struct client *c;
    struct connection_row row;

    TAILQ_FOREACH (c, &worker->clients, link) {
        if (c->listen == NULL || !connection_page_wants(page, c->number))
            continue;
        row_of(c, &row);
        connection_page_add(page, &row);
    }
}

static bool close_client(struct worker *worker, unsigned long long number)
{
    struct client *c;

    TAILQ_FOREACH (c, &worker->clients, link)
        if (c->listen != NULL && c->number == number) {
            client_abort(c, "closed by adit -O close");
            return true;
        }
    return false;
}

/* On the main thread again. */

static void part_free(struct connection_part *part)
{
    page_clear(&part->page);
    free(part);
}

static void merge(struct connection_question *question, struct connection_part *part)
{
    struct connection_page *page = &question->page;

    page->more = page->more || part->page.more;
    for (size_t i = 0; i < part->page.count; i++) {
        if (connection_page_wants(page, part->page.rows[i].number))
            connection_page_add(page, &part->page.rows[i]);
        else
            row_clear(&part->page.rows[i]);
    }
    part->page.count = 0;
}

static void part_arrived(struct message *message, void *owner)
{
    struct connection_part *part = container_of(message, struct connection_part, message);
    struct connection_question *question = part->question;

    (void)owner;
    merge(question, part);
    question->found = question->found || part->found;
    question->page.ended = question->page.ended || part->dropped;
    part_free(part);
    if (--question->waiting > 0)
        return;
    if (question->number > 0)
        question->closed(question->arg, question->found);
    else
        question->listed(question->arg, &question->page);
    page_clear(&question->page);
    free(question);
}

/* (The gateway ends: its main thread does this.) */
static void drop_arrived(struct message *message)
{
    container_of(message, struct connection_part, message)->dropped = true;
    part_arrived(message, NULL);
}

static void part_return(struct connection_part *part)
{
    part->message = (struct message){.run = part_arrived, .drop = drop_arrived};
    mailbox_post(part->question->workers->main_mailbox, &part->message);
}

static void drop_part(struct message *message)
{
    struct connection_part *part = container_of(message, struct connection_part, message);

    part->dropped = true;
    part_return(part);
}

static void run_part(struct message *message, void *owner)
{
    struct connection_part *part = container_of(message, struct connection_part, message);
    struct worker *worker = owner;

    if (part->question->number > 0)
        part->found = close_client(worker, part->question->number);
    else
        list_clients(worker, &part->page);
    part_return(part);
}

static void ask_workers(struct connection_question *question)
{
    struct workers *workers = question->workers;

    question->waiting = workers->count;
    for (unsigned i = 0; i < workers->count; i++) {
        struct connection_part *part = mem_zalloc(sizeof(*part));
        *part = (struct connection_part){
            .message = {.run = run_part, .drop = drop_part},
            .question = question,
            .page = {.after = question->page.after, .most = question->page.most},
        };
        mailbox_post(workers->all[i]->mailbox, &part->message);
    }
}

void workers_send_list(struct workers *workers, unsigned long long after, size_t most,
                       connections_listed_fn *listed, void *arg)
{
    struct connection_question *question = mem_zalloc(sizeof(*question));

    *question = (struct connection_question){
        .workers = workers,
        .page = {.after = after, .most = most},
        .listed = listed,
        .arg = arg,
    };
    ask_workers(question);
}

void workers_send_close(struct workers *workers, unsigned long long number,
                        connection_closed_fn *closed, void *arg)
{
    struct connection_question *question = mem_zalloc(sizeof(*question));

    *question = (struct connection_question){
        .workers = workers,
        .number = number,
        .closed = closed,
        .arg = arg,
    };
    ask_workers(question);
}
