/* Tests of base/secrets. */
#include "base/mem.h"
#include "base/secrets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_kept(const char *key, const char *secret)
{
    char *kept = secrets_get(key);

    if (secret == NULL) {
        assert_null(kept);
    } else {
        assert_non_null(kept);
        assert_string_equal(kept, secret);
    }
    secret_free(kept);
}

static void what_is_kept_is_had_back(void **state)
{
    (void)state;
    assert_kept("a", NULL);
    secrets_keep("a", "one");
    secrets_keep("b", "");
    assert_kept("a", "one");
    assert_kept("b", "");
    secrets_keep("a", "another");
    assert_kept("a", "another");
    secrets_forget();
    assert_kept("a", NULL);
    assert_kept("b", NULL);
}

static void a_refused_secret_is_dropped_but_not_a_newer_one(void **state)
{
    (void)state;
    secrets_keep("a", "old");
    secrets_keep("a", "new");
    secrets_drop("a", "old");
    assert_kept("a", "new");
    secrets_drop("a", "new");
    assert_kept("a", NULL);
    secrets_drop("a", "new");
    secrets_forget();
}

static void a_secret_may_be_longer_than_a_page(void **state)
{
    static char lengthy[3 * 65536];

    (void)state;
    memset(lengthy, 'x', sizeof(lengthy) - 1);
    secrets_keep("a", lengthy);
    assert_kept("a", lengthy);
    secrets_forget();
    secret_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_is_had_back),
        cmocka_unit_test(a_refused_secret_is_dropped_but_not_a_newer_one),
        cmocka_unit_test(a_secret_may_be_longer_than_a_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
