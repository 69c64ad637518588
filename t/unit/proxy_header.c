/* The PROXY protocol's header, versions 1 and 2. */
#include "wire/proxy_header.h"

#include "parse.h"

static struct proxy_versions versions = {.v1 = true, .v2 = true};
static struct proxy_header header;

static enum wire_status parse(const uint8_t *bytes, size_t length, size_t *used)
{
    return proxy_header_parse(versions, bytes, length, used, &header);
}

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define UNIX_ADDRESS TEXT_50 TEXT_50 "abcdefg\0"
#define TEXT_128 TEXT_50 TEXT_50 TEXT_10 TEXT_10 "abcdefgh"

struct good_header {
    const char *name;
    const char *bytes;
    size_t length;
    enum proxy_source source;
    const char *ip;
    uint16_t port;
    const char *unique_id;
};

static const struct good_header goods[] = {
    {"tcp4", BYTES("PROXY TCP4 192.0.2.7 10.0.0.1 56324 1080\r\n"), PROXY_SOURCE_IP, "192.0.2.7",
     56324, ""},
    {"tcp6", BYTES("PROXY TCP6 2001:db8::7 ::1 0 65535\r\n"), PROXY_SOURCE_IP, "2001:db8::7", 0,
     ""},
    {"tcp6, a v4-mapped address", BYTES("PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n"), PROXY_SOURCE_IP,
     "192.0.2.7", 1, ""},
    {"the longest tcp6",
     BYTES("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
           "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
     PROXY_SOURCE_IP, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535, ""},
    {"unknown", BYTES("PROXY UNKNOWN\r\n"), PROXY_SOURCE_CONNECTION, NULL, 0, ""},
    {"unknown with addresses",
     BYTES("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
           "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
     PROXY_SOURCE_CONNECTION, NULL, 0, ""},
    {"local", BYTES(SIGNATURE "\x20\x00\x00\x00"), PROXY_SOURCE_CONNECTION, NULL, 0, ""},
    {"local, whatever family and bytes",
     BYTES(SIGNATURE "\x20\xff\x00\x0e"
                     "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x03\xff"),
     PROXY_SOURCE_CONNECTION, NULL, 0, ""},
    {"unspecified", BYTES(SIGNATURE "\x21\x00\x00\x00"), PROXY_SOURCE_CONNECTION, NULL, 0, ""},
    {"unspecified with a unique id", BYTES(SIGNATURE "\x21\x00\x00\x05\x05\x00\x02xy"),
     PROXY_SOURCE_CONNECTION, NULL, 0, "xy"},
    {"version 2, tcp4",
     BYTES(SIGNATURE "\x21\x11\x00\x0c\xc0\x00\x02\x07\x0a\x00\x00\x01\xdc\x04\x04\x38"),
     PROXY_SOURCE_IP, "192.0.2.7", 56324, ""},
    {"version 2, tcp6",
     BYTES(SIGNATURE "\x21\x21\x00\x24"
                     "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"
                     "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\xdc\x04\x04\x38"),
     PROXY_SOURCE_IP, "2001:db8::7", 56324, ""},
    {"version 2, unix", BYTES(SIGNATURE "\x21\x31\x00\xd8" UNIX_ADDRESS UNIX_ADDRESS),
     PROXY_SOURCE_UNIX, NULL, 0, ""},
    {"TLVs that are not read, of zero bytes too, and the longest id",
     BYTES(SIGNATURE "\x21\x11\x00\x9c\xc0\x00\x02\x07\x0a\x00\x00\x01\xdc\x04\x04\x38"
                     "\x04\x00\x00\x02\x00\x07"
                     "a.ex.am\x05\x00\x80" TEXT_128),
     PROXY_SOURCE_IP, "192.0.2.7", 56324, TEXT_128},
    /* (t/e2e/proxy_protocol.t has one of HAProxy's) */
    {"a CRC32C",
     BYTES(SIGNATURE "\x21\x11\x00\x13\x7f\x00\x00\x01\x7f\x00\x00\x01\xdc\x04\x04\x38"
                     "\x03\x00\x04\xb5\x95\x5c\x13"),
     PROXY_SOURCE_IP, "127.0.0.1", 56324, ""},
};

static void a_header_gives_the_source(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof goods / sizeof goods[0]; i++) {
        const struct good_header *good = &goods[i];
        char text[IP_TEXT_MAX];

        check_ok(good->name, parse, good->bytes, good->length);
        assert_int_equal(header.source, good->source);
        assert_int_equal(header.unique_id_length, strlen(good->unique_id));
        assert_memory_equal(header.unique_id, good->unique_id, header.unique_id_length);
        if (good->ip == NULL)
            continue;
        assert_string_equal(ip_format(&header.ip, text), good->ip);
        assert_int_equal(header.port, good->port);
    }
}

#define ENDS "10.0.0.1 1 2\r\n"
#define TCP4 "\xc0\x00\x02\x07\x0a\x00\x00\x01\xdc\x04\x04\x38"

static const struct {
    const char *name;
    const char *bytes;
    size_t length;
    size_t first; /* bytes it takes to see it */
} bads[] = {
    {"no header", BYTES("\x05\x01\x00"), 1},
    {"another word", BYTES("PROXI TCP4 "), 5},
    {"another signature", BYTES("\r\n\r\n\0\r\nQUIX\n"), 11},
    {"no LF", BYTES("PROXY UNKNOWN " TEXT_50 TEXT_50), 107},
    {"a NUL", BYTES("PROXY UNKNOWN\0\r\n"), 14},
    {"LF alone", BYTES("PROXY UNKNOWN\n"), 14},
    {"another family", BYTES("PROXY UDP4 192.0.2.7 " ENDS), 35},
    {"an unknown word", BYTES("PROXY UNKNOWNS\r\n"), 16},
    {"IPv6 under TCP4", BYTES("PROXY TCP4 2001:db8::7 " ENDS), 37},
    {"IPv4 under TCP6", BYTES("PROXY TCP6 192.0.2.7 " ENDS), 35},
    {"IPv4 as destination", BYTES("PROXY TCP6 ::1 " ENDS), 29},
    {"brackets", BYTES("PROXY TCP6 [::1] ::1 1 2\r\n"), 26},
    {"a zone", BYTES("PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n"), 33},
    {"a short quad", BYTES("PROXY TCP4 127.1 " ENDS), 31},
    {"a zero before a quad", BYTES("PROXY TCP4 192.0.2.07 " ENDS), 36},
    {"a zero before a port", BYTES("PROXY TCP4 192.0.2.7 10.0.0.1 01 2\r\n"), 36},
    {"a port too large", BYTES("PROXY TCP4 192.0.2.7 10.0.0.1 65536 2\r\n"), 39},
    {"a port of six digits", BYTES("PROXY TCP4 192.0.2.7 10.0.0.1 1 100000\r\n"), 40},
    {"a port that is none", BYTES("PROXY TCP4 192.0.2.7 10.0.0.1 -1 2\r\n"), 36},
    {"no port", BYTES("PROXY TCP4 192.0.2.7 10.0.0.1 1\r\n"), 33},
    {"an empty port", BYTES("PROXY TCP4 192.0.2.7 10.0.0.1 1 \r\n"), 34},
    {"two spaces", BYTES("PROXY TCP4 192.0.2.7  10.0.0.1 1 2\r\n"), 36},
    {"a word more", BYTES("PROXY TCP4 192.0.2.7 10.0.0.1 1 2 3\r\n"), 37},
    {"two CRs", BYTES("PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\r\n"), 36},
    {"version 1 in version 2", BYTES(SIGNATURE "\x11\x11\x00\x0c"), 13},
    {"version 3", BYTES(SIGNATURE "\x31\x11\x00\x0c"), 13},
    {"an unknown command", BYTES(SIGNATURE "\x22\x11\x00\x0c"), 13},
    {"UDP", BYTES(SIGNATURE "\x21\x12\x00\x0c" TCP4), 14},
    {"an unknown family", BYTES(SIGNATURE "\x21\x41\x00\x0c" TCP4), 14},
    {"shorter than its addresses", BYTES(SIGNATURE "\x21\x11\x00\x0b" TCP4), 16},
    {"shorter than IPv6", BYTES(SIGNATURE "\x21\x21\x00\x0c" TCP4), 16},
    {"half a TLV", BYTES(SIGNATURE "\x21\x11\x00\x0e" TCP4 "\x04\x00"), 30},
    {"a TLV too long", BYTES(SIGNATURE "\x21\x11\x00\x10" TCP4 "\x04\x00\x02x"), 32},
    {"bytes behind the last TLV", BYTES(SIGNATURE "\x21\x11\x00\x10" TCP4 "\x04\x00\x00\x00"), 32},
    {"a wrong CRC32C", BYTES(SIGNATURE "\x21\x11\x00\x13" TCP4 "\x03\x00\x04\x01\x02\x03\x04"), 35},
    {"a CRC32C of three bytes", BYTES(SIGNATURE "\x21\x11\x00\x12" TCP4 "\x03\x00\x03\x01\x02\x03"),
     34},
    {"two ids", BYTES(SIGNATURE "\x21\x11\x00\x14" TCP4 "\x05\x00\x01x\x05\x00\x01y"), 36},
    {"an id too long", BYTES(SIGNATURE "\x21\x00\x00\x84\x05\x00\x81" TEXT_128 "x"), 148},
};

static void a_header_that_is_none_is_bad_and_says_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        size_t first = check_bad(bads[i].name, parse, bads[i].bytes, bads[i].length);
        if (first != bads[i].first)
            fail_msg("%s: seen after %zu bytes", bads[i].name, first);
        assert_non_null(header.reason);
    }
}

