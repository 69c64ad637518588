/* Lists of connections. */
#include "gateway/connections.h"

#include "base/json_text.h"
#include "base/mem.h"
#include "control/protocol.h"
#include "gateway/gateway_parts.h"
#include "shared/connection_list.h"

#include <stdlib.h>

/* One that was asked for. */
struct connections_request {
    bool with_targets;
    connections_json_fn *listed;
    void *arg;
};

static json_t *number_or_null(bool known, unsigned long long number)
{
    return known ? json_integer((json_int_t)number) : json_null();
}

static json_t *client_json(const struct connection_row *row, bool with_target)
{
    return json_pack(
        "{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:I, s:I, s:I}", "connection",
        (json_int_t)row->number, "listener", json_text(row->listener), "source",
        json_text(row->source), "user", json_text(row->user), "target",
        with_target ? json_text(row->target) : json_null(), "upstream", json_text(row->upstream),
        "session", number_or_null(row->session >= 0, (unsigned long long)row->session), "protocol",
        json_text(row->protocol), "state", row->state, "seconds", (json_int_t)(row->age_ms / 1000),
        "bytes_up", (json_int_t)row->bytes[0], "bytes_down", (json_int_t)row->bytes[1]);
}

static void on_listed(void *arg, const struct connection_page *page)
{
    struct connections_request request = *(struct connections_request *)arg;
    json_t *list = NULL, *rows;

    free(arg);
    if (!page->ended) {
        list = control_ok();
        rows = json_array();
        for (size_t i = 0; i < page->count; i++)
            json_array_append_new(rows, client_json(&page->rows[i], request.with_targets));
        json_object_set_new(list, "connections", rows);
        json_object_set_new(
            list, "next",
            number_or_null(page->more, page->count > 0 ? page->rows[page->count - 1].number : 0));
    }
    request.listed(request.arg, list);
}

void connections_ask(struct gateway *g, unsigned long long after, size_t most, bool with_targets,
                     connections_json_fn *listed, void *arg)
{
    struct connections_request *request = mem_zalloc(sizeof(*request));

    *request = (struct connections_request){with_targets, listed, arg};
    workers_send_list(&g->workers, after, most < CONNECTION_PAGE_MOST ? most : CONNECTION_PAGE_MOST,
                      on_listed, request);
}
