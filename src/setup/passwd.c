/* `adit --passwd FILE USER`. */
#include "setup/passwd.h"

#include "base/exit_status.h"
#include "base/mem.h"
#include "base/visible.h"
#include "io/terminal.h"
#include "policy/users.h"
#include "setup/replace_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void secret_clear(char *secret)
{
    if (secret)
        mem_free_secret(secret, strlen(secret));
}

/* Asks twice. NULL: standard error says why there is no password. */
static char *ask_password(const char *user)
{
    terminal_restore_at_signals();
    char *prompt = mem_printf("Password for %s: ", user);
    char *password = terminal_ask(prompt, false, -1);
    char *again = password ? terminal_ask("The same again: ", false, -1) : NULL;

    free(prompt);
    if (!again || strcmp(password, again) != 0) {
        fprintf(stderr, "adit: %s\n",
                again ? "the two passwords differ: nothing was changed"
                      : "no password was typed: nothing was changed");
        secret_clear(password);
        password = NULL;
    }
    secret_clear(again);
    return password;
}

/* The first line of standard input, without its end; a file of an editor has one. */
static char *read_password(void)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t length = getline(&line, &size, stdin);
    char *password = NULL;

    if (length >= 0 && strlen(line) == (size_t)length)
        password = mem_strndup(line, strcspn(line, "\r\n"));
    else
        fprintf(stderr, "adit: standard input has no password: its first line is to be one\n");
    if (line)
        mem_free_secret(line, size);
    return password;
}

/* A hash of the password that is asked for. NULL: standard error says why not. */
static char *hash_of_answer(const char *user)
{
    char *password = isatty(STDIN_FILENO) ? ask_password(user) : read_password();
    const char *wrong = password ? users_password_wrong(password) : NULL;
    char *hash = NULL;

    if (wrong) {
        fprintf(stderr, "adit: %s: nothing was changed\n", wrong);
    } else if (password) {
        hash = users_hash(password);
        if (!hash)
            fprintf(stderr, "adit: no hash can be made: crypt(3): %s\n", strerror(errno));
    }
    secret_clear(password);
    return hash;
}

static void report_line_wrong(void *arg, unsigned line, const char *message)
{
    const char *file = arg;

    fprintf(stderr, "%s:%u: %s\n", file, line, message);
}

/* (What is wrong elsewhere in the file is told, as a gateway will not take it, and left alone.) */
static void report_all(const struct replace_file *replace, char *text, const char *user, bool known)
{
    fprintf(stderr, known ? "adit: %s: the password of %s is changed\n" : "adit: %s: %s is added\n",
            replace->path, user);
    if (!replace->there && geteuid() == 0)
        fprintf(stderr,
                "adit: only root can read the new file: for a gateway that runs as the user adit, "
                "chown root:adit %s && chmod 640 %s\n",
                replace->path, replace->path);
    users_free(users_new(text, strlen(text), report_line_wrong, replace->path));
}

int passwd_set(const char *file, const char *user)
{
    const char *wrong = users_name_wrong(user);
    struct replace_file replace;
    bool known;

    if (wrong) {
        char *visible = text_visible(user);
        fprintf(stderr, "adit: '%s' is no user's name: %s\n", visible, wrong);
        free(visible);
        return EX_USAGE;
    }
    char *hash = hash_of_answer(user);
    if (!hash)
        return EXIT_FAILURE;
    char *error = replace_file_begin(file, USERS_FILE_MAX, &replace);
    if (!error) {
        char *text = users_text_with(replace.text, user, hash, &known);
        error = replace_file_write(&replace, text);
        if (!error)
            report_all(&replace, text, user, known);
        free(text);
        replace_file_end(&replace);
    }
    if (error)
        fprintf(stderr, "adit: %s\n", error);
    int status = error ? EXIT_FAILURE : EXIT_SUCCESS;
    free(error);
    free(hash);
    return status;
}
