/* Tests of wire/login_line. */
#include "wire/login_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define TEXT(literal)                                                                              \
    {                                                                                              \
        (const uint8_t *)(literal), sizeof(literal) - 1                                            \
    }

static const struct sample {
    bool from_gateway;
    struct login_message message;
    size_t numbers, texts;
} samples[] = {
    {true, {.kind = LOGIN_COMMANDS}, 0, 0},
    {true, {.kind = LOGIN_FILES, .numbers = {1}}, 1, 0},
    {true, {.kind = LOGIN_ORDER, .texts = {TEXT("ssh-ed25519,ssh-rsa")}}, 0, 1},
    {true,
     {.kind = LOGIN_HOST_KEY, .numbers = {65535}, .texts = {TEXT("a\0b"), TEXT("192.0.2.1")}},
     1,
     2},
    {true, {.kind = LOGIN_HOST_KEY}, 1, 2},
    {true, {.kind = LOGIN_SECRETS}, 0, 0},
    {true, {.kind = LOGIN_CAN_ASK}, 0, 0},
    {true, {.kind = LOGIN_TURN}, 0, 0},
    {true, {.kind = LOGIN_TURN_END}, 0, 0},
    {true,
     {.kind = LOGIN_ASK, .numbers = {LOGIN_QUESTION_SERVER, 1, 1}, .texts = {TEXT("a\nCode: ")}},
     3,
     1},
    {true, {.kind = LOGIN_SHOW, .texts = {TEXT("\xff\n")}}, 0, 1},
    {true, {.kind = LOGIN_PASSWORD, .numbers = {LOGIN_PASSWORD_KEPT, 1}}, 2, 0},
    {true, {.kind = LOGIN_REFUSED, .numbers = {LOGIN_PASSWORD_KEPT}}, 1, 0},
    {true, {.kind = LOGIN_ACCEPTED}, 0, 0},
    {true, {.kind = LOGIN_KEYS}, 0, 0},
    {true, {.kind = LOGIN_AGENT}, 0, 0},
    {true, {.kind = LOGIN_KEY, .numbers = {UINT32_MAX, 1}}, 2, 0},
    {false, {.kind = LOGIN_WAITS, .numbers = {1, UINT32_MAX}}, 2, 0},
    {false, {.kind = LOGIN_ANSWER, .numbers = {UINT32_MAX, 7}, .texts = {TEXT("pass word")}}, 2, 1},
};

static struct span span_of(const struct buffer *packet)
{
    return (struct span){buffer_data(packet), buffer_length(packet)};
}

/* A copy of the packet's size, so that a sanitiser sees who reads behind it. */
static bool parses(struct span packet, bool from_gateway)
{
    uint8_t *copy = malloc(packet.length + (packet.length == 0));
    struct login_message message;

    if (packet.length > 0)
        memcpy(copy, packet.bytes, packet.length);
    bool ok = login_message_parse((struct span){copy, packet.length}, from_gateway, &message);
    free(copy);
    return ok;
}

static void each_kind_is_read_as_it_was_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(samples); i++) {
        const struct sample *s = &samples[i];
        struct buffer packet = {0};
        struct login_message message;
        assert_true(login_message_write(&packet, &s->message));
        assert_true(login_message_parse(span_of(&packet), s->from_gateway, &message));
        assert_int_equal(message.kind, s->message.kind);
        assert_memory_equal(message.numbers, s->message.numbers, sizeof(message.numbers));
        for (size_t t = 0; t < LOGIN_TEXTS_MAX; t++) {
            assert_int_equal(message.texts[t].length, s->message.texts[t].length);
            if (message.texts[t].length > 0)
                assert_memory_equal(message.texts[t].bytes, s->message.texts[t].bytes,
                                    message.texts[t].length);
        }
        assert_false(parses(span_of(&packet), !s->from_gateway));
        buffer_clear(&packet);
    }
}

