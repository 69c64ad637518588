/* The lines of known_hosts files, and what they come to. */
#include "policy/known_hosts.h"

#include "base/mem.h"
#include "policy/known_names.h"

#include <stdlib.h>
#include <string.h>

#define OTHER_NAMES_MAX 8

/* Bytes of a file, not ended by a NUL. */
struct text {
    const char *at;
    size_t length;
};

enum marker { MARKER_NONE, MARKER_REVOKED, MARKER_AUTHORITY };

/* A line with names and something behind them. */
struct line {
    const char *path;
    unsigned number;
    enum marker marker;
    struct text names;
    struct text key; /* "TYPE BASE64 COMMENT" if the line is right */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void skip(struct text *text, size_t count)
{
    text->at += count;
    text->length -= count;
}

static void skip_blanks(struct text *text)
{
    while (text->length > 0 && is_blank(*text->at))
        skip(text, 1);
}

static struct text take_word(struct text *text)
{
    struct text word = {text->at, 0};

    while (word.length < text->length && !is_blank(word.at[word.length]))
        word.length++;
    skip(text, word.length);
    return word;
}

static bool text_is(struct text text, const char *word)
{
    return text.length == strlen(word) && memcmp(text.at, word, text.length) == 0;
}

/* Cuts the next line off; without its "\n". */
static struct text take_line(struct text *rest)
{
    const char *end = rest->length > 0 ? memchr(rest->at, '\n', rest->length) : NULL;
    struct text line = {rest->at, end != NULL ? (size_t)(end - rest->at) : rest->length};

    skip(rest, line.length + (end != NULL));
    return line;
}

/* Up to the first NUL, where a string of C would end. */
static struct text up_to_nul(struct text text)
{
    const char *nul = text.length > 0 ? memchr(text.at, '\0', text.length) : NULL;

    return (struct text){text.at, nul != NULL ? (size_t)(nul - text.at) : text.length};
}

/* Takes the marker off. False: there is a wrong one, or more than one. */
static bool take_marker(struct text *text, enum marker *marker)
{
    struct text word;

    *marker = MARKER_NONE;
    if (text->length == 0 || *text->at != '@')
        return true;
    word = take_word(text);
    if (text_is(word, "@revoked"))
        *marker = MARKER_REVOKED;
    else if (text_is(word, "@cert-authority"))
        *marker = MARKER_AUTHORITY;
    skip_blanks(text);
    return *marker != MARKER_NONE && text->length > 0 && *text->at != '@';
}

/* Reads a line's parts. False: it is empty, a comment, or wrong. ssh(1) reads a NUL as the end of
 * the line; but behind the names it is as good as a blank, as ssh puts one there itself. */
static bool line_read(struct line *line, struct text whole)
{
    struct text rest = up_to_nul(whole);

    skip_blanks(&rest);
    if (rest.length == 0 || *rest.at == '#' || !take_marker(&rest, &line->marker))
        return false;
    line->names = take_word(&rest);
    if (rest.length == 0 && rest.at < whole.at + whole.length) {
        rest.at++;
        rest = up_to_nul((struct text){rest.at, (size_t)(whole.at + whole.length - rest.at)});
    }
    skip_blanks(&rest);
    line->key = rest;
    return rest.length > 0 && *rest.at != '#';
}

/* Calls `each` with every line that has names and a key of some kind. */
static void each_line(const struct known_hosts *known,
                      void (*each)(void *arg, const struct line *line), void *arg)
{
    for (size_t i = 0; i < known->file_count; i++) {
        const struct known_hosts_file *file = &known->files[i];
        struct text rest = {file->bytes, file->length};
        struct line line = {.path = file->path};
        while (rest.length > 0) {
            struct text whole = take_line(&rest);
            line.number++;
            if (line_read(&line, whole))
                each(arg, &line);
        }
    }
}

/* ---- the keys of one name */

static bool line_names(const struct line *line, const char *name)
{
    if (name == NULL)
        return false;
    return known_names_match(line->names.at, line->names.length, name);
}

struct entry {
    const char *path;
    unsigned number;
    enum marker marker;
    struct public_key key;
};

struct entries {
    const char *name;
    struct entry *items;
    size_t count;
};

/* (A line whose key cannot be read says nothing, and neither stops the reading.) */
static void gather(void *arg, const struct line *line)
{
    struct entries *entries = arg;
    struct public_key key;

    if (!line_names(line, entries->name) ||
        public_key_read(line->key.at, line->key.length, &key) != PUBLIC_KEY_OK)
        return;
    entries->items = mem_realloc(entries->items, (entries->count + 1) * sizeof(*entries->items));
    entries->items[entries->count++] = (struct entry){line->path, line->number, line->marker, key};
}

static struct entries entries_of(const struct known_hosts *known, const char *name)
{
    struct entries entries = {.name = name};

