/* The users of an htpasswd file. */
#include "policy/users.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "policy/hash_cost.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct user {
    char *name;
    char *hash;
    UT_hash_handle hh;
};

struct users {
    struct user *table; /* in the file's order */
    /* One user of each kind of hash: the hashes of a kind take the same time. */
    const struct user **kinds;
    size_t kind_count;
};

/* The methods of crypt(5) that are accepted, and how many characters follow the last '$' of a whole
 * hash. What is left out protects nothing: DES forms cut passwords at 8 characters, and look like
 * passwords in the clear; NT hashes have no salt. */
static const struct hash_method {
    const char *prefix;
    size_t tail;
} methods[] = {
    {"$y$", 43}, {"$gy$", 43}, {"$7$", 43},    {"$2a$", 53}, {"$2b$", 53}, {"$2y$", 53},
    {"$6$", 86}, {"$5$", 43},  {"$sha1$", 28}, {"$md5", 22}, {"$1$", 22},
};
#define METHODS (sizeof(methods) / sizeof(methods[0]))

static const struct hash_method *method_of(const char *hash)
{
    for (size_t i = 0; i < METHODS; i++) {
        if (strncmp(hash, methods[i].prefix, strlen(methods[i].prefix)) == 0)
            return &methods[i];
    }
    return NULL;
}

/* How many characters at the beginning of a hash decide how long it takes: the method, and its cost
 * (crypt(5)). (Of $sha1$ and $md5 the rounds vary a little from hash to hash on purpose.) */
static size_t cost_length(const char *hash)
{
    const struct hash_method *method = method_of(hash);
    size_t length = strlen(method->prefix);
    const char *more = hash + length;

    switch (hash[1]) {
    case 'y':                                     /* $y$j9T$ */
    case 'g':                                     /* $gy$j9T$ */
    case '2': return length + strcspn(more, "$"); /* $2y$12$ */
    case '7': return length + strnlen(more, 11);  /* $7$CU..../.... */
    case '5':                                     /* $5$rounds=5000$ */
    case '6': return strncmp(more, "rounds=", 7) == 0 ? length + strcspn(more, "$") : length;
    default: return length;
    }
}

static bool is_same_kind(const struct user *a, const struct user *b)
{
    size_t length = cost_length(a->hash);

    return length == cost_length(b->hash) && memcmp(a->hash, b->hash, length) == 0;
}

static void add_kind(struct users *users, const struct user *user)
{
    for (size_t i = 0; i < users->kind_count; i++)
        if (is_same_kind(users->kinds[i], user))
            return;
    users->kinds = mem_realloc(users->kinds, (users->kind_count + 1) * sizeof(users->kinds[0]));
    users->kinds[users->kind_count++] = user;
}

