/* HTTP requests that a client sends without waiting for the responses before: they go to the origin
 * ahead of their turn, on the connection that the request before them uses, so that a list of files
 * does not cost a round trip each (RFC 9112 section 9.3.2). Their bytes stay with the client. When
 * the turn of a request has come it is parsed, checked and judged like any other one, and has its
 * own exchange and access line; only its head is not sent again, if it still leads to the
 * connection on which it was sent. If it does not, or if that connection has ended, the request is
 * sent again: only what is idempotent and has no body goes ahead. */
#include "worker/client_parts.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* The most requests that are sent ahead, and the most bytes of their heads together. (apt-get has
 * ten requests under way.) */
#define AHEAD_MAX 16
#define AHEAD_BYTES_MAX ((size_t)16 * 1024)

/* A request that was sent ahead. */
struct ahead_request {
    size_t asked; /* how many bytes of the client it is */
    size_t head;  /* how many bytes the origin was sent for it */
    uint64_t at;  /* when */
};

/* Requests are numbered as they come. */
struct client_ahead {
    uint64_t turn; /* the number of the request whose turn it is */
    uint64_t last; /* the last number that was sent ahead, ever */
    size_t live;   /* how many behind `turn` are under way on the connection that it uses */
    size_t limit;  /* how many may be; halved when a connection ends with some under way */
    struct ahead_request requests[AHEAD_MAX]; /* by number; those behind `turn`, up to `last` */
    struct buffer heads;                      /* of the live ones, in order */
    struct buffer from_origin;                /* what has come behind the response before */
    struct buffer waiting;                    /* what has come behind that, for the rate */
    struct http_progress progress;            /* of the head that is behind them */
    /* For the access lines of those whose turn does not come: they all have the same. */
    struct client_wish wish;
    struct client_verdict verdict;
    const struct config_upstream *upstream;
};

static struct ahead_request *ahead_at(struct client_ahead *a, uint64_t number)
{
    return &a->requests[number % AHEAD_MAX];
}

static char *copy_or_null(const char *text)
{
    return text != NULL ? mem_strdup(text) : NULL;
}

static void free_wish(struct client_wish *wish)
{
    free(wish->user);
    free(wish->tried);
    free(wish->target);
    *wish = (struct client_wish){0};
}

static struct client_ahead *ahead_of(struct client *c)
{
    if (c->ahead == NULL) {
        c->ahead = mem_zalloc(sizeof(*c->ahead));
        c->ahead->limit = AHEAD_MAX;
    }
    return c->ahead;
}

/* Sending. */

/* Whether the request comes from the user whom the current one comes from. A password that was not
 * checked lately is checked when the turn of its request has come. */
static bool same_login(const struct client *c, const struct wire_credentials *given)
{
    if (c->wish.user == NULL)
        return c->listen->auth != LISTEN_AUTH_PASSWORD;
    return given->given && strcmp(given->user, c->wish.user) == 0 &&
           client_password_is_known(c, given);
}

/* Whether the rules allow the request, and by the same upstream. */
static bool rules_let_it_go(const struct client *c)
{
    const struct client_request *r = c->request;
    const struct ip *address = r->target.is_ip     ? &r->target.ip
                               : r->way.by_address ? &r->way.address
                                                   : NULL;
    struct acl_verdict verdict = client_ask_rules(c, r->target.host, address);
    const char *via = verdict.via != NULL ? verdict.via : c->listen->via;

    return verdict.allow && strcmp(via, c->session.upstream->name) == 0;
}

static bool may_go_ahead(const struct client *c, const struct http_request *http)
{
    const struct wire_target *target = &c->request->target;

    return http->command == WIRE_FORWARD && http->repeatable && !http->close &&
           http->upgrade.length == 0 && http->last_hop == OUTCOME_OK &&
           http->target.port == target->port && strcmp(http->target.host, target->host) == 0 &&
           same_login(c, &http->credentials) && rules_let_it_go(c) && client_may_stay(c);
}

/* It was sent, so that it will have an access line. */
static void note_sent(struct client *c, const struct ahead_request *request)
{
    struct client_ahead *a = c->ahead;
    uint64_t number = a->turn + a->live + 1;

    *ahead_at(a, number) = *request;
    a->live++;
    if (number > a->last)
        a->last = number;
    free_wish(&a->wish);
    a->wish = c->wish;
    a->wish.user = copy_or_null(c->wish.user);
    a->wish.tried = NULL;
    a->wish.target = copy_or_null(c->wish.target);
    a->verdict = c->verdict;
    a->upstream = c->session.upstream;
}

