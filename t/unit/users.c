/* Tests of policy/users: htpasswd files and the credential cache. */
#include "policy/users.h"

#include "base/mem.h"

#include <crypt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Made by htpasswd -B and by openssl passwd. */
#define BCRYPT_SECRET "$2y$04$fwYM0UQ5XF5ZLXJd9kQXje7fSDMQJz20WV7mrz2bJ6Zvwq.1OnmpG"
#define BCRYPT_SPACES "$2y$04$uXkWsPcrsp.UYH3or.Ocw.UY8vselzjJLrhIez5xR9W/OoJliGL/u"
#define SHA512_SECRET                                                                              \
    "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq."    \
    "H91p5hVO1"
#define SHA256_SECRET "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA"
#define MD5_SECRET "$1$saltsalt$9xy1btjgzLYfb7hivXtC//"

/* What users_new reported, as "LINE LINE ...". */
struct reports {
    char lines[256];
};

static void note(void *arg, unsigned line, const char *message)
{
    struct reports *reports = arg;
    size_t used = strlen(reports->lines);

    assert_true(*message);
    snprintf(reports->lines + used, sizeof(reports->lines) - used, "%s%u", used ? " " : "", line);
}

static struct users *users_of(const char *text)
{
    struct reports reports = {""};
    struct users *users = users_new(text, strlen(text), note, &reports);

    if (!users)
        fail_msg("lines %s are refused", reports.lines);
    return users;
}

static void only_the_right_password_verifies(void **state)
{
    static const char file[] = "# the office\n"
                               "\n"
                               "alice:" BCRYPT_SECRET "\n"
                               "  bob:" SHA512_SECRET "\t\r\n"
                               "carol:" SHA256_SECRET ":a comment\n"
                               "   # dave is gone\n"
                               "erin smith:" MD5_SECRET "\n"
                               "frank:" BCRYPT_SPACES;
    static const struct {
        const char *name;
        const char *password;
        bool right;
    } cases[] = {
        {"alice", "secret", true},
        {"bob", "secret", true},
        {"carol", "secret", true},
        {"erin smith", "secret", true},
        {"frank", "p\xc3\xa4ssword with spaces", true},
        {"alice", "Secret", false},
        {"alice", "secret ", false},
        {"alice", "secre", false},
        {"alice", "", false},
        {"alice", BCRYPT_SECRET, false},
        {"Alice", "secret", false},
        {"alic", "secret", false},
        {"alicee", "secret", false},
        {"dave", "secret", false},
        {"", "secret", false},
        {"", "", false},
        {"frank", "secret", false},
    };
    struct users *users = users_of(file);

    (void)state;
    assert_int_equal(users_count(users), 5);
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (users_verify(users, cases[i].name, cases[i].password) != cases[i].right)
            fail_msg("\"%s\" with \"%s\"", cases[i].name, cases[i].password);
    }
    users_free(users);
}

static void every_method_of_this_system_verifies(void **state)
{
    static const char *const prefixes[] = {"$y$", "$gy$", "$7$",   "$2a$", "$2b$", "$2y$",
                                           "$6$", "$5$",  "$sha1", "$md5", "$1$"};

    (void)state;
    for (size_t i = 0; i < COUNT(prefixes); i++) {
        char setting[CRYPT_GENSALT_OUTPUT_SIZE];
        if (!crypt_gensalt_rn(prefixes[i], 0, NULL, 0, setting, sizeof(setting)))
            continue; /* this libcrypt was built without it */
        char *file = mem_printf("alice:%s\n", crypt("secret", setting));
        struct users *users = users_of(file);
        assert_true(users_verify(users, "alice", "secret"));
        assert_false(users_verify(users, "alice", "secreT"));
        users_free(users);
        free(file);
    }
}

static void a_password_longer_than_crypt_takes_is_wrong(void **state)
{
    struct users *users = users_of("alice:" SHA512_SECRET);
    char password[2 * CRYPT_MAX_PASSPHRASE_SIZE];

    (void)state;
    memset(password, 'a', sizeof(password));
    password[sizeof(password) - 1] = '\0';
    assert_false(users_verify(users, "alice", password));
    users_free(users);
}