    if (name != NULL)
        each_line(known, gather, &entries);
    return entries;
}

static void entries_clear(struct entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        public_key_clear(&entries->items[i].key);
    free(entries->items);
}

static char *place_of(const struct entry *entry)
{
    return entry != NULL ? mem_printf("%s:%u", entry->path, entry->number) : NULL;
}

static const struct entry *find_revoked(const struct entries *entries, const struct public_key *key)
{
    for (size_t i = 0; i < entries->count; i++)
        if (entries->items[i].marker == MARKER_REVOKED &&
            public_key_equal(&entries->items[i].key, key))
            return &entries->items[i];
    return NULL;
}

/* The line of the key itself; else a line with another one, of the same type if possible. */
static const struct entry *find_key(const struct entries *entries, const struct public_key *key)
{
    const struct entry *other = NULL;

    for (size_t i = 0; i < entries->count; i++) {
        const struct entry *entry = &entries->items[i];
        if (entry->marker != MARKER_NONE)
            continue;
        if (!entry->key.certificate && public_key_equal(&entry->key, key))
            return entry;
        if (other == NULL || (other->key.type != key->type && entry->key.type == key->type))
            other = entry;
    }
    return other;
}

static const struct entry *find_authority(const struct entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        if (entries->items[i].marker == MARKER_AUTHORITY)
            return &entries->items[i];
    return NULL;
}

static const struct entry *decide(const struct entries *entries, const struct public_key *key,
                                  enum known_hosts_verdict *verdict)
{
    const struct entry *revoked = find_revoked(entries, key);
    const struct entry *found = find_key(entries, key);

    if (revoked != NULL) {
        *verdict = KNOWN_HOSTS_REVOKED;
        return revoked;
    }
    *verdict = found == NULL ? KNOWN_HOSTS_UNKNOWN
               : !found->key.certificate && public_key_equal(&found->key, key)
                   ? KNOWN_HOSTS_MATCH
                   : KNOWN_HOSTS_CHANGED;
    return found;
}

/* Only a match or a revocation counts there: another key under the name without the port is that of
 * another server. */
static void look_up_without_port(const struct known_hosts *known, const struct public_key *key,
                                 struct known_hosts_answer *answer)
{
    struct entries entries = entries_of(known, known->name_without_port);
    enum known_hosts_verdict verdict;
    const struct entry *entry = decide(&entries, key, &verdict);

    if (verdict == KNOWN_HOSTS_MATCH || verdict == KNOWN_HOSTS_REVOKED) {
        answer->verdict = verdict;
        answer->place = place_of(entry);
    }
    entries_clear(&entries);
}

void known_hosts_look_up(const struct known_hosts *known, const struct public_key *key,
                         struct known_hosts_answer *answer)
{
    struct entries entries = entries_of(known, known->name);
    const struct entry *entry;

