/* Reading the lines of known_hosts files, and the verdict on a key. */
#include "policy/known_hosts.h"

#include "base/mem.h"
#include "base/text.h"
#include "policy/known_names.h"

#include <stdlib.h>
#include <string.h>

#define OTHER_NAMES_MAX 8

enum marker { MARKER_NONE, MARKER_REVOKED, MARKER_AUTHORITY };

/* A line with names and something behind them. */
struct known_line {
    const struct known_hosts_file *file;
    unsigned number;
    enum marker marker;
    struct text names;
    struct text key; /* "TYPE BASE64 COMMENT" if the line is right */
};

static bool is_line_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void skip_blanks(struct text *text)
{
    while (text->length > 0 && is_line_blank(*text->at))
        text_skip(text, 1);
}

static struct text take_known_word(struct text *text)
{
    struct text word = {text->at, 0};

    while (word.length < text->length && !is_line_blank(word.at[word.length]))
        word.length++;
    text_skip(text, word.length);
    return word;
}

/* Takes the marker off the beginning. False: the marker is not known, or there is more than one. */
static bool take_marker(struct text *text, enum marker *marker)
{
    struct text word;

    *marker = MARKER_NONE;
    if (text->length == 0 || *text->at != '@')
        return true;
    word = take_known_word(text);
    if (text_is(word, "@revoked"))
        *marker = MARKER_REVOKED;
    else if (text_is(word, "@cert-authority"))
        *marker = MARKER_AUTHORITY;
    skip_blanks(text);
    return *marker != MARKER_NONE && text->length > 0 && *text->at != '@';
}

/* Reads the parts of a line. False: the line is empty, a comment, or malformed. ssh(1) reads a NUL
 * as the end of the line; but behind the names it is as good as a blank, as ssh puts one there
 * itself. */
static bool line_read(struct known_line *line, struct text whole)
{
    struct text rest = text_until(whole, '\0');

    skip_blanks(&rest);
    if (rest.length == 0 || *rest.at == '#' || !take_marker(&rest, &line->marker))
        return false;
    line->names = take_known_word(&rest);
    if (rest.length == 0 && rest.at < whole.at + whole.length) {
        rest.at++;
        rest =
            text_until((struct text){rest.at, (size_t)(whole.at + whole.length - rest.at)}, '\0');
    }
    skip_blanks(&rest);
    line->key = rest;
    return rest.length > 0 && *rest.at != '#';
}

/* Calls `each` with every line that has names and a key of some kind. */
static void each_line(const struct known_hosts *known,
                      void (*each)(void *arg, const struct known_line *line), void *arg)
{
    for (size_t i = 0; i < known->file_count; i++) {
        const struct known_hosts_file *file = &known->files[i];
        struct text rest = {file->bytes, file->length};
        struct known_line line = {.file = file};
        while (rest.length > 0) {
            struct text whole = text_take_until(&rest, '\n');
            line.number++;
            if (line_read(&line, whole))
                each(arg, &line);
        }
    }
}

/* ---- the keys of one name */

static bool line_names(const struct known_line *line, const char *name)
{
    if (name == NULL)
        return false;
    return known_names_match(line->names.at, line->names.length, name);
}

struct known_key {
    const struct known_hosts_file *file;
    unsigned number;
    enum marker marker;
    struct public_key key;
};

struct known_keys {
    const char *name;
    bool without_printed;
    struct known_key *items;
    size_t count;
};

/* (A line whose key cannot be read is skipped.) */
static void gather_key(void *arg, const struct known_line *line)
{
    struct known_keys *keys = arg;
    struct public_key key;

    if ((keys->without_printed && line->file->is_printed) || !line_names(line, keys->name) ||
        public_key_read(line->key.at, line->key.length, &key) != PUBLIC_KEY_OK)
        return;
    keys->items = mem_realloc(keys->items, (keys->count + 1) * sizeof(*keys->items));
    keys->items[keys->count++] = (struct known_key){line->file, line->number, line->marker, key};
}

static struct known_keys keys_of(const struct known_hosts *known, const char *name)
{
    struct known_keys keys = {.name = name, .without_printed = name != known->name};

    if (name != NULL)
        each_line(known, gather_key, &keys);
    return keys;
}

static void keys_clear(struct known_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        public_key_clear(&keys->items[i].key);
    free(keys->items);
}

static char *place_of(const struct known_key *entry)
{
    return entry != NULL ? mem_printf("%s:%u", entry->file->path, entry->number) : NULL;
}

static const struct known_key *find_revoked(const struct known_keys *keys,
                                            const struct public_key *key)
{
    for (size_t i = 0; i < keys->count; i++)
        if (keys->items[i].marker == MARKER_REVOKED && public_key_equal(&keys->items[i].key, key))
            return &keys->items[i];
    return NULL;
}