static void a_file_without_users_knows_nobody(void **state)
{
    static const char *const cases[] = {"", "\n", "# nobody\n", "\r\n  \n#"};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct users *users = users_of(cases[i]);
        assert_int_equal(users_count(users), 0);
        assert_false(users_verify(users, "alice", "secret"));
        users_free(users);
    }
    users_free(NULL);
}

static void every_broken_line_is_reported(void **state)
{
    static const struct {
        const char *what;
        const char *text;
        const char *lines;
    } cases[] = {
        {"apr1", "a:$apr1$8qtRQiQy$BZyxIlKoB3zxP5WYYKKl21\n", "1"},
        {"SHA1", "a:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n", "1"},
        {"DES", "a:nhWSu/RfoB.GE\n", "1"},
        {"extended DES", "a:_J9..JGE5B6WTquyvT3I\n", "1"},
        {"NT", "a:$3$$878d8014606cda29677a44efa1353fc7\n", "1"},
        {"plain text", "a:secret\n", "1"},
        {"plain text crypt takes for DES", "a:plainpassword\n", "1"},
        {"a locked account", "a:!" MD5_SECRET "\n", "1"},
        {"a short hash", "a:$2y$04$fwYM0UQ5XF5ZLXJd9kQXje7fSDMQJz20WV7mrz2bJ6Zvwq.1Onmp\n", "1"},
        {"a long hash", "a:" BCRYPT_SECRET "x\n", "1"},
        {"a strange byte in the hash", "a:$1$saltsalt$9xy1btjgzLYfb7hivXtC/!\n", "1"},
        {"a setting without hash", "a:$6$saltsalt\n", "1"},
        {"no colon", "alice\n", "1"},
        {"no name", ":" MD5_SECRET "\n", "1"},
        {"no hash", "alice:\n", "1"},
        {"no hash but a comment", "alice::x\n", "1"},
        {"a name twice", "a:" MD5_SECRET "\nb:" MD5_SECRET "\na:" BCRYPT_SECRET "\n", "3"},
        {"no newline at the end", "a:" MD5_SECRET "\nb", "2"},
        {"all of them", "#\nx\n\na:" MD5_SECRET "\ny:\n:\na:" MD5_SECRET, "2 5 6 7"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct reports reports = {""};
        struct users *users = users_new(cases[i].text, strlen(cases[i].text), note, &reports);
        if (users || strcmp(reports.lines, cases[i].lines) != 0)
            fail_msg("%s: reported lines \"%s\"", cases[i].what, reports.lines);
    }
}

/* A hash of that setting, as a line. */
static char *line_of(const char *setting, int tail)
{
    return mem_printf(
        "a:%s%.*s\n", setting, tail,
        "abcdefghijklmnopqrstuuabcdefghijklmnopqrstuuabcdefghijklmnopqrstuuabcdefghijklm"
        "nopqrstuu");
}

/* The largest cost of each method that is taken, and one beyond. */
static void a_hash_that_takes_too_long_is_reported(void **state)
{
    static const struct {
        const char *longest;
        const char *beyond;
        int tail;
    } cases[] = {
        {"$2y$17$", "$2y$18$", 53},
        {"$2b$17$", "$2b$31$", 53},
        {"$6$rounds=2000000$saltsalt$", "$6$rounds=2000001$saltsalt$", 86},
        {"$5$rounds=2000000$saltsalt$", "$5$rounds=999999999$saltsalt$", 43},
        {"$sha1$2000000$saltsalt$", "$sha1$4294967295$saltsalt$", 28},
        {"$md5,rounds=2000000$saltsalt$$", "$md5,rounds=2000001$saltsalt$$", 22},
        {"$y$jFT$saltsaltsalt$", "$y$jGT$saltsaltsalt$", 43},
        {"$gy$j9T$saltsaltsalt$", "$gy$j9z$saltsaltsalt$", 43},
        {"$y$j75$saltsaltsalt$", "$y$j9T0$saltsaltsalt$", 43},
        {"$7$GU..../....saltsalt$", "$7$HU..../....saltsalt$", 43},
        {"$7$CU..../....saltsalt$", "$7$CU..../..1.saltsalt$", 43},
        {"$7$BU..../....saltsalt$", "$7$CV..../....saltsalt$", 43},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct reports reports = {""};
        char *longest = line_of(cases[i].longest, cases[i].tail);
        char *beyond = line_of(cases[i].beyond, cases[i].tail);
        users_free(users_of(longest));
        if (users_new(beyond, strlen(beyond), note, &reports))
            fail_msg("%s is taken", cases[i].beyond);
        free(beyond);
        free(longest);
    }
}

static void a_nul_byte_cannot_hide_the_rest_of_a_line(void **state)
{
    static const char text[] = "a:" MD5_SECRET "\0x\n";
    struct reports reports = {""};

    (void)state;
    assert_null(users_new(text, sizeof(text) - 1, note, &reports));
    assert_string_equal(reports.lines, "1");
}

/* The hashes that were computed, each by its first eight characters, in their order. */
static char computed[256];

/* In place of the C library's. */
char *crypt_r(const char *password, const char *setting, struct crypt_data *data)
{
    size_t used = strlen(computed);

    snprintf(computed + used, sizeof(computed) - used, "%.8s ", setting);
    return crypt_rn(password, setting, data, sizeof(*data));
}

/* What is computed for a login, sorted by the method. */
static const char *work_of(const struct users *users, const char *name, const char *password)
{
    static char sorted[256];
    static const char *const kinds[] = {"$1$saltz", "$1$salts", "$2y$04$f", "$2y$04$u",
                                        "$5$salts", "$5$round", "$6$salts"};

    computed[0] = sorted[0] = '\0';
    users_verify(users, name, password);
    for (size_t i = 0; i < COUNT(kinds); i++)
        for (const char *at = computed; (at = strstr(at, kinds[i])); at++)
            snprintf(sorted + strlen(sorted), sizeof(sorted) - strlen(sorted), "%.*s ",
                     kinds[i][1] == '2' ? 7 : (int)strcspn(kinds[i] + 1, "$") + 1, kinds[i]);
    return sorted;
}

/* The time must not tell who is there, whatever the hashes cost: each refusal computes the same. */
static void a_refusal_costs_the_same_whoever_asks(void **state)
{
    static const char file[] = "alice:" BCRYPT_SECRET "\n"
                               "bob:" SHA512_SECRET "\n"
                               "carol:" SHA256_SECRET "\n"
                               "dave:" MD5_SECRET "\n"
                               "frank:" BCRYPT_SPACES "\n";
    static const char *const names[] = {"alice", "bob", "carol", "dave", "frank", "mallory", ""};
    struct users *users = users_of(file);

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++)
        assert_string_equal(work_of(users, names[i], "wrong"), "$1 $2y$04$ $5 $6 ");
    /* (Who gets in is known anyway.) */
    assert_string_equal(work_of(users, "dave", "secret"), "$1 ");
    users_free(users);
}

