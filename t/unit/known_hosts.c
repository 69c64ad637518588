/* Tests of policy/known_hosts and policy/public_key: the cases of t/lib/known_hosts.table, which
 * t/e2e/host_keys.t shows to ssh itself. */
#include "policy/known_hosts.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "known_keys.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEYS_MAX 64
#define FILES_MAX 8

struct named_key {
    char *name;
    char *text;
};

static struct named_key keys[KEYS_MAX];
static size_t key_count;

/* A case as it is read from the table. */
struct table_case {
    char name[200];
    char server[16];
    char alias[64];
    char verdict[16];
    char *texts[FILES_MAX];
    size_t count;
};

/* ---- what stands for what */

static const char *server_key(const char *kind)
{
    if (strcmp(kind, "rsa") == 0)
        return SERVER_RSA;
    return strcmp(kind, "ecdsa") == 0 ? SERVER_ECDSA : SERVER_ED25519;
}

static void add(struct buffer *out, const char *text, size_t length)
{
    if (length > 0)
        buffer_append(out, text, length);
}

static void add_text(struct buffer *out, const char *text)
{
    add(out, text, strlen(text));
}

/* "hash", "hash2", "hash-unpadded" or "hash-lower" of a name, by libcrypto alone. */
static void add_hash(struct buffer *out, const char *kind, const char *name)
{
    unsigned char salt[20], digest[EVP_MAX_MD_SIZE], salt_text[64], digest_text[64];
    unsigned length = 0;
    char *text;

    for (size_t i = 0; i < sizeof(salt); i++)
        salt[i] = (unsigned char)i;
    HMAC(EVP_sha1(), salt, sizeof(salt), (const unsigned char *)name, strlen(name), digest,
         &length);
    EVP_EncodeBlock(salt_text, salt, sizeof(salt));
    EVP_EncodeBlock(digest_text, digest, (int)length);
    text = mem_printf("|1|%s|%s", salt_text, digest_text);
    if (strcmp(kind, "hash-lower") == 0)
        for (char *c = text; *c != '\0'; c++)
            *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
    if (strcmp(kind, "hash-unpadded") == 0)
        text[strlen(text) - 1] = '\0';
    add_text(out, strcmp(kind, "hash2") == 0 ? text + 2 : text);
    free(text);
}

static void add_many(struct buffer *out, const char *kind, const char *count)
{
    for (int i = 0; i < atoi(count); i++)
        add_text(out, strcmp(kind, "x") == 0 ? "x" : i > 0 ? ",x" : "x");
}

static void add_named(struct buffer *out, const char *name)
{
    for (size_t i = 0; i < key_count; i++) {
        if (strcmp(keys[i].name, name) == 0) {
            add_text(out, keys[i].text);
            return;
        }
    }
    fail_msg("the table uses <%s>, which it does not define", name);
}

/* <WORD> or <WORD:ARGUMENT> */
static void add_word(struct buffer *out, char *word, const char *server)
{
    char *argument = strchr(word, ':');
    const char *key;

    if (argument != NULL)
        *argument++ = '\0';
    key = server_key(argument != NULL ? argument : server);
    if (strcmp(word, "host") == 0)
        add_text(out, HOST);
    else if (strcmp(word, "port") == 0)
        add_text(out, PORT);
    else if (strcmp(word, "name") == 0)
        add_text(out, NAME);
    else if (strcmp(word, "key") == 0)
        add_text(out, key);
    else if (strcmp(word, "type") == 0)
        add(out, key, strcspn(key, " "));
    else if (strcmp(word, "blob") == 0)
        add_text(out, strchr(key, ' ') + 1);
    else if (strcmp(word, "key-cert") == 0)
        add_text(out, SERVER_CERTIFICATE);
    else if (argument != NULL && word[0] == 'x')
        add_many(out, word, argument);
    else if (argument != NULL)
        add_hash(out, word,
                 argument[0] == '='              ? argument + 1
                 : strcmp(argument, "name") == 0 ? NAME
                                                 : HOST);
    else
        add_named(out, word);
}

/* One escape; returns how many characters it takes after the backslash. */
static size_t add_escape(struct buffer *out, const char *at)
{
    char hex[3] = {0};
    char byte = *at == 'n' ? '\n' : *at == 'r' ? '\r' : *at == 't' ? '\t' : *at == '0' ? '\0' : *at;

    if (*at == 'x') {
        memcpy(hex, at + 1, 2);
        byte = (char)strtoul(hex, NULL, 16);
    }
    add(out, &byte, 1);
    return *at == 'x' ? 3 : 1;
}

static struct known_hosts_file expand(const char *path, const char *text, const char *server)
{
    struct buffer out = {0};
    struct known_hosts_file file = {.path = path};
    char *bytes;

