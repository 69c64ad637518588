/* Exponential backoff with jitter, one record a host. */
#include "gateway/host_backoff.h"

#include "base/backoff.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <uthash.h>

/* The first wait, and the longest, by the kind of failure. A refused connection costs the server
 * nothing; a connection counts against its MaxStartups and penalties; what needs a person is tried
 * rarely. */
static const struct backoff_bounds bounds[] = {
#define UNREACHABLE 0
    {250, 30000, 50},
#define REACHED 1
    {1000, 60000, 50},
#define NEEDS_A_PERSON 2
    {10000, 300000, 50},
};

#define WANTED_MS 1000

struct host_backoff {
    UT_hash_handle hh;
    unsigned holders;
    unsigned dialling;
    unsigned failures; /* in a row */
    bool proved;       /* a login there has succeeded once */
    bool asks;         /* each login there asks a person */
    int kind;          /* of the last failure: UNREACHABLE, ... */
    uint64_t failed_at;
    uint64_t wait_ms;
    char key[];
};

struct host_backoffs {
    struct host_backoff *table;
};

struct host_backoffs *host_backoffs_new(void)
{
    return mem_zalloc(sizeof(struct host_backoffs));
}

void host_backoffs_free(struct host_backoffs *hosts)
{
    struct host_backoff *host;
    struct host_backoff *next;

    if (hosts == NULL)
        return;
    HASH_ITER (hh, hosts->table, host, next) {
        HASH_DEL(hosts->table, host); /* NOLINT(clang-analyzer-unix.Malloc): not the tail yet */
        free(host);
    }
    free(hosts);
}

struct host_backoff *host_backoffs_get(struct host_backoffs *hosts, const char *name, uint16_t port)
{
    char *key = mem_printf("%s %u", name, port);
    size_t length = strlen(key);
    struct host_backoff *host;

    HASH_FIND(hh, hosts->table, key, length, host);
    if (host == NULL) {
        host = mem_zalloc(sizeof(*host) + length + 1);
        memcpy(host->key, key, length + 1);
        HASH_ADD(hh, hosts->table, key, length, host);
    }
    free(key);
    host->holders++;
    return host;
}

void host_backoff_put(struct host_backoffs *hosts, struct host_backoff *host)
{
    if (--host->holders > 0)
        return;
    HASH_DEL(hosts->table, host);
    free(host);
}

uint64_t host_backoff_wait(const struct host_backoff *host, uint64_t now, bool wanted)
{
    uint64_t wait = host->wait_ms;

    bool one_at_a_time = host->failures > 0 || !host->proved || host->asks;

    /* One dial finds out whether the host is well, and writes a new host key down, before others
     * follow. */
    if (host->dialling >= (one_at_a_time ? 1 : HOST_DIALS_MAX))
        return UINT64_MAX;
    if (wanted && host->kind == UNREACHABLE && wait > WANTED_MS)
        wait = WANTED_MS;
    return host->failures == 0 || now >= host->failed_at + wait ? 0 : host->failed_at + wait - now;
}

void host_backoff_begin(struct host_backoff *host)
{
    host->dialling++;
}

void host_backoff_abandon(struct host_backoff *host)
{
    host->dialling--;
}

void host_backoff_end(struct host_backoff *host, uint64_t began, uint64_t now, bool reached,
                      enum dial_status status)
{
    host->dialling--;
    if (status == DIAL_OK) {
        host->proved = true;
        return;
    }
    /* A dial that began in the millisecond of the last failure began after that failure if no wait
     * followed it. */
    if (host->failures > 0 &&
        (began < host->failed_at || (began == host->failed_at && host->wait_ms > 0)))
        return;
    host->kind = status == DIAL_AUTHENTICATION || status == DIAL_HOST_KEY ? NEEDS_A_PERSON
                 : reached                                                ? REACHED
                                                                          : UNREACHABLE;
    host->wait_ms = backoff_wait(&bounds[host->kind], host->failures, backoff_random());
    host->failures++;
    host->failed_at = now;
}

void host_backoff_lost(struct host_backoff *host, uint64_t since, uint64_t now)
{
    bool first = host->failures == 0;

    host_backoff_begin(host);
    host_backoff_end(host, since, now, true, DIAL_TRANSPORT);
    if (first)
        host->wait_ms = 0;
}

bool host_backoff_is_proved(const struct host_backoff *host)
{
    return host->proved;
}

void host_backoff_asks(struct host_backoff *host, bool asks)
{
    host->asks = asks;
}

bool host_backoff_is_asking(const struct host_backoff *host)
{
    return host->asks;
}

void host_backoff_well(struct host_backoff *host)
{
    host->failures = 0;
}

void host_backoff_retry_now(struct host_backoff *host)
{
    if (host->kind != NEEDS_A_PERSON)
        host->wait_ms = 0;
}

void host_backoff_forget(struct host_backoff *host)
{
    host->failures = 0;
    host->wait_ms = 0;
    host->kind = UNREACHABLE;
}

bool host_backoff_is_down(const struct host_backoff *host)
{
    return host->failures > 0;
}

bool host_backoff_needs_person(const struct host_backoff *host)
{
    return host->failures > 0 && host->kind == NEEDS_A_PERSON;
}
