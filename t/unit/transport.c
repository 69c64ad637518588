/* Tests of ssh/transport: what libssh's padding is made of. */
#include "session_libssh/transport.h"

#include <openssl/rand.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MANY 300
#define SIZE 16

static unsigned char drawn[MANY][SIZE];

static void draw_many(void)
{
    for (int i = 0; i < MANY; i++)
        assert_int_equal(RAND_bytes(drawn[i], SIZE), 1);
}

/* Sixteen bytes do not come twice by chance. */
static void assert_all_differ(void)
{
    for (int i = 0; i < MANY; i++)
        for (int j = 0; j < i; j++)
            assert_memory_not_equal(drawn[i], drawn[j], SIZE);
}

static void before_a_session_is_driven_random_bytes_are_openssl_s(void **state)
{
    (void)state;
    draw_many();
    assert_all_differ();
}

static void each_random_byte_is_handed_out_once(void **state)
{
    (void)state;
    transport_enter(-1);
    draw_many();
    assert_all_differ();
}

static void every_length_is_served(void **state)
{
    (void)state;
    transport_enter(-1);
    for (int length = 0; length < 600; length++) {
        unsigned char bytes[601] = {0};
        unsigned seen = 0;

        /* (A byte may be 0 by chance, but not sixteen times.) */
        for (int again = 0; again < 16; again++) {
            assert_int_equal(RAND_bytes(bytes, length), 1);
            seen |= length > 0 ? bytes[length - 1] : 1;
            assert_int_equal(bytes[length], 0);
        }
        assert_int_not_equal(seen, 0);
    }
    assert_int_equal(RAND_bytes(drawn[0], -1), 0);
}

/* Which is what ends a libssh that would send packets for ever. */
static void without_packets_left_there_is_no_padding(void **state)
{
    (void)state;
    transport_enter(-1);
    assert_int_equal(transport_limit(3), TRANSPORT_UNLIMITED);
    for (int i = 0; i < 3; i++)
        assert_int_equal(RAND_bytes(drawn[0], SIZE), 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(RAND_bytes(drawn[0], SIZE), 0);
    assert_int_equal(transport_limit(TRANSPORT_UNLIMITED), 0);
    draw_many();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_a_session_is_driven_random_bytes_are_openssl_s),
        cmocka_unit_test(each_random_byte_is_handed_out_once),
        cmocka_unit_test(every_length_is_served),
        cmocka_unit_test(without_packets_left_there_is_no_padding),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