    while (*text != '\0') {
        if (*text == '<') {
            size_t length = strcspn(text, ">");
            char *word = mem_strndup(text + 1, length - 1);
            add_word(&out, word, server);
            free(word);
            text += length + 1;
        } else if (*text == '\\') {
            text += 1 + add_escape(&out, text + 1);
        } else {
            add(&out, text++, 1);
        }
    }
    /* Exactly as long as it is, so that a sanitiser sees a byte read beyond its end. */
    file.length = buffer_length(&out);
    bytes = malloc(file.length > 0 ? file.length : 1);
    if (file.length > 0)
        memcpy(bytes, buffer_data(&out), file.length);
    file.bytes = bytes;
    buffer_clear(&out);
    return file;
}

/* ---- a verdict */

static const char *const verdicts[] = {[KNOWN_HOSTS_UNKNOWN] = "unknown",
                                       [KNOWN_HOSTS_MATCH] = "match",
                                       [KNOWN_HOSTS_CHANGED] = "changed",
                                       [KNOWN_HOSTS_REVOKED] = "revoked"};

/* The key that the case's server shows: one with several has that of the first algorithm. */
static struct public_key shown_key(const struct table_case *c, const struct known_hosts *known)
{
    static const char *const kinds[] = {"ed25519", "ecdsa", "rsa"};
    const char *text = server_key(c->server);
    struct public_key key;

    if (strcmp(c->server, "all") == 0) {
        char *order = known_hosts_order(known, ALGORITHMS);
        char *first = mem_strndup(order, strcspn(order, ","));
        for (size_t i = 0; i < 3; i++) {
            struct public_key one;
            const char *candidate = server_key(kinds[i]);
            assert_int_equal(public_key_read(candidate, strlen(candidate), &one), PUBLIC_KEY_OK);
            if (one.type == public_key_type_of(first))
                text = candidate;
            public_key_clear(&one);
        }
        free(first);
        free(order);
    }
    assert_int_equal(public_key_read(text, strlen(text), &key), PUBLIC_KEY_OK);
    return key;
}

static void check_answer(const struct known_hosts_answer *answer)
{
    bool changed = answer->verdict == KNOWN_HOSTS_CHANGED;

    assert_true((answer->place != NULL) == (answer->verdict != KNOWN_HOSTS_UNKNOWN));
    assert_true((answer->other_type != NULL) == changed);
    assert_true((answer->other_fingerprint != NULL) == changed);
}

static void judge(const struct table_case *c, const struct known_hosts_file *files, size_t count,
                  const char *how)
{
    char alias[sizeof(c->alias)];
    struct known_hosts known = {.files = files, .file_count = count, .name = NAME};
    struct known_hosts_answer answer;
    struct public_key key;

    known.name_without_port = HOST;
    if (c->alias[0] != '\0') {
        for (size_t i = 0; i < sizeof(alias); i++)
            alias[i] = c->alias[i] >= 'A' && c->alias[i] <= 'Z' ? (char)(c->alias[i] - 'A' + 'a')
                                                                : c->alias[i];
        known.name = alias;
        known.name_without_port = NULL;
    }
    key = shown_key(c, &known);
    known_hosts_look_up(&known, &key, &answer);
    if (strcmp(verdicts[answer.verdict], c->verdict) != 0)
        fail_msg("%s (%s): %s and not %s", c->name, how, verdicts[answer.verdict], c->verdict);
    check_answer(&answer);
    known_hosts_answer_clear(&answer);
    public_key_clear(&key);
}

/* ---- the same case in other forms */

static const char others[] = "# somebody else's\n"
                             "other.example,192.0.2.7 " OTHER_KEY " a comment\n"
                             "@revoked other.example " OTHER_KEY "\n"
                             "bad line\n"
                             "other.example 1024 35 12345\n";

static struct known_hosts_file joined(const struct known_hosts_file *a,
                                      const struct known_hosts_file *b)
{
    bool ended = a->length == 0 || a->bytes[a->length - 1] == '\n';
    size_t length = a->length + !ended + b->length;
    char *bytes = malloc(length > 0 ? length : 1);

    if (a->length > 0)
        memcpy(bytes, a->bytes, a->length);
    if (!ended)
        bytes[a->length] = '\n';
    if (b->length > 0)
        memcpy(bytes + length - b->length, b->bytes, b->length);
    return (struct known_hosts_file){.path = a->path, .bytes = bytes, .length = length};
}

/* Lines of another host before or behind each file. */
static void judge_joined(const struct table_case *c, const struct known_hosts_file *files,
                         bool before)
{
    const struct known_hosts_file more = {
        .path = "others", .bytes = others, .length = sizeof(others) - 1};
    struct known_hosts_file longer[FILES_MAX];

    for (size_t i = 0; i < c->count; i++)
        longer[i] = before ? joined(&more, &files[i]) : joined(&files[i], &more);
    judge(c, longer, c->count, before ? "lines before" : "lines behind");
    for (size_t i = 0; i < c->count; i++)
        free((char *)longer[i].bytes);
}

