/* Tests of wire/keeper. */
#include "wire/keeper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct sample {
    enum keeper_message_kind kind;
    bool from_gateway;
    size_t numbers;
    size_t texts;
    bool without, with; /* a descriptor */
} samples[] = {
    {GATEWAY_EVENT, true, 1, 3, true, false},   {KEEPER_START, false, 4, 4, false, true},
    {KEEPER_SOCKET, false, 4, 1, true, true},   {KEEPER_CONFIG, false, 2, 1, false, true},
    {KEEPER_SIGNAL, false, 1, 0, true, false},  {KEEPER_LOG, false, 0, 0, false, true},
    {KEEPER_DETACH, false, 1, 0, true, false},  {GATEWAY_READY, true, 0, 0, true, false},
    {GATEWAY_UP, true, 0, 0, true, false},      {GATEWAY_DETACHED, true, 0, 0, true, false},
    {GATEWAY_CHANGE, true, 2, 0, true, false},  {GATEWAY_CHANGE, true, 2, 4, true, false},
    {GATEWAY_CHANGE, true, 2, 8, true, false},  {GATEWAY_CHANGED, true, 2, 0, true, false},
    {GATEWAY_NOTIFY, true, 1, 1, true, false},  {GATEWAY_CLOSED, true, 0, 0, true, false},
    {GATEWAY_UPGRADE, true, 0, 0, true, false}, {GATEWAY_SERVICE, true, 0, 0, false, true},
    {KEEPER_LISTEN, false, 0, 0, true, false},  {KEEPER_RETIRE, false, 0, 0, true, false},
    {KEEPER_FILE, false, 1, 0, true, true},     {GATEWAY_LOGIN, true, 0, 2, true, true},
};

static const uint32_t numbers[KEEPER_NUMBERS_MAX] = {1, 0, UINT32_MAX, 0x01020304, 7};
static const char *const texts[] = {"first", "", "third one", NULL, "5", "\xff\x01", "7", "8"};

static struct span span_of(const struct buffer *packet)
{
    return (struct span){buffer_data(packet), buffer_length(packet)};
}

static void write_sample(struct buffer *packet, const struct sample *sample)
{
    assert_true(keeper_message_write(packet, sample->kind, numbers, texts, sample->texts));
}

static void assert_texts(struct keeper_message *message)
{
    for (size_t i = 0; i < message->text_count; i++) {
        const char *expected = texts[i] != NULL ? texts[i] : "";
        struct span text = keeper_message_text(message);
        assert_int_equal(text.length, strlen(expected));
        if (text.length > 0)
            assert_memory_equal(text.bytes, expected, text.length);
    }
}

static void each_kind_is_read_as_it_was_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(samples); i++) {
        const struct sample *s = &samples[i];
        struct buffer packet = {0};
        struct keeper_message message;
        write_sample(&packet, s);
        assert_int_equal(keeper_message_parse(span_of(&packet), false, s->from_gateway, &message),
                         s->without);
        assert_int_equal(keeper_message_parse(span_of(&packet), true, s->from_gateway, &message),
                         s->with);
        assert_true(keeper_message_parse(span_of(&packet), s->with, s->from_gateway, &message));
        assert_int_equal(message.kind, s->kind);
        assert_memory_equal(message.numbers, numbers, s->numbers * sizeof(numbers[0]));
        assert_int_equal(message.text_count, s->texts);
        assert_texts(&message);
        buffer_clear(&packet);
    }
}

static void the_other_side_may_not_send_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(samples); i++) {
        const struct sample *s = &samples[i];
        struct buffer packet = {0};
        struct keeper_message message;
        write_sample(&packet, s);
        assert_false(keeper_message_parse(span_of(&packet), s->with, !s->from_gateway, &message));
        buffer_clear(&packet);
    }
}