static void cheap_and_dear_hashes_of_a_method_are_two_kinds(void **state)
{
    char dear[CRYPT_GENSALT_OUTPUT_SIZE];
    char *file;
    struct users *users;

    (void)state;
    assert_non_null(crypt_gensalt_rn("$2b$", 5, NULL, 0, dear, sizeof(dear)));
    file = mem_printf("alice:%s\nbob:" BCRYPT_SECRET "\n", crypt("secret", dear));
    users = users_of(file);
    computed[0] = '\0';
    users_verify(users, "mallory", "wrong");
    assert_non_null(strstr(computed, "$2b$05$"));
    assert_non_null(strstr(computed, "$2y$04$"));
    users_free(users);
    free(file);
}

#define LIFETIME 1000

static void a_cache_knows_what_was_added_and_nothing_else(void **state)
{
    struct credential_cache *cache = credential_cache_new(10, LIFETIME);
    static const struct {
        uint64_t tag;
        const char *name;
        const char *password;
        bool known;
    } cases[] = {
        {1, "alice", "secret", true},  {1, "", "", true},
        {2, "alice", "secret", false}, {1, "alices", "ecret", false},
        {1, "alic", "esecret", false}, {1, "alice", "", false},
        {1, "", "alicesecret", false}, {1, "alicesecret", "", false},
        {1, "Alice", "secret", false},
    };

    (void)state;
    assert_false(credential_cache_has(cache, 1, "alice", "secret", 0));
    credential_cache_add(cache, 1, "alice", "secret", 0);
    credential_cache_add(cache, 1, "", "", 0);
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool known = credential_cache_has(cache, cases[i].tag, cases[i].name, cases[i].password, 1);
        if (known != cases[i].known)
            fail_msg("%d \"%s\" \"%s\"", (int)cases[i].tag, cases[i].name, cases[i].password);
    }
    credential_cache_free(cache);
    credential_cache_free(NULL);
}

