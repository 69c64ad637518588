/* Authentication, RFC 4252 and 4256, with nobody there to ask. */
#include "base/mem.h"
#include "ssh/handshake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One run through the methods. */
struct authentication {
    struct handshake *h;
    char *password;   /* NULL: none configured */
    char *passphrase; /* NULL: none configured */
    char tried[512];  /* for the error: "publickey ~/.ssh/id_ed25519, agent, password" */
    char *problem;    /* what kept a key from being tried; NULL: nothing */
};

static void note_tried(struct authentication *a, const char *what)
{
    size_t length = strlen(a->tried);

    snprintf(a->tried + length, sizeof(a->tried) - length, "%s%s", length > 0 ? ", " : "", what);
}

static void note_problem(struct authentication *a, char *problem)
{
    log_warning("%s: %s", a->h->host, problem);
    free(a->problem);
    a->problem = problem;
}

/* Whether a method's answer ends the search: success, one of several steps done, or the connection
 * is gone. */
static bool is_final(int answer)
{
    return answer != SSH_AUTH_DENIED;
}

/* Offers the certificate for `key` from `path`, if that is there. */
static int try_certificate(struct authentication *a, const char *path, ssh_key key)
{
    ssh_key certificate = NULL;
    int answer = SSH_AUTH_DENIED;

    if (access(path, R_OK) != 0)
        return answer;
    if (ssh_pki_import_cert_file(path, &certificate) != SSH_OK ||
        ssh_pki_copy_cert_to_privkey(certificate, key) != SSH_OK) {
        note_problem(a, mem_printf("certificate %s cannot be used", path));
    } else {
        note_tried(a, path);
        answer = ssh_userauth_publickey(a->h->handle, NULL, key);
    }
    ssh_key_free(certificate);
    return answer;
}

/* Without it OpenSSL would ask for a passphrase on the terminal. */
static int nobody_to_ask(const char *prompt, char *out, size_t size, int echo, int verify,
                         void *userdata)
{
    (void)prompt, (void)out, (void)size, (void)echo, (void)verify, (void)userdata;
    return -1;
}

/* A fresh copy for each attempt: a certificate stays with the key it was copied to. */
static ssh_key load_identity(struct authentication *a, const char *path)
{
    ssh_key key = NULL;

    if (ssh_pki_import_privkey_file(path, a->passphrase, nobody_to_ask, NULL, &key) == SSH_OK)
        return key;
    note_problem(a, mem_printf("identity %s cannot be read%s", path,
                               access(path, R_OK) != 0 ? ""
                               : a->passphrase != NULL ? " (wrong passphrase?)"
                                                       : " (encrypted? see passphrase_file)"));
    return NULL;
}

static int try_with_certificate(struct authentication *a, const char *identity,
                                const char *certificate)
{
    ssh_key key;
    int answer;

    if (access(certificate, R_OK) != 0)
        return SSH_AUTH_DENIED;
    key = load_identity(a, identity);
    if (key == NULL)
        return SSH_AUTH_DENIED;
    answer = try_certificate(a, certificate, key);
    ssh_key_free(key);
    return answer;
}

static int try_identity(struct authentication *a, const char *path)
{
    const struct string_list *certificates = &a->h->upstream->certificates;
    char *beside = mem_printf("%s-cert.pub", path);
    int answer = try_with_certificate(a, path, beside);
    ssh_key key;

    free(beside);
    for (size_t i = 0; !is_final(answer) && i < certificates->count; i++)
        answer = try_with_certificate(a, path, certificates->items[i]);
    if (is_final(answer))
        return answer;
    key = load_identity(a, path);
    if (key == NULL)
        return SSH_AUTH_DENIED;
    note_tried(a, path);
    answer = ssh_userauth_publickey(a->h->handle, NULL, key);
    ssh_key_free(key);
    return answer;
}

static int try_agent(struct authentication *a)
{
    if (!a->h->upstream->agent || getenv("SSH_AUTH_SOCK") == NULL)
        return SSH_AUTH_DENIED;
    note_tried(a, "agent");
    return ssh_userauth_agent(a->h->handle, NULL);
}

static int try_default_identities(struct authentication *a)
{
    static const char *const names[] = {"id_ed25519", "id_ecdsa", "id_rsa"};
    const char *home = getenv("HOME");
    int answer = SSH_AUTH_DENIED;

    for (size_t i = 0; home != NULL && !is_final(answer) && i < 3; i++) {
        char *path = mem_printf("%s/.ssh/%s", home, names[i]);
        if (access(path, F_OK) == 0)
            answer = try_identity(a, path);
        free(path);
    }
    return answer;
}

/* Keys that were named come first: an agent full of others would use up the server's MaxAuthTries.
 */
static int try_publickey(struct authentication *a)
{
    const struct string_list *identities = &a->h->upstream->identities;
    int answer = SSH_AUTH_DENIED;

    for (size_t i = 0; !is_final(answer) && i < identities->count; i++)
        answer = try_identity(a, identities->items[i]);
    if (!is_final(answer))
        answer = try_agent(a);
    if (!is_final(answer) && identities->count == 0)
        answer = try_default_identities(a);
    return answer;
}

/* RFC 4256: every prompt without echo is taken for the password's, and answered in one round only,
 * so that a wrong password is not offered over and over. */
