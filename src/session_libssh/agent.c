/* A small agent between libssh and the real one: libssh offers all keys of an agent in the order in
 * which they come, and does not offer certificates in files with them. */
#include "session_libssh/agent.h"

#include "base/base64.h"
#include "base/buffer.h"
#include "base/mem.h"
#include "base/ssh_bytes.h"
#include "io/agent_connection.h"
#include "io/private_file.h"
#include "io/socket_calls.h"
#include "io/unix_connect.h"
#include "session_libssh/host_proof.h"
#include "wire/agent_messages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#define CERTIFICATE_OF_USER 1 /* SSH_CERT_TYPE_USER of PROTOCOL.certkeys */

struct agent_key {
    struct key_blob blob;   /* what is offered */
    struct key_blob signer; /* for a certificate: the key, which the agent knows; else no bytes */
    char *comment;
    bool named;
};

struct agent {
    int fd; /* the descriptor of the real agent */
    int connection;
    atomic_bool *waiting;
    const struct host_proof *proof; /* NULL: none, or the agent has had it */
    struct agent_key *keys;
    size_t count;
    atomic_size_t offered; /* the key that libssh sees */
    atomic_bool refused;
    bool ended; /* the agent has closed its connection. Of the serving thread */
    int ours;   /* this file's end of the socket pair with libssh; -1: none */
    bool serving;
    uv_thread_t thread;
};

/* Blobs. */

/* Of `length` characters of base64; false: they are none. */
static bool decode_blob(const char *base64, size_t length, struct key_blob *blob)
{
    size_t room = BASE64_DECODED_MAX(length);

    if (length > AGENT_MESSAGE_MAX)
        return false;
    blob->bytes = mem_zalloc(room + 1);
    if (base64_decode((struct text){base64, length}, false, blob->bytes, room, &blob->length))
        return true;
    free(blob->bytes);
    *blob = (struct key_blob){0};
    return false;
}

bool key_blob_read(const char *path, struct key_blob *blob)
{
    struct buffer text = {0};
    bool ok = false;

    if (private_file_read(path, &text) == NULL && *buffer_data(&text) != '-') {
        const char *base64 = (const char *)buffer_data(&text);
        base64 += strcspn(base64, " \t\n");
        base64 += strspn(base64, " \t");
        ok = decode_blob(base64, strcspn(base64, " \t\r\n"), blob);
    }
    buffer_wipe(&text);
    return ok;
}