static void each_kind_has_a_sample(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < LOGIN_MESSAGE_KINDS; kind++) {
        bool found = false;
        for (size_t i = 0; i < COUNT(samples); i++)
            found = found || samples[i].message.kind == kind;
        assert_true(found);
    }
    for (unsigned kind = LOGIN_MESSAGE_KINDS; kind < 256; kind++) {
        uint8_t byte = (uint8_t)kind;
        assert_false(parses((struct span){&byte, 1}, true));
        assert_false(parses((struct span){&byte, 1}, false));
    }
}

static void what_is_cut_or_has_more_behind_it_is_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(samples); i++) {
        const struct sample *s = &samples[i];
        struct buffer packet = {0};
        assert_true(login_message_write(&packet, &s->message));
        size_t length = buffer_length(&packet);
        buffer_append(&packet, "\0\0\0\1x", 5);
        for (size_t n = 0; n <= length + 5; n++)
            assert_int_equal(parses((struct span){buffer_data(&packet), n}, s->from_gateway),
                             n == length);
        buffer_clear(&packet);
    }
}

/* Messages of the gateway that can be written, but not read. */
static void are_none(const struct login_message *wrong, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct buffer packet = {0};
        assert_true(login_message_write(&packet, &wrong[i]));
        assert_false(parses(span_of(&packet), true));
        buffer_clear(&packet);
    }
}

static void a_number_outside_its_enum_is_none(void **state)
{
    static const struct login_message wrong[] = {
        {.kind = LOGIN_FILES, .numbers = {2}},
        {.kind = LOGIN_HOST_KEY, .numbers = {65536}},
        {.kind = LOGIN_ASK, .numbers = {LOGIN_QUESTIONS, 0, 0}},
        {.kind = LOGIN_ASK, .numbers = {0, 2, 0}},
        {.kind = LOGIN_ASK, .numbers = {0, 0, UINT32_MAX}},
        {.kind = LOGIN_PASSWORD, .numbers = {LOGIN_PASSWORDS, 0}},
        {.kind = LOGIN_PASSWORD, .numbers = {0, 2}},
        {.kind = LOGIN_REFUSED, .numbers = {LOGIN_PASSWORDS}},
    };

    (void)state;
    are_none(wrong, COUNT(wrong));
}

static void a_nul_in_a_text_is_none(void **state)
{
    static const struct login_message wrong[] = {
        {.kind = LOGIN_ORDER, .texts = {TEXT("a\0b")}},
        {.kind = LOGIN_HOST_KEY, .texts = {TEXT("k"), TEXT("\0")}},
        {.kind = LOGIN_ASK, .texts = {TEXT("a\0")}},
        {.kind = LOGIN_SHOW, .texts = {TEXT("\0a")}},
    };

    (void)state;
    are_none(wrong, COUNT(wrong));
}

static void one_that_is_too_long_is_not_written(void **state)
{
    size_t most = LOGIN_PACKET_MAX - 1 - 4;
    uint8_t *bytes = malloc(LOGIN_PACKET_MAX + 1);
    struct login_message message = {.kind = LOGIN_SHOW, .texts = {{bytes, most}}};
    struct buffer packet = {0};

    (void)state;
    memset(bytes, 'x', LOGIN_PACKET_MAX + 1);
    assert_true(login_message_write(&packet, &message));
    assert_int_equal(buffer_length(&packet), LOGIN_PACKET_MAX);
    assert_true(parses(span_of(&packet), true));
    buffer_clear(&packet);
    message.texts[0].length = most + 1;
    assert_false(login_message_write(&packet, &message));
    message.texts[0].length = LOGIN_PACKET_MAX + 1;
    assert_false(login_message_write(&packet, &message));
    assert_int_equal(buffer_length(&packet), 0);
    buffer_clear(&packet);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_is_read_as_it_was_written),
        cmocka_unit_test(each_kind_has_a_sample),
        cmocka_unit_test(what_is_cut_or_has_more_behind_it_is_none),
        cmocka_unit_test(a_number_outside_its_enum_is_none),
        cmocka_unit_test(a_nul_in_a_text_is_none),
        cmocka_unit_test(one_that_is_too_long_is_not_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
