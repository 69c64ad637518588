/* Tests of policy/known_hosts and policy/public_key: what is told of a line, what is written, the
 * order of algorithms, lists of revoked keys. */
#include "policy/known_hosts.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "known_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void append(struct buffer *out, const char *text)
{
    buffer_append(out, text, strlen(text));
}

static struct public_key key_of(const char *text)
{
    struct public_key key;

    assert_int_equal(public_key_read(text, strlen(text), &key), PUBLIC_KEY_OK);
    return key;
}

static void a_changed_key_is_told_with_its_place_and_one_of_the_same_type_first(void **state)
{
    static const char first[] = "# nothing\n" NAME " " SERVER_RSA "\n" NAME " " OTHER_KEY "\n";
    const struct known_hosts_file files[] = {
        {.path = "/a", .bytes = ""}, {.path = "/b", .bytes = first, .length = sizeof(first) - 1}};
    const struct known_hosts known = {files, 2, NAME, HOST};
    struct public_key key = key_of(SERVER_ED25519);
    struct known_hosts_answer answer;

    (void)state;
    known_hosts_look_up(&known, &key, &answer);
    assert_int_equal(answer.verdict, KNOWN_HOSTS_CHANGED);
    assert_string_equal(answer.place, "/b:3");
    assert_string_equal(answer.other_type, "ED25519");
    assert_string_equal(answer.other_fingerprint, OTHER_FINGERPRINT);
    assert_null(answer.authority);
    known_hosts_answer_clear(&answer);
    public_key_clear(&key);
}

/* What a program printed is about the one name; ssh does not ask it for the name without the port.
 */
static void what_a_program_printed_counts_for_the_name_alone(void **state)
{
    static const struct {
        const char *file, *printed;
        enum known_hosts_verdict verdict;
        bool is_printed;
    } cases[] = {
        {"", NAME " " SERVER_ED25519 "\n", KNOWN_HOSTS_MATCH, true},
        {NAME " " SERVER_ED25519 "\n", NAME " " OTHER_KEY "\n", KNOWN_HOSTS_MATCH, false},
        {"", NAME " " OTHER_KEY "\n", KNOWN_HOSTS_CHANGED, true},
        {NAME " " OTHER_KEY "\n", NAME " " SERVER_ED25519 "\n", KNOWN_HOSTS_MATCH, true},
        {NAME " " SERVER_ED25519 "\n", "@revoked " NAME " " SERVER_ED25519 "\n",
         KNOWN_HOSTS_REVOKED, true},
        {"", HOST " " SERVER_ED25519 "\n", KNOWN_HOSTS_UNKNOWN, false},
        {"", "@revoked " HOST " " SERVER_ED25519 "\n", KNOWN_HOSTS_UNKNOWN, false},
        {HOST " " SERVER_ED25519 "\n", "", KNOWN_HOSTS_MATCH, false},
    };
    struct public_key key = key_of(SERVER_ED25519);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct known_hosts_file files[] = {
            {.path = "/f", .bytes = cases[i].file, .length = strlen(cases[i].file)},
            {.path = "program",
             .bytes = cases[i].printed,
             .length = strlen(cases[i].printed),
             .is_printed = true}};
        const struct known_hosts known = {files, 2, NAME, HOST};
        struct known_hosts_answer answer;
        known_hosts_look_up(&known, &key, &answer);
        assert_int_equal(answer.verdict, cases[i].verdict);
        assert_int_equal(answer.is_printed, cases[i].is_printed);
        if (answer.verdict != KNOWN_HOSTS_UNKNOWN)
            assert_string_equal(answer.place, answer.is_printed ? "program:1" : "/f:1");
        known_hosts_answer_clear(&answer);
        /* A name that only the program has is not told to a person. */
        char *names = known_hosts_other_names(&(struct known_hosts){files, 2, "x", NULL}, &key);
        assert_int_equal(names != NULL, strstr(cases[i].file, SERVER_ED25519) != NULL);
        free(names);
    }
    public_key_clear(&key);
}

