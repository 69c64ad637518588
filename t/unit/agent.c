/* Tests of ssh/agent: a fake agent on one side, what libssh would see on the other. */
#include "base/mem.h"
#include "io/unix_connect.h"
#include "session_libssh/agent.h"
#include "key_blobs.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

/* ---- an agent */

struct fake {
    char path[64];
    int listening;
    uv_thread_t thread;
    struct key_blob identities; /* its answer */
    struct key_blob asked;      /* the last request to sign */
    atomic_bool ends;           /* at the next request */
};

static bool exactly(int fd, void *bytes, size_t length)
{
    return recv(fd, bytes, length, MSG_WAITALL) == (ssize_t)length;
}

static bool receive(int fd, struct key_blob *message)
{
    uint8_t head[4];

    if (!exactly(fd, head, sizeof(head)))
        return false;
    message->length = (size_t)head[2] << 8 | head[3];
    message->bytes = mem_zalloc(message->length);
    return exactly(fd, message->bytes, message->length);
}

static void transmit(int fd, const struct key_blob *message)
{
    uint8_t head[] = {0, 0, (uint8_t)(message->length >> 8), (uint8_t)message->length};

    assert_int_equal(send(fd, head, sizeof(head), MSG_NOSIGNAL), sizeof(head));
    assert_int_equal(send(fd, message->bytes, message->length, MSG_NOSIGNAL), message->length);
}

static void answer_one(struct fake *f, int fd, const struct key_blob *request)
{
    static uint8_t signature[] = {14, 0, 0, 0, 1, 's'};

    if (request->bytes[0] == 11) {
        transmit(fd, &f->identities);
        return;
    }
    free(f->asked.bytes);
    f->asked.bytes = mem_zalloc(request->length);
    memcpy(f->asked.bytes, request->bytes, request->length);
    f->asked.length = request->length;
    transmit(fd, &(struct key_blob){.bytes = signature, .length = sizeof(signature)});
}

static void fake_runs(void *arg)
{
    struct fake *f = arg;
    struct key_blob request = {0};
    int fd = accept(f->listening, NULL, NULL);

    while (receive(fd, &request) && !f->ends) {
        answer_one(f, fd, &request);
        free(request.bytes);
        request.bytes = NULL;
    }
    free(request.bytes);
    close(fd);
}

static void fake_begin(struct fake *f, struct key_blob identities)
{
    static unsigned number;
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    *f = (struct fake){.identities = identities};
    snprintf(f->path, sizeof(f->path), "/tmp/adit-agent.%d.%u", getpid(), ++number);
    unlink(f->path);
    strcpy(address.sun_path, f->path);
    f->listening = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(f->listening, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(f->listening, 1), 0);
    assert_int_equal(uv_thread_create(&f->thread, fake_runs, f), 0);
}

static int connected(const char *path)
{
    int fd = unix_connect(path, DESCRIPTOR_GATEWAY);

    assert_true(fd >= 0);
    return fd;
}

static void fake_end(struct fake *f)
{
    uv_thread_join(&f->thread);
    close(f->listening);
    unlink(f->path);
    free(f->identities.bytes);
    free(f->asked.bytes);
}

/* IDENTITIES_ANSWER of some blobs, each with its letter as comment. */
static struct key_blob identities_answer(const struct key_blob *keys, size_t count)
{
    struct key_blob answer = {.bytes = mem_zalloc(4096), .length = 5};

    answer.bytes[0] = 12;
    answer.bytes[4] = (uint8_t)count;
    for (size_t i = 0; i < count; i++) {
        uint8_t *at = answer.bytes + answer.length;
        at[3] = (uint8_t)keys[i].length;
        memcpy(at + 4, keys[i].bytes, keys[i].length);
        at += 4 + keys[i].length;
        at[3] = 1;
        at[4] = (uint8_t)('a' + i);
        answer.length += 4 + keys[i].length + 5;
    }
    return answer;
}

/* What the agent holds, and a certificate of the second key. */
struct scene {
    struct key_blob keys[3];
    struct key_blob certificate;
    int ends[2]; /* of the connection */
    atomic_bool waiting;
    struct fake fake;
    struct agent *agent;
    ssh_session session;
    int libssh; /* libssh's end */
};

