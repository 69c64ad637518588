/* Tests of wire/service. */
#include "wire/service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct service_sample {
    enum service_kind kind;
    bool from_gateway, with_descriptor;
    size_t numbers, texts;
} samples[] = {
    {SERVICE_PASSWORD, true, false, 4, 3},      {SERVICE_FORWARD, true, false, 1, 1},
    {SERVICE_AGENT, true, false, 1, 1},         {SERVICE_MASTER, true, false, 1, 1},
    {SERVICE_LISTEN, true, false, 1, 1},        {SERVICE_LISTENING, false, true, 1, 1},
    {SERVICE_COMMAND, true, false, 1, 2},       {SERVICE_FORGET, true, false, 1, 0},
    {SERVICE_LEAVE, true, false, 1, 0},         {SERVICE_VERDICT, false, false, 2, 0},
    {SERVICE_CONNECTED, false, true, 1, 0},     {SERVICE_INPUT, false, true, 1, 0},
    {SERVICE_OUTPUT, false, true, 1, 0},        {SERVICE_FAILED, false, false, 2, 0},
    {SERVICE_EXITED, false, false, 3, 0},       {SERVICE_RENEWED, false, false, 0, 0},
    {SERVICE_START_MASTER, true, true, 1, 2},   {SERVICE_REACH_MASTER, true, false, 2, 0},
    {SERVICE_MASTER_ASKS, false, false, 2, 0},  {SERVICE_MASTER_UP, false, true, 2, 1},
    {SERVICE_MASTER_ENDED, false, false, 2, 1}, {SERVICE_ASK_CAUSE, true, false, 3, 1},
    {SERVICE_CAUSE, false, false, 2, 1},
};
#define SAMPLES (sizeof(samples) / sizeof(samples[0]))

static const uint32_t numbers[SERVICE_NUMBERS_MAX] = {7, 0, UINT32_MAX, 0x01020304};
static const char *const texts[SERVICE_TEXTS_MAX] = {"office", "", "\xff pass word"};

static struct span span_of(const struct buffer *packet)
{
    return (struct span){buffer_data(packet), buffer_length(packet)};
}

static bool reads(const struct service_sample *s, struct span packet,
                  struct service_message *message)
{
    return service_message_parse(packet, s->with_descriptor, s->from_gateway, message);
}

static void each_kind_is_read_as_it_was_written(void **state)
{
    (void)state;
    assert_int_equal(SAMPLES, SERVICE_KINDS);
    for (size_t i = 0; i < SAMPLES; i++) {
        const struct service_sample *s = &samples[i];
        struct buffer packet = {0};
        struct service_message message;
        assert_true(service_message_write(&packet, s->kind, numbers, texts));
        assert_true(reads(s, span_of(&packet), &message));
        assert_int_equal(message.kind, s->kind);
        assert_memory_equal(message.numbers, numbers, s->numbers * sizeof(numbers[0]));
        for (size_t t = 0; t < s->texts; t++) {
            assert_int_equal(message.texts[t].length, strlen(texts[t]));
            if (texts[t][0] != '\0')
                assert_memory_equal(message.texts[t].bytes, texts[t], strlen(texts[t]));
        }
        buffer_clear(&packet);
    }
}

static void nobody_sends_what_is_the_others(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        const struct service_sample *s = &samples[i];
        struct buffer packet = {0};
        struct service_message message;
        service_message_write(&packet, s->kind, numbers, texts);
        assert_false(service_message_parse(span_of(&packet), s->with_descriptor, !s->from_gateway,
                                           &message));
        assert_false(service_message_parse(span_of(&packet), !s->with_descriptor, s->from_gateway,
                                           &message));
        buffer_clear(&packet);
    }
}

/* (Each part is a copy of its own, so that a sanitiser sees what is read beyond it.) */
static void a_part_or_more_than_a_packet_is_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        const struct service_sample *s = &samples[i];
        struct buffer packet = {0};
        struct service_message message;
        service_message_write(&packet, s->kind, numbers, texts);
        for (size_t length = 0; length < buffer_length(&packet); length++) {
            uint8_t *part = malloc(length > 0 ? length : 1);
            memcpy(part, buffer_data(&packet), length);
            assert_false(reads(s, (struct span){part, length}, &message));
            free(part);
        }
        buffer_append(&packet, "x", 1);
        assert_false(reads(s, span_of(&packet), &message));
        buffer_clear(&packet);
    }
}

static void no_text_has_a_nul_or_is_longer_than_a_packet(void **state)
{
    static char longer[SERVICE_PACKET_MAX];
    const char *const one[] = {longer};
    struct service_message message;
    struct buffer packet = {0};

    (void)state;
    service_message_write(&packet, SERVICE_FORWARD, numbers, texts);
    ((uint8_t *)buffer_data(&packet))[buffer_length(&packet) - 1] = '\0';
    assert_false(service_message_parse(span_of(&packet), false, true, &message));
    buffer_clear(&packet);
    memset(longer, 'x', sizeof(longer) - 1);
    assert_false(service_message_write(&packet, SERVICE_FORWARD, numbers, one));
    assert_int_equal(buffer_length(&packet), 0);
    longer[SERVICE_PACKET_MAX - 9] = '\0';
    assert_true(service_message_write(&packet, SERVICE_FORWARD, numbers, one));
    assert_int_equal(buffer_length(&packet), SERVICE_PACKET_MAX);
    assert_true(service_message_parse(span_of(&packet), false, true, &message));
    buffer_clear(&packet);
}

static void no_other_kind_is_known(void **state)
{
    (void)state;
    for (unsigned kind = SERVICE_KINDS; kind < 256; kind++) {
        const uint8_t packet[] = {(uint8_t)kind, 0, 0, 0, 1};
        struct service_message message;
        assert_false(service_message_parse((struct span){packet, 1}, false, true, &message));
        assert_false(service_message_parse((struct span){packet, 5}, false, false, &message));
    }
}

static void a_request_gets_another_number(void **state)
{
    struct service_message message;
    struct buffer packet = {0};

    (void)state;
    service_message_write(&packet, SERVICE_COMMAND, numbers, texts);
    service_message_renumber((uint8_t *)buffer_data(&packet), 0xfffefdfc);
    assert_true(service_message_parse(span_of(&packet), false, true, &message));
    assert_int_equal(message.numbers[0], 0xfffefdfc);
    assert_int_equal(message.texts[0].length, strlen(texts[0]));
    assert_int_equal(message.texts[1].length, strlen(texts[1]));
    buffer_clear(&packet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_is_read_as_it_was_written),
        cmocka_unit_test(nobody_sends_what_is_the_others),
        cmocka_unit_test(a_part_or_more_than_a_packet_is_none),
        cmocka_unit_test(no_text_has_a_nul_or_is_longer_than_a_packet),
        cmocka_unit_test(no_other_kind_is_known),
        cmocka_unit_test(a_request_gets_another_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
