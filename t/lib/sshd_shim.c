/* Preloaded into a test's sshd: names, passwords and users that exist for that sshd only, and no
 * query leaves it.
 *
 * ADIT_TEST_NAMES: a file of lines "NAME ADDRESS SECONDS": what this sshd's resolver answers after
 * so long. Other names below .test are unknown; all else is asked as always. ADIT_TEST_USERS: names
 * parted by spaces, under which the user who runs sshd can log in. ADIT_TEST_PASSWORD: what the
 * stand-in for PAM takes as every user's password; ADIT_TEST_CODE: what it asks for then;
 * ADIT_TEST_CODE_CHECK: a program that exits with 0 if its argument is the right code, which is
 * then all that is asked for; ADIT_TEST_ACCOUNT: the words with which it then refuses the account.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <pwd.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    const char *path = getenv("ADIT_TEST_NAMES");
    FILE *names = name != NULL && path != NULL ? fopen(path, "re") : NULL;
    char known[256], address[64];
    double delay;

    real = (__typeof__(real))dlsym(RTLD_NEXT, "getaddrinfo");
    if (names == NULL)
        return real(name, service, hints, result);
    while (fscanf(names, "%255s %63s %lf", known, address, &delay) == 3) {
        if (strcasecmp(known, name) == 0) {
            fclose(names);
            usleep((useconds_t)(delay * 1e6));
            return real(address, service, hints, result);
        }
    }
    fclose(names);
    if (strlen(name) > 5 && strcasecmp(name + strlen(name) - 5, ".test") == 0)
        return EAI_NONAME;
    return real(name, service, hints, result);
}

struct passwd *getpwnam(const char *name)
{
    struct passwd *(*real)(const char *) = (__typeof__(real))dlsym(RTLD_NEXT, "getpwnam");
    const char *users = getenv("ADIT_TEST_USERS"), *found = users;
    size_t length = strlen(name);
    struct passwd *entry;

    while (found != NULL && (found = strstr(found, name)) != NULL) {
        if ((found == users || found[-1] == ' ') && strchr(" ", found[length]) != NULL) {
            entry = getpwuid(getuid());
            if (entry != NULL)
                entry->pw_name = strdup(name);
            return entry;
        }
        found += length;
    }
    return real(name);
}

/* As <security/pam_appl.h> declares them; spelled out so that the tests need no header of PAM. */
struct pam_message {
    int style;
    const char *text;
};
struct pam_response {
    char *text;
    int unused;
};
struct pam_conv {
    int (*ask)(int, const struct pam_message **, struct pam_response **, void *);
    void *arg;
};
enum { SUCCESS = 0, AUTH_ERR = 7, ACCT_EXPIRED = 13 };
enum { PROMPT_ECHO_OFF = 1, ERROR_MSG = 3, ITEM_USER = 2, ITEM_CONV = 5 };

static struct pam_conv conversation;
static const char *pam_user;
/* Kept from the start: sshd's PAM process empties its environment. */
static const char *pam_password, *pam_code, *pam_code_check, *pam_refusal;

int pam_start(const char *service, const char *user, const struct pam_conv *conv, void **handle)
{
    (void)service;
    conversation = *conv;
    pam_user = strdup(user);
    pam_password = getenv("ADIT_TEST_PASSWORD");
    pam_code = getenv("ADIT_TEST_CODE");
    pam_code_check = getenv("ADIT_TEST_CODE_CHECK");
    pam_refusal = getenv("ADIT_TEST_ACCOUNT");
    *handle = &conversation;
    return SUCCESS;
}

int pam_set_item(void *handle, int item, const void *value)
{
    (void)handle;
    if (item == ITEM_CONV)
        conversation = *(const struct pam_conv *)value;
    return SUCCESS;
}

int pam_get_item(const void *handle, int item, const void **value)
{
    (void)handle;
    *value = item == ITEM_USER ? (const void *)pam_user : item == ITEM_CONV ? &conversation : NULL;
    return SUCCESS;
}

/* The user's answer; NULL: none. */
static const char *answer_to(const char *text)
{
    const struct pam_message prompt = {PROMPT_ECHO_OFF, text}, *prompts = &prompt;
    struct pam_response *answer = NULL;

    return conversation.ask != NULL &&
                   conversation.ask(1, &prompts, &answer, conversation.arg) == SUCCESS &&
                   answer != NULL
               ? answer->text
               : NULL;
}

static int answers(const char *text, const char *wanted)
{
    const char *answer = wanted != NULL ? answer_to(text) : NULL;

    return answer != NULL && strcmp(answer, wanted) == 0;
}

static int code_is_right(const char *code)
{
    char *const arguments[] = {(char *)pam_code_check, (char *)code, NULL};
    char *const environment[] = {"PATH=/usr/bin:/bin", NULL};
    pid_t pid;
    int status;

    return code != NULL &&
           posix_spawn(&pid, pam_code_check, NULL, NULL, arguments, environment) == 0 &&
           waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int pam_authenticate(void *handle, int flags)
{
    (void)handle;
    (void)flags;
    if (pam_code_check != NULL)
        return code_is_right(answer_to("Verification code: ")) ? SUCCESS : AUTH_ERR;
    if (!answers("Password: ", pam_password))
        return AUTH_ERR;
    return pam_code == NULL || answers("Verification code: ", pam_code) ? SUCCESS : AUTH_ERR;
}

int pam_acct_mgmt(void *handle, int flags)
{
    const struct pam_message message = {ERROR_MSG, pam_refusal}, *messages = &message;
    struct pam_response *answer = NULL;

    (void)handle;
    (void)flags;
    if (pam_refusal == NULL)
        return SUCCESS;
    conversation.ask(1, &messages, &answer, conversation.arg);
    return ACCT_EXPIRED;
}

char **pam_getenvlist(void *handle)
{
    (void)handle;
    return calloc(1, sizeof(char *));
}

const char *pam_strerror(void *handle, int error)
{
    (void)handle;
    return error == SUCCESS ? "success" : "authentication failure";
}

int pam_putenv(void *handle, const char *text)
{
    (void)handle;
    (void)text;
    return SUCCESS;
}

#define NO_MATTER(name)                                                                            \
    int name(void *handle, int flags)                                                              \
    {                                                                                              \
        (void)handle;                                                                              \
        (void)flags;                                                                               \
        return SUCCESS;                                                                            \
    }
NO_MATTER(pam_setcred)
NO_MATTER(pam_open_session)
NO_MATTER(pam_close_session)
NO_MATTER(pam_chauthtok)
NO_MATTER(pam_end)
