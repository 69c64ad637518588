/* A client of the status server: its bytes, its time, and its answers' heads. */
#include "base/mem.h"
#include "io/socket.h"
#include "status/server_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_HEAD_MAX 1024

/* An answer that comes later. */
struct status_pending {
    struct status_client *client; /* NULL: it has gone */
};

static void client_next(struct status_client *client);

void status_client_close(struct status_client *client, bool abort)
{
    struct status_server *server = client->server;

    TAILQ_REMOVE(&server->clients, client, link);
    server->count--;
    status_login_forget(client);
    if (client->pending != NULL)
        client->pending->client = NULL;
    deadline_cancel(&client->patience);
    later_cancel(server->loop, &client->next);
    endpoint_close(client->endpoint, abort || buffer_length(&client->out) > 0);
    buffer_wipe(&client->in);
    buffer_clear(&client->out);
    free(client);
}

static void on_client_overdue(struct deadline *patience)
{
    struct status_client *client = container_of(patience, struct status_client, patience);

    status_client_close(client, client->finishing);
}

static void give_time(struct status_client *client, uint64_t milliseconds)
{
    deadline_arm(client->server->loop, &client->patience, milliseconds, on_client_overdue);
}

/* Something was finished: others have been waited for longer. */
static void move_to_end(struct status_client *client)
{
    TAILQ_REMOVE(&client->server->clients, client, link);
    TAILQ_INSERT_TAIL(&client->server->clients, client, link);
}

static bool is_answering(const struct status_client *client)
{
    return client->login != NULL || client->pending != NULL || buffer_length(&client->out) > 0;
}

struct status_pending *status_client_defer(struct status_client *client)
{
    client->pending = mem_zalloc(sizeof(*client->pending));
    client->pending->client = client;
    give_time(client, STATUS_ANSWER_MS);
    return client->pending;
}

struct status_client *status_pending_client(struct status_pending *pending)
{
    struct status_client *client = pending->client;

    free(pending);
    if (client != NULL)
        client->pending = NULL;
    return client;
}

/* Writing. */

static void client_turn(struct later *next);

/* The last answer has gone to the kernel. What the client still sends is read and dropped, so that
 * no reset overtakes the answer (RFC 9112 section 9.6). (A socket that is closed would do the same
 * by itself, uncounted: see STATUS_CLIENTS_MAX.) */
static void finish_client(struct status_client *client)
{
    if (client->ended) {
        status_client_close(client, false);
        return;
    }
    client->finishing = true;
    endpoint_write_eof(client->endpoint);
    buffer_wipe(&client->in);
    give_time(client, SOCKET_LINGER_MS);
    endpoint_resume(client->endpoint);
}

/* Passes on what the socket takes; the client may be closed by that. */
static void write_out(struct status_client *client)
{
    size_t length = buffer_length(&client->out);

    later_cancel(client->server->loop, &client->next);
    buffer_consume(&client->out,
                   endpoint_write(client->endpoint, buffer_data(&client->out), length));
    if (buffer_length(&client->out) > 0)
        return;
    move_to_end(client);
    if (client->last) {
        finish_client(client);
        return;
    }
    client->asking = false;
    give_time(client, STATUS_IDLE_MS);
    later_post(client->server->loop, &client->next, client_turn);
}

/* (Not more than one request a turn of the loop, however fast they come.) */
static void client_turn(struct later *next)
{
    struct status_client *client = container_of(next, struct status_client, next);

    if (buffer_length(&client->out) > 0)
        write_out(client);
    else
        client_next(client);
}

static const char *reason_of(unsigned status)
{
    switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 413: return "Content Too Large";
    case 421: return "Misdirected Request";
    case 431: return "Request Header Fields Too Large";
    case 503: return "Service Unavailable";
    default: return "";
    }
}