/* Appends the head for the origin. False: that would be too many bytes. */
static bool append_head(struct client_ahead *a, const struct http_request *http,
                        struct buffer *head)
{
    uint8_t *out = buffer_reserve(head, http_rewrite_max(http));

    buffer_commit(head, http_request_rewrite(http, HTTP_KEEP, out));
    if (buffer_length(&a->heads) + buffer_length(head) > AHEAD_BYTES_MAX)
        return false;
    buffer_append(&a->heads, buffer_data(head), buffer_length(head));
    return true;
}

enum wire_status client_send_ahead(void *arg, struct text bytes, struct buffer *head, size_t *used)
{
    struct client *c = arg;
    struct client_ahead *a = ahead_of(c);
    struct http_request http;
    enum outcome bad;
    enum wire_status status;
    bool may;

    if (a->live >= a->limit)
        return WIRE_BAD;
    status = http_request_parse_on((const uint8_t *)bytes.at, bytes.length, &a->progress, used,
                                   &http, &bad);
    if (status == WIRE_MORE)
        return WIRE_MORE;
    a->progress = (struct http_progress){0};
    if (status == WIRE_BAD)
        return WIRE_BAD;
    may = may_go_ahead(c, &http) && append_head(a, &http, head);
    explicit_bzero(&http.credentials, sizeof(http.credentials));
    if (!may)
        return WIRE_BAD;
    note_sent(c, &(struct ahead_request){
                     .asked = *used,
                     .head = buffer_length(head),
                     .at = loop_now(c->worker->loop),
                 });
    return WIRE_OK;
}

/* Their turn. */

size_t client_ahead_count(const struct client *c)
{
    return c->ahead != NULL ? c->ahead->live : 0;
}

size_t client_ahead_bytes(const struct client *c)
{
    size_t bytes = 0;

    for (size_t i = 1; i <= client_ahead_count(c); i++)
        bytes += ahead_at(c->ahead, c->ahead->turn + i)->asked;
    return bytes;
}

size_t client_ahead_held(const struct client *c)
{
    const struct client_ahead *a = c->ahead;

    return a == NULL ? 0
                     : buffer_length(&a->heads) + buffer_length(&a->from_origin) +
                           buffer_length(&a->waiting);
}

struct buffer *client_ahead_response(struct client *c)
{
    return &ahead_of(c)->from_origin;
}

struct buffer *client_ahead_waiting(struct client *c)
{
    return &ahead_of(c)->waiting;
}

bool client_ahead_turn(struct client *c)
{
    struct client_ahead *a = c->ahead;
    const struct buffer *head = &c->request->head;
    size_t length = buffer_length(head);
    bool same;

    if (a == NULL)
        return false;
    a->turn++;
    a->progress = (struct http_progress){0};
    if (a->live == 0)
        return false;
    same = ahead_at(a, a->turn)->head == length &&
           memcmp(buffer_data(&a->heads), buffer_data(head), length) == 0;
    buffer_consume(&a->heads, ahead_at(a, a->turn)->head);
    a->live--;
    return same;
}

void client_forget_ahead(struct client *c)
{
    struct client_ahead *a = c->ahead;

    if (a == NULL)
        return;
    a->limit /= 2;
    a->live = 0;
    buffer_clear(&a->heads);
    buffer_clear(&a->from_origin);
    buffer_clear(&a->waiting);
}

/* The end. */

void client_log_ahead(struct client *c)
{
    struct client_ahead *a = c->ahead;

    if (a == NULL || a->turn >= a->last)
        return;
    free_wish(&c->wish);
    c->wish = a->wish;
    a->wish = (struct client_wish){0};
    c->verdict = a->verdict;
    c->session.upstream = a->upstream;
    c->outcome = OUTCOME_GIVEN_UP;
    c->reached = 0;
    c->words = "sent ahead of its turn, which did not come";
    while (a->turn < a->last) {
        const struct ahead_request *request = ahead_at(a, ++a->turn);
        c->began = request->at;
        c->bytes[0] = request->head;
        c->bytes[1] = 0;
        client_log_request(c);
    }
}

void client_free_ahead(struct client *c)
{
    struct client_ahead *a = c->ahead;

    if (a == NULL)
        return;
    buffer_clear(&a->heads);
    buffer_clear(&a->from_origin);
    buffer_clear(&a->waiting);
    free_wish(&a->wish);
    free(a);
    c->ahead = NULL;
}
