/* Fuzzes what session_libssh/agent takes from an authentication agent: the input is all that the
 * agent ever says, to the question for its keys, to session-bind@openssh.com and to the requests to
 * sign. libssh's side is played here. */
#include "session_libssh/agent.h"

#include "base/mem.h"
#include "base/ssh_bytes.h"
#include "io/socket_calls.h"
#include "io/unix_connect.h"
#include "session_libssh/host_proof.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* draft-miller-ssh-agent section 6.1 */
enum {
    FAILURE = 5,
    REQUEST_IDENTITIES = 11,
    IDENTITIES_ANSWER = 12,
    SIGN_REQUEST = 13,
    SIGN_RESPONSE = 14
};

/* The end that libssh is given. */
static int to_libssh = -1;

/* In place of libssh's. */
int ssh_set_agent_socket(ssh_session session, socket_t fd)
{
    (void)session;
    to_libssh = fd;
    return SSH_OK;
}

/* A blob of two strings, and a certificate of it for a user. The input can have the same. */
static struct key_blob make_certificate(void)
{
    static const char bytes[] = "\0\0\0\034ssh-ed25519-cert-v01@openssh.com\0\0\0\001n"
                                "\0\0\0\004KKKK\0\0\0\0\0\0\0\001\0\0\0\001";
    struct key_blob blob = {.bytes = mem_zalloc(sizeof(bytes)), .length = sizeof(bytes) - 1};

    memcpy(blob.bytes, bytes, blob.length);
    blob.bytes[3] = (uint8_t)strlen("ssh-ed25519-cert-v01@openssh.com");
    return blob;
}

static void send_all(int fd, const void *bytes, size_t length)
{
    assert(send(fd, bytes, length, MSG_NOSIGNAL) == (ssize_t)length);
}

/* (libFuzzer looks at the time by SIGALRM, without SA_RESTART.) */
static bool receive_all(int fd, uint8_t *bytes, size_t length)
{
    size_t received = 0;

    while (received < length) {
        ssize_t n = recv(fd, bytes + received, length - received, 0);
        if (n > 0)
            received += (size_t)n;
        else if (n == 0 || errno != EINTR)
            return false;
    }
    return true;
}

/* Receives a whole message. False: the end. */
static bool receive(int fd, struct key_blob *message)
{
    uint8_t head[4];
    struct ssh_reader reader = {.rest = {head, sizeof(head)}};

    if (!receive_all(fd, head, sizeof(head)))
        return false;
    message->length = ssh_take_uint32(&reader);
    assert(message->length > 0 && message->length <= 512 * 1024);
    message->bytes = mem_zalloc(message->length);
    if (receive_all(fd, message->bytes, message->length))
        return true;
    free(message->bytes);
    return false;
}

/* libssh sees the key that is offered, and no other. */
static void check_identities(const struct agent *a, size_t offered)
{
    static const uint8_t request[] = {0, 0, 0, 1, REQUEST_IDENTITIES};
    struct key_blob answer = {0};
    struct ssh_reader reader;
    struct span blob;
    uint32_t count;

    send_all(to_libssh, request, sizeof(request));
    assert(receive(to_libssh, &answer) && answer.bytes[0] == IDENTITIES_ANSWER);
    reader = (struct ssh_reader){.rest = {answer.bytes + 1, answer.length - 1}};
    count = ssh_take_uint32(&reader);
    assert(count == (offered < agent_count(a)));
    if (count == 1) {
        blob = ssh_take_string(&reader);
        assert(agent_has(a, &(struct key_blob){(uint8_t *)blob.bytes, blob.length}));
        ssh_take_string(&reader);
    }
    assert(!reader.bad && reader.rest.length == 0);
    free(answer.bytes);
}

/* A request to sign gets one answer: the agent's, or a refusal, and then agent_has_refused says
 * so. */
static void check_signature(const struct agent *a, const struct key_blob *key)
{
    static const char rest[] = "\0\0\0\011\0\0\0\005ident\0\0\0\0";
    size_t length = 1 + 4 + key->length + sizeof(rest) - 1;
    struct key_blob answer;
    uint8_t *request = mem_zalloc(4 + length);

    ssh_put_uint32(request, length);
    request[4] = SIGN_REQUEST;
    memcpy(ssh_put_string(request + 5, key->bytes, key->length), rest, sizeof(rest) - 1);
    send_all(to_libssh, request, 4 + length);
    free(request);
    assert(receive(to_libssh, &answer));
    assert(answer.bytes[0] == SIGN_RESPONSE || agent_has_refused(a));
    free(answer.bytes);
}

static void check_keys(struct agent *a, const struct key_blob *certificate)
{
    assert(agent_count(a) <= 1024 + 1);
    for (size_t i = 0; i < agent_count(a); i++) {
        bool is_ours = i + 1 < agent_count(a) && agent_is_certificate(a, i);
        assert(agent_comment(a, i) != NULL && !agent_is_named(a, i));
        if (i < 4)
            ssh_key_free(agent_public_key(a, i));
        (void)is_ours;
    }
    if (agent_has(a, certificate))
        agent_name(a, certificate);
}

static void run(struct agent *a, const struct key_blob *certificate)
{
    static uint8_t other[] = "\0\0\0\003abc";
    struct key_blob unknown = {.bytes = other, .length = sizeof(other) - 1};

    check_keys(a, certificate);
    assert(agent_serve(a, NULL));
    check_identities(a, SIZE_MAX);
    agent_offer(a, 0);
    check_identities(a, 0);
    check_signature(a, certificate);
    agent_offer(a, 1);
    assert(!agent_has_refused(a));
    check_signature(a, &unknown);
    check_identities(a, 1);
}

/* What the other side has to say, as far as its socket takes it, and then its end. */
static void say_all(int fd, const uint8_t *data, size_t size)
{
    if (size > 0)
        send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    shutdown(fd, SHUT_WR);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct key_blob certificate = make_certificate();
    struct host_proof proof = {0};
    atomic_bool waiting = false;
    struct agent *a;
    int ends[2];

    if (size == 0 || size > 64 * 1024 || !socket_pair(true, ends))
        goto end;
    buffer_append(&proof.host_key, "key", 3);
    buffer_append(&proof.signature, "signature", 9);
    say_all(ends[1], data + 1, size - 1);
    a = agent_open(&(struct agent_options){.fd = ends[0],
                                           .certificates = &certificate,
                                           .certificate_count = 1,
                                           .connection = -1,
                                           .waiting = &waiting,
                                           .proof = data[0] & 1 ? &proof : NULL});
    if (a != NULL) {
        run(a, &certificate);
        agent_close(a);
        close(to_libssh);
    }
    assert(!waiting);
    close(ends[1]);
end:
    host_proof_clear(&proof);
    free(certificate.bytes);
    return 0;
}