bool key_blob_export(ssh_key key, struct key_blob *blob)
{
    char *base64 = NULL;
    bool ok = ssh_pki_export_pubkey_base64(key, &base64) == SSH_OK &&
              decode_blob(base64, strlen(base64), blob);

    ssh_string_free_char(base64);
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

bool key_blob_is_certificate(const struct key_blob *blob)
{
    static const char suffix[] = "-cert-v01@openssh.com";
    const size_t length = sizeof(suffix) - 1;
    struct ssh_reader reader = {.rest = {blob->bytes, blob->length}};
    struct span type = ssh_take_string(&reader);

    return !reader.bad && type.length > length &&
           memcmp(type.bytes + type.length - length, suffix, length) == 0;
}

bool key_blob_certifies(const struct key_blob *certificate, const struct key_blob *key)
{
    struct ssh_reader certified = {.rest = {certificate->bytes, certificate->length}};
    struct ssh_reader plain = {.rest = {key->bytes, key->length}};
    struct span fields;

    /* A certificate is its type, a nonce, the fields of the key, a serial number, whom it is for,
     * and more; a key is its type and those fields. */
    ssh_take_string(&certified);
    ssh_take_string(&certified);
    ssh_take_string(&plain);
    if (certified.bad || plain.bad || plain.rest.length == 0)
        return false;
    fields = ssh_take(&certified, plain.rest.length);
    ssh_take(&certified, sizeof(uint64_t));
    return ssh_take_uint32(&certified) == CERTIFICATE_OF_USER && !certified.bad &&
           memcmp(fields.bytes, plain.rest.bytes, plain.rest.length) == 0;
}

/* Messages. */

/* Receives a message, whose bytes the caller frees. False: the other side has ended or sent no
 * message, or the connection of the dial was shut down. */
static bool receive_message(int fd, int connection, struct key_blob *message)
{
    struct wait_limit limit = wait_limit(connection, -1);
    struct buffer bytes = {0};
    bool received = agent_receive(fd, &limit, AGENT_MESSAGE_MAX, &bytes);

    if (received)
        *message = key_blob_copy(&(struct key_blob){.bytes = (uint8_t *)buffer_data(&bytes),
                                                    .length = buffer_length(&bytes)});
    buffer_clear(&bytes);
    return received;
}

static bool send_message(int fd, int connection, const struct key_blob *message)
{
    struct wait_limit limit = wait_limit(connection, -1);

    return agent_send(fd, &limit, (struct span){message->bytes, message->length});
}

/* Keys. */

static struct agent_key *add_key(struct agent *a, const struct key_blob *blob, struct span comment)
{
    struct agent_key *key;

    a->keys = mem_realloc(a->keys, (a->count + 1) * sizeof(*a->keys));
    key = &a->keys[a->count++];
    *key = (struct agent_key){.blob = key_blob_copy(blob),
                              .comment = mem_strndup((const char *)comment.bytes, comment.length)};
    return key;
}

/* A public key that lies in a message. */
static struct key_blob blob_of(struct span span)
{
    return (struct key_blob){.bytes = (uint8_t *)span.bytes, .length = span.length};
}

/* Takes the keys of the agent's answer, each behind the certificates that are known of it. False:
 * the answer is none (draft-miller-ssh-agent section 4.4). */
static bool read_keys(struct agent *a, const struct key_blob *answer,
                      const struct agent_options *options)
{
    struct ssh_reader reader = {.rest = {answer->bytes, answer->length}};
    uint32_t count;

    if (answer->bytes[0] != AGENT_IDENTITIES_ANSWER)
        return false;
    ssh_take(&reader, 1);
    count = ssh_take_uint32(&reader);
    while (!reader.bad && count-- > 0 && a->count < AGENT_KEYS_MAX) {
        struct key_blob blob = blob_of(ssh_take_string(&reader));
        struct span comment = ssh_take_string(&reader);
        if (reader.bad)
            break;
        for (size_t i = 0; i < options->certificate_count; i++)
            if (key_blob_certifies(&options->certificates[i], &blob))
                add_key(a, &options->certificates[i], comment)->signer = key_blob_copy(&blob);
        add_key(a, &blob, comment);
    }
    return !reader.bad;
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

size_t agent_count(const struct agent *a)
{
    return a->count;
}

bool agent_is_named(const struct agent *a, size_t key)
{
    return a->keys[key].named;
}

bool agent_is_certificate(const struct agent *a, size_t key)
{
    return key_blob_is_certificate(&a->keys[key].blob);
}

const char *agent_comment(const struct agent *a, size_t key)
{
    return a->keys[key].comment;
}

ssh_key agent_public_key(const struct agent *a, size_t key)
{
    const struct key_blob *blob = &a->keys[key].blob;
    struct ssh_reader reader = {.rest = {blob->bytes, blob->length}};
    struct span type = ssh_take_string(&reader);
    char *name = mem_strndup((const char *)type.bytes, type.length);
    char *base64 = mem_zalloc(BASE64_SIZE(blob->length));
    enum ssh_keytypes_e number = ssh_key_type_from_name(name);
    ssh_key public = NULL;
    int rc;

    base64_encode(blob->bytes, blob->length, base64);
    rc = key_blob_is_certificate(blob) ? ssh_pki_import_cert_base64(base64, number, &public)
                                       : ssh_pki_import_pubkey_base64(base64, number, &public);
    free(base64);
    free(name);
    return rc == SSH_OK ? public : NULL;
}

void agent_offer(struct agent *a, size_t key)
{
    atomic_store(&a->refused, false);
    atomic_store(&a->offered, key);
}

bool agent_has_refused(const struct agent *a)
{
    return atomic_load(&a->refused);
}

/* Serving libssh. */

static bool answer_identities(const struct agent *a)
{
    size_t offered = atomic_load(&a->offered);
    const struct agent_key *key = offered < a->count ? &a->keys[offered] : NULL;
    size_t length = 1 + 4;
    struct key_blob answer;
    bool sent;

    if (key != NULL)
        length += 4 + key->blob.length + 4 + strlen(key->comment);
    answer = (struct key_blob){.bytes = mem_zalloc(length), .length = length};
    answer.bytes[0] = AGENT_IDENTITIES_ANSWER;
    ssh_put_uint32(answer.bytes + 1, key != NULL);
    if (key != NULL)
        ssh_put_string(ssh_put_string(answer.bytes + 1 + 4, key->blob.bytes, key->blob.length),
                       key->comment, strlen(key->comment));
    sent = send_message(a->ours, a->connection, &answer);
    free(answer.bytes);
    return sent;
}

/* Passes a request to sign to the agent. libssh names a certificate where it offered one; the agent
 * knows only the key. */
static bool pass_sign_request(const struct agent *a, const struct key_blob *request)
{
    struct ssh_reader reader = {.rest = {request->bytes + 1, request->length - 1}};
    struct key_blob wanted = blob_of(ssh_take_string(&reader));
    struct key_blob changed;
    bool sent;

    if (reader.bad)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct agent_key *key = &a->keys[i];
        if (key->signer.length == 0 || !key_blob_equal(&key->blob, &wanted))
            continue;
        changed.length = 1 + 4 + key->signer.length + reader.rest.length;
        changed.bytes = mem_zalloc(changed.length);
        changed.bytes[0] = AGENT_SIGN_REQUEST;
        memcpy(ssh_put_string(changed.bytes + 1, key->signer.bytes, key->signer.length),
               reader.rest.bytes, reader.rest.length);
        sent = send_message(a->fd, a->connection, &changed);
        free(changed.bytes);
        return sent;
    }
    return send_message(a->fd, a->connection, request);
}

static bool send_failure(const struct agent *a)
{
    uint8_t no = AGENT_FAILURE;

    return send_message(a->ours, a->connection, &(struct key_blob){.bytes = &no, .length = 1});
}

/* Tells the agent to which server the login is that it is to sign for. The identifier of the
 * session is the first field of what is to be signed (RFC 4252 section 7). An agent may refuse, as
 * old ones do. False: it has ended. */
static bool bind_session(struct agent *a, const struct key_blob *request)
{
    struct ssh_reader reader = {.rest = {request->bytes + 1, request->length - 1}};
    struct ssh_reader signed_data;
    struct buffer message = {0};
    struct span session_id;
    struct key_blob answer;
    bool ok;

    ssh_take_string(&reader);
    signed_data.rest = ssh_take_string(&reader);
    signed_data.bad = reader.bad;
    session_id = ssh_take_string(&signed_data);
    if (signed_data.bad)
        return true;
    host_proof_request(a->proof, session_id, &message);
    a->proof = NULL;
    ok = send_message(a->fd, a->connection,
                      &(struct key_blob){.bytes = (uint8_t *)buffer_data(&message),
                                         .length = buffer_length(&message)}) &&
         receive_message(a->fd, a->connection, &answer);
    if (ok)
        free(answer.bytes);
    buffer_clear(&message);
    return ok;
}

/* Has the agent sign, and passes its answer on. An agent that has ended refuses each time. */
static bool pass_signature(struct agent *a, const struct key_blob *request)
{
    struct key_blob reply;
    bool ok;

    if (!a->ended) {
        atomic_store(a->waiting, true);
        a->ended = (a->proof != NULL && !bind_session(a, request)) ||
                   !pass_sign_request(a, request) || !receive_message(a->fd, a->connection, &reply);
        atomic_store(a->waiting, false);
    }
    if (a->ended) {
        atomic_store(&a->refused, true);
        return send_failure(a);
    }
    if (reply.bytes[0] != AGENT_SIGN_RESPONSE)
        atomic_store(&a->refused, true);
    ok = send_message(a->ours, a->connection, &reply);
    free(reply.bytes);
    return ok;
}

static bool pass_request(struct agent *a, const struct key_blob *request)
{
    switch (request->bytes[0]) {
    case AGENT_REQUEST_IDENTITIES: return answer_identities(a);
    case AGENT_SIGN_REQUEST: return pass_signature(a, request);
    default: return send_failure(a);
    }
}

/* Serves until libssh or agent_close ends the connection. */
static void serve(void *arg)
{
    struct agent *a = arg;
    struct key_blob request;
    bool going = true;

    while (going && receive_message(a->ours, a->connection, &request)) {
        going = pass_request(a, &request);
        free(request.bytes);
    }
    socket_shutdown(a->ours);
}

bool agent_serve(struct agent *a, ssh_session handle)
{
    int ends[2];

    if (!socket_pair(true, ends))
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

struct agent *agent_open(const struct agent_options *options, const char **error)
{
    uint8_t request = AGENT_REQUEST_IDENTITIES;
    struct key_blob answer;
    struct agent *a;
    /* (Without waiting: a dial that waits for an agent which accepts no connection could not be
     * given up.) */
    int fd = unix_connect(options->path, DESCRIPTOR_GATEWAY);
    bool ok;

    if (fd < 0) {
        *error = strerror(errno);
        return NULL;
    }
    a = mem_zalloc(sizeof(*a));
    *a = (struct agent){
        .fd = fd, .connection = options->connection, .waiting = options->waiting, .ours = -1};
    if (options->proof != NULL && host_proof_known(options->proof))
        a->proof = options->proof;
    atomic_init(&a->offered, SIZE_MAX);
    ok =
        send_message(fd, options->connection, &(struct key_blob){.bytes = &request, .length = 1}) &&
        receive_message(fd, options->connection, &answer);
    if (ok) {
        ok = read_keys(a, &answer, options);
        free(answer.bytes);
    }
    if (ok)
        return a;
    *error = "the agent does not answer which keys it has";
    agent_close(a);
    return NULL;
}

void agent_close(struct agent *a)
{
    if (a == NULL)
        return;
    if (a->ours >= 0)
        socket_shutdown(a->ours);
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
