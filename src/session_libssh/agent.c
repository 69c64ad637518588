/* A small agent of our own before the real one: libssh offers all keys of an agent, as they come,
 * and knows nothing of certificates beside them. */
#include "session_libssh/agent.h"

#include "base/mem.h"
#include "io/connect.h"
#include "session_libssh/ask.h"
#include "session_libssh/key_file.h"
#include "session_libssh/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

/* draft-miller-ssh-agent section 6.1 */
#define AGENT_FAILURE 5
#define AGENT_REQUEST_IDENTITIES 11
#define AGENT_IDENTITIES_ANSWER 12
#define AGENT_SIGN_REQUEST 13

#define MESSAGE_MAX (256 * 1024) /* as OpenSSH's */
#define KEYS_MAX 1024            /* as libssh's */

struct agent_key {
    struct key_blob blob;   /* what is offered */
    struct key_blob signer; /* a certificate: the key that the agent knows; else no bytes */
    char *comment;
    bool named;
};

struct agent {
    int fd; /* the real one's */
    int connection;
    atomic_bool *waiting;
    struct agent_key *keys;
    size_t count;
    atomic_bool offer_named;
    int ours; /* our end of what libssh talks to */
    bool serving;
    uv_thread_t thread;
};

/* Blobs. */

bool key_blob_decode(const char *base64, size_t length, struct key_blob *blob)
{
    int decoded;

    if (length == 0 || length % 4 != 0 || length > MESSAGE_MAX || strcspn(base64, "=") < length - 2)
        return false;
    blob->bytes = mem_zalloc(length / 4 * 3);
    decoded = EVP_DecodeBlock(blob->bytes, (const unsigned char *)base64, (int)length);
    if (decoded < 0) {
        free(blob->bytes);
        *blob = (struct key_blob){0};
        return false;
    }
    /* (It counts the padding as bytes.) */
    blob->length = (size_t)decoded - (base64[length - 1] == '=') - (base64[length - 2] == '=');
    return true;
}

bool key_blob_read(const char *path, struct key_blob *blob)
{
    const char *error;
    size_t length;
    char *line = key_file_read(path, &length, &error);
    bool ok = false;

    if (line != NULL && line[0] != '-') {
        const char *base64 = line + strcspn(line, " \t\n");
        base64 += strspn(base64, " \t");
        ok = key_blob_decode(base64, strcspn(base64, " \t\r\n"), blob);
    }
    secret_free(line);
    return ok;
}

bool key_blob_equal(const struct key_blob *a, const struct key_blob *b)
{
    return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

static struct key_blob key_blob_copy(const struct key_blob *blob)
{
    struct key_blob copy = {.bytes = mem_zalloc(blob->length), .length = blob->length};

    memcpy(copy.bytes, blob->bytes, blob->length);
    return copy;
}

/* Takes what an RFC 4251 reader takes: a number, a string. False: there is not so much. */
static bool take_number(struct key_blob *rest, uint32_t *number)
{
    if (rest->length < 4)
        return false;
    *number = (uint32_t)rest->bytes[0] << 24 | (uint32_t)rest->bytes[1] << 16 |
              (uint32_t)rest->bytes[2] << 8 | rest->bytes[3];
    rest->bytes += 4;
    rest->length -= 4;
    return true;
}

static bool take_string(struct key_blob *rest, struct key_blob *string)
{
    uint32_t length;

    if (!take_number(rest, &length) || rest->length < length)
        return false;
    *string = (struct key_blob){.bytes = rest->bytes, .length = length};
    rest->bytes += length;
    rest->length -= length;
    return true;
}

bool key_blob_certifies(const struct key_blob *certificate, const struct key_blob *key)
{
    struct key_blob certified = *certificate;
    struct key_blob plain = *key;
    struct key_blob word;

    /* A certificate is its type, a nonce, the key's own fields, and more; a key is its type and
     * those fields. */
    return take_string(&certified, &word) && take_string(&certified, &word) &&
           take_string(&plain, &word) && plain.length > 0 && certified.length > plain.length &&
           memcmp(certified.bytes, plain.bytes, plain.length) == 0;
}

/* Messages: a length and so many bytes. */

static void put_number(uint8_t *at, size_t number)
{
    at[0] = (uint8_t)(number >> 24);
    at[1] = (uint8_t)(number >> 16);
    at[2] = (uint8_t)(number >> 8);
    at[3] = (uint8_t)number;
}

static bool read_all(int fd, int connection, uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = ask_wait(fd, connection, -1) ? read(fd, bytes, length) : 0;
        if (n <= 0)
            return false;
        bytes += n;
        length -= (size_t)n;
    }
    return true;
}

