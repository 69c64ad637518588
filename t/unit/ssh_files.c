/* What files of ssh_config forbid where there is no ssh. */
#include "conf/ssh_files.h"

#include "base/mem.h"
#include "conf/types.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* The home directory, with .ssh in it. */
static char directory[] = "/tmp/adit-ssh-files-XXXXXX";

static char *path_of(const char *name)
{
    return mem_printf("%s/.ssh/%s", directory, name);
}

static void write_file(const char *name, const char *text)
{
    char *path = path_of(name);
    FILE *out = fopen(path, "w");

    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
    free(path);
}

static void remove_file(const char *name)
{
    char *path = path_of(name);

    unlink(path);
    free(path);
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    char *path = path_of("");
    int made = mkdir(path, 0700);
    free(path);
    return made != 0 ? made : setenv("HOME", directory, 1);
}

static int tear_down(void **state)
{
    (void)state;
    remove_file("config");
    remove_file("more");
    remove_file("other");
    char *path = path_of("");
    int removed = rmdir(path);
    free(path);
    return removed != 0 ? removed : rmdir(directory);
}

/* The lines of what is forbidden; the caller frees. */
static char *forbidden_by(const char *file)
{
    struct ssh_answer answer = {0};
    struct buffer text = {0};
    char *wrong = ssh_files_forbidden(file, &answer);

    if (wrong)
        text_add(&text, "! %s\n", wrong);
    for (size_t i = 0; i < answer.count; i++)
        text_add(&text, "%s %s\n", answer.lines[i].keyword, answer.lines[i].value);
    free(wrong);
    ssh_answer_clear(&answer);
    return text_take(&text);
}

static void what_one_host_s_entry_forbids_is_forbidden(void **state)
{
    (void)state;
    static const struct {
        const char *text, *forbidden;
    } cases[] = {
        {"", ""},
        {"Host a\n PasswordAuthentication yes\n PubkeyAuthentication unbound\n BatchMode no\n", ""},
        {"Host a\n\tPasswordAuthentication no\n", "passwordauthentication no\n"},
        {"passwordauthentication=NO", "passwordauthentication no\n"},
        {"PasswordAuthentication \"false\" # a comment\n", "passwordauthentication no\n"},
        {"#PasswordAuthentication no\n", ""},
        {"PasswordAuthentication yes\nHost b\nPasswordAuthentication no\n",
         "passwordauthentication no\n"},
        {"PubkeyAuthentication no\nChallengeResponseAuthentication no\nBatchMode yes\n",
         "pubkeyauthentication no\nkbdinteractiveauthentication no\nbatchmode yes\n"},
        {"SkeyAuthentication no\n", "kbdinteractiveauthentication no\n"},
        {"TISAuthentication no\n", "kbdinteractiveauthentication no\n"},
        {"DSAAuthentication no\n", "pubkeyauthentication no\n"},
        {"PasswordAuthentication 'no'\n", "passwordauthentication no\n"},
        {"\"PasswordAuthentication\" no\n", "passwordauthentication no\n"},
        {"KbdInteractiveAuthentication no\r\n", "kbdinteractiveauthentication no\n"},
        {"PreferredAuthentications publickey,password\n",
         "preferredauthentications publickey,password\n"},
        {"PreferredAuthentications password,publickey,hostbased\nHost b\n"
         "PreferredAuthentications keyboard-interactive,publickey,password\n",
         "preferredauthentications password,publickey\n"},
        {"PreferredAuthentications password\nHost b\nPreferredAuthentications publickey\n",
         "preferredauthentications none\n"},
        {"NumberOfPasswordPrompts 5\nHost b\nNumberOfPasswordPrompts 1\nHost c\n"
         "NumberOfPasswordPrompts 2\n",
         "numberofpasswordprompts 1\n"},
        {"NumberOfPasswordPrompts 0\n", "numberofpasswordprompts 0\n"},
        {"NumberOfPasswordPrompts\nNumberOfPasswordPrompts x\nPasswordAuthentication #\n", ""},
        {"KnownHostsCommand none\n", ""},
        {"Host b\nKnownHostsCommand /bin/keys %h\n",
         "! KnownHostsCommand of a file needs ssh, and there is no ssh on this machine\n"},
        {"RevokedHostKeys none\nHost b\nRevokedHostKeys ~/r\nHost c\nRevokedHostKeys ~/r\n",
         "revokedhostkeys ~/r\n"},
        {"RevokedHostKeys /a\nHost b\nRevokedHostKeys /b\n",
         "! RevokedHostKeys names /a and /b: without ssh, adit reads only one file of revoked host "
         "keys\nrevokedhostkeys /a\n"},
        {"Include more\n", "passwordauthentication no\n"},
        {"Include mor? ~/.ssh/other nothing\n",
         "pubkeyauthentication no\npasswordauthentication no\n"},
        {"Include config\nPubkeyAuthentication no\n", "pubkeyauthentication no\n"}, /* itself */
    };

    write_file("more", "PasswordAuthentication no\n");
    write_file("other", "PubkeyAuthentication no\n");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *path = path_of("config");
        write_file("config", cases[i].text);
        char *text = forbidden_by(path);
        if (strcmp(text, cases[i].forbidden) != 0)
            fail_msg("%s: %s", cases[i].text, text);
        free(text);
        free(path);
    }
}

static void a_file_that_is_not_there_forbids_nothing_and_others_are_told(void **state)
{
    (void)state;
    char *missing = path_of("missing"), *below = path_of("config/x"), *home = path_of("");

    write_file("config", "PubkeyAuthentication no\n");
    char *text = forbidden_by(missing);
    assert_string_equal(text, "");
    free(text);
    text = forbidden_by(below);
    assert_string_equal(text, "");
    free(text);
    text = forbidden_by("none");
    assert_string_equal(text, "");
    free(text);
    text = forbidden_by(NULL);
    assert_non_null(strstr(text, "pubkeyauthentication no\n"));
    free(text);
    text = forbidden_by(home);
    assert_non_null(strstr(text, "cannot be read: Is a directory"));
    free(text);
    free(home);
    free(below);
    free(missing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_one_host_s_entry_forbids_is_forbidden),
        cmocka_unit_test(a_file_that_is_not_there_forbids_nothing_and_others_are_told),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