/* A copy of the packet's size, so that a sanitiser sees who reads behind it. */
static bool parses(const uint8_t *bytes, size_t length, const struct sample *s)
{
    uint8_t *copy = malloc(length + (length == 0));
    struct keeper_message message;

    memcpy(copy, bytes, length);
    bool ok = keeper_message_parse((struct span){copy, length}, s->with, s->from_gateway, &message);
    free(copy);
    return ok;
}

static void what_is_cut_or_has_more_behind_it_is_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(samples); i++) {
        const struct sample *s = &samples[i];
        struct buffer packet = {0};
        write_sample(&packet, s);
        size_t length = buffer_length(&packet);
        /* (A change of four texts and one of none both begin as a longer one does.) */
        for (size_t n = 0; n < length; n++)
            if (s->kind != GATEWAY_CHANGE || n < 9)
                assert_false(parses(buffer_data(&packet), n, s));
        buffer_append(&packet, "\0\0\0\1x", 5);
        for (size_t n = length + 1; n <= length + 5; n++)
            assert_false(parses(buffer_data(&packet), n, s));
        buffer_clear(&packet);
    }
}

static void a_length_that_leads_outside_is_none(void **state)
{
    static const uint8_t beyond[] = {GATEWAY_NOTIFY, 0, 0, 0, 3, 0xff, 0xff, 0xff, 0xff, 'x'};
    static const uint8_t by_one[] = {GATEWAY_NOTIFY, 0, 0, 0, 3, 0, 0, 0, 2, 'x'};
    static const struct sample notify = {GATEWAY_NOTIFY, true, 1, 1, true, false};

    (void)state;
    assert_false(parses(beyond, sizeof(beyond), &notify));
    assert_false(parses(by_one, sizeof(by_one), &notify));
}

static void a_text_with_a_nul_is_none(void **state)
{
    static const uint8_t packet[] = {GATEWAY_NOTIFY, 0, 0, 0, 3, 0, 0, 0, 3, 'a', 0, 'b'};
    static const struct sample notify = {GATEWAY_NOTIFY, true, 1, 1, true, false};

    (void)state;
    assert_false(parses(packet, sizeof(packet), &notify));
}

static void there_are_no_other_kinds(void **state)
{
    (void)state;
    for (unsigned kind = KEEPER_MESSAGE_KINDS; kind < 256; kind++) {
        uint8_t packet[64] = {(uint8_t)kind};
        for (size_t n = 1; n <= sizeof(packet); n++) {
            assert_false(parses(packet, n, &(struct sample){.from_gateway = true}));
            assert_false(parses(packet, n, &(struct sample){.from_gateway = false, .with = true}));
        }
    }
}

static void what_is_too_long_is_not_written(void **state)
{
    char *text = malloc(KEEPER_PACKET_MAX);
    const char *const most = text;
    struct buffer packet = {0};
    struct keeper_message message;

    (void)state;
    memset(text, 'x', KEEPER_PACKET_MAX);
    text[KEEPER_PACKET_MAX - 9] = '\0';
    assert_true(keeper_message_write(&packet, GATEWAY_NOTIFY, numbers, &most, 1));
    assert_int_equal(buffer_length(&packet), KEEPER_PACKET_MAX);
    assert_true(keeper_message_parse(span_of(&packet), false, true, &message));
    buffer_append(&packet, "", 1);
    assert_false(keeper_message_parse(span_of(&packet), false, true, &message));
    buffer_clear(&packet);
    text[KEEPER_PACKET_MAX - 9] = 'x';
    text[KEEPER_PACKET_MAX - 8] = '\0';
    assert_false(keeper_message_write(&packet, GATEWAY_NOTIFY, numbers, &most, 1));
    assert_int_equal(buffer_length(&packet), 0);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_is_read_as_it_was_written),
        cmocka_unit_test(the_other_side_may_not_send_it),
        cmocka_unit_test(what_is_cut_or_has_more_behind_it_is_none),
        cmocka_unit_test(a_length_that_leads_outside_is_none),
        cmocka_unit_test(a_text_with_a_nul_is_none),
        cmocka_unit_test(there_are_no_other_kinds),
        cmocka_unit_test(what_is_too_long_is_not_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
