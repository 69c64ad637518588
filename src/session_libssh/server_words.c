/* Banners and disconnections. */
#include "session_libssh/server_words.h"

#include "base/mem.h"
#include "base/secrets.h"
#include "base/visible.h"
#include "session_libssh/transport.h"

#include <stdlib.h>
#include <string.h>

/* RFC 4253 section 11.1 */
#define NO_MORE_AUTH_METHODS 14
#define ILLEGAL_USER_NAME 15

/* How many lines of banners one login may put into the log: a server may send banners for as long
 * as it likes. */
#define BANNER_LINES_MAX 1000

static void show_lines(struct handshake *h, enum log_level level, const char *words)
{
    while (*words != '\0' && h->banner_lines < BANNER_LINES_MAX) {
        size_t length = strcspn(words, "\n");
        if (length > 0) {
            log_line(level, "%s: the server says: %.*s", h->host, (int)length, words);
            h->banner_lines++;
        }
        words += length + (words[length] == '\n');
    }
    if (h->banner_lines == BANNER_LINES_MAX)
        log_line(level, "%s: what else the server says before the login is not shown", h->host);
}

/* Shows h->banner, which has just come. */
static void show_latest(struct handshake *h)
{
    char *memory = mem_printf("banner of %s:%u", h->host, h->port);
    char *before = secrets_get(memory);
    char *words = text_lines(h->banner);
    bool news = before == NULL || strcmp(before, h->banner) != 0;

    show_lines(h, news && h->requests.may_ask ? ADIT_LOG_WARNING : ADIT_LOG_INFO, words);
    secrets_keep(memory, h->banner);
    free(words);
    secret_free(before);
    free(memory);
}

void server_words_show(struct handshake *h)
{
    char *banner;

    if (h->banner_lines == BANNER_LINES_MAX)
        return;
    banner = ssh_get_issue_banner(h->handle);
    if (banner == NULL || (h->banner != NULL && strcmp(h->banner, banner) == 0)) {
        ssh_string_free_char(banner);
        return;
    }
    ssh_string_free_char(h->banner);
    h->banner = banner;
    show_latest(h);
}

/* What the server said instead of "SSH-..."; NULL: it said that, or nothing. The caller frees. */
static char *other_protocol(const struct handshake *h)
{
    const char *greeting = transport_greeting();
    char *words;

    /* (Lines before the version are longer than what is kept of them.) */
    if (ssh_get_serverbanner(h->handle) != NULL || greeting[0] == '\0' ||
        strncmp(greeting, "SSH-", 4) == 0 || strstr(greeting, "\nSSH-") != NULL)
        return NULL;
    words = text_lines(greeting);
    words[strcspn(words, "\n")] = '\0';
    return words;
}

/* libssh's words for an algorithm of which both sides have no common one, RFC 4253 section 7.1, and
 * what both have then: "kex error : no match for method WHAT: server [LIST], client [LIST]". */
static bool fail_unmatched(struct handshake *h, const char *words)
{
    static const struct {
        const char *method, *kind, *key, *keyword;
    } kinds[] = {
        {"kex algos", "key exchange", "kex", "KexAlgorithms"},
        {"server host key algo", "host key", "host_key_algorithms", "HostKeyAlgorithms"},
        {"encryption", "cipher", "ciphers", "Ciphers"},
        {"mac algo", "MAC", "macs", "MACs"},
        {"compression algo", "compression", "compression", "Compression"},
    };
    static const char begin[] = UNMATCHED, server[] = "server [", client[] = "client [";
    const char *method = strstr(words, begin);
    const char *theirs = method != NULL ? strstr(method, server) : NULL;
    const char *ours = theirs != NULL ? strstr(theirs, client) : NULL;

    if (ours == NULL)
        return false;
    method += sizeof(begin) - 1;
    theirs += sizeof(server) - 1;
    ours += sizeof(client) - 1;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strncmp(method, kinds[i].method, strlen(kinds[i].method)) == 0) {
            handshake_fail(h, DIAL_TRANSPORT,
                           "no %s algorithm is common to both sides: the server has %.*s, here are "
                           "%.*s; allow one of the server's, if it is secure enough, by %s = +NAME "
                           "(-o %s=+NAME)",
                           kinds[i].kind, (int)strcspn(theirs, "]"), theirs,
                           (int)strcspn(ours, "]"), ours, kinds[i].key, kinds[i].keyword);
            return true;
        }
    return false;
}

/* The connection has ended without a disconnect: `words` are libssh's. */
static void fail_unsaid(struct handshake *h, const char *words, const char *when)
{
    static const char socket_error[] = "Socket error: ", timeout[] = "Timeout connecting";
    char *other = other_protocol(h);
    const char *reason = words + sizeof(socket_error) - 1;

    if (other != NULL)
        handshake_fail(h, DIAL_TRANSPORT,
                       "this is no SSH server: it begins with %s%s%s; check host and port",
                       other[0] != '\0' ? "\"" : "bytes that are no text", other,
                       other[0] != '\0' ? "\"" : "");
    else if (strncmp(words, timeout, sizeof(timeout) - 1) == 0)
        handshake_fail(h, DIAL_TRANSPORT,
                       "the server did not answer in time%s (connect_timeout, -o ConnectTimeout)",
                       when);
    else if (strncmp(words, socket_error, sizeof(socket_error) - 1) != 0) {
        if (!fail_unmatched(h, words))
            handshake_fail(h, DIAL_TRANSPORT, "libssh says \"%s\"%s", words, when);
    } else if (strncmp(reason, "disconnected", 12) == 0 || strncmp(reason, "Success", 7) == 0)
        handshake_fail(h, DIAL_TRANSPORT, "the server closed the connection%s", when);
    else
        handshake_fail(h, DIAL_TRANSPORT, "the connection broke%s: %s", when, reason);
    free(other);
}

enum dial_status server_words_fail(struct handshake *h, const char *when)
{
    unsigned long code = strtoul(h->disconnection, NULL, 10);
    const char *colon = strchr(h->disconnection, ':');
    char *words = text_lines(colon != NULL             ? colon + 1
                             : h->unmatched[0] != '\0' ? h->unmatched
                                                       : ssh_get_error(h->handle));
    enum dial_status status = DIAL_TRANSPORT;

    if (colon != NULL) {
        /* (OpenSSH says only in words that there were too many failures.) */
        if (code == NO_MORE_AUTH_METHODS || code == ILLEGAL_USER_NAME ||
            strstr(words, "authentication failures") != NULL)
            status = DIAL_AUTHENTICATION;
        handshake_fail(h, status, "the server disconnected%s: %s", when, words);
    } else {
        fail_unsaid(h, words, when);
    }
    free(words);
    return status;
}