/* The caller frees message->bytes. */
static bool receive(int fd, int connection, struct key_blob *message)
{
    uint8_t head[4];
    struct key_blob rest = {.bytes = head, .length = sizeof(head)};
    uint32_t length = 0;

    if (!read_all(fd, connection, head, sizeof(head)) || !take_number(&rest, &length) ||
        length == 0 || length > MESSAGE_MAX)
        return false;
    *message = (struct key_blob){.bytes = mem_zalloc(length), .length = length};
    if (read_all(fd, connection, message->bytes, length))
        return true;
    free(message->bytes);
    return false;
}

static bool send_all(int fd, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);
        if (n < 0)
            return false;
        bytes += n;
        length -= (size_t)n;
    }
    return true;
}

static bool transmit(int fd, const struct key_blob *message)
{
    uint8_t head[4];

    put_number(head, message->length);
    return send_all(fd, head, sizeof(head)) && send_all(fd, message->bytes, message->length);
}

/* Keys. */

static struct agent_key *add_key(struct agent *a, const struct key_blob *blob, const char *comment,
                                 size_t comment_length)
{
    struct agent_key *key;

    a->keys = mem_realloc(a->keys, (a->count + 1) * sizeof(*a->keys));
    key = &a->keys[a->count++];
    *key = (struct agent_key){.blob = key_blob_copy(blob),
                              .comment = mem_strndup(comment, comment_length)};
    return key;
}

/* The agent's answer, with the certificates that we know of each key before it. */
static bool read_keys(struct agent *a, struct key_blob answer, const struct key_blob *certificates,
                      size_t certificate_count)
{
    struct key_blob blob;
    struct key_blob comment;
    uint32_t count;

    if (answer.length == 0 || answer.bytes[0] != AGENT_IDENTITIES_ANSWER)
        return false;
    answer.bytes++;
    answer.length--;
    if (!take_number(&answer, &count))
        return false;
    while (count-- > 0 && a->count < KEYS_MAX) {
        if (!take_string(&answer, &blob) || !take_string(&answer, &comment))
            return false;
        for (size_t i = 0; i < certificate_count; i++)
            if (key_blob_certifies(&certificates[i], &blob))
                add_key(a, &certificates[i], (char *)comment.bytes, comment.length)->signer =
                    key_blob_copy(&blob);
        add_key(a, &blob, (char *)comment.bytes, comment.length);
    }
    return true;
}

void agent_name(struct agent *a, const struct key_blob *key)
{
    for (size_t i = 0; i < a->count; i++)
        if (key_blob_equal(&a->keys[i].blob, key))
            a->keys[i].named = true;
}

bool agent_has(const struct agent *a, const struct key_blob *key)
{
    for (size_t i = 0; i < a->count; i++)
        if (key_blob_equal(&a->keys[i].blob, key))
            return true;
    return false;
}

size_t agent_offer(struct agent *a, bool named)
{
    size_t count = 0;

    atomic_store(&a->offer_named, named);
    for (size_t i = 0; i < a->count; i++)
        count += a->keys[i].named == named;
    return count;
}

/* Serving libssh. */

static uint8_t *put_string(uint8_t *at, const void *bytes, size_t length)
{
    put_number(at, length);
    memcpy(at + 4, bytes, length);
    return at + 4 + length;
}

static bool answer_identities(const struct agent *a)
{
    bool named = atomic_load(&a->offer_named);
    size_t length = 1 + 4;
    size_t count = 0;
    struct key_blob answer;
    uint8_t *at;
    bool sent;

    for (size_t i = 0; i < a->count; i++)
        if (a->keys[i].named == named)
            length += 4 + a->keys[i].blob.length + 4 + strlen(a->keys[i].comment);
    answer = (struct key_blob){.bytes = mem_zalloc(length), .length = length};
    answer.bytes[0] = AGENT_IDENTITIES_ANSWER;
    at = answer.bytes + 1 + 4;
    for (size_t i = 0; i < a->count; i++) {
        const struct agent_key *key = &a->keys[i];
        if (key->named != named)
            continue;
        at = put_string(at, key->blob.bytes, key->blob.length);
        at = put_string(at, key->comment, strlen(key->comment));
        count++;
    }
    put_number(answer.bytes + 1, count);
    sent = transmit(a->ours, &answer);
    free(answer.bytes);
    return sent;
}

