/* Counts of wrong passwords: of each source, and of each source and user. */
#include "policy/guesses.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define USER_FREE 1
#define SOURCE_FREE 16
#define DELAY_MS 100
#define USER_DELAY_MAX_MS 2000
#define SOURCE_DELAY_MAX_MS 200
#define FORGET_MS 60000

/* So many records are kept. */
#define RECORDS_MAX 8192

/* So much of a user's name counts. */
#define NAME_MAX_BYTES 255

struct guess_key {
    size_t length;
    uint8_t bytes[sizeof(uint64_t) + 1 + NAME_MAX_BYTES];
};

struct guess_record {
    UT_hash_handle hh;
    struct guess_key key;
    unsigned count;
    uint64_t last;
    uint64_t until;
};

struct guesses {
    struct guess_record *table; /* uthash keeps the order of adding: the first is the oldest */
};

struct guesses *guesses_new(void)
{
    return mem_zalloc(sizeof(struct guesses));
}

static void record_drop(struct guesses *g, struct guess_record *record)
{
    HASH_DEL(g->table, record); /* NOLINT(clang-analyzer-unix.Malloc): not the tail yet */
    free(record);
}

void guesses_free(struct guesses *g)
{
    if (g == NULL)
        return;
    while (g->table != NULL)
        record_drop(g, g->table);
    free(g);
}

/* `user` NULL: of the source alone. */
static struct guess_key key_of_guess(uint64_t source, const char *user)
{
    struct guess_key key = {.length = sizeof(source)};
    size_t length;

    memcpy(key.bytes, &source, sizeof(source));
    if (user == NULL)
        return key;
    length = strnlen(user, NAME_MAX_BYTES);
    key.bytes[key.length++] = 1;
    memcpy(key.bytes + key.length, user, length);
    key.length += length;
    return key;
}

static struct guess_record *record_find(const struct guesses *g, uint64_t source, const char *user)
{
    struct guess_key key = key_of_guess(source, user);
    struct guess_record *record;

    HASH_FIND(hh, g->table, key.bytes, key.length, record);
    return record;
}

/* The record, as the newest. */
static struct guess_record *record_renew(struct guesses *g, uint64_t source, const char *user)
{
    struct guess_record *record = record_find(g, source, user);

    if (record != NULL) {
        HASH_DEL(g->table, record); /* NOLINT(clang-analyzer-unix.Malloc): not the tail yet */
    } else {
        if (HASH_COUNT(g->table) >= RECORDS_MAX)
            record_drop(g, g->table);
        record = mem_zalloc(sizeof(*record));
        record->key = key_of_guess(source, user);
    }
    HASH_ADD_KEYPTR(hh, g->table, record->key.bytes, record->key.length, record);
    return record;
}

/* The first `free_count` wrong ones cost nothing, each further one more, up to `max_ms`. */
static void count_wrong(struct guess_record *record, unsigned free_count, uint64_t max_ms,
                        uint64_t now)
{
    uint64_t delay = DELAY_MS;

    if (now - record->last >= FORGET_MS)
        record->count = 0;
    record->count++;
    record->last = now;
    if (record->count <= free_count)
        return;
    for (unsigned i = free_count + 1; i < record->count && delay < max_ms; i++)
        delay *= 2;
    record->until = now + (delay < max_ms ? delay : max_ms);
}

void guesses_add_wrong(struct guesses *g, uint64_t source, const char *user, uint64_t now)
{
    count_wrong(record_renew(g, source, user), USER_FREE, USER_DELAY_MAX_MS, now);
    count_wrong(record_renew(g, source, NULL), SOURCE_FREE, SOURCE_DELAY_MAX_MS, now);
}

void guesses_add_right(struct guesses *g, uint64_t source, const char *user)
{
    struct guess_record *record = record_find(g, source, user);

    if (record != NULL)
        record_drop(g, record);
}

uint64_t guesses_wait_until(const struct guesses *g, uint64_t source, const char *user)
{
    const struct guess_record *of_user = record_find(g, source, user);
    const struct guess_record *of_source = record_find(g, source, NULL);
    uint64_t until = of_user != NULL ? of_user->until : 0;

    return of_source != NULL && of_source->until > until ? of_source->until : until;
}
