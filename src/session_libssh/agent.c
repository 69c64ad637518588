/* A small agent between libssh and the real one: libssh offers all keys of an agent in the order in
 * which they come, and does not offer certificates in files with them. */
#include "session_libssh/agent.h"

#include "base/base64.h"
#include "base/buffer.h"
#include "base/mem.h"
#include "base/ssh_bytes.h"
#include "io/agent_connection.h"
#include "io/socket_calls.h"
#include "session_libssh/host_proof.h"
#include "wire/agent_messages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

struct agent_key {
    struct key_blob blob;   /* what is offered */
    struct key_blob signer; /* for a certificate: the key, which the agent knows; else no bytes */
    char *comment;
    bool named;
    int fd; /* of the agent that has it alone; -1: that of all */
};

struct agent {
    int fd; /* the descriptor of the real agent; -1: none */
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

bool key_blob_export(ssh_key key, struct key_blob *blob)
{
    char *base64 = NULL;
    bool ok = ssh_pki_export_pubkey_base64(key, &base64) == SSH_OK &&
              key_blob_decode(base64, strlen(base64), blob);

    ssh_string_free_char(base64);
    return ok;
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

static struct agent_key *agent_key_new(struct agent *a, const struct key_blob *blob,
                                       struct span comment)
{
    struct agent_key *key;

    a->keys = mem_realloc(a->keys, (a->count + 1) * sizeof(*a->keys));
    key = &a->keys[a->count++];
    *key = (struct agent_key){.blob = key_blob_copy(blob),
                              .comment = mem_strndup((const char *)comment.bytes, comment.length),
                              .fd = -1};
    return key;
}

size_t agent_add(struct agent *a, const struct agent_added_key *added)
{
    struct span comment = {(const uint8_t *)added->comment, strlen(added->comment)};
    const struct key_blob *offered = added->certificate != NULL ? added->certificate : added->key;
    struct agent_key *key = agent_key_new(a, offered, comment);

    if (added->certificate != NULL)
        key->signer = key_blob_copy(added->key);
    key->fd = added->fd;
    return a->count - 1;
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
                agent_key_new(a, &options->certificates[i], comment)->signer = key_blob_copy(&blob);
        agent_key_new(a, &blob, comment);
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

const struct key_blob *agent_key_blob(const struct agent *a, size_t key)
{
    return &a->keys[key].blob;
}

const char *agent_comment(const struct agent *a, size_t key)
{
    return a->keys[key].comment;
}

ssh_key key_blob_import(const struct key_blob *blob)
{
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

ssh_key agent_public_key(const struct agent *a, size_t key)
{
    return key_blob_import(&a->keys[key].blob);
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

/* Passes a request to sign to the agent that has the key (NULL: not one of those known here).
 * libssh names a certificate where it offered one; the agent knows only the key. And libssh's flags
 * are of the strongest hash that the server knows, not of the algorithm that the login names, which
 * PubkeyAcceptedAlgorithms has chosen. */
static bool pass_sign_request(const struct agent *a, const struct agent_key *key, int fd,
                              const struct key_blob *request)
{
    struct ssh_reader reader = {.rest = {request->bytes + 1, request->length - 1}};
    struct span signer = ssh_take_string(&reader);
    struct key_blob changed;
    bool sent;

    if (reader.bad || reader.rest.length < 4)
        return false;
    if (key != NULL && key->signer.length > 0)
        signer = (struct span){key->signer.bytes, key->signer.length};
    changed.length = 1 + 4 + signer.length + reader.rest.length;
    changed.bytes = mem_zalloc(changed.length);
    changed.bytes[0] = AGENT_SIGN_REQUEST;
    memcpy(ssh_put_string(changed.bytes + 1, signer.bytes, signer.length), reader.rest.bytes,
           reader.rest.length);
    ssh_put_uint32(changed.bytes + changed.length - 4,
                   agent_sign_flags((struct span){request->bytes, request->length}));
    sent = send_message(fd, a->connection, &changed);
    free(changed.bytes);
    return sent;
}

/* The key that a request to sign names, the one that is offered first; NULL: none. */
static const struct agent_key *wanted_key(const struct agent *a, const struct key_blob *request)
{
    struct ssh_reader reader = {.rest = {request->bytes + 1, request->length - 1}};
    struct key_blob wanted = blob_of(ssh_take_string(&reader));
    size_t offered = atomic_load(&a->offered);

    if (offered < a->count && key_blob_equal(&a->keys[offered].blob, &wanted))
        return &a->keys[offered];
    for (size_t i = 0; i < a->count; i++)
        if (key_blob_equal(&a->keys[i].blob, &wanted))
            return &a->keys[i];
    return NULL;
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

/* Has the agent sign that has the key. False: it has ended. */
static bool ask_to_sign(struct agent *a, const struct key_blob *request, struct key_blob *reply)
{
    const struct agent_key *key = wanted_key(a, request);
    int fd = key != NULL && key->fd >= 0 ? key->fd : a->fd;

    if (fd < 0 || (fd == a->fd && a->ended))
        return false;
    if ((fd != a->fd || a->proof == NULL || bind_session(a, request)) &&
        pass_sign_request(a, key, fd, request) && receive_message(fd, a->connection, reply))
        return true;
    a->ended = a->ended || fd == a->fd;
    return false;
}

/* Has the agent sign, and passes its answer on. An agent that has ended refuses each time. */
static bool pass_signature(struct agent *a, const struct key_blob *request)
{
    struct key_blob reply;
    bool ok;

    atomic_store(a->waiting, true);
    ok = ask_to_sign(a, request, &reply);
    atomic_store(a->waiting, false);
    if (!ok) {
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

struct agent *agent_none(int connection, atomic_bool *waiting)
{
    struct agent *a = mem_zalloc(sizeof(*a));

    *a = (struct agent){.fd = -1, .connection = connection, .waiting = waiting, .ours = -1};
    atomic_init(&a->offered, SIZE_MAX);
    return a;
}

struct agent *agent_open(const struct agent_options *options)
{
    uint8_t request = AGENT_REQUEST_IDENTITIES;
    struct agent *a = agent_none(options->connection, options->waiting);
    struct key_blob answer;
    bool ok;

    a->fd = options->fd;
    if (options->proof != NULL && host_proof_known(options->proof))
        a->proof = options->proof;
    ok = send_message(a->fd, options->connection,
                      &(struct key_blob){.bytes = &request, .length = 1}) &&
         receive_message(a->fd, options->connection, &answer);
    if (ok) {
        ok = read_keys(a, &answer, options);
        free(answer.bytes);
    }
    if (ok)
        return a;
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
    if (a->fd >= 0)
        close(a->fd);
    for (size_t i = 0; i < a->count; i++) {
        if (a->keys[i].fd >= 0)
            close(a->keys[i].fd);
        free(a->keys[i].blob.bytes);
        free(a->keys[i].signer.bytes);
        free(a->keys[i].comment);
    }
    free(a->keys);
    free(a);
}
