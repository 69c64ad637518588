/* Whether a host key is revoked, by a plain list or by ssh-keygen -Q. */
#include "keeper/revoked_keys.h"

#include "io/subprocess.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 10000  /* for ssh-keygen */
#define OUTPUT_MAX 400 /* a line, with a path and the key's comment */

/* Says what is wrong, of what ssh-keygen printed and how it ended. */
static enum login_result judge(const struct known_hosts_file *file, struct subprocess_end end,
                               const char *printed, char error[static 700])
{
    char words[SUBPROCESS_END_MAX];

    subprocess_describe(end, words);
    if (end.outcome == SUBPROCESS_NOT_STARTED) {
        snprintf(error, 700,
                 "the file of revoked host keys %.300s is a key revocation list, and ssh-keygen, "
                 "which reads such lists, %s",
                 file->path, words);
        return end.number == ENOENT ? LOGIN_BAD_HOST_KEY : LOGIN_TRANSPORT;
    }
    if (end.outcome == SUBPROCESS_TIMED_OUT)
        snprintf(words, sizeof(words), "did not end within %d seconds", WAIT_MS / 1000);
    if (end.outcome != SUBPROCESS_EXITED) {
        snprintf(error, 700, "ssh-keygen -Q -f %.300s %s", file->path, words);
        return LOGIN_TRANSPORT;
    }
    if (strstr(printed, ": REVOKED") != NULL)
        snprintf(error, 700, "the key is REVOKED by %.300s: do not trust this server", file->path);
    else
        snprintf(error, 700, "the file of revoked host keys %.200s is not understood: %.*s",
                 file->path, (int)strcspn(printed, "\r\n"), printed);
    return LOGIN_BAD_HOST_KEY;
}

static enum login_result ask_keygen(const struct known_hosts_file *file,
                                    const struct public_key *key, int line, char error[static 700])
{
    const char *const arguments[] = {"ssh-keygen", "-Q", "-f", file->path, "/dev/stdin", NULL};
    char printed[OUTPUT_MAX];
    char *text = public_key_text(key);
    struct subprocess keygen = {
        .arguments = arguments,
        .input = text,
        .input_length = strlen(text),
        .output = {.text = printed, .size = sizeof(printed)},
        .errors_to_output = true,
        .limit = wait_limit(line, WAIT_MS),
    };
    struct subprocess_end end = subprocess_run(&keygen);

    free(text);
    return subprocess_succeeded(end) ? LOGIN_OK : judge(file, end, printed, error);
}

enum login_result revoked_keys_check(const struct known_hosts_file *file,
                                     const struct public_key *key, int line, char error[static 700])
{
    unsigned number;

    if (revoked_keys_is_krl(file))
        return ask_keygen(file, key, line, error);
    switch (revoked_keys_look_up(file, key, &number)) {
    case REVOKED_KEYS_CLEAR: return LOGIN_OK;
    case REVOKED_KEYS_REVOKED:
        snprintf(error, 700, "the key is REVOKED by %.300s:%u: do not trust this server",
                 file->path, number);
        break;
    case REVOKED_KEYS_UNREADABLE:
        snprintf(error, 700,
                 "%.300s:%u is neither a public key nor a comment: as long as the file of revoked "
                 "host keys is not understood, no host key is believed",
                 file->path, number);
        break;
    }
    return LOGIN_BAD_HOST_KEY;
}
