/* Fuzzes the reading of known_hosts files: the first line is a name, the rest a file. */
#include "policy/known_hosts.h"

#include "base/buffer.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ALGORITHMS "ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256"

static const char key_text[] =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFpg300oPgIZsY1ZBLyC1NVObdodb+LvUDUmAOYARev4";

/* What was found has a place; what was not has none. */
static enum known_hosts_verdict look_up(const struct known_hosts *known,
                                        const struct public_key *key)
{
    struct known_hosts_answer answer;
    enum known_hosts_verdict verdict;

    known_hosts_look_up(known, key, &answer);
    verdict = answer.verdict;
    assert((answer.place != NULL) == (verdict != KNOWN_HOSTS_UNKNOWN));
    assert((answer.other_fingerprint != NULL) == (verdict == KNOWN_HOSTS_CHANGED));
    known_hosts_answer_clear(&answer);
    return verdict;
}

/* With the line for the key behind it, a file that does not revoke the key makes it known; with
 * the revocation, nothing does. */
static void check_added(const struct known_hosts *known, const struct public_key *key,
                        enum known_hosts_verdict verdict)
{
    static const uint8_t salt[KNOWN_HOSTS_SALT_LENGTH] = {1};
    char *line = known_hosts_line(known, key, known->file_count % 2 ? salt : NULL);
    char *revoking = line != NULL ? mem_printf("@revoked %s", line) : NULL;
    struct known_hosts_file files[] = {
        known->files[0], {.path = "line", .bytes = line}, {.path = "revoking"}};
    struct known_hosts more = *known;

    if (line != NULL) {
        files[1].length = strlen(line);
        more.files = files;
        more.file_count = 2;
        assert(look_up(&more, key) ==
               (verdict == KNOWN_HOSTS_REVOKED ? KNOWN_HOSTS_REVOKED : KNOWN_HOSTS_MATCH));
        files[2].bytes = revoking;
        files[2].length = strlen(revoking);
        more.file_count = 3;
        assert(look_up(&more, key) == KNOWN_HOSTS_REVOKED);
    }
    free(revoking);
    free(line);
}

/* A copy of the file with lines before each of its lines that say nothing. */
static struct buffer commented(const struct known_hosts_file *file)
{
    static const char nothing[] = "# other ssh-ed25519 AAAA\n\n \t\n";
    struct buffer copy = {0};
    const char *at = file->bytes, *end = file->bytes + file->length;

    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *next = newline != NULL ? newline + 1 : end;
        buffer_append(&copy, nothing, sizeof(nothing) - 1);
        buffer_append(&copy, at, (size_t)(next - at));
        at = next;
    }
    return copy;
}

/* The same lines say the same with comments between them, and in two files instead of one. */
static void check_lines(const struct known_hosts *known, const struct public_key *key,
                        enum known_hosts_verdict verdict)
{
    const struct known_hosts_file *file = &known->files[0];
    const char *middle = file->length > 0 ? memchr(file->bytes + file->length / 2, '\n',
                                                   file->length - file->length / 2)
                                          : NULL;
    size_t half = middle != NULL ? (size_t)(middle + 1 - file->bytes) : file->length;
    struct buffer copy = commented(file);
    struct known_hosts_file with_comments = {
        .path = "file", .bytes = (const char *)buffer_data(&copy), .length = buffer_length(&copy)};
    struct known_hosts_file halves[] = {
        {.path = "file", .bytes = file->bytes, .length = half},
        {.path = "file", .bytes = file->bytes + half, .length = file->length - half}};
    struct known_hosts other = *known;

    other.files = &with_comments;
    assert(look_up(&other, key) == verdict);
    other.files = halves;
    other.file_count = 2;
    assert(look_up(&other, key) == verdict);
    buffer_clear(&copy);
}

/* A line that names the host only to leave it out does not make the key known. */
static void check_negated(const struct known_hosts *known, const struct public_key *key)
{
    char *plain = known_hosts_line(known, key, NULL);
    char *line = plain != NULL ? mem_printf("*,!%s", plain) : NULL;
    struct known_hosts_file file = {
        .path = "negated", .bytes = line, .length = line != NULL ? strlen(line) : 0};
    struct known_hosts negated = {&file, 1, known->name, NULL};

    assert(look_up(&negated, key) == KNOWN_HOSTS_UNKNOWN);
    free(line);
    free(plain);
}

/* A list of revoked keys says the same with comments, and revokes a key behind whatever it has,
 * unless one of its lines is none. */
static void check_revoked(const struct known_hosts_file *file, const struct public_key *key)
{
    unsigned line = 0, other_line = 0;
    enum revoked_keys_verdict verdict = revoked_keys_look_up(file, key, &line), other;
    struct buffer copy = commented(file);
    struct known_hosts_file list = {
        .path = "file", .bytes = (const char *)buffer_data(&copy), .length = buffer_length(&copy)};

    assert(line > 0);
    other = revoked_keys_look_up(&list, key, &other_line);
    assert(other == verdict && (verdict == REVOKED_KEYS_CLEAR || other_line == 4 * line));
    buffer_append(&copy, "\n", 1);
    buffer_append(&copy, key_text, sizeof(key_text) - 1);
    list.bytes = (const char *)buffer_data(&copy);
    list.length = buffer_length(&copy);
    other = revoked_keys_look_up(&list, key, &line);
    assert(other == (verdict == REVOKED_KEYS_CLEAR ? REVOKED_KEYS_REVOKED : verdict));
    buffer_clear(&copy);
}

/* The same algorithms in some order. */
static void check_order(const struct known_hosts *known)
{
    char *order = known_hosts_order(known, ALGORITHMS);

    assert(strlen(order) == strlen(ALGORITHMS));
    assert(strstr(order, "ssh-ed25519") && strstr(order, "rsa-sha2-512,rsa-sha2-256"));
    free(order);
}

/* What is read as a key is written as a key that is read as the same. */
static void check_key(const char *text, size_t length)
{
    struct public_key key;
    struct public_key again;
    char *written;

    if (public_key_read(text, length, &key) != PUBLIC_KEY_OK)
        return;
    written = public_key_text(&key);
    assert(public_key_read(written, strlen(written), &again) == PUBLIC_KEY_OK);
    assert(public_key_equal(&key, &again) && key.type == again.type);
    public_key_clear(&again);
    public_key_clear(&key);
    free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *end = size > 0 ? memchr(text, '\n', size) : NULL;
    size_t name_length = end != NULL ? (size_t)(end - text) : size;
    char *name = strndup(size > 0 ? text : "", name_length);
    size_t begin = end != NULL ? name_length + 1 : size;
    struct known_hosts_file file = {.path = "file", .bytes = text + begin, .length = size - begin};
    struct known_hosts known = {&file, 1, name, "host"};
    struct public_key key;

    for (char *c = name; *c != '\0'; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
    assert(public_key_read(key_text, strlen(key_text), &key) == PUBLIC_KEY_OK);
    known.name_without_port = NULL;
    check_added(&known, &key, look_up(&known, &key));
    check_lines(&known, &key, look_up(&known, &key));
    check_negated(&known, &key);
    known.name_without_port = "host";
    look_up(&known, &key);
    check_order(&known);
    free(known_hosts_other_names(&known, &key));
    check_revoked(&file, &key);
    check_key(file.bytes, file.length);
    public_key_clear(&key);
    free(name);
    return 0;
}
