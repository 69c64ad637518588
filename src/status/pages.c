/* The pages: what each path shows. */
#include "base/json_text.h"
#include "base/mem.h"
#include "status/exposition.h"
#include "status/server_parts.h"

#include <stdlib.h>
#include <string.h>

void status_pages_refuse(struct status_client *client, unsigned status, const char *sentence)
{
    char *body = mem_printf("%s\n", sentence);

    status_client_answer(client, &(struct status_answer){
                                     .status = status,
                                     .type = "text/plain; charset=utf-8",
                                     .fields = status == 405 ? "Allow: GET, HEAD\r\n" : NULL,
                                     .body = body,
                                     .length = strlen(body),
                                 });
    free(body);
}

/* Takes the reference. */
static void answer_json(struct status_client *client, unsigned status, json_t *object)
{
    char *body = json_dumps(object, JSON_TEXT_FLAGS | JSON_COMPACT);

    json_decref(object);
    if (body == NULL) /* every object here is valid: memory is lacking */
        abort();
    status_client_answer(client, &(struct status_answer){
                                     .status = status,
                                     .type = "application/json",
                                     .body = body,
                                     .length = strlen(body),
                                 });
    free(body);
}

/* (A request that is answered shows that the loop turns.) */
static void page_livez(struct status_client *client, const struct http_origin_request *request)
{
    (void)request;
    answer_json(client, 200, json_pack("{s:b}", "live", 1));
}

static void page_readyz(struct status_client *client, const struct http_origin_request *request)
{
    const struct status_source *source = &client->server->source;
    char *why = source->unready(source->arg);

    (void)request;
    answer_json(client, why == NULL ? 200 : 503,
                json_pack("{s:b, s:o}", "ready", why == NULL, "reason", json_text(why)));
    free(why);
}

static void page_status(struct status_client *client, const struct http_origin_request *request)
{
    const struct status_source *source = &client->server->source;

    (void)request;
    answer_json(client, 200, source->status(source->arg));
}

/* As Prometheus asks (https://prometheus.io/docs/instrumenting/content_negotiation/). */
static bool wants_open_metrics(const struct http_origin_request *request)
{
    unsigned open =
        http_accept_weight(request->accept, "application/openmetrics-text", "version=1.0.0");

    return open > 0 && open >= http_accept_weight(request->accept, "text/plain", NULL);
}

static void page_metrics(struct status_client *client, const struct http_origin_request *request)
{
    const struct status_source *source = &client->server->source;
    struct exposition page = {.open_metrics = wants_open_metrics(request)};

    source->metrics(source->arg, &page);
    exposition_end(&page);
    status_client_answer(
        client,
        &(struct status_answer){
            .status = 200,
            .type = page.open_metrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                      : "text/plain; version=0.0.4; charset=utf-8",
            .body = buffer_data(&page.text),
            .length = buffer_length(&page.text),
        });
    buffer_clear(&page.text);
}

static const struct {
    const char *path;
    void (*answer)(struct status_client *client, const struct http_origin_request *request);
} pages[] = {
    {"/livez", page_livez},
    {"/readyz", page_readyz},
    {"/metrics", page_metrics},
    {"/api/status.json", page_status},
};

void status_pages_answer(struct status_client *client, const struct http_origin_request *request)
{
    if (!request->is_get && !request->is_head) {
        status_pages_refuse(client, 405, "Only GET and HEAD are answered here.");
        return;
    }
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
        if (text_is(request->path, pages[i].path)) {
            pages[i].answer(client, request);
            return;
        }
    status_pages_refuse(client, 404, "There is no such page: see STATUS in adit.ini(5).");
}