static int scene_begin(void **state)
{
    struct scene *s = mem_zalloc(sizeof(*s));

    s->keys[0] = BLOB("ssh-ed25519", "KEY0");
    s->keys[1] = BLOB("ssh-ed25519", "KEY1");
    s->keys[2] = BLOB("ssh-ed25519", "KEY2");
    s->certificate = BLOB("cert", "nonce", "KEY1", "SSSS", "u");
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s->ends), 0);
    fake_begin(&s->fake, identities_answer(s->keys, 3));
    s->agent = agent_open(&(struct agent_options){connected(s->fake.path), &s->certificate, 1,
                                                  s->ends[0], &s->waiting, NULL});
    assert_non_null(s->agent);
    *state = s;
    return 0;
}

static int scene_end(void **state)
{
    struct scene *s = *state;

    agent_close(s->agent);
    ssh_free(s->session);
    fake_end(&s->fake);
    for (size_t i = 0; i < COUNT(s->keys); i++)
        free(s->keys[i].bytes);
    free(s->certificate.bytes);
    close(s->ends[0]);
    close(s->ends[1]);
    free(s);
    return 0;
}

static void named_keys_are_told_from_the_others(void **state)
{
    struct scene *s = *state;
    struct key_blob stranger = BLOB("ssh-ed25519", "KEY9");

    assert_int_equal(agent_count(s->agent), 4); /* with the certificate, before its key */
    agent_name(s->agent, &s->keys[2]);
    agent_name(s->agent, &s->certificate);
    agent_name(s->agent, &stranger);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(agent_is_named(s->agent, i), i == 1 || i == 3);
    assert_string_equal(agent_comment(s->agent, 3), "c");
    assert_true(agent_has(s->agent, &s->keys[0]));
    assert_true(agent_has(s->agent, &s->certificate));
    assert_false(agent_has(s->agent, &stranger));
    free(stranger.bytes);
}

/* A key without a byte, or whose type has no end, is one that libssh does not know. */
static void a_key_that_is_none_is_not_known(void **state)
{
    static uint8_t cut[] = "\0\0\0\7ssh";
    struct key_blob keys[] = {{.bytes = (uint8_t[]){0}}, {.bytes = cut, .length = sizeof(cut)}};
    atomic_bool waiting = false;
    struct agent *agent;
    struct fake fake;

    (void)state;
    fake_begin(&fake, identities_answer(keys, COUNT(keys)));
    agent = agent_open(&(struct agent_options){connected(fake.path), NULL, 0, -1, &waiting, NULL});
    assert_non_null(agent);
    assert_int_equal(agent_count(agent), COUNT(keys));
    for (size_t i = 0; i < COUNT(keys); i++) {
        assert_null(agent_public_key(agent, i));
        assert_false(agent_is_certificate(agent, i));
    }
    agent_close(agent);
    fake_end(&fake);
}

/* Serves a session, and finds the end it was given: the newest descriptor but one. */
static int serve(struct scene *s)
{
    int probe;

    s->session = ssh_new();
    probe = dup(0);
    close(probe); /* the socketpair's first end gets this number, libssh's the next free one */
    assert_true(agent_serve(s->agent, s->session));
    for (int fd = probe + 1; fd < probe + 16; fd++) {
        struct sockaddr_storage address;
        socklen_t length = sizeof(address);
        if (getpeername(fd, (struct sockaddr *)&address, &length) == 0)
            return fd;
    }
    fail_msg("no descriptor for libssh");
    return -1;
}

static void libssh_sees_what_is_offered(void **state)
{
    struct scene *s = *state;
    uint8_t request = 11;
    struct key_blob answer;
    struct key_blob wanted;
    int fd;

    fd = serve(s);
    for (size_t round = 0; round < 3; round++) {
        if (round > 0)
            agent_offer(s->agent, round == 1 ? 3 : 0);
        transmit(fd, &(struct key_blob){.bytes = &request, .length = 1});
        assert_true(receive(fd, &answer));
        wanted = identities_answer(&s->keys[round == 1 ? 2 : 0], round > 0);
        if (round == 1)
            wanted.bytes[wanted.length - 1] = 'c';
        assert_int_equal(answer.length, wanted.length);
        assert_memory_equal(answer.bytes, wanted.bytes, answer.length);
        free(answer.bytes);
        free(wanted.bytes);
    }
}

static void other_requests_are_refused(void **state)
{
    struct scene *s = *state;
    uint8_t request = 19; /* remove all identities */
    struct key_blob answer;
    int fd = serve(s);

    transmit(fd, &(struct key_blob){.bytes = &request, .length = 1});
    assert_true(receive(fd, &answer));
    assert_int_equal(answer.length, 1);
    assert_int_equal(answer.bytes[0], 5);
    free(answer.bytes);
}

