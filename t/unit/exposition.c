/* The text of /metrics: both formats, labels, histograms. */
#include "status/exposition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_page(struct exposition *page, const char *expected)
{
    exposition_end(page);
    buffer_append(&page->text, "", 1);
    assert_string_equal((const char *)buffer_data(&page->text), expected);
    buffer_clear(&page->text);
}

static void put_all(struct exposition *page)
{
    static const uint64_t bounds[] = {1, 250, 10000}, counts[] = {1, 2, 0, 4};

    exposition_family(page, FAMILY_CONNECTIONS);
    exposition_count(page, (const char *const[]){"a"}, 3);
    exposition_count(page, (const char *const[]){"b"}, UINT64_MAX);
    exposition_family(page, FAMILY_USER_REQUESTS);
    exposition_count(page, (const char *const[]){"alice"}, 7);
    exposition_family(page, FAMILY_SESSIONS_LOST); /* (no samples: left out) */
    exposition_family(page, FAMILY_HOLD);
    exposition_histogram(page, (const char *const[]){"u"},
                         &(struct exposed_histogram){bounds, 3, counts, 40002});
    exposition_family(page, FAMILY_PROCESS_CPU);
    exposition_real(page, NULL, 1.5);
}

#define HISTOGRAM                                                                                  \
    "adit_hold_seconds_bucket{upstream=\"u\",le=\"0.001\"} 1\n"                                    \
    "adit_hold_seconds_bucket{upstream=\"u\",le=\"0.25\"} 3\n"                                     \
    "adit_hold_seconds_bucket{upstream=\"u\",le=\"10.0\"} 3\n"                                     \
    "adit_hold_seconds_bucket{upstream=\"u\",le=\"+Inf\"} 7\n"                                     \
    "adit_hold_seconds_sum{upstream=\"u\"} 40.002\n"                                               \
    "adit_hold_seconds_count{upstream=\"u\"} 7\n"

#define CONNECTIONS                                                                                \
    "# HELP adit_connections Connections that are open, by the listener or forward they came "     \
    "by.\n"                                                                                        \
    "# TYPE adit_connections gauge\n"                                                              \
    "adit_connections{listener=\"a\"} 3\n"                                                         \
    "adit_connections{listener=\"b\"} 18446744073709551615\n"

static void the_text_format(void **state)
{
    struct exposition page = {0};

    (void)state;
    put_all(&page);
    assert_page(&page, CONNECTIONS
                "# HELP adit_user_requests_total Requests of each user that have ended, with "
                "metrics_users = yes.\n"
                "# TYPE adit_user_requests_total counter\n"
                "adit_user_requests_total{user=\"alice\"} 7\n"
                "# HELP adit_hold_seconds How long clients waited for a session.\n"
                "# TYPE adit_hold_seconds histogram\n" HISTOGRAM
                "# HELP process_cpu_seconds_total Processor time, user and system, in "
                "seconds.\n"
                "# TYPE process_cpu_seconds_total counter\n"
                "process_cpu_seconds_total 1.500\n");
}

static void open_metrics(void **state)
{
    struct exposition page = {.open_metrics = true};

    (void)state;
    put_all(&page);
    assert_page(&page,
                CONNECTIONS "# HELP adit_user_requests Requests of each user that have ended, with "
                            "metrics_users = yes.\n"
                            "# TYPE adit_user_requests counter\n"
                            "adit_user_requests_total{user=\"alice\"} 7\n"
                            "# HELP adit_hold_seconds How long clients waited for a session.\n"
                            "# TYPE adit_hold_seconds histogram\n" HISTOGRAM
                            "# HELP process_cpu_seconds Processor time, user and system, in "
                            "seconds.\n"
                            "# TYPE process_cpu_seconds counter\n"
                            "process_cpu_seconds_total 1.500\n"
                            "# EOF\n");
}

/* A user's name may hold anything. */
static void labels_are_escaped(void **state)
{
    struct exposition page = {0};

    (void)state;
    exposition_family(&page, FAMILY_USER_REQUESTS);
    exposition_count(&page, (const char *const[]){"a\"b\\c\nd\xff\x1b\xc3\xa9\""}, 1);
    assert_page(&page,
                "# HELP adit_user_requests_total Requests of each user that have ended, with "
                "metrics_users = yes.\n"
                "# TYPE adit_user_requests_total counter\n"
                "adit_user_requests_total{user=\"a\\\"b\\\\c?d??\xc3\xa9\\\"\"} 1\n");
}

/* Of the table: names as Prometheus wants them, each once, and each family described. */
static void the_table(void **state)
{
    (void)state;
    for (enum metric_family f = 0; f < METRIC_FAMILIES; f++) {
        const struct metric_family_row *row = metric_family_row(f);
        size_t length = strlen(row->name);
        assert_int_equal(strspn(row->name, "abcdefghijklmnopqrstuvwxyz_"), length);
        assert_false(length > 6 && strcmp(row->name + length - 6, "_total") == 0);
        assert_int_equal(row->help[strlen(row->help) - 1], '.');
        assert_null(strpbrk(row->help, "\n\\\""));
        for (enum metric_family g = 0; g < f; g++)
            assert_string_not_equal(row->name, metric_family_row(g)->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_format),
        cmocka_unit_test(open_metrics),
        cmocka_unit_test(labels_are_escaped),
        cmocka_unit_test(the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