/* With a certificate libssh asks for a signature by that; the agent knows the key only. */
static bool pass_sign_request(const struct agent *a, const struct key_blob *request)
{
    struct key_blob rest = {.bytes = request->bytes + 1, .length = request->length - 1};
    struct key_blob changed;
    struct key_blob wanted;
    bool sent;

    if (!take_string(&rest, &wanted))
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct agent_key *key = &a->keys[i];
        if (key->signer.length == 0 || !key_blob_equal(&key->blob, &wanted))
            continue;
        changed.length = 1 + 4 + key->signer.length + rest.length;
        changed.bytes = mem_zalloc(changed.length);
        changed.bytes[0] = AGENT_SIGN_REQUEST;
        memcpy(put_string(changed.bytes + 1, key->signer.bytes, key->signer.length), rest.bytes,
               rest.length);
        sent = transmit(a->fd, &changed);
        free(changed.bytes);
        return sent;
    }
    return transmit(a->fd, request);
}

static bool pass(const struct agent *a, const struct key_blob *request)
{
    struct key_blob reply;
    bool ok;

    if (request->bytes[0] == AGENT_REQUEST_IDENTITIES)
        return answer_identities(a);
    if (request->bytes[0] != AGENT_SIGN_REQUEST) {
        uint8_t no = AGENT_FAILURE;
        return transmit(a->ours, &(struct key_blob){.bytes = &no, .length = 1});
    }
    atomic_store(a->waiting, true);
    ok = pass_sign_request(a, request) && receive(a->fd, a->connection, &reply);
    atomic_store(a->waiting, false);
    if (!ok)
        return false;
    ok = transmit(a->ours, &reply);
    free(reply.bytes);
    return ok;
}

/* Until libssh or agent_close hangs up; when the agent does, libssh hears of it. */
static void serve(void *arg)
{
    const struct agent *a = arg;
    struct key_blob request;
    bool going = true;

    while (going && receive(a->ours, a->connection, &request)) {
        going = pass(a, &request);
        free(request.bytes);
    }
    shutdown(a->ours, SHUT_RDWR);
}

bool agent_serve(struct agent *a, ssh_session handle)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return false;
    a->ours = ends[0];
    a->serving = uv_thread_create(&a->thread, serve, a) == 0;
    if (!a->serving || ssh_set_agent_socket(handle, ends[1]) != SSH_OK) {
        close(ends[1]);
        return false;
    }
    return true; /* libssh closes its end */
}

/* Opening and closing. */

/* (One that accepts nobody any more would otherwise hold the dial for ever, which nothing else can
 * do.) */
static int reach(const char *path)
{
    int fd = connect_unix(path, DESCRIPTOR_GATEWAY);

    if (fd >= 0)
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    return fd;
}

struct agent *agent_open(const char *path, const struct key_blob *certificates, size_t count,
                         int connection, atomic_bool *waiting, const char **error)
{
    uint8_t request = AGENT_REQUEST_IDENTITIES;
    struct key_blob answer;
    struct agent *a;
    int fd = reach(path);
    bool ok;

    if (fd < 0) {
        *error = strerror(errno);
        return NULL;
    }
    a = mem_zalloc(sizeof(*a));
    *a = (struct agent){.fd = fd, .connection = connection, .waiting = waiting, .ours = -1};
    ok = transmit(fd, &(struct key_blob){.bytes = &request, .length = 1}) &&
         receive(fd, connection, &answer);
    if (ok) {
        ok = read_keys(a, answer, certificates, count);
        free(answer.bytes);
    }
    if (ok)
        return a;
    *error = "it does not say what keys it has";
    agent_close(a);
    return NULL;
}

void agent_close(struct agent *a)
{
    if (a == NULL)
        return;
    if (a->ours >= 0)
        shutdown(a->ours, SHUT_RDWR);
    if (a->serving)
        uv_thread_join(&a->thread);
    if (a->ours >= 0)
        close(a->ours);
    close(a->fd);
    for (size_t i = 0; i < a->count; i++) {
        free(a->keys[i].blob.bytes);
        free(a->keys[i].signer.bytes);
        free(a->keys[i].comment);
    }
    free(a->keys);
    free(a);
}