/* A request to sign "data" with a key. */
static struct key_blob sign_request(const struct key_blob *key)
{
    static const uint8_t rest[] = {0, 0, 0, 4, 'd', 'a', 't', 'a', 0, 0, 0, 0};
    struct key_blob request = {.length = 1 + 4 + key->length + sizeof(rest)};

    request.bytes = mem_zalloc(request.length);
    request.bytes[0] = 13;
    request.bytes[4] = (uint8_t)key->length;
    memcpy(request.bytes + 5, key->bytes, key->length);
    memcpy(request.bytes + 5 + key->length, rest, sizeof(rest));
    return request;
}

static void who_signs_for_a_certificate_is_its_key(void **state)
{
    struct scene *s = *state;
    const struct {
        struct key_blob *asked;
        struct key_blob *signs;
    } cases[] = {{&s->keys[2], &s->keys[2]}, {&s->certificate, &s->keys[1]}};
    int fd = serve(s);

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct key_blob request = sign_request(cases[i].asked);
        struct key_blob wanted = sign_request(cases[i].signs);
        struct key_blob answer;
        transmit(fd, &request);
        assert_true(receive(fd, &answer));
        assert_int_equal(answer.bytes[0], 14);
        assert_int_equal(s->fake.asked.length, wanted.length);
        assert_memory_equal(s->fake.asked.bytes, wanted.bytes, wanted.length);
        assert_false(atomic_load(&s->waiting));
        free(answer.bytes);
        free(request.bytes);
        free(wanted.bytes);
    }
}

static void an_agent_that_ends_refuses(void **state)
{
    struct scene *s = *state;
    struct key_blob request = sign_request(&s->keys[0]);
    int fd = serve(s);

    agent_offer(s->agent, 0);
    assert_false(agent_has_refused(s->agent));
    s->fake.ends = true;
    for (int round = 0; round < 2; round++) {
        struct key_blob answer;
        transmit(fd, &request);
        assert_true(receive(fd, &answer));
        assert_int_equal(answer.length, 1);
        assert_int_equal(answer.bytes[0], 5);
        assert_true(agent_has_refused(s->agent));
        free(answer.bytes);
    }
    free(request.bytes);
}

/* A key that another agent has: its signatures come from there, also for a certificate. */
static void an_added_key_has_an_agent_of_its_own(void **state)
{
    struct scene *s = *state;
    struct key_blob added = BLOB("ssh-ed25519", "KEY8");
    struct key_blob request = sign_request(&s->certificate);
    struct key_blob wanted = sign_request(&added);
    struct key_blob answer;
    struct fake other;
    size_t number;
    int fd;

    fake_begin(&other, identities_answer(&added, 1));
    number = agent_add(s->agent, &(struct agent_added_key){.fd = connected(other.path),
                                                           .key = &added,
                                                           .certificate = &s->certificate,
                                                           .comment = "added"});
    assert_int_equal(number, 4);
    assert_string_equal(agent_comment(s->agent, number), "added");
    fd = serve(s);
    agent_offer(s->agent, number);
    transmit(fd, &request);
    assert_true(receive(fd, &answer));
    assert_int_equal(answer.bytes[0], 14);
    assert_int_equal(other.asked.length, wanted.length);
    assert_memory_equal(other.asked.bytes, wanted.bytes, wanted.length);
    assert_int_equal(s->fake.asked.length, 0);
    agent_close(s->agent);
    s->agent = agent_none(-1, &s->waiting);
    fake_end(&other);
    free(answer.bytes);
    free(request.bytes);
    free(wanted.bytes);
    free(added.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_that_is_none_is_not_known),
        cmocka_unit_test_setup_teardown(named_keys_are_told_from_the_others, scene_begin,
                                        scene_end),
        cmocka_unit_test_setup_teardown(libssh_sees_what_is_offered, scene_begin, scene_end),
        cmocka_unit_test_setup_teardown(other_requests_are_refused, scene_begin, scene_end),
        cmocka_unit_test_setup_teardown(an_agent_that_ends_refuses, scene_begin, scene_end),
        cmocka_unit_test_setup_teardown(who_signs_for_a_certificate_is_its_key, scene_begin,
                                        scene_end),
        cmocka_unit_test_setup_teardown(an_added_key_has_an_agent_of_its_own, scene_begin,
                                        scene_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
