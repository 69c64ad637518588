/* The table of outcomes, and what an SSH server's refusal means. */
#include "wire/outcome.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

/* SOCKS5 REP (RFC 1928 section 6). */
enum {
    SUCCEEDED = 0x00,
    GENERAL_FAILURE = 0x01,
    NOT_ALLOWED = 0x02,
    NETWORK_UNREACHABLE = 0x03,
    HOST_UNREACHABLE = 0x04,
    REFUSED = 0x05,
    TTL_EXPIRED = 0x06,
    COMMAND_NOT_SUPPORTED = 0x07,
    ADDRESS_TYPE_NOT_SUPPORTED = 0x08,
};

/* SOCKS4 CD. */
enum { GRANTED = 0x5a, REJECTED = 0x5b, USERID_REJECTED = 0x5d };

/* clang-format off */
static const struct outcome_row rows[OUTCOMES] = {
    [OUTCOME_OK] = {
        "ok", SUCCEEDED, GRANTED, 200, "Connection established",
        NULL, "connected"},
    [OUTCOME_PROHIBITED] = {
        "prohibited", NOT_ALLOWED, REJECTED, 403, "Forbidden",
        "destination_ip_prohibited", "the SSH server does not allow this forward"},
    [OUTCOME_REFUSED] = {
        "refused", REFUSED, REJECTED, 502, "Bad Gateway",
        "connection_refused", "connection refused"},
    [OUTCOME_NETWORK_UNREACHABLE] = {
        "network-unreachable", NETWORK_UNREACHABLE, REJECTED, 502, "Bad Gateway",
        "destination_ip_unroutable", "network is unreachable"},
    [OUTCOME_HOST_UNREACHABLE] = {
        "host-unreachable", HOST_UNREACHABLE, REJECTED, 502, "Bad Gateway",
        "destination_unavailable", "host is unreachable"},
    [OUTCOME_CONNECT_TIMED_OUT] = {
        "connect-timed-out", HOST_UNREACHABLE, REJECTED, 504, "Gateway Timeout",
        "connection_timeout", "connection timed out"},
    [OUTCOME_UNKNOWN_HOST] = {
        "unknown-host", HOST_UNREACHABLE, REJECTED, 502, "Bad Gateway",
        "dns_error", "the name does not resolve"},
    [OUTCOME_UNKNOWN_CHANNEL] = {
        "unknown-channel", COMMAND_NOT_SUPPORTED, REJECTED, 502, "Bad Gateway",
        "proxy_configuration_error", "the SSH server knows no such channel type"},
    [OUTCOME_SHORTAGE] = {
        "shortage", GENERAL_FAILURE, REJECTED, 503, "Service Unavailable",
        "connection_limit_reached", "the SSH server or this proxy is short of resources"},
    [OUTCOME_DENIED] = {
        "denied", NOT_ALLOWED, REJECTED, 403, "Forbidden",
        "http_request_denied", "denied by a rule of this proxy"},
    [OUTCOME_NO_SESSION] = {
        "no-session", GENERAL_FAILURE, REJECTED, 503, "Service Unavailable",
        "destination_unavailable", "no SSH session is up"},
    [OUTCOME_OPEN_TIMEOUT] = {
        "open-timeout", TTL_EXPIRED, REJECTED, 504, "Gateway Timeout",
        "connection_timeout", "the SSH server did not answer in time"},
    [OUTCOME_AUTHENTICATION] = {
        "authentication", NOT_ALLOWED, USERID_REJECTED, 407, "Proxy Authentication Required",
        "http_request_denied", "credentials are missing or wrong"},
    [OUTCOME_COMMAND] = {
        "command", COMMAND_NOT_SUPPORTED, REJECTED, 405, "Method Not Allowed",
        "http_request_error", "the command or method is not supported"},
    [OUTCOME_ADDRESS_TYPE] = {
        "address-type", ADDRESS_TYPE_NOT_SUPPORTED, REJECTED, 400, "Bad Request",
        "http_request_error", "the address type is not supported"},
    [OUTCOME_MALFORMED] = {
        "malformed", GENERAL_FAILURE, REJECTED, 400, "Bad Request",
        "http_request_error", "this is not a well-formed request to a proxy"},
    [OUTCOME_HANDSHAKE_TIMEOUT] = {
        "handshake-timeout", GENERAL_FAILURE, REJECTED, 408, "Request Timeout",
        "http_request_error", "the request did not arrive in time"},
    [OUTCOME_HEAD_TOO_LARGE] = {
        "head-too-large", GENERAL_FAILURE, REJECTED, 431, "Request Header Fields Too Large",
        "http_request_error", "the request's head is longer than 64 KiB"},
    [OUTCOME_SCHEME] = {
        "scheme", GENERAL_FAILURE, REJECTED, 400, "Bad Request",
        "http_request_error", "only http: URLs are served here; for https: use CONNECT"},
    [OUTCOME_NO_PROXY_REQUEST] = {
        "no-proxy-request", GENERAL_FAILURE, REJECTED, 400, "Bad Request",
        "http_request_error", "a proxy serves CONNECT and whole http: URLs, no paths alone"},
    [OUTCOME_LAST_HOP] = {
        "last-hop", GENERAL_FAILURE, REJECTED, 200, "OK",
        NULL, "Max-Forwards is 0: the proxy itself answers"},
    [OUTCOME_BAD_RESPONSE] = {
        "bad-response", GENERAL_FAILURE, REJECTED, 502, "Bad Gateway",
        "http_protocol_error", "the origin's answer is not HTTP/1.x"},
    [OUTCOME_NO_RESPONSE] = {
        "no-response", GENERAL_FAILURE, REJECTED, 502, "Bad Gateway",
        "http_response_incomplete", "the origin ended without a whole response head"},
    [OUTCOME_RESPONSE_TOO_LARGE] = {
        "response-too-large", GENERAL_FAILURE, REJECTED, 502, "Bad Gateway",
        "http_response_header_section_size", "the response's head is longer than 64 KiB"},
    [OUTCOME_LIMITED] = {
        "limited", GENERAL_FAILURE, REJECTED, 429, "Too Many Requests",
        "http_request_denied", "this client has as much as it may have"},
    [OUTCOME_FULL] = {
        "full", GENERAL_FAILURE, REJECTED, 503, "Service Unavailable",
        "connection_limit_reached", "this proxy has as many clients as it may have"},
    [OUTCOME_GIVEN_UP] = {
        "given-up", GENERAL_FAILURE, REJECTED, 400, "Bad Request",
        "http_request_error", "the client left before it was answered"},
};
/* clang-format on */