/* RFC 9110 section 5.6.7. */
static void format_date(char text[static 64])
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = time(NULL);
    struct tm tm;

    gmtime_r(&now, &tm);
    snprintf(text, 64, "%s, %02d %s %d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
             months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

void status_client_answer(struct status_client *client, const struct status_answer *answer)
{
    char date[64], head[ANSWER_HEAD_MAX];
    int length;

    format_date(date);
    length = snprintf(head, sizeof(head),
                      "HTTP/1.1 %u %s\r\n"
                      "Date: %s\r\n"
                      "Content-Type: %s\r\n"
                      "Content-Length: %zu\r\n"
                      "Cache-Control: no-store\r\n"
                      "X-Content-Type-Options: nosniff\r\n"
                      "%s%s\r\n",
                      answer->status, reason_of(answer->status), date, answer->type, answer->length,
                      answer->fields != NULL ? answer->fields : "",
                      client->last ? "Connection: close\r\n" : "");
    assert(length > 0 && (size_t)length < sizeof(head) && "an answer's fields are few");
    buffer_append(&client->out, head, (size_t)length);
    if (!client->head_only)
        buffer_append(&client->out, answer->body, answer->length);
    move_to_end(client);
    give_time(client, STATUS_ANSWER_MS);
    later_post(client->server->loop, &client->next, client_turn);
}

/* What follows a request that is refused so cannot be told from it. */
static void refuse_and_end(struct status_client *client, unsigned status, const char *sentence)
{
    client->last = true;
    status_pages_refuse(client, status, sentence);
}

/* Requests. */

/* A web page can give its own name this address, and ask as the browser of whoever reads it (DNS
 * rebinding): the name in Host is its own then. */
static bool is_own_name(const struct config_status *status,
                        const struct http_origin_request *request)
{
    if (request->host[0] == '\0' || request->host_is_address ||
        strcmp(request->host, "localhost") == 0)
        return true;
    for (size_t i = 0; i < status->names.count; i++)
        if (strcasecmp(status->names.items[i], request->host) == 0)
            return true;
    return false;
}

static void refuse_login(struct status_client *client)
{
    static const char sentence[] = "A user's name and password are needed.\n";

    status_client_answer(client, &(struct status_answer){
                                     .status = 401,
                                     .type = "text/plain; charset=utf-8",
                                     .fields = "WWW-Authenticate: Basic realm=\"adit\", "
                                               "charset=\"UTF-8\"\r\n",
                                     .body = sentence,
                                     .length = strlen(sentence),
                                 });
}

/* Answers a request that is whole and to be refused whoever asks: its password is not looked at, so
 * that a page with another name for this address can have none tried. */
static bool refuse_anybody(struct status_client *client, const struct http_origin_request *request)
{
    client->last = request->close || request->has_body;
    client->head_only = request->is_head;
    if (request->has_body)
        refuse_and_end(client, 413, "No request here has a body.");
    else if (!is_own_name(&client->server->config->status, request))
        status_pages_refuse(
            client, 421, "This is no name of this server: see names in [status] of adit.ini(5).");
    else
        return false;
    return true;
}

/* Answers any other one, whose login was checked. */
static void answer_request(struct status_client *client, const struct http_origin_request *request,
                           enum login_verdict verdict)
{
    if (verdict == LOGIN_NONE)
        refuse_login(client);
    else if (verdict == LOGIN_UNCHECKED)
        status_pages_refuse(client, 503, "The password cannot be checked now.");
    else
        status_pages_answer(client, request);
}

static void forget_request(struct status_client *client, size_t used)
{
    buffer_consume_secret(&client->in, used);
    client->progress = (struct http_progress){0};
}

/* A request is whole. */
static void judge_request(struct status_client *client, const struct http_origin_request *request,
                          size_t length)
{
    enum login_verdict verdict;

    if (refuse_anybody(client, request)) {
        forget_request(client, length);
        return;
    }
    verdict = status_login_check(client, request);
    if (verdict == LOGIN_UNDER_WAY) {
        give_time(client, STATUS_ANSWER_MS);
        return;
    }
    answer_request(client, request, verdict);
    forget_request(client, length);
}

/* Takes the next request, if it is there. */
static void client_next(struct status_client *client)
{
    struct http_origin_request request;
    size_t length = buffer_length(&client->in), used = 0;

    if (is_answering(client))
        return;
    client->head_only = false; /* (of a request that cannot be read nobody knows) */
    switch (
        http_origin_parse(buffer_data(&client->in), length, &client->progress, &used, &request)) {
    case WIRE_BAD: refuse_and_end(client, 400, "This is no HTTP request."); return;
    case WIRE_OK:
        judge_request(client, &request, used);
        explicit_bzero(&request.credentials, sizeof(request.credentials));
        return;
    case WIRE_MORE: break;
    }
    if (length >= STATUS_REQUEST_MAX) {
        refuse_and_end(client, 431, "The request is too long.");
    } else if (client->ended) {
        finish_client(client);
    } else {
        if (length > 0 && !client->asking)
            give_time(client, STATUS_REQUEST_MS);
        client->asking = length > 0;
        endpoint_resume(client->endpoint);
    }
}

void status_client_logged_in(struct status_client *client, enum login_verdict verdict)
{
    struct http_origin_request request;
    struct http_progress progress = {0};
    size_t used;
    enum wire_status status = http_origin_parse(
        buffer_data(&client->in), buffer_length(&client->in), &progress, &used, &request);

    assert(status == WIRE_OK && "the request stays until its login was checked");
    (void)status;
    answer_request(client, &request, verdict);
    forget_request(client, used);
    explicit_bzero(&request.credentials, sizeof(request.credentials));
}

/* The endpoint's events. */

static size_t client_room(void *owner)
{
    const struct status_client *client = owner;

    return STATUS_REQUEST_MAX - buffer_length(&client->in);
}

static bool client_data(void *owner, const uint8_t *bytes, size_t length)
{
    struct status_client *client = owner;

    if (client->finishing)
        return true;
    if (length > client_room(client))
        return false;
    buffer_append_secret(&client->in, bytes, length);
    client_next(client);
    return true;
}

static void client_closed(void *owner)
{
    status_client_close(owner, false);
}

static void client_eof(void *owner)
{
    struct status_client *client = owner;

    client->ended = true;
    if (client->finishing)
        client_closed(client);
    else
        client_next(client);
}

static void client_writable(void *owner)
{
    struct status_client *client = owner;

    if (buffer_length(&client->out) > 0)
        write_out(client);
}

static void client_failed(void *owner, const char *why)
{
    (void)why;
    status_client_close(owner, true);
}

void status_client_new(struct status_server *server, const struct accepted *from)
{
    static const struct endpoint_events events = {
        .room = client_room,
        .data = client_data,
        .eof = client_eof,
        .closed = client_closed,
        .writable = client_writable,
        .failed = client_failed,
    };
    struct endpoint *endpoint = socket_endpoint_new(server->loop, from->fd);
    struct status_client *client;

    if (endpoint == NULL) {
        close(from->fd);
        return;
    }
    client = mem_zalloc(sizeof(*client));
    client->server = server;
    client->endpoint = endpoint;
    client->near = !from->from_ip || ip_is_loopback(&from->peer);
    client->source = limit_source_hash(from->from_ip ? &from->peer : NULL);
    TAILQ_INSERT_TAIL(&server->clients, client, link);
    server->count++;
    endpoint_own(endpoint, &events, client);
    client->asking = true;
    give_time(client, STATUS_REQUEST_MS);
    endpoint_resume(endpoint);
}