/* NULL, or why no password can ever match the hash. */
static const char *hash_wrong(const char *hash)
{
    static const char digits[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const struct hash_method *method = method_of(hash);

    if (!method)
        return "no hash that is accepted: make one with htpasswd -B, mkpasswd or openssl passwd -6";
    const char *tail = strrchr(hash, '$') + 1;
    if (strlen(tail) != method->tail || strspn(tail, digits) != method->tail)
        return "the hash is cut short or damaged";
    int salt = crypt_checksalt(hash);
    if (salt == CRYPT_SALT_INVALID || salt == CRYPT_SALT_METHOD_DISABLED)
        return "crypt(3) of this system does not know the hash";
    if (!hash_cost_is_bearable(hash))
        return "the hash takes too long to verify: make one of a lower cost (htpasswd -B -C 12)";
    return NULL;
}

/* Reads "NAME:HASH", with more fields behind another colon as Apache and nginx take them; NULL or
 * what is wrong with it. */
static const char *user_add(struct users *users, const char *line)
{
    size_t name_length = strcspn(line, ":");
    struct user *user;

    if (line[name_length] == '\0')
        return "not NAME:HASH";
    if (name_length == 0)
        return "the name is empty";
    HASH_FIND(hh, users->table, line, name_length, user);
    if (user)
        return "the name is there already";

    const char *field = line + name_length + 1;
    char *hash = mem_strndup(field, strcspn(field, ":"));
    const char *wrong = *hash ? hash_wrong(hash) : "the hash is empty";
    if (wrong) {
        free(hash);
        return wrong;
    }
    user = mem_zalloc(sizeof(*user));
    user->name = mem_strndup(line, name_length);
    user->hash = hash;
    HASH_ADD_KEYPTR(hh, users->table, user->name, name_length, user);
    add_kind(users, user);
    return NULL;
}

/* One line of the file, without its end; NULL or what is wrong with it. */
static const char *line_add(struct users *users, const char *text, size_t length)
{
    if (memchr(text, '\0', length))
        return "a NUL byte";
    while (length > 0 && strchr(" \t\r", text[length - 1]))
        length--;
    while (length > 0 && strchr(" \t", *text)) {
        text++;
        length--;
    }
    if (length == 0 || *text == '#')
        return NULL;

    char *line = mem_strndup(text, length);
    const char *wrong = user_add(users, line);
    free(line);
    return wrong;
}

struct users *users_new(const char *text, size_t length, users_report_fn *report, void *arg)
{
    struct users *users = mem_zalloc(sizeof(*users));
    const char *end = text + length;
    bool valid = true;

    for (unsigned number = 1; text < end; number++) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *line_end = newline ? newline : end;
        const char *wrong = line_add(users, text, (size_t)(line_end - text));
        if (wrong) {
            report(arg, number, wrong);
            valid = false;
        }
        text = line_end + (newline != NULL);
    }
    if (valid)
        return users;
    users_free(users);
    return NULL;
}

void users_free(struct users *users)
{
    struct user *user;
    struct user *next;

    if (!users)
        return;
    HASH_ITER (hh, users->table, user, next) {
        HASH_DEL(users->table, user); /* NOLINT(clang-analyzer-unix.Malloc): not the tail yet */
        free(user->name);
        free(user->hash);
        free(user);
    }
    free(users->kinds);
    free(users);
}

char *users_text(const struct users *users)
{
    struct buffer text = {0};
    const struct user *user;

    for (user = users->table; user != NULL; user = user->hh.next) {
        buffer_append(&text, user->name, strlen(user->name));
        buffer_append(&text, ":", 1);
        buffer_append(&text, user->hash, strlen(user->hash));
        buffer_append(&text, "\n", 1);
    }
    const char *bytes = (const char *)buffer_data(&text);
    char *copy = mem_strndup(bytes ? bytes : "", buffer_length(&text));
    buffer_clear(&text);
    return copy;
}

size_t users_count(const struct users *users)
{
    return HASH_COUNT(users->table);
}

/* Whether crypt(3) makes this hash of the password. */
static bool hash_verifies(const char *hash, const char *password)
{
    struct crypt_data *data = mem_zalloc(sizeof(*data)); /* 32 KiB, too much for a thread's stack */
    const char *made = crypt_r(password, hash, data);
    size_t length = strlen(hash);
    bool same = made && strlen(made) == length && CRYPTO_memcmp(made, hash, length) == 0;

    mem_free_secret(data, sizeof(*data));
    return same;
}

bool users_verify(const struct users *users, const char *name, const char *password)
{
    struct user *user;

    HASH_FIND_STR(users->table, name, user);
    if (user && hash_verifies(user->hash, password))
        return true;
    /* The time must not show which users exist, whatever their hashes cost: each refusal takes one
     * hash of each kind, the user's own among them. */
    for (size_t i = 0; i < users->kind_count; i++)
        if (!user || !is_same_kind(users->kinds[i], user))
            hash_verifies(users->kinds[i]->hash, password);
    return false;
}