    *answer = (struct known_hosts_answer){0};
    entry = decide(&entries, key, &answer->verdict);
    answer->place = place_of(entry);
    answer->authority = place_of(find_authority(&entries));
    if (answer->verdict == KNOWN_HOSTS_CHANGED) {
        answer->other_type = public_key_brief(entry->key.type);
        answer->other_fingerprint = public_key_fingerprint(&entry->key);
    }
    entries_clear(&entries);
    if (answer->verdict == KNOWN_HOSTS_UNKNOWN)
        look_up_without_port(known, key, answer);
}

void known_hosts_answer_clear(struct known_hosts_answer *answer)
{
    free(answer->place);
    free(answer->other_fingerprint);
    free(answer->authority);
    *answer = (struct known_hosts_answer){0};
}

/* ---- other names */

struct other_names {
    const char *name; /* not this one */
    const struct public_key *key;
    char *lines;
    unsigned count;
};

static void gather_name(void *arg, const struct line *line)
{
    struct other_names *others = arg;
    bool is_hash = *line->names.at == '|';
    struct public_key key;
    char *before = others->lines;

    if (line->marker != MARKER_NONE || others->count == OTHER_NAMES_MAX ||
        public_key_read(line->key.at, line->key.length, &key) != PUBLIC_KEY_OK)
        return;
    if (!key.certificate && public_key_equal(&key, others->key) &&
        !line_names(line, others->name)) {
        others->lines = mem_printf("%s    %s:%u: %.*s\n", before != NULL ? before : "", line->path,
                                   line->number, is_hash ? 13 : (int)line->names.length,
                                   is_hash ? "[hashed name]" : line->names.at);
        others->count++;
        free(before);
    }
    public_key_clear(&key);
}

char *known_hosts_other_names(const struct known_hosts *known, const struct public_key *key)
{
    struct other_names others = {.name = known->name, .key = key};

    each_line(known, gather_name, &others);
    return others.lines;
}

/* ---- the order of algorithms */

/* Whether the first key of that type is known, and was not revoked. */
static bool type_is_known(const struct entries *entries, enum public_key_type type)
{
    for (size_t i = 0; i < entries->count; i++)
        if (entries->items[i].marker == MARKER_NONE && entries->items[i].key.type == type &&
            !entries->items[i].key.certificate)
            return find_revoked(entries, &entries->items[i].key) == NULL;
    return false;
}

/* Appends those of the list whose type of key is known, or those whose is not. */
static void append(char *to, const char *algorithms, const struct entries *entries, bool is_known)
{
    char *copy = mem_strdup(algorithms);
    char *rest = copy;
    char *name;

    while ((name = strsep(&rest, ",")) != NULL) {
        if (*name == '\0' || type_is_known(entries, public_key_type_of(name)) != is_known)
            continue;
        if (*to != '\0')
            strcat(to, ",");
        strcat(to, name);
    }
    free(copy);
}

char *known_hosts_order(const struct known_hosts *known, const char *algorithms)
{
    struct entries entries = entries_of(known, known->name);
    char *first = mem_strndup(algorithms, strcspn(algorithms, ","));
    char *ordered;

    if (type_is_known(&entries, public_key_type_of(first))) {
        ordered = mem_strdup(algorithms);
    } else {
        ordered = mem_zalloc(strlen(algorithms) + 2);
        append(ordered, algorithms, &entries, true);
        append(ordered, algorithms, &entries, false);
    }
    free(first);
    entries_clear(&entries);
    return ordered;
}

/* ---- writing */

/* Whether it stands for itself alone at the beginning of a line. */
static bool name_is_plain(const char *name)
{
    if (*name == '\0' || strchr("!#@|", *name) != NULL)
        return false;
    for (; *name != '\0'; name++)
        if ((unsigned char)*name <= ' ' || *name == 0x7f || strchr(",*?", *name) != NULL)
            return false;
    return true;
}

char *known_hosts_line(const struct known_hosts *known, const struct public_key *key,
                       const uint8_t *salt)
{
    char *name;
    char *key_text;
    char *line;

    if (known->name == NULL || !name_is_plain(known->name))
        return NULL;
    name = salt != NULL ? known_names_hash(salt, known->name) : mem_strdup(known->name);
    for (char *c = name; salt == NULL && *c != '\0'; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
    key_text = public_key_text(key);
    line = mem_printf("%s %s\n", name, key_text);
    free(key_text);
    free(name);
    return line;
}

/* ---- RevokedHostKeys */

bool revoked_keys_is_krl(const struct known_hosts_file *file)
{
    static const char magic[] = "SSHKRL\n"; /* with its NUL; OpenSSH's PROTOCOL.krl, section 1 */

    return file->length >= sizeof(magic) && memcmp(file->bytes, magic, sizeof(magic)) == 0;
}

enum revoked_keys_verdict revoked_keys_look_up(const struct known_hosts_file *file,
                                               const struct public_key *key, unsigned *line)
{
    struct text rest = {file->bytes, file->length};

    for (*line = 1; rest.length > 0; ++*line) {
        struct text text = up_to_nul(take_line(&rest));
        enum public_key_result result;
        struct public_key revoked;
        bool same = false;
        skip_blanks(&text);
        if (text.length == 0 || *text.at == '#')
            continue;
        result = public_key_read(text.at, text.length, &revoked);
        if (result == PUBLIC_KEY_BAD)
            return REVOKED_KEYS_UNREADABLE;
        if (result == PUBLIC_KEY_OK) {
            same = public_key_equal(&revoked, key);
            public_key_clear(&revoked);
        }
        if (same)
            return REVOKED_KEYS_REVOKED;
    }
    return REVOKED_KEYS_CLEAR;
}
