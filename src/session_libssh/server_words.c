/* Banners and disconnections. */
#include "session_libssh/server_words.h"

#include "base/mem.h"
#include "base/visible.h"
#include "session_libssh/secrets.h"

#include <stdlib.h>
#include <string.h>

/* RFC 4253 section 11.1 */
#define NO_MORE_AUTH_METHODS 14
#define ILLEGAL_USER_NAME 15

/* How many lines of banners one login may put into the log: a server may send banners for as long
 * as it likes. */
#define BANNER_LINES_MAX 4000

char *server_words(const char *text)
{
    const char *from = text != NULL ? text : "";
    char *words = mem_strdup(from);
    char *to = words;

    while (*from != '\0') {
        size_t length = visible_character(from);
        if (length == 0 && (*from == '\n' || *from == '\t'))
            *to++ = *from == '\t' ? ' ' : '\n';
        memmove(to, from, length);
        to += length;
        from += length > 0 ? length : 1;
    }
    *to = '\0';
    return words;
}

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
    char *words = server_words(h->banner);
    bool news = before == NULL || strcmp(before, h->banner) != 0;

    show_lines(h, news && h->asker.may_ask ? ADIT_LOG_WARNING : ADIT_LOG_INFO, words);
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

enum dial_status server_words_fail(struct handshake *h, const char *when)
{
    unsigned long code = strtoul(h->disconnection, NULL, 10);
    const char *colon = strchr(h->disconnection, ':');
    char *words = server_words(colon != NULL ? colon + 1 : ssh_get_error(h->handle));
    enum dial_status status = DIAL_TRANSPORT;

    if (colon != NULL) {
        /* (OpenSSH says only in words that there were too many failures.) */
        if (code == NO_MORE_AUTH_METHODS || code == ILLEGAL_USER_NAME ||
            strstr(words, "authentication failures") != NULL)
            status = DIAL_AUTHENTICATION;
        handshake_fail(h, status, "the server disconnected%s: %s", when, words);
    } else if (strncmp(words, "Socket error: disconnected", 26) == 0 ||
               strncmp(words, "Socket error: Success", 21) == 0) {
        handshake_fail(h, status, "the server closed the connection%s", when);
    } else {
        handshake_fail(h, status, "%s%s", words, when);
    }
    free(words);
    return status;
}