static void other_names_of_the_key_are_told_eight_at_most(void **state)
{
    struct buffer text = {0};
    struct known_hosts_file file = {.path = "/f"};
    struct known_hosts known = {&file, 1, NAME, NULL};
    struct public_key key = key_of(SERVER_ED25519);
    char *names;

    (void)state;
    append(&text, NAME " " SERVER_ED25519 "\nx,y " SERVER_ED25519 "\n"
                       "@revoked z " SERVER_ED25519 "\nw " OTHER_KEY "\n|1|x " SERVER_ED25519 "\n");
    file.bytes = (const char *)buffer_data(&text);
    file.length = buffer_length(&text);
    names = known_hosts_other_names(&known, &key);
    assert_string_equal(names, "    /f:2: x,y\n    /f:5: [hashed name]\n");
    free(names);
    for (int i = 0; i < 20; i++)
        append(&text, "x " SERVER_ED25519 "\n");
    file.bytes = (const char *)buffer_data(&text);
    file.length = buffer_length(&text);
    names = known_hosts_other_names(&known, &key);
    assert_non_null(strstr(names, "/f:11: x\n"));
    assert_null(strstr(names, "/f:12: x\n"));
    free(names);
    file.length = 0;
    assert_null(known_hosts_other_names(&known, &key));
    buffer_clear(&text);
    public_key_clear(&key);
}

/* What is written is read back as a match. */
static void check_written(const char *name, bool hash, const char *begins)
{
    static const uint8_t salt[KNOWN_HOSTS_SALT_LENGTH] = {1, 2, 3};
    struct public_key key = key_of(SERVER_ED25519);
    struct known_hosts known = {.name = name};
    char *line = known_hosts_line(&known, &key, hash ? salt : NULL);
    struct known_hosts_answer answer;

    if (begins == NULL) {
        assert_null(line);
    } else {
        struct known_hosts_file file = {
            .path = "written", .bytes = line, .length = line != NULL ? strlen(line) : 0};
        assert_non_null(line);
        assert_memory_equal(line, begins, strlen(begins));
        known.files = &file;
        known.file_count = 1;
        known_hosts_look_up(&known, &key, &answer);
        assert_int_equal(answer.verdict, KNOWN_HOSTS_MATCH);
        assert_string_equal(answer.place, "written:1");
        known_hosts_answer_clear(&answer);
    }
    free(line);
    public_key_clear(&key);
}

static void a_line_is_written_for_one_name_only(void **state)
{
    static const char *const refused[] = {"",   "a,b", "*",   "a?b",  "!a",   "#a",
                                          "|a", "@a",  "a b", "a\nb", "a\tb", "a\x7f"};

    (void)state;
    check_written(NAME, false, NAME " " SERVER_ED25519 "\n");
    check_written("Host", false, "host " SERVER_ED25519 "\n");
    check_written("foo@bar", false, "foo@bar " SERVER_ED25519 "\n");
    check_written(NAME, true, "|1|AQIDAAAAAAAAAAAAAAAAAAAAAAA=|");
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        check_written(refused[i], false, NULL);
        check_written(refused[i], true, NULL);
    }
}

static const struct {
    const char *file;
    const char *order;
} orders[] = {
    {"", ALGORITHMS},
    {NAME " " SERVER_ED25519 "\n", ALGORITHMS},
    {NAME " " SERVER_RSA "\n", "rsa-sha2-512,rsa-sha2-256,ssh-ed25519,ecdsa-sha2-nistp256"},
    {NAME " " SERVER_ECDSA "\n", "ecdsa-sha2-nistp256,ssh-ed25519,rsa-sha2-512,rsa-sha2-256"},
    {NAME " " SERVER_RSA "\n" NAME " " SERVER_ECDSA "\n",
     "ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256,ssh-ed25519"},
    {NAME " " SERVER_RSA "\n" NAME " " SERVER_ED25519 "\n", ALGORITHMS},
    {"@cert-authority * " SERVER_RSA "\n", ALGORITHMS},
    {"@revoked * " SERVER_RSA "\n" NAME " " SERVER_RSA "\n", ALGORITHMS},
    {NAME " " SERVER_CERTIFICATE "\n" NAME " " SERVER_RSA "\n",
     "rsa-sha2-512,rsa-sha2-256,ssh-ed25519,ecdsa-sha2-nistp256"},
    {HOST " " SERVER_RSA "\n", ALGORITHMS},
    {"other " SERVER_RSA "\n", ALGORITHMS},
};

