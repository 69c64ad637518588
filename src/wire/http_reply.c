/* The proxy's own answers to an HTTP client. */
#include "wire/http.h"

#include "base/visible.h"

#include <assert.h>
#include <stdio.h>
#include <strings.h>

#define DETAIL_MAX 256 /* of the text that the SSH server gave */
#define CAUSE_MAX 64
#define TEXT_MAX (CAUSE_MAX + 2 + DETAIL_MAX)

#define ALLOW "Allow: CONNECT, DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT\r\n"

/* The field that RFC 9110 sections 15.5.6 and 15.5.8 ask for, or that RFC 6585 section 4 and RFC
 * 9110 section 15.6.4 suggest. */
static const char *field_for(enum outcome outcome)
{
    if (outcome == OUTCOME_COMMAND)
        return ALLOW;
    if (outcome == OUTCOME_AUTHENTICATION)
        return "Proxy-Authenticate: Basic realm=\"adit\", charset=\"UTF-8\"\r\n";
    if (outcome == OUTCOME_LIMITED || outcome == OUTCOME_FULL)
        return "Retry-After: 1\r\n";
    return "";
}

/* The cause, and the server's words after it: printable ASCII, so that no detail can start a new
 * field. */
static void explain(const char *cause, const char *detail, char text[static TEXT_MAX + 1])
{
    bool more = detail != NULL && detail[0] != '\0' && strcasecmp(detail, cause) != 0;
    snprintf(text, TEXT_MAX + 1, "%.*s%s%.*s", CAUSE_MAX, cause, more ? ": " : "", DETAIL_MAX,
             more ? detail : "");
    for (; *text != '\0'; text++)
        if (*text < ' ' || *text > '~')
            *text = '?';
}

/* The inside of an sf-string (RFC 8941 section 3.3.3). */
static void quote(const char *text, char quoted[static 2 * TEXT_MAX + 1])
{
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            *quoted++ = '\\';
        *quoted++ = *text;
    }
    *quoted = '\0';
}

size_t http_reply(enum outcome outcome, const struct wire_target *target, const char *detail,
                  char out[static HTTP_REPLY_MAX])
{
    const struct outcome_row *row = outcome_row(outcome);
    if (outcome == OUTCOME_OK)
        return (size_t)snprintf(out, HTTP_REPLY_MAX, "HTTP/1.1 %u %s\r\n\r\n", row->http,
                                row->http_reason);
    if (outcome == OUTCOME_LAST_HOP)
        return (size_t)snprintf(out, HTTP_REPLY_MAX,
                                "HTTP/1.1 %u %s\r\n" ALLOW
                                "Content-Length: 0\r\nConnection: close\r\n\r\n",
                                row->http, row->http_reason);

    char text[TEXT_MAX + 1], quoted[2 * TEXT_MAX + 1];
    explain(row->cause, detail, text);
    quote(text, quoted);

    char where[HOSTPORT_TEXT_MAX] = "", body[HOSTPORT_TEXT_MAX + TEXT_MAX + 16];
    bool known = target != NULL && target->host[0] != '\0';
    if (known)
        hostport_format(target->host, target->port, where);
    text_mark_invisible(where, '?');
    int body_length = snprintf(body, sizeof body, "adit: %s%s%s\n", where, known ? ": " : "", text);

    int length = snprintf(out, HTTP_REPLY_MAX,
                          "HTTP/1.1 %u %s\r\n"
                          "Proxy-Status: adit; error=%s; details=\"%s\"\r\n"
                          "%s"
                          "Content-Type: text/plain; charset=utf-8\r\n"
                          "X-Content-Type-Options: nosniff\r\n"
                          "Content-Length: %d\r\n"
                          "Connection: close\r\n"
                          "\r\n"
                          "%s",
                          row->http, row->http_reason, row->proxy_status, quoted,
                          field_for(outcome), body_length, body);
    assert(length > 0 && length < HTTP_REPLY_MAX);
    return (size_t)length;
}