/* Each line in a file of its own. */
static void judge_split(const struct table_case *c, const struct known_hosts_file *files)
{
    struct known_hosts_file *parts = NULL;
    size_t count = 0;

    for (size_t i = 0; i < c->count; i++) {
        for (size_t at = 0; at < files[i].length;) {
            const char *end = memchr(files[i].bytes + at, '\n', files[i].length - at);
            size_t length =
                end != NULL ? (size_t)(end + 1 - files[i].bytes) - at : files[i].length - at;
            parts = mem_realloc(parts, (count + 1) * sizeof(*parts));
            parts[count++] = (struct known_hosts_file){
                .path = "part", .bytes = files[i].bytes + at, .length = length};
            at += length;
        }
    }
    judge(c, parts, count, "a file a line");
    free(parts);
}

/* Cut anywhere, a file is read without a byte beyond its end, and what is revoked or known by the
 * lines before the cut stays so. */
static void judge_cut(const struct table_case *c, const struct known_hosts_file *file)
{
    size_t step = file->length > 1000 ? file->length / 50 : 1;
    struct public_key key;

    for (size_t length = 0; length < file->length; length += step) {
        char *bytes = malloc(length > 0 ? length : 1);
        struct known_hosts_file part = {.path = "part", .bytes = bytes, .length = length};
        struct known_hosts known = {&part, 1, NAME, HOST};
        struct known_hosts_answer answer;
        if (length > 0)
            memcpy(bytes, file->bytes, length);
        key = shown_key(c, &known);
        known_hosts_look_up(&known, &key, &answer);
        check_answer(&answer);
        known_hosts_answer_clear(&answer);
        public_key_clear(&key);
        free(bytes);
    }
}

static void check_case(const struct table_case *c)
{
    struct known_hosts_file files[FILES_MAX];

    for (size_t i = 0; i < c->count; i++)
        files[i] = expand("file", c->texts[i], c->server);
    judge(c, files, c->count, "as it is");
    judge_joined(c, files, true);
    judge_joined(c, files, false);
    judge_split(c, files);
    for (size_t i = 0; i < c->count; i++) {
        judge_cut(c, &files[i]);
        free((char *)files[i].bytes);
    }
}

/* ---- the table */

static void end_case(struct table_case *c)
{
    if (c->name[0] != '\0')
        check_case(c);
    for (size_t i = 0; i < c->count; i++)
        free(c->texts[i]);
    *c = (struct table_case){.server = "ed25519"};
}

static void take_line(struct table_case *c, const char *word, const char *value)
{
    if (strcmp(word, "key") == 0) {
        assert_true(key_count < KEYS_MAX);
        keys[key_count].name = mem_strndup(value, strcspn(value, " "));
        keys[key_count++].text = mem_strdup(strchr(value, ' ') + 1);
    } else if (strcmp(word, "case") == 0) {
        end_case(c);
        snprintf(c->name, sizeof(c->name), "%s", value);
    } else if (strcmp(word, "server") == 0) {
        snprintf(c->server, sizeof(c->server), "%s", value);
    } else if (strcmp(word, "alias") == 0) {
        snprintf(c->alias, sizeof(c->alias), "%s", value);
    } else if (strcmp(word, "verdict") == 0) {
        snprintf(c->verdict, sizeof(c->verdict), "%s", value);
    } else if (strcmp(word, "file") == 0) {
        assert_true(c->count < FILES_MAX);
        c->texts[c->count++] = mem_strdup(value);
    } else {
        assert_true(strcmp(word, "ssh") == 0 || strcmp(word, "ssh10") == 0);
    }
}

static void ssh_and_adit_make_the_same_of_the_table(void **state)
{
    const char *source = getenv("ADIT_SRCDIR");
    char *path = mem_printf("%s/t/lib/known_hosts.table", source != NULL ? source : ".");
    FILE *in = fopen(path, "r");
    struct table_case c = {.server = "ed25519"};
    char *line = NULL;
    size_t size = 0;
    unsigned cases = 0;

    (void)state;
    if (in == NULL)
        fail_msg("%s cannot be opened", path);
    while (getline(&line, &size, in) > 0) {
        char *value;
        line[strcspn(line, "\n")] = '\0';
        if (*line == '\0' || *line == '#')
            continue;
        value = line + strcspn(line, " ");
        if (*value != '\0')
            *value++ = '\0';
        cases += strcmp(line, "case") == 0;
        take_line(&c, line, value);
    }
    end_case(&c);
    assert_true(cases >= 100);
    for (size_t i = 0; i < key_count; i++) {
        free(keys[i].name);
        free(keys[i].text);
    }
    free(line);
    fclose(in);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ssh_and_adit_make_the_same_of_the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