/* The line of the key itself; else a line with another one, of the same type if possible. */
static const struct known_key *find_key(const struct known_keys *keys, const struct public_key *key)
{
    const struct known_key *other = NULL;

    for (size_t i = 0; i < keys->count; i++) {
        const struct known_key *entry = &keys->items[i];
        if (entry->marker != MARKER_NONE)
            continue;
        if (!entry->key.certificate && public_key_equal(&entry->key, key))
            return entry;
        if (other == NULL || (other->key.type != key->type && entry->key.type == key->type))
            other = entry;
    }
    return other;
}

static const struct known_key *find_authority(const struct known_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        if (keys->items[i].marker == MARKER_AUTHORITY)
            return &keys->items[i];
    return NULL;
}

char *known_hosts_authority(const struct known_hosts *known)
{
    struct known_keys keys = keys_of(known, known->name);
    char *place = place_of(find_authority(&keys));

    keys_clear(&keys);
    return place;
}

static const struct known_key *decide(const struct known_keys *keys, const struct public_key *key,
                                      enum known_hosts_verdict *verdict)
{
    const struct known_key *revoked = find_revoked(keys, key);
    const struct known_key *found = find_key(keys, key);

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
    struct known_keys keys = keys_of(known, known->name_without_port);
    enum known_hosts_verdict verdict;
    const struct known_key *entry = decide(&keys, key, &verdict);

    if (verdict == KNOWN_HOSTS_MATCH || verdict == KNOWN_HOSTS_REVOKED) {
        answer->verdict = verdict;
        answer->place = place_of(entry);
        answer->is_printed = entry->file->is_printed;
    }
    keys_clear(&keys);
}

void known_hosts_look_up(const struct known_hosts *known, const struct public_key *key,
                         struct known_hosts_answer *answer)
{
    struct known_keys keys = keys_of(known, known->name);
    const struct known_key *entry;

    *answer = (struct known_hosts_answer){0};
    entry = decide(&keys, key, &answer->verdict);
    answer->place = place_of(entry);
    answer->is_printed = entry != NULL && entry->file->is_printed;
    answer->authority = place_of(find_authority(&keys));
    if (answer->verdict == KNOWN_HOSTS_CHANGED && entry != NULL) {
        answer->other_type = public_key_brief(entry->key.type);
        answer->other_fingerprint = public_key_fingerprint(&entry->key);
    }
    keys_clear(&keys);
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

static void gather_name(void *arg, const struct known_line *line)
{
    struct other_names *others = arg;
    bool is_hash = *line->names.at == '|';
    struct public_key key;
    char *before = others->lines;

    if (line->file->is_printed || line->marker != MARKER_NONE || others->count == OTHER_NAMES_MAX ||
        public_key_read(line->key.at, line->key.length, &key) != PUBLIC_KEY_OK)
        return;
    if (!key.certificate && public_key_equal(&key, others->key) &&
        !line_names(line, others->name)) {
        others->lines = mem_printf(
            "%s    %s:%u: %.*s\n", before != NULL ? before : "", line->file->path, line->number,
            is_hash ? 13 : (int)line->names.length, is_hash ? "[hashed name]" : line->names.at);
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

/* Whether a key of that type is known, and the first such key is not revoked. */
static bool type_is_known(const struct known_keys *keys, enum public_key_type type)
{
    for (size_t i = 0; i < keys->count; i++)
        if (keys->items[i].marker == MARKER_NONE && keys->items[i].key.type == type &&
            !keys->items[i].key.certificate)
            return find_revoked(keys, &keys->items[i].key) == NULL;
    return false;
}

/* Appends the algorithms of the list whose type of key is known, or those whose type is not. */
static void append_algorithms(char *to, const char *algorithms, const struct known_keys *keys,
                              bool is_known)
{
    char *copy = mem_strdup(algorithms);
    char *rest = copy;
    char *name;

    while ((name = strsep(&rest, ",")) != NULL) {
        if (*name == '\0' || type_is_known(keys, public_key_type_of(name)) != is_known)
            continue;
        if (*to != '\0')
            strcat(to, ",");
        strcat(to, name);
    }
    free(copy);
}

char *known_hosts_order(const struct known_hosts *known, const char *algorithms)
{
    struct known_keys keys = keys_of(known, known->name);
    char *first = mem_strndup(algorithms, strcspn(algorithms, ","));
    char *ordered;

    if (type_is_known(&keys, public_key_type_of(first))) {
        ordered = mem_strdup(algorithms);
    } else {
        ordered = mem_zalloc(strlen(algorithms) + 2);
        append_algorithms(ordered, algorithms, &keys, true);
        append_algorithms(ordered, algorithms, &keys, false);
    }
    free(first);
    keys_clear(&keys);
    return ordered;
}

/* ---- writing */

/* Whether the name, at the beginning of a line, would match itself and nothing else. */
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
        struct text text = text_until(text_take_until(&rest, '\n'), '\0');
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