/* Each bit of a header with a CRC32C that is turned over makes another header or a bad one, but
 * never one that is believed. */
static void a_crc32c_guards_the_whole_header(void **state)
{
    const struct good_header *good = &goods[sizeof goods / sizeof goods[0] - 1];
    uint8_t bytes[64];
    size_t used;

    (void)state;
    for (size_t bit = 0; bit < 8 * good->length; bit++) {
        memcpy(bytes, good->bytes, good->length);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (bit / 8 == 12) /* (LOCAL: nothing of it is believed) */
            continue;
        if (bit / 8 == 16 + 12) /* (another type of TLV: there is no CRC32C then) */
            continue;
        if (parse_exactly(parse, bytes, good->length, &used) == WIRE_OK)
            fail_msg("bit %zu was turned over and not seen", bit);
    }
}

static void only_the_versions_that_were_asked_for_are_read(void **state)
{
    const struct good_header *v1 = &goods[0], *v2 = &goods[10];
    size_t used;

    (void)state;
    versions = (struct proxy_versions){.v1 = true};
    check_ok(v1->name, parse, v1->bytes, v1->length);
    assert_int_equal(parse_exactly(parse, (const uint8_t *)v2->bytes, 1, &used), WIRE_BAD);
    versions = (struct proxy_versions){.v2 = true};
    check_ok(v2->name, parse, v2->bytes, v2->length);
    assert_int_equal(parse_exactly(parse, (const uint8_t *)v1->bytes, 1, &used), WIRE_BAD);
    versions = (struct proxy_versions){.v1 = true, .v2 = true};
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_gives_the_source),
        cmocka_unit_test(a_header_that_is_none_is_bad_and_says_why),
        cmocka_unit_test(a_crc32c_guards_the_whole_header),
        cmocka_unit_test(only_the_versions_that_were_asked_for_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
