/* What a gateway may say to an agent: whole, cut at each byte, with bytes behind it; and the keys
 * of an agent's answer. */
#include "wire/agent_messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct buffer message;

static struct span of(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

static struct span whole(const struct buffer *buffer)
{
    return (struct span){buffer_data(buffer), buffer_length(buffer)};
}

static void byte(struct buffer *out, uint8_t value)
{
    buffer_append(out, &value, 1);
}

static void number(struct buffer *out, uint32_t value)
{
    uint8_t bytes[4];

    ssh_put_uint32(bytes, value);
    buffer_append(out, bytes, sizeof(bytes));
}

/* The fields of what is to be signed. */
struct signing {
    const char *session;
    uint8_t number;
    const char *service;
    const char *method;
    uint8_t has_signature;
    const char *behind;    /* NULL: nothing */
    const char *algorithm; /* NULL: ssh-ed25519 */
};

static const struct signing login = {"session", 50, "ssh-connection", "publickey", 1, NULL, NULL};
static const struct signing hostbound = {
    "session", 50, "ssh-connection", "publickey-hostbound-v00@openssh.com", 1, "host key", NULL};

static void sign_request(const struct signing *s)
{
    struct buffer data = {0};

    ssh_append_string(&data, of(s->session));
    byte(&data, s->number);
    ssh_append_string(&data, of("user"));
    ssh_append_string(&data, of(s->service));
    ssh_append_string(&data, of(s->method));
    byte(&data, s->has_signature);
    ssh_append_string(&data, of(s->algorithm != NULL ? s->algorithm : "ssh-ed25519"));
    ssh_append_string(&data, of("key"));
    if (s->behind != NULL)
        ssh_append_string(&data, of(s->behind));
    byte(&message, AGENT_SIGN_REQUEST);
    ssh_append_string(&message, of("key"));
    ssh_append_string(&message, whole(&data));
    number(&message, 4);
    buffer_clear(&data);
}

static void bind_request(const char *name, uint8_t forwarding)
{
    byte(&message, AGENT_EXTENSION);
    ssh_append_string(&message, of(name));
    ssh_append_string(&message, of("host key"));
    ssh_append_string(&message, of("session"));
    ssh_append_string(&message, of("signature"));
    byte(&message, forwarding);
}

/* The kind of the first `length` bytes, in memory of that size. */
static enum agent_request_kind kind_of(size_t length)
{
    uint8_t *copy = malloc(length > 0 ? length : 1);
    enum agent_request_kind kind;
    struct span key;

    assert_non_null(copy);
    if (length > 0)
        memcpy(copy, buffer_data(&message), length);
    kind = agent_request_kind((struct span){copy, length}, &key);
    free(copy);
    return kind;
}

/* The message is of the kind, and no beginning of it is anything, nor it with a byte behind it. */
static void is_only(enum agent_request_kind kind)
{
    size_t length = buffer_length(&message);

    for (size_t i = 0; i < length; i++)
        assert_int_equal(kind_of(i), AGENT_ASKS_OTHER);
    assert_int_equal(kind_of(length), kind);
    byte(&message, 0);
    assert_int_equal(kind_of(length + 1), AGENT_ASKS_OTHER);
    buffer_clear(&message);
}

static void what_a_login_needs_is_passed(void **state)
{
    struct span key;

    (void)state;
    byte(&message, AGENT_REQUEST_IDENTITIES);
    is_only(AGENT_ASKS_KEYS);
    sign_request(&login);
    assert_int_equal(agent_request_kind(whole(&message), &key), AGENT_ASKS_SIGNATURE);
    assert_int_equal(key.length, 3);
    assert_memory_equal(key.bytes, "key", 3);
    is_only(AGENT_ASKS_SIGNATURE);
    sign_request(&hostbound);
    is_only(AGENT_ASKS_SIGNATURE);
    bind_request("session-bind@openssh.com", 0);
    is_only(AGENT_BINDS_SESSION);
}

/* The flags that a request has after it was looked at; those of sign_request are 4. */
static uint32_t flags_after(const char *algorithm, size_t cut, bool more)
{
    struct signing s = login;
    struct ssh_reader reader;
    uint8_t *copy;
    uint32_t flags;
    size_t length;

    s.algorithm = algorithm;
    sign_request(&s);
    if (more)
        byte(&message, 0);
    length = buffer_length(&message) - cut;
    copy = malloc(length);
    assert_non_null(copy);
    memcpy(copy, buffer_data(&message), length);
    agent_sign_as_named(copy, length);
    assert_memory_equal(copy, buffer_data(&message), length < 4 ? length : length - 4);
    reader = (struct ssh_reader){.rest = {copy + length - 4, 4}};
    flags = ssh_take_uint32(&reader);
    if (cut > 0 || more)
        assert_memory_equal(copy, buffer_data(&message), length);
    free(copy);
    buffer_clear(&message);
    return flags;
}

static void rsa_signs_as_the_login_says(void **state)
{
    (void)state;
    assert_int_equal(flags_after("rsa-sha2-256", 0, false), AGENT_RSA_SHA2_256);
    assert_int_equal(flags_after("rsa-sha2-256-cert-v01@openssh.com", 0, false),
                     AGENT_RSA_SHA2_256);
    assert_int_equal(flags_after("rsa-sha2-512", 0, false), AGENT_RSA_SHA2_512);
    assert_int_equal(flags_after("rsa-sha2-512-cert-v01@openssh.com", 0, false),
                     AGENT_RSA_SHA2_512);
    assert_int_equal(flags_after("ssh-rsa", 0, false), 0);
    assert_int_equal(flags_after("ssh-rsa-cert-v01@openssh.com", 0, false), 0);
    assert_int_equal(flags_after("ssh-ed25519", 0, false), 4);
    for (size_t cut = 1; cut < 40; cut++)
        flags_after("rsa-sha2-256", cut, false);
    flags_after("rsa-sha2-256", 0, true);
}

static void other_signatures_are_not(void **state)
{
    const struct signing others[] = {
        {"", 50, "ssh-connection", "publickey", 1, NULL, NULL},
        {"session", 51, "ssh-connection", "publickey", 1, NULL, NULL},
        {"session", 50, "ssh-userauth", "publickey", 1, NULL, NULL},
        {"session", 50, "ssh-connection", "hostbased", 1, NULL, NULL},
        {"session", 50, "ssh-connection", "publickey", 0, NULL, NULL},
        {"session", 50, "ssh-connection", "publickey", 1, "more", NULL},
        {"session", 50, "ssh-connection", "publickey-hostbound-v00@openssh.com", 1, NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        sign_request(&others[i]);
        is_only(AGENT_ASKS_OTHER);
    }
    /* A file's, of ssh-keygen -Y sign. */
    byte(&message, AGENT_SIGN_REQUEST);
    ssh_append_string(&message, of("key"));
    ssh_append_string(&message, of("SSHSIG and what follows"));
    number(&message, 0);
    is_only(AGENT_ASKS_OTHER);
}

static void no_other_request_is(void **state)
{
    (void)state;
    bind_request("session-bind@openssh.com", 1); /* for forwarding */
    is_only(AGENT_ASKS_OTHER);
    bind_request("query", 0);
    is_only(AGENT_ASKS_OTHER);
    /* 17 to 26: adding, removing, locking, unlocking, tokens. */
    for (unsigned i = 0; i < 256; i++) {
        if (i == AGENT_REQUEST_IDENTITIES)
            continue;
        byte(&message, (uint8_t)i);
        is_only(AGENT_ASKS_OTHER);
        byte(&message, (uint8_t)i);
        ssh_append_string(&message, of("key"));
        is_only(AGENT_ASKS_OTHER);
    }
}

static void answer_with(uint32_t count)
{
    byte(&message, AGENT_IDENTITIES_ANSWER);
    number(&message, count);
    ssh_append_string(&message, of("one"));
    ssh_append_string(&message, of("first"));
    ssh_append_string(&message, of("two"));
    ssh_append_string(&message, of("second"));
}

/* How many keys there are in the first `length` bytes; -1: those are none. */
static int count_keys(size_t length)
{
    struct agent_keys keys = agent_keys_read((struct span){buffer_data(&message), length});
    struct span key, comment;
    int count = 0;

    while (agent_keys_next(&keys, &key, &comment))
        count++;
    return keys.reader.bad ? -1 : count;
}

static void keys_are_read_one_by_one(void **state)
{
    (void)state;
    answer_with(2);
    for (size_t i = 0; i < buffer_length(&message); i++)
        assert_int_equal(count_keys(i), -1);
    assert_int_equal(count_keys(buffer_length(&message)), 2);
    byte(&message, 0); /* what is behind them is not looked at */
    assert_int_equal(count_keys(buffer_length(&message)), 2);
    buffer_clear(&message);
    answer_with(3);
    assert_int_equal(count_keys(buffer_length(&message)), -1);
    buffer_clear(&message);
    byte(&message, AGENT_FAILURE);
    number(&message, 0);
    assert_int_equal(count_keys(buffer_length(&message)), -1);
    buffer_clear(&message);
}

static void an_answer_is_cut_down_to_one_key(void **state)
{
    struct buffer one = {0};
    struct agent_keys keys;
    struct span key, comment;

    (void)state;
    answer_with(2);
    assert_true(agent_keys_answer_one(whole(&message), of("two"), &one));
    keys = agent_keys_read(whole(&one));
    assert_true(agent_keys_next(&keys, &key, &comment));
    assert_int_equal(key.length, 3);
    assert_memory_equal(key.bytes, "two", 3);
    assert_memory_equal(comment.bytes, "second", comment.length);
    assert_false(agent_keys_next(&keys, &key, &comment));
    assert_false(keys.reader.bad);
    buffer_clear(&one);
    assert_true(agent_keys_answer_one(whole(&message), of("three"), &one));
    keys = agent_keys_read(whole(&one));
    assert_false(agent_keys_next(&keys, &key, &comment));
    assert_false(keys.reader.bad);
    buffer_clear(&one);
    buffer_clear(&message);
    answer_with(3);
    assert_false(agent_keys_answer_one(whole(&message), of("three"), &one));
    assert_int_equal(buffer_length(&one), 0);
    buffer_clear(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_login_needs_is_passed),
        cmocka_unit_test(rsa_signs_as_the_login_says),
        cmocka_unit_test(other_signatures_are_not),
        cmocka_unit_test(no_other_request_is),
        cmocka_unit_test(keys_are_read_one_by_one),
        cmocka_unit_test(an_answer_is_cut_down_to_one_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
