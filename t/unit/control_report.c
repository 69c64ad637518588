/* Tests of control/report: what a person gets to see. */
#include "control/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What `print` makes of this JSON. */
static void assert_prints(void (*print)(FILE *out, const json_t *answer), const char *json,
                          const char *wanted)
{
    json_t *answer = json_loads(json, 0, NULL);
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    assert_non_null(answer);
    print(out, answer);
    fclose(out);
    assert_string_equal(text, wanted);
    free(text);
    json_decref(answer);
}

static void targets_of_srv_records_are_a_table(void **state)
{
    (void)state;
    assert_prints(
        report_status,
        "{\"ok\":true,\"version\":\"1.2\",\"pid\":42,\"file\":\"/f\",\"state\":\"running\","
        "\"seconds\":1,\"connections\":0,\"upstreams\":[{\"name\":\"o\",\"via\":null,"
        "\"hosts\":[\"a\",\"b:2222\"],\"srv\":{\"name\":\"_ssh._tcp.x\",\"error\":null,"
        "\"next_ms\":4100,\"targets\":[{\"host\":\"a\",\"priority\":10,\"weight\":5,"
        "\"sessions\":2,\"state\":\"up\"},{\"host\":\"b:2222\",\"priority\":20,\"weight\":0,"
        "\"sessions\":0,\"state\":\"down\"}]},\"state\":\"up\",\"up\":2,\"min\":1,\"max\":2,"
        "\"channels\":0,\"waiting\":0,\"sessions\":[]},{\"name\":\"p\",\"hosts\":[],"
        "\"srv\":{\"name\":\"_ssh._tcp.y\",\"error\":\"there is no such name\",\"next_ms\":1,"
        "\"targets\":[]},\"state\":\"down\",\"error\":\"there is no such name\",\"up\":0,"
        "\"min\":1,\"max\":2,\"channels\":0,\"waiting\":0,\"sessions\":[]}]}",
        "adit 1.2, pid 42, running for 1s, 0 connections; /f\n"
        "\n"
        "UPSTREAM  VIA  HOSTS     SESSIONS  CHANNELS  WAITING  STATE\n"
        "o         -    a,b:2222  2 of 1-2  0         0        up\n"
        "p         -    -         0 of 1-2  0         0        down: there is no such name\n"
        "\n"
        "UPSTREAM  TARGET           PRIORITY  WEIGHT  SESSIONS  STATE\n"
        "o         SRV _ssh._tcp.x  -         -       -         asked again in 5 s\n"
        "o         a                10        5       2         up\n"
        "o         b:2222           20        0       0         down\n"
        "p         SRV _ssh._tcp.y  -         -       -         there is no such name\n");
}

static void a_status_is_tables(void **state)
{
    (void)state;
    assert_prints(
        report_status,
        "{\"ok\":true,\"version\":\"1.2\",\"pid\":42,\"file\":\"/etc/adit.ini\","
        "\"state\":\"running\",\"seconds\":93784,\"connections\":3,\"upstreams\":["
        "{\"name\":\"office\",\"via\":\"edge\",\"hosts\":[\"a\",\"b:2222\"],\"state\":\"up\","
        "\"error\":null,\"retry_ms\":null,\"up\":1,\"min\":1,\"max\":32,\"channels\":5,"
        "\"waiting\":0,\"sessions\":[{\"session\":0,\"state\":\"up\",\"host\":\"a\",\"worker\":1,"
        "\"channels\":5,\"bytes_in\":1023,\"bytes_out\":1536,\"seconds\":61,\"post_quantum\":true}]"
        "},"
        "{\"name\":\"edge\",\"via\":null,\"hosts\":[\"e\"],\"state\":\"down\","
        "\"error\":\"Connection refused\",\"retry_ms\":1001,\"up\":0,\"min\":1,\"max\":1,"
        "\"channels\":0,\"waiting\":7,\"sessions\":[]}],"
        "\"listeners\":[{\"name\":\"web\",\"address\":\"[::1]:80\",\"target\":null,"
        "\"via\":\"office\"}],"
        "\"forwards\":[{\"name\":\"r\",\"kind\":\"remote\",\"bind\":\"0\",\"target\":\"x:1\","
        "\"via\":\"office\",\"state\":\"up\",\"error\":null,\"retry_ms\":null,\"port\":4711},"
        "{\"name\":\"s\",\"kind\":\"remote\",\"bind\":\"80\",\"target\":null,\"via\":\"office\","
        "\"state\":\"degraded\",\"error\":\"taken\",\"retry_ms\":0,\"port\":null}],"
        "\"counters\":{\"connections\":{\"accepted\":9,\"cut\":0}}}",
        "adit 1.2, pid 42, running for 1d2h, 3 connections; /etc/adit.ini\n"
        "\n"
        "UPSTREAM  VIA   HOSTS     SESSIONS   CHANNELS  WAITING  STATE\n"
        "office    edge  a,b:2222  1 of 1-32  5         0        up\n"
        "edge      -     e         0 of 1-1   0         7        down: Connection refused; next "
        "try in 2 s\n"
        "\n"
        "SESSION   HOST  WORKER  CHANNELS  IN    OUT   SINCE  POST-QUANTUM  STATE\n"
        "office/0  a     1       5         1023  1.5k  1m1s   yes           up\n"
        "\n"
        "LISTENER  ADDRESS   TARGET  VIA\n"
        "web       [::1]:80  -       office\n"
        "\n"
        "FORWARD  KIND    BIND  TARGET  VIA     STATE\n"
        "r        remote  0     x:1     office  up, port 4711\n"
        "s        remote  80    -       office  degraded: taken; next try in 0 s\n"
        "\n"
        "COUNTER               NUMBER\n"
        "connections/accepted  9\n");
}

