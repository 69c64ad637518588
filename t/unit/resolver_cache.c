/* Tests of the resolver's cache alone, where time can be chosen. */
#include "io/resolver_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct answer *answer_with(const char *address)
{
    struct ip ip;

    ip_parse(address, &ip);
    return answer_new(RESOLVE_FOUND, NULL, &ip, 1);
}

static void store(struct resolver_cache *cache, const char *name, const char *address,
                  uint64_t expires)
{
    struct answer *answer = answer_with(address);

    cache_store(cache, name, answer, expires);
    answer_release(answer);
}

static void cached_answers_expire_and_are_replaced(void **state)
{
    struct resolver_cache cache = {0};
    char text[IP_TEXT_MAX];

    (void)state;
    store(&cache, "a", "192.0.2.1", 1000);
    assert_non_null(cache_find(&cache, "a", 999));
    assert_null(cache_find(&cache, "b", 999));
    assert_null(cache_find(&cache, "a", 1000));
    assert_null(cache_find(&cache, "a", 999)); /* an expired answer is gone */
    store(&cache, "a", "192.0.2.2", 3000);
    store(&cache, "a", "192.0.2.3", 2000);
    struct answer *held = answer_hold(cache_find(&cache, "a", 1999));
    assert_null(cache_find(&cache, "a", 2000));
    assert_string_equal(ip_format(&held->addresses[0], text), "192.0.2.3");
    answer_release(held);
    cache_clear(&cache);
}

static void a_full_cache_drops_what_was_stored_longest_ago(void **state)
{
    struct resolver_cache cache = {0};
    char name[32];

    (void)state;
    for (unsigned i = 0; i < RESOLVER_CACHE_MAX; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        store(&cache, name, "192.0.2.1", 1000);
    }
    store(&cache, "n0", "192.0.2.2", 1000); /* stored anew: now the youngest, and no entry goes */
    assert_non_null(cache_find(&cache, "n1", 0));
    store(&cache, "one more", "192.0.2.1", 1000);
    assert_null(cache_find(&cache, "n1", 0));
    assert_non_null(cache_find(&cache, "n0", 0));
    assert_non_null(cache_find(&cache, "n2", 0));
    assert_non_null(cache_find(&cache, "one more", 0));
    cache_clear(&cache);
    assert_null(cache_find(&cache, "n2", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cached_answers_expire_and_are_replaced),
        cmocka_unit_test(a_full_cache_drops_what_was_stored_longest_ago),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
