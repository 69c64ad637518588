/* Breaches of the protocol that libssh reports only to its log. */
#include "session_libssh/breach.h"

#include "session_libssh/expectations.h"

#include <libssh/libssh.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

/* A line is known by its function, too: lines of other functions carry the server's own words. */
struct breach_line {
    const char *function;
    const char *text; /* within the line */
    const char *breach;
};

static const struct breach_line lines[] = {
    {"channel_rcv_data", "Data packet too big for our window",
     "the server sent more than the window allows"},
    {"ssh_packet_channel_open_conf", "received in incorrect",
     "the server confirmed a channel that was open or refused already"},
    {"ssh_packet_channel_open_conf", "Unknown channel id",
     "the server confirmed a channel that was not asked for"},
    {"ssh_packet_channel_open_conf", "Invalid", "the server's channel confirmation is malformed"},
};

const char *breach_of_log(int priority, const char *function, const char *text)
{
    if (priority > SSH_LOG_WARN)
        return NULL;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        if (strcmp(function, lines[i].function) == 0 && strstr(text, lines[i].text) != NULL)
            return lines[i].breach;
    return NULL;
}

static const struct {
    const char *begins;
    const char *breach;
} errors[] = {
    {"Window exceeded", "the server sent more than the window allows"},
    {"Unknown channel id", "the server confirmed a channel that was not asked for"},
    {"Invalid packet", "the server's answer about a channel is malformed"},
};

const char *breach_of_error(const char *text)
{
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        if (strncmp(text, errors[i].begins, strlen(errors[i].begins)) == 0)
            return errors[i].breach;
    return NULL;
}

static bool texts_are_known = true;

static void search_texts(void)
{
    /* (Each version has either these or those.) */
#if LIBSSH_VERSION_INT < SSH_VERSION_INT(0, 11, 0)
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        texts_are_known &= object_has_text(ssh_new, lines[i].text);
#else
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        texts_are_known &= object_has_text(ssh_new, errors[i].begins);
#endif
}

bool breach_texts_are_known(void)
{
    static pthread_once_t searched = PTHREAD_ONCE_INIT;

    pthread_once(&searched, search_texts);
    return texts_are_known;
}

const char *breach_of_packet_size(uint32_t size)
{
    return size < BREACH_PACKET_MIN ? "the server's maximum packet size is below 1,024 bytes"
                                    : NULL;
}