static void what_is_empty_has_no_table(void **state)
{
    (void)state;
    assert_prints(report_status,
                  "{\"version\":\"1\",\"pid\":1,\"file\":null,\"state\":\"running\",\"seconds\":0,"
                  "\"connections\":0,\"upstreams\":[],\"listeners\":[],\"forwards\":[],"
                  "\"counters\":{}}",
                  "adit 1, pid 1, running for 0s, 0 connections; from a command line\n");
}

/* An answer that is not adit's must not bring the asking process down. */
static void an_answer_without_its_members_is_printed_somehow(void **state)
{
    (void)state;
    assert_prints(report_status, "{\"upstreams\":[{}],\"version\":7}",
                  "adit ?, pid 0, ? for 0s, 0 connections; from a command line\n"
                  "\n"
                  "UPSTREAM  VIA  HOSTS  SESSIONS  CHANNELS  WAITING  STATE\n"
                  "-         -    -      0 of 0-0  0         0        ?\n");
    assert_prints(report_conninfo, "{}", "");
    assert_prints(report_conninfo, "{\"connections\":[{}]}",
                  "Connection information for ?/0 (?) pid 0\n"
                  "  duration 0s\n"
                  "  traffic 0 in, 0 out\n");
}

static void a_connection_is_in_the_words_of_ssh(void **state)
{
    (void)state;
    assert_prints(
        report_conninfo,
        "{\"pid\":42,\"connections\":[{\"upstream\":\"office\",\"session\":3,\"host\":\"a\","
        "\"seconds\":3600,\"bytes_in\":1048576,\"bytes_out\":7,\"local\":\"192.0.2.1:5\","
        "\"remote\":\"192.0.2.2:22\",\"user\":\"me\",\"login\":\"publickey k\\u001b\","
        "\"server\":\"SSH-2.0-x\",\"kexalgorithm\":\"curve25519-sha256\","
        "\"hostkeyalgorithm\":\"ssh-ed25519 SHA256:x\",\"cipher\":\"aes128-ctr\","
        "\"mac\":\"hmac-sha2-256\",\"compression\":\"none\"}]}",
        "Connection information for office/3 (a) pid 42\n"
        "  tcp 192.0.2.1:5 -> 192.0.2.2:22\n"
        "  duration 1h\n"
        "  user me\n"
        "  login publickey k?\n"
        "  server SSH-2.0-x\n"
        "  kexalgorithm curve25519-sha256\n"
        "  hostkeyalgorithm ssh-ed25519 SHA256:x\n"
        "  cipher aes128-ctr\n"
        "  mac hmac-sha2-256\n"
        "  compression none\n"
        "  traffic 1.0M in, 7 out\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_is_tables),
        cmocka_unit_test(targets_of_srv_records_are_a_table),
        cmocka_unit_test(what_is_empty_has_no_table),
        cmocka_unit_test(an_answer_without_its_members_is_printed_somehow),
        cmocka_unit_test(a_connection_is_in_the_words_of_ssh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