static void algorithms_of_known_keys_go_first(void **state)
{
    struct known_hosts nothing = {0};
    char *order = known_hosts_order(&nothing, ALGORITHMS);

    (void)state;
    assert_string_equal(order, ALGORITHMS);
    free(order);
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        struct known_hosts_file file = {
            .path = "file", .bytes = orders[i].file, .length = strlen(orders[i].file)};
        struct known_hosts known = {&file, 1, NAME, HOST};
        order = known_hosts_order(&known, ALGORITHMS);
        assert_string_equal(order, orders[i].order);
        free(order);
    }
}

static const struct {
    const char *file;
    enum revoked_keys_verdict verdict;
    unsigned line;
} revocations[] = {
    {"", REVOKED_KEYS_CLEAR, 0},
    {"# nothing\n\n  \n", REVOKED_KEYS_CLEAR, 0},
    {SERVER_ED25519, REVOKED_KEYS_REVOKED, 1},
    {OTHER_KEY "\n" SERVER_ED25519 " comment\n", REVOKED_KEYS_REVOKED, 2},
    {"# c\n \t" SERVER_ED25519 "\r\n", REVOKED_KEYS_REVOKED, 2},
    {OTHER_KEY "\n" SERVER_RSA "\n", REVOKED_KEYS_CLEAR, 0},
    {SERVER_CERTIFICATE "\n", REVOKED_KEYS_REVOKED, 1},
    {"junk\n" SERVER_ED25519 "\n", REVOKED_KEYS_UNREADABLE, 1},
    {SERVER_ED25519 "\njunk\n", REVOKED_KEYS_REVOKED, 1},
    {"host " SERVER_ED25519 "\n", REVOKED_KEYS_UNREADABLE, 1},
    {"@revoked host " SERVER_ED25519 "\n", REVOKED_KEYS_UNREADABLE, 1},
    {"\n\nssh-ed25519 AAAA\n", REVOKED_KEYS_UNREADABLE, 3},
    {SHORT_KEY "\n" SERVER_ED25519 "\n", REVOKED_KEYS_REVOKED, 2},
    {"-----BEGIN OPENSSH PRIVATE KEY-----\n", REVOKED_KEYS_UNREADABLE, 1},
};

static void a_list_of_revoked_keys_is_obeyed_or_refused(void **state)
{
    static const char krl[] = "SSHKRL\n\0\0\0\0\1";
    struct known_hosts_file file = {.path = "krl", .bytes = krl, .length = sizeof(krl) - 1};
    struct public_key key = key_of(SERVER_ED25519);
    unsigned line;

    (void)state;
    assert_true(revoked_keys_is_krl(&file));
    for (size_t i = 0; i < sizeof(revocations) / sizeof(revocations[0]); i++) {
        file = (struct known_hosts_file){
            .path = "list", .bytes = revocations[i].file, .length = strlen(revocations[i].file)};
        assert_false(revoked_keys_is_krl(&file));
        assert_int_equal(revoked_keys_look_up(&file, &key, &line), revocations[i].verdict);
        if (revocations[i].verdict != REVOKED_KEYS_CLEAR)
            assert_int_equal(line, revocations[i].line);
    }
    public_key_clear(&key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_changed_key_is_told_with_its_place_and_one_of_the_same_type_first),
        cmocka_unit_test(what_a_program_printed_counts_for_the_name_alone),
        cmocka_unit_test(other_names_of_the_key_are_told_eight_at_most),
        cmocka_unit_test(a_line_is_written_for_one_name_only),
        cmocka_unit_test(algorithms_of_known_keys_go_first),
        cmocka_unit_test(a_list_of_revoked_keys_is_obeyed_or_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
