/* The pages: what each path shows. */
#include "base/json_text.h"
#include "base/mem.h"
#include "status/exposition.h"
#include "status/page_files.h"
#include "status/server_parts.h"

#include <stdlib.h>
#include <string.h>

/* Connections on a page, unless the query says how many. */
#define CONNECTIONS_USUAL 100
#define CONNECTIONS_MOST 1000

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

/* What a query, "a=1&b=2", has for a name; empty: nothing. */
static struct text query_text(struct text query, const char *name)
{
    while (query.length > 0) {
        struct text value = text_take_until(&query, '&');
        struct text key = text_take_until(&value, '=');
        if (text_is(key, name))
            return value;
    }
    return (struct text){0};
}

/* The same as a number; `otherwise`: it is none. */
static unsigned long long query_number(struct text query, const char *name,
                                       unsigned long long otherwise)
{
    struct text value = query_text(query, name);
    unsigned long long number = 0;

    if (value.length == 0 || value.length > 18)
        return otherwise;
    for (size_t i = 0; i < value.length; i++) {
        if (value.at[i] < '0' || value.at[i] > '9')
            return otherwise;
        number = 10 * number + (unsigned long long)(value.at[i] - '0');
    }
    return number;
}

static void page_pac(struct status_client *client, const struct http_origin_request *request)
{
    const struct status_source *source = &client->server->source;
    char *text = source->pac(source->arg, &(struct status_pac){
                                              .listen = query_text(request->query, "listen"),
                                              .host = request->host,
                                              .near = client->near,
                                          });

    if (text == NULL) {
        status_pages_refuse(client, 404, "There is no listener that you could use.");
        return;
    }
    status_client_answer(client, &(struct status_answer){
                                     .status = 200,
                                     .type = "application/x-ns-proxy-autoconfig",
                                     .body = text,
                                     .length = strlen(text),
                                 });
    free(text);
}

static void connections_listed(void *arg, json_t *list)
{
    struct status_client *client = status_pending_client(arg);

    if (client == NULL)
        json_decref(list);
    else if (list == NULL)
        status_pages_refuse(client, 503, "adit is ending.");
    else
        answer_json(client, 200, list);
}

static void page_connections(struct status_client *client,
                             const struct http_origin_request *request)
{
    const struct status_source *source = &client->server->source;
    unsigned long long most = query_number(request->query, "limit", CONNECTIONS_USUAL);

    source->connections(
        source->arg,
        &(struct status_list){
            .after = query_number(request->query, "after", 0),
            .most = most > 0 && most < CONNECTIONS_MOST ? (size_t)most : CONNECTIONS_MOST,
            .with_targets = client->near || client->server->config->status.destinations,
            .listed = connections_listed,
            .arg = status_client_defer(client),
        });
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

static void page_history(struct status_client *client, const struct http_origin_request *request)
{
    const struct status_source *source = &client->server->source;

    (void)request;
    answer_json(client, 200, source->history(source->arg));
}

/* The page for people: nothing of it comes from elsewhere, and nothing else is run. */
static void answer_file(struct status_client *client, const char *type, const char *text)
{
    status_client_answer(
        client, &(struct status_answer){
                    .status = 200,
                    .type = type,
                    .fields = "Content-Security-Policy: default-src 'none'; script-src 'self'; "
                              "style-src 'self'; connect-src 'self'; base-uri 'none'; "
                              "form-action 'none'; frame-ancestors 'none'\r\n"
                              "Referrer-Policy: no-referrer\r\n",
                    .body = text,
                    .length = strlen(text),
                });
}

static void page_index(struct status_client *client, const struct http_origin_request *request)
{
    (void)request;
    answer_file(client, "text/html; charset=utf-8", page_file_index_html);
}

static void page_style(struct status_client *client, const struct http_origin_request *request)
{
    (void)request;
    answer_file(client, "text/css; charset=utf-8", page_file_page_css);
}

static void page_script(struct status_client *client, const struct http_origin_request *request)
{
    (void)request;
    answer_file(client, "text/javascript; charset=utf-8", page_file_page_js);
}

static const struct {
    const char *path;
    void (*answer)(struct status_client *client, const struct http_origin_request *request);
} pages[] = {
    {"/", page_index},
    {"/page.css", page_style},
    {"/page.js", page_script},
    {"/livez", page_livez},
    {"/readyz", page_readyz},
    {"/metrics", page_metrics},
    {"/api/status.json", page_status},
    {"/proxy.pac", page_pac},
    {"/api/connections.json", page_connections},
    {"/api/history.json", page_history},
};

void status_pages_answer(struct status_client *client, const struct http_origin_request *request)
{
    if (!request->is_get && !request->is_head) {
        status_pages_refuse(client, 405, "Only GET and HEAD are answered here.");
        return;
    }
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
        if (text_is(request->path, pages[i].path)) {
            pages[i].answer(client, request);
            return;
        }
    status_pages_refuse(client, 404, "There is no such page: see STATUS in adit.ini(5).");
}
