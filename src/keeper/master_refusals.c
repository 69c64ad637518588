/* Lines of ssh(1)'s mux.c and channels.c, as OpenSSH 8.7 to 10 print them. */
#include "keeper/master_refusals.h"

#include "base/mem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_FAILED 2

/* (reason2txt of channels.c. The number of any other reason is not printed.) */
static const struct {
    const char *text;
    uint32_t reason;
} reasons[] = {
    {"administratively prohibited", 1}, {"connect failed", CONNECT_FAILED},
    {"unknown channel type", 3},        {"resource shortage", 4},
    {"unknown reason", CONNECT_FAILED},
};

static bool skip_words(const char **at, const char *words)
{
    size_t length = strlen(words);

    if (strncmp(*at, words, length) != 0)
        return false;
    *at += length;
    return true;
}

static bool take_decimal(const char **at, long long *number)
{
    char *end;

    if (**at != '-' && (**at < '0' || **at > '9'))
        return false;
    errno = 0;
    *number = strtoll(*at, &end, 10);
    if (end == *at || errno != 0)
        return false;
    *at = end;
    return true;
}

static void forget_target(struct master_target *target)
{
    free(target->host);
    *target = (struct master_target){0};
}

/* Where the target of a channel is. NULL: ssh has no such channel. */
static struct master_target *channel_target(struct master_refusals *r, long long number)
{
    size_t count = r->channel_count;

    if (number < 0 || number >= MASTER_CHANNELS_MAX)
        return NULL;
    if ((size_t)number < count)
        return &r->channels[number];
    while (count <= (size_t)number)
        count += count / 2 + 16;
    r->channels = mem_realloc(r->channels, count * sizeof(*r->channels));
    memset(r->channels + r->channel_count, 0, (count - r->channel_count) * sizeof(*r->channels));
    r->channel_count = count;
    return &r->channels[number];
}

/* "HOST:PORT". (A path has the port -2, which is printed with a sign or without.) */
static void take_asked_target(struct master_target *asked, const char *text)
{
    const char *colon = strrchr(text, ':');
    const char *at = colon != NULL ? colon + 1 : text;
    long long port;

    forget_target(asked);
    if (colon == NULL || !take_decimal(&at, &port) || *at != '\0')
        return;
    asked->host = mem_strndup(text, (size_t)(colon - text));
    asked->port = (uint32_t)port;
}

void master_refusals_asked(struct master_refusals *r, const char *words)
{
    struct master_target *target;
    const char *at = words;
    long long number;

    if (skip_words(&at, "channel_new: ") && take_decimal(&at, &number) &&
        (target = channel_target(r, number)) != NULL) {
        forget_target(target);
        *target = r->asked;
        r->asked = (struct master_target){0};
        return;
    }
    at = words;
    if (skip_words(&at, "channel ") && take_decimal(&at, &number) &&
        skip_words(&at, ": stdio fwd to "))
        take_asked_target(&r->asked, at);
}

static void free_refusal(struct master_refusal *refusal)
{
    if (refusal == NULL)
        return;
    forget_target(&refusal->target);
    free(refusal->words);
    free(refusal);
}

/* (The target goes over: a channel fails once.) */
static void keep_refusal(struct master_refusals *r, struct master_target *target, uint32_t reason,
                         const char *words)
{
    struct master_refusal *refusal = mem_zalloc(sizeof(*refusal));

    refusal->target = *target;
    refusal->reason = reason;
    refusal->words = mem_strdup(words);
    *target = (struct master_target){0};
    free_refusal(r->kept[r->next]);
    r->kept[r->next] = refusal;
    r->next = (r->next + 1) % MASTER_REFUSALS_MAX;
}

void master_refusals_failed(struct master_refusals *r, const char *words)
{
    long long number;

    if (!skip_words(&words, "channel ") || !take_decimal(&words, &number) ||
        !skip_words(&words, ": open failed: ") || number < 0 ||
        number >= (long long)r->channel_count || r->channels[number].host == NULL)
        return;
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        const char *at = words;
        if (skip_words(&at, reasons[i].text) && (skip_words(&at, ": ") || *at == '\0')) {
            keep_refusal(r, &r->channels[number], reasons[i].reason, at);
            return;
        }
    }
}

const struct master_refusal *master_refusals_find(const struct master_refusals *r, const char *host,
                                                  uint32_t port)
{
    for (size_t i = 1; i <= MASTER_REFUSALS_MAX; i++) {
        const struct master_refusal *refusal =
            r->kept[(r->next + MASTER_REFUSALS_MAX - i) % MASTER_REFUSALS_MAX];
        if (refusal == NULL)
            return NULL;
        if (refusal->target.port == port && strcmp(refusal->target.host, host) == 0)
            return refusal;
    }
    return NULL;
}

void master_refusals_clear(struct master_refusals *r)
{
    for (size_t i = 0; i < MASTER_REFUSALS_MAX; i++)
        free_refusal(r->kept[i]);
    for (size_t i = 0; i < r->channel_count; i++)
        forget_target(&r->channels[i]);
    free(r->channels);
    forget_target(&r->asked);
    *r = (struct master_refusals){0};
}
