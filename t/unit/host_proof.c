/* The proof of the host key is found in what a server sends, however it comes, and in nothing else.
 */
#include "session_libssh/host_proof.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define VERSION "SSH-2.0-OpenSSH_9.2\r\n"

static void add(struct buffer *out, const char *text)
{
    buffer_append(out, text, strlen(text));
}

static void add_number(struct buffer *out, uint32_t number)
{
    uint8_t bytes[4];

    ssh_put_uint32(bytes, number);
    buffer_append(out, bytes, sizeof(bytes));
}

static void add_string(struct buffer *out, const char *text)
{
    ssh_append_string(out, (struct span){(const uint8_t *)text, strlen(text)});
}

/* A packet with so much padding; takes the payload over. */
static void add_packet(struct buffer *out, struct buffer *payload, uint8_t padding)
{
    static const uint8_t zero[256];

    add_number(out, (uint32_t)(1 + buffer_length(payload) + padding));
    buffer_append(out, &padding, 1);
    buffer_append(out, buffer_data(payload), buffer_length(payload));
    buffer_append(out, zero, padding);
    buffer_clear(payload);
}

/* A message of that type with these strings, parted by blanks. */
static void add_message(struct buffer *out, uint8_t kind, const char *strings)
{
    struct buffer payload = {0};
    char text[64];
    char *rest = text;

    buffer_append(&payload, &kind, 1);
    snprintf(text, sizeof(text), "%s", strings);
    for (char *word; (word = strsep(&rest, " ")) != NULL && *word != '\0';)
        add_string(&payload, word);
    add_packet(out, &payload, 7);
}

static void is(const struct buffer *bytes, const char *text)
{
    assert_int_equal(buffer_length(bytes), strlen(text));
    if (*text != '\0')
        assert_memory_equal(buffer_data(bytes), text, strlen(text));
}

/* What is heard of these bytes, in pieces of `step`; "" where nothing is. */
static void check_in_steps(const struct buffer *bytes, size_t step, const char *host_key,
                           const char *signature)
{
    struct host_proof proof = {0};
    size_t length = buffer_length(bytes);

    for (size_t i = 0; i < length; i += step < length ? step : length)
        host_proof_hear(&proof, buffer_data(bytes) + i, length - i < step ? length - i : step);
    assert_int_equal(host_proof_known(&proof), *signature != '\0');
    is(&proof.host_key, host_key);
    is(&proof.signature, signature);
    host_proof_clear(&proof);
}

/* Whole, byte by byte, and, where there is a proof, with another reply after it. */
static void check(struct buffer *bytes, const char *host_key, const char *signature)
{
    check_in_steps(bytes, SIZE_MAX, host_key, signature);
    check_in_steps(bytes, 1, host_key, signature);
    if (*signature != '\0') {
        add_message(bytes, 31, "another reply comes");
        check_in_steps(bytes, SIZE_MAX, host_key, signature);
        check_in_steps(bytes, 1, host_key, signature);
    }
    buffer_clear(bytes);
}

static void a_reply_is_found_behind_the_version(void **state)
{
    (void)state;
    static const uint8_t kinds[] = {31, 33};

    for (size_t i = 0; i < sizeof(kinds); i++) {
        struct buffer bytes = {0};
        add(&bytes, "Welcome.\r\n\n" VERSION);
        add_message(&bytes, 20, "whatever is in it");
        add_message(&bytes, kinds[i], "KEY point SIGNATURE");
        check(&bytes, "KEY", "SIGNATURE");
    }
}

static void the_group_of_a_group_exchange_is_no_reply(void **state)
{
    (void)state;
    struct buffer bytes = {0};

    add(&bytes, VERSION);
    add_message(&bytes, 20, "");
    add_message(&bytes, 31, "prime generator");
    add_message(&bytes, 33, "KEY number SIGNATURE");
    check(&bytes, "KEY", "SIGNATURE");
}

static void what_is_no_reply_is_not_taken_for_one(void **state)
{
    (void)state;
    struct buffer bytes = {0}, payload = {0};

    add(&bytes, VERSION);
    add_message(&bytes, 31, "KEY point SIGNATURE more");
    check(&bytes, "", "");

    add(&bytes, VERSION); /* without a version's line no packet */
    buffer_consume(&bytes, 1);
    add_message(&bytes, 31, "KEY point SIGNATURE");
    check(&bytes, "", "");

    add(&bytes, VERSION); /* what comes behind NEWKEYS is not in the clear */
    add_message(&bytes, 21, "");
    add_message(&bytes, 31, "KEY point SIGNATURE");
    check(&bytes, "", "");

    add(&bytes, VERSION); /* a packet without a payload */
    add_packet(&bytes, &payload, 4);
    add_message(&bytes, 31, "KEY point SIGNATURE");
    check(&bytes, "", "");

    add(&bytes, VERSION); /* more padding than there is packet; no packet at all */
    buffer_append(&bytes, "\0\0\0\2\377.", 6);
    check(&bytes, "", "");
    add(&bytes, VERSION);
    add_number(&bytes, 0);
    add_message(&bytes, 31, "KEY point SIGNATURE");
    check(&bytes, "", "");

    add(&bytes, VERSION); /* a string that is longer than its message */
    add_number(&bytes, 10);
    buffer_append(&bytes, "\0\37\0\0\0\377KEY", 10);
    check(&bytes, "", "");
}

static void a_server_that_does_not_end_is_not_kept(void **state)
{
    (void)state;
    struct host_proof proof = {0};
    char line[4096];

    memset(line, 'x', sizeof(line));
    for (size_t i = 0; i < 1000; i++)
        host_proof_hear(&proof, line, sizeof(line));
    assert_true(proof.over);
    assert_int_equal(buffer_length(&proof.heard), 0);
    host_proof_clear(&proof);
}

static void the_request_has_the_fields_in_order(void **state)
{
    (void)state;
    struct host_proof proof = {0};
    struct buffer bytes = {0}, request = {0}, expected = {0};

    add(&bytes, VERSION);
    add_message(&bytes, 31, "KEY point SIGNATURE");
    host_proof_hear(&proof, buffer_data(&bytes), buffer_length(&bytes));
    host_proof_request(&proof, (struct span){(const uint8_t *)"ID", 2}, &request);
    buffer_append(&expected, "\33", 1);
    add_string(&expected, "session-bind@openssh.com");
    add_string(&expected, "KEY");
    add_string(&expected, "ID");
    add_string(&expected, "SIGNATURE");
    buffer_append(&expected, "\0", 1);
    assert_int_equal(buffer_length(&request), buffer_length(&expected));
    assert_memory_equal(buffer_data(&request), buffer_data(&expected), buffer_length(&expected));
    host_proof_clear(&proof);
    buffer_clear(&bytes);
    buffer_clear(&request);
    buffer_clear(&expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_is_found_behind_the_version),
        cmocka_unit_test(the_group_of_a_group_exchange_is_no_reply),
        cmocka_unit_test(what_is_no_reply_is_not_taken_for_one),
        cmocka_unit_test(a_server_that_does_not_end_is_not_kept),
        cmocka_unit_test(the_request_has_the_fields_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
