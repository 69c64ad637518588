/* Fuzzes the reading of htpasswd files: what is accepted is written as a file that is accepted as
 * the same, comments and blank lines change nothing, and what is refused names its line. */
#include "policy/users.h"

#include "base/buffer.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reports {
    unsigned count;
    unsigned first, last; /* lines */
};

static void note(void *arg, unsigned line, const char *message)
{
    struct reports *reports = arg;

    assert(*message != '\0' && strchr(message, '\n') == NULL);
    assert(line > reports->last);
    if (reports->count++ == 0)
        reports->first = line;
    reports->last = line;
}

/* Of memory of exactly that size, so that a sanitizer sees a read beyond. */
static struct users *read_exactly(const void *text, size_t length, struct reports *reports)
{
    char *copy = mem_zalloc(length > 0 ? length : 1);
    struct users *users;

    if (length > 0)
        memcpy(copy, text, length);
    *reports = (struct reports){0};
    users = users_new(copy, length, note, reports);
    free(copy);
    assert((users == NULL) == (reports->count > 0));
    return users;
}

static void check_same(struct users *users, const char *text, const struct buffer *file)
{
    struct reports reports;
    struct users *again = read_exactly(buffer_data(file), buffer_length(file), &reports);
    char *written;

    assert(again != NULL);
    written = users_text(again);
    assert(users_count(again) == users_count(users));
    assert(strcmp(written, text) == 0);
    free(written);
    users_free(again);
}

/* The file with a comment before each of its lines. */
static void put_commented(const char *text, size_t size, struct buffer *file)
{
    static const char between[] = "# a comment: $6$\n \t\r\n";

    while (size > 0) {
        const char *end = memchr(text, '\n', size);
        size_t length = end != NULL ? (size_t)(end + 1 - text) : size;
        buffer_append(file, between, sizeof(between) - 1);
        buffer_append(file, text, length);
        text += length;
        size -= length;
    }
}

/* The lines before the first one that was refused are accepted. */
static void check_beginning(const char *text, size_t size, const struct reports *reports)
{
    struct reports none;
    const char *end = text;

    for (unsigned line = 1; line < reports->first; line++)
        end = (const char *)memchr(end, '\n', size - (size_t)(end - text)) + 1;
    struct users *users = read_exactly(text, (size_t)(end - text), &none);
    assert(users != NULL);
    users_free(users);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reports reports;
    struct users *users = read_exactly(data, size, &reports);
    struct buffer file = {0};
    char *text;

    if (users == NULL) {
        check_beginning((const char *)data, size, &reports);
        return 0;
    }
    text = users_text(users);
    buffer_append(&file, text, strlen(text));
    check_same(users, text, &file);
    buffer_clear(&file);
    put_commented((const char *)data, size, &file);
    check_same(users, text, &file);
    buffer_clear(&file);
    free(text);
    users_free(users);
    return 0;
}
