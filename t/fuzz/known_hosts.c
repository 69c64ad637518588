/* Fuzzes the reading of known_hosts files: the first line is a name, the rest a file. */
#include "policy/known_hosts.h"

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
    unsigned line;

    for (char *c = name; *c != '\0'; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
    assert(public_key_read(key_text, strlen(key_text), &key) == PUBLIC_KEY_OK);
    known.name_without_port = NULL;
    check_added(&known, &key, look_up(&known, &key));
    known.name_without_port = "host";
    look_up(&known, &key);
    check_order(&known);
    free(known_hosts_other_names(&known, &key));
    revoked_keys_look_up(&file, &key, &line);
    check_key(file.bytes, file.length);
    public_key_clear(&key);
    free(name);
    return 0;
}