static void an_entry_lives_its_lifetime_from_when_it_was_added_last(void **state)
{
    struct credential_cache *cache = credential_cache_new(10, LIFETIME);

    (void)state;
    credential_cache_add(cache, 1, "alice", "secret", 5000);
    assert_true(credential_cache_has(cache, 1, "alice", "secret", 5000));
    assert_true(credential_cache_has(cache, 1, "alice", "secret", 5000 + LIFETIME - 1));
    assert_false(credential_cache_has(cache, 1, "alice", "secret", 5000 + LIFETIME));
    assert_false(credential_cache_has(cache, 1, "alice", "secret", 5000));

    credential_cache_add(cache, 1, "alice", "secret", 5000);
    credential_cache_add(cache, 1, "alice", "secret", 5900);
    assert_true(credential_cache_has(cache, 1, "alice", "secret", 5900 + LIFETIME - 1));
    assert_false(credential_cache_has(cache, 1, "alice", "secret", 5900 + LIFETIME));
    credential_cache_free(cache);
}

static void a_full_cache_drops_the_oldest(void **state)
{
    struct credential_cache *cache = credential_cache_new(3, LIFETIME);

    (void)state;
    credential_cache_add(cache, 1, "a", "x", 0);
    credential_cache_add(cache, 1, "b", "x", 1);
    credential_cache_add(cache, 1, "c", "x", 2);
    credential_cache_add(cache, 1, "a", "x", 3);
    credential_cache_add(cache, 1, "d", "x", 4);
    assert_true(credential_cache_has(cache, 1, "a", "x", 5));
    assert_false(credential_cache_has(cache, 1, "b", "x", 5));
    assert_true(credential_cache_has(cache, 1, "c", "x", 5));
    assert_true(credential_cache_has(cache, 1, "d", "x", 5));
    credential_cache_free(cache);
}

static void a_cache_without_room_keeps_nothing(void **state)
{
    struct credential_cache *cache = credential_cache_new(0, LIFETIME);

    (void)state;
    credential_cache_add(cache, 1, "alice", "secret", 0);
    assert_false(credential_cache_has(cache, 1, "alice", "secret", 0));
    credential_cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_right_password_verifies),
        cmocka_unit_test(every_method_of_this_system_verifies),
        cmocka_unit_test(a_password_longer_than_crypt_takes_is_wrong),
        cmocka_unit_test(a_file_without_users_knows_nobody),
        cmocka_unit_test(every_broken_line_is_reported),
        cmocka_unit_test(a_hash_that_takes_too_long_is_reported),
        cmocka_unit_test(a_nul_byte_cannot_hide_the_rest_of_a_line),
        cmocka_unit_test(a_refusal_costs_the_same_whoever_asks),
        cmocka_unit_test(cheap_and_dear_hashes_of_a_method_are_two_kinds),
        cmocka_unit_test(a_cache_knows_what_was_added_and_nothing_else),
        cmocka_unit_test(an_entry_lives_its_lifetime_from_when_it_was_added_last),
        cmocka_unit_test(a_full_cache_drops_the_oldest),
        cmocka_unit_test(a_cache_without_room_keeps_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
