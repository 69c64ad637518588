/* Tests of policy/limits: token buckets, keys, and the table of counts. */
#include "policy/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)
#define S (1000 * MS)

static void a_bucket_gives_its_burst_and_then_its_rate(void **state)
{
    struct token_bucket bucket = {0};
    uint64_t now = 5 * S;

    (void)state;
    /* Ten a second, three at once. */
    for (int i = 0; i < 3; i++)
        assert_true(token_bucket_take(&bucket, now, 100 * MS, 300 * MS));
    assert_false(token_bucket_take(&bucket, now, 100 * MS, 300 * MS));
    assert_false(token_bucket_take(&bucket, now + 99 * MS, 100 * MS, 300 * MS));
    assert_true(token_bucket_take(&bucket, now + 100 * MS, 100 * MS, 300 * MS));
    assert_false(token_bucket_take(&bucket, now + 199 * MS, 100 * MS, 300 * MS));
    /* What comes while the bucket is full is lost. */
    now += 3600 * S;
    for (int i = 0; i < 3; i++)
        assert_true(token_bucket_take(&bucket, now, 100 * MS, 300 * MS));
    assert_false(token_bucket_take(&bucket, now, 100 * MS, 300 * MS));
}

static void a_full_bucket_gives_one_whatever_it_costs(void **state)
{
    struct token_bucket bucket = {0};

    (void)state;
    assert_true(token_bucket_take(&bucket, S, 10 * S, S));
    assert_false(token_bucket_take(&bucket, 10 * S, 10 * S, S));
    assert_true(token_bucket_take(&bucket, 11 * S, 10 * S, S));
}

/* Two that reserve in turn get as much each, and together the rate. */
static void reservations_share_the_rate(void **state)
{
    struct token_bucket bucket = {0};
    uint64_t due[2] = {S, S}, got[2] = {0};

    (void)state;
    for (uint64_t now = S; now < 11 * S; now += MS)
        for (int who = 0; who < 2; who++)
            if (due[who] <= now) {
                due[who] = now + token_bucket_reserve(&bucket, now, 10 * MS, 20 * MS);
                got[who] += 10;
            }
    assert_in_range(got[0], 4900, 5100);
    assert_in_range(got[1], 4900, 5100);
    assert_in_range(got[0] + got[1], 9900, 10100);
}

static struct ip ip_of(const char *text)
{
    struct ip ip;

    assert_true(ip_parse(text, &ip));
    return ip;
}

static bool same_source(const char *a, const char *b)
{
    struct limit_table *table = limit_table_new(1, 8);
    struct ip ip_a = ip_of(a), ip_b = ip_of(b);
    struct limit_key key_a = limit_key_source("x", &ip_a), key_b = limit_key_source("x", &ip_b);
    bool same = limit_entry_get(table, &key_a) == limit_entry_get(table, &key_b);

    limit_table_free(table);
    return same;
}

static void a_source_is_an_ipv4_address_or_a_64_of_ipv6(void **state)
{
    (void)state;
    assert_true(same_source("192.0.2.1", "192.0.2.1"));
    assert_true(same_source("192.0.2.1", "::ffff:192.0.2.1"));
    assert_false(same_source("192.0.2.1", "192.0.2.2"));
    assert_true(same_source("2001:db8:0:1::1", "2001:db8:0:1:ffff::2"));
    assert_false(same_source("2001:db8:0:1::1", "2001:db8:0:2::1"));
    assert_false(same_source("::", "0.0.0.0"));
}

static void limits_users_and_kinds_are_counted_apart(void **state)
{
    struct ip ip = ip_of("192.0.2.1");
    const struct limit_key keys[] = {
        limit_key_source("a", &ip), limit_key_source("b", &ip), limit_key_source("a", NULL),
        limit_key_user("a", ""),    limit_key_user("a", "bob"), limit_key_user("a", "bo"),
        limit_key_user("b", "bob"), limit_key_all("a"),         limit_key_all("b"),
    };
    size_t count = sizeof(keys) / sizeof(keys[0]);
    struct limit_table *table = limit_table_new(42, 8);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        struct limit_entry *entry = limit_entry_get(table, &keys[i]);
        assert_int_equal(limit_table_size(table), i + 1);
        for (size_t k = 0; k < count; k++)
            assert_int_equal(limit_entry_is(entry, &keys[k]), i == k);
    }
    limit_table_free(table);
}

static void counts_have_bounds_and_defaults(void **state)
{
    struct limit_table *table = limit_table_new(42, 8);
    struct limit_key key = limit_key_all("a");
    struct limit_entry *entry = limit_entry_get(table, &key);
    struct limit_bounds source = {.per = LIMIT_PER_SOURCE}, all = {.per = LIMIT_PER_ALL};
    struct limit_bounds two = {.per = LIMIT_PER_ALL, .most = {[LIMIT_OPENS] = 2}};

    (void)state;
    assert_int_equal(limit_bound(&source, LIMIT_CONNECTIONS), 1024);
    assert_int_equal(limit_bound(&source, LIMIT_BEFORE_LOGIN), 256);
    assert_int_equal(limit_bound(&source, LIMIT_OPENS), 64);
    for (int what = 0; what < LIMIT_WHATS; what++)
        assert_int_equal(limit_bound(&all, what), 0);
    assert_true(limit_entry_take(entry, &two, LIMIT_OPENS));
    assert_true(limit_entry_take(entry, &two, LIMIT_OPENS));
    assert_false(limit_entry_take(entry, &two, LIMIT_OPENS));
    assert_true(limit_entry_take(entry, &two, LIMIT_CONNECTIONS));
    limit_entry_give(entry, LIMIT_OPENS);
    assert_int_equal(limit_entry_count(entry, LIMIT_OPENS), 1);
    assert_true(limit_entry_take(entry, &two, LIMIT_OPENS));
    for (int i = 0; i < 1024; i++)
        assert_true(limit_entry_take(entry, &source, LIMIT_BEFORE_LOGIN) == (i < 256));
    limit_table_free(table);
}