const struct outcome_row *outcome_row(enum outcome outcome)
{
    assert((unsigned)outcome < OUTCOMES);
    return &rows[outcome];
}

/* What servers write when a connection fails: strerror(3) and gai_strerror(3) of glibc, musl and
 * the BSDs, and the words of servers in Go. The first match counts: a name that could not be looked
 * up because of a timeout is a name problem, so names come first. */
static const struct {
    const char *words;
    enum outcome outcome;
} failures[] = {
    {"name or service not known", OUTCOME_UNKNOWN_HOST},
    {"name resolution", OUTCOME_UNKNOWN_HOST},
    {"no address associated", OUTCOME_UNKNOWN_HOST},
    {"name does not resolve", OUTCOME_UNKNOWN_HOST},
    {"nodename nor servname", OUTCOME_UNKNOWN_HOST},
    {"unknown host", OUTCOME_UNKNOWN_HOST},
    {"no such host", OUTCOME_UNKNOWN_HOST},
    {"error resolving", OUTCOME_UNKNOWN_HOST},
    {"refused", OUTCOME_REFUSED},
    {"too many open files", OUTCOME_SHORTAGE}, /* at the server, or here */
    {"network is unreachable", OUTCOME_NETWORK_UNREACHABLE},
    {"network unreachable", OUTCOME_NETWORK_UNREACHABLE},
    {"timed out", OUTCOME_CONNECT_TIMED_OUT},
    {"timeout", OUTCOME_CONNECT_TIMED_OUT},
};

static enum outcome outcome_from_text(const char *text)
{
    for (size_t i = 0; text != NULL && i < sizeof failures / sizeof failures[0]; i++)
        if (strcasestr(text, failures[i].words) != NULL)
            return failures[i].outcome;
    return OUTCOME_HOST_UNREACHABLE;
}

enum outcome outcome_from_open_failure(uint32_t reason, const char *text)
{
    switch (reason) {
    case 1: return OUTCOME_PROHIBITED;
    case 3: return OUTCOME_UNKNOWN_CHANNEL;
    case 4: return OUTCOME_SHORTAGE;
    default: return outcome_from_text(text);
    }
}