#define ROUNDS_MAX 10 /* some have none but words in them */

static int try_interactive(struct authentication *a)
{
    ssh_session handle = a->h->handle;
    bool answered = false;
    int rounds = 0;
    int answer;

    if (a->password == NULL)
        return SSH_AUTH_DENIED;
    note_tried(a, "keyboard-interactive");
    answer = ssh_userauth_kbdint(handle, NULL, NULL);
    while (answer == SSH_AUTH_INFO) {
        int prompts = ssh_userauth_kbdint_getnprompts(handle);
        if ((prompts > 0 && answered) || ++rounds > ROUNDS_MAX)
            return SSH_AUTH_DENIED;
        for (int i = 0; i < prompts; i++) {
            char echo = 0;
            ssh_userauth_kbdint_getprompt(handle, (unsigned)i, &echo);
            ssh_userauth_kbdint_setanswer(handle, (unsigned)i, echo ? "" : a->password);
            answered = true;
        }
        answer = ssh_userauth_kbdint(handle, NULL, NULL);
    }
    return answer;
}

static int try_password(struct authentication *a)
{
    if (a->password == NULL)
        return SSH_AUTH_DENIED;
    note_tried(a, "password");
    return ssh_userauth_password(a->h->handle, NULL, a->password);
}

static const struct {
    int method;
    int (*attempt)(struct authentication *a);
} methods[] = {
    {SSH_AUTH_METHOD_PUBLICKEY, try_publickey},
    {SSH_AUTH_METHOD_INTERACTIVE, try_interactive},
    {SSH_AUTH_METHOD_PASSWORD, try_password},
};
#define METHODS (sizeof(methods) / sizeof(methods[0]))

/* Tries what the server offers until it is content. After a partial success it offers what is still
 * wanted, and a method that has done its part is not used again. */
static int run_methods(struct authentication *a)
{
    bool used[METHODS] = {false};
    int answer = ssh_userauth_none(a->h->handle, NULL);

    while (answer == SSH_AUTH_DENIED || answer == SSH_AUTH_PARTIAL) {
        int offered = ssh_userauth_list(a->h->handle, NULL);
        size_t i = 0;
        while (i < METHODS && (used[i] || (offered & methods[i].method) == 0))
            i++;
        if (i == METHODS)
            return SSH_AUTH_DENIED;
        used[i] = true;
        answer = methods[i].attempt(a);
    }
    return answer;
}

static enum dial_status explain(struct authentication *a, int answer)
{
    struct handshake *h = a->h;

    if (answer == SSH_AUTH_SUCCESS)
        return DIAL_OK;
    if (answer == SSH_AUTH_AGAIN)
        return handshake_fail(h, DIAL_TRANSPORT, "timed out while logging in (tried: %s)",
                              a->tried);
    /* A connection that broke says nothing about our keys, unless the server says that it was for
     * them. */
    if (answer == SSH_AUTH_ERROR && !ssh_is_connected(h->handle) &&
        strstr(ssh_get_error(h->handle), "authentication failures") == NULL)
        return handshake_fail(h, DIAL_TRANSPORT, "while logging in: %s", ssh_get_error(h->handle));
    return handshake_fail(h, DIAL_AUTHENTICATION, "permission denied for %s (tried: %s)%s%s%s%s",
                          h->upstream->user != NULL ? h->upstream->user : "the login user",
                          a->tried[0] != '\0' ? a->tried : "nothing, no key or password is there",
                          a->problem != NULL ? "; " : "", a->problem != NULL ? a->problem : "",
                          answer == SSH_AUTH_ERROR ? ": " : "",
                          answer == SSH_AUTH_ERROR ? ssh_get_error(h->handle) : "");
}

/* The first line of a file without its line end; NULL: unreadable (errno). The caller frees with
 * free_secret. */
static char *secret_read(const char *path)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    char *secret;

    if (file == NULL)
        return NULL;
    setvbuf(file, NULL, _IONBF, 0); /* no copy of the secret in a stdio buffer */
    length = getline(&line, &size, file);
    fclose(file);
    if (length < 0) {
        free(line);
        errno = ENODATA;
        return NULL;
    }
    secret = mem_strndup(line, strcspn(line, "\r\n"));
    mem_free_secret(line, size);
    return secret;
}

/* Reads a configured secret; false: it cannot be read, and says so. */
static bool read_secret(struct handshake *h, const char *path, const char *what, char **secret)
{
    *secret = NULL;
    if (path == NULL)
        return true;
    *secret = secret_read(path);
    if (*secret == NULL)
        handshake_fail(h, DIAL_AUTHENTICATION, "%s %s: %s", what, path, strerror(errno));
    return *secret != NULL;
}

static void free_secret(char *secret)
{
    mem_free_secret(secret, secret != NULL ? strlen(secret) : 0);
}

enum dial_status authenticate(struct handshake *h)
{
    struct authentication a = {.h = h};
    enum dial_status status = DIAL_AUTHENTICATION;

    if (read_secret(h, h->upstream->password_file, "password_file", &a.password) &&
        read_secret(h, h->upstream->passphrase_file, "passphrase_file", &a.passphrase))
        status = explain(&a, run_methods(&a));
    free_secret(a.password);
    free_secret(a.passphrase);
    free(a.problem);
    return status;
}