/* What a flood from many sources leaves behind is bounded; who still has something there stays. */
static void memory_is_bounded(void **state)
{
    struct limit_table *table = limit_table_new(7, 100);
    struct limit_bounds bounds = {.per = LIMIT_PER_SOURCE, .fresh = 1, .burst_ms = 1000};
    struct ip ip = ip_of("2001:db8::");
    struct limit_key first = limit_key_source("x", &ip);
    struct limit_entry *kept = limit_entry_get(table, &first);

    (void)state;
    for (unsigned i = 1; i <= 100000; i++) {
        struct limit_key key;
        struct limit_entry *entry;
        ip.bytes[5] = (uint8_t)(i >> 16);
        ip.bytes[6] = (uint8_t)(i >> 8);
        ip.bytes[7] = (uint8_t)i;
        key = limit_key_source("x", &ip);
        entry = limit_entry_get(table, &key);
        assert_true(limit_entry_take_fresh(entry, &bounds, 5000));
        limit_entry_put(table, entry, 5000);
        assert_true(limit_table_size(table) <= 101);
    }
    assert_int_equal(limit_table_size(table), 101);
    assert_ptr_equal(limit_entry_get(table, &first), kept);
    limit_table_free(table);
}

static void an_entry_that_remembers_nothing_is_gone(void **state)
{
    struct limit_table *table = limit_table_new(7, 100);
    struct limit_bounds bounds = {.fresh = 2, .burst_ms = 1000};
    struct limit_key key = limit_key_all("x");
    struct limit_entry *entry = limit_entry_get(table, &key);

    (void)state;
    limit_entry_put(table, entry, 1000);
    assert_int_equal(limit_table_size(table), 0);
    /* What was taken of a bucket is remembered until it is full again. */
    entry = limit_entry_get(table, &key);
    assert_true(limit_entry_take_fresh(entry, &bounds, 1000));
    assert_true(limit_entry_take_fresh(entry, &bounds, 1000));
    limit_entry_put(table, entry, 1000);
    assert_int_equal(limit_table_size(table), 1);
    entry = limit_entry_get(table, &key);
    assert_false(limit_entry_take_fresh(entry, &bounds, 1400));
    limit_entry_put(table, entry, 2000);
    assert_int_equal(limit_table_size(table), 0);
    limit_table_free(table);
}

static void refusals_are_told_once_and_then_once_a_minute(void **state)
{
    struct limit_table *table = limit_table_new(7, 100);
    struct limit_key key = limit_key_all("x");
    struct limit_entry *entry = limit_entry_get(table, &key);

    (void)state;
    assert_int_equal(limit_entry_refused(entry, 0), 1);
    for (int i = 0; i < 10; i++)
        assert_int_equal(limit_entry_refused(entry, 59999), 0);
    assert_int_equal(limit_entry_refused(entry, 60000), 11);
    assert_int_equal(limit_entry_refused(entry, 60001), 0);
    /* It is not forgotten with the last connection. */
    limit_entry_put(table, entry, 60002);
    entry = limit_entry_get(table, &key);
    assert_int_equal(limit_entry_refused(entry, 60003), 0);
    limit_table_free(table);
}

static void bytes_cost_their_time(void **state)
{
    struct limit_table *table = limit_table_new(7, 100);
    struct limit_bounds bounds = {.rate = 1000, .burst_ms = 100};
    struct limit_key key = limit_key_all("x");
    struct limit_entry *entry = limit_entry_get(table, &key);

    (void)state;
    assert_int_equal(limit_entry_reserve(entry, &bounds, 0, 100, 1000), 0);
    assert_int_equal(limit_entry_reserve(entry, &bounds, 0, 50, 1000), 50);
    assert_int_equal(limit_entry_reserve(entry, &bounds, 1, 100, 1000), 0); /* the other way */
    assert_int_equal(limit_entry_reserve(entry, &bounds, 0, 50, 1050), 50);
    /* What was reserved and does not come is the next one's. */
    limit_entry_return(entry, &bounds, 0, 50);
    assert_int_equal(limit_entry_reserve(entry, &bounds, 0, 50, 1050), 50);
    limit_entry_return(entry, &bounds, 0, 1000000);
    assert_int_equal(limit_entry_reserve(entry, &bounds, 0, 100, 1050), 0);
    limit_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_gives_its_burst_and_then_its_rate),
        cmocka_unit_test(a_full_bucket_gives_one_whatever_it_costs),
        cmocka_unit_test(reservations_share_the_rate),
        cmocka_unit_test(a_source_is_an_ipv4_address_or_a_64_of_ipv6),
        cmocka_unit_test(limits_users_and_kinds_are_counted_apart),
        cmocka_unit_test(counts_have_bounds_and_defaults),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(an_entry_that_remembers_nothing_is_gone),
        cmocka_unit_test(refusals_are_told_once_and_then_once_a_minute),
        cmocka_unit_test(bytes_cost_their_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
