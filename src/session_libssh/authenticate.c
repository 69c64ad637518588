/* Authentication, RFC 4252: which methods are tried in which order, and the error when none was
 * enough. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/secrets.h"
#include "io/whole.h"
#include "session_libssh/authentication.h"
#include "session_libssh/server_words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_tried(struct authentication *a, const char *separator, const char *text)
{
    size_t length = strlen(a->tried);

    snprintf(a->tried + length, sizeof(a->tried) - length, "%s%s", length > 0 ? separator : "",
             text);
}

void auth_note_key(struct authentication *a, const char *what, ssh_key key)
{
    unsigned char *hash = NULL;
    size_t length = 0;
    char *fingerprint = NULL;

    auth_note_tried(a, "publickey", what);
    a->tried_key = true;
    if (key != NULL &&
        ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &length) == SSH_OK)
        fingerprint = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, length);
    if (fingerprint != NULL)
        add_tried(a, " ", fingerprint);
    ssh_string_free_char(fingerprint);
    ssh_clean_pubkey_hash(&hash);
}

void auth_note_tried(struct authentication *a, const char *method, const char *what)
{
    add_tried(a, ", ", what != NULL ? what : method);
    snprintf(a->h->info.login, sizeof(a->h->info.login), "%s%s%s", method, what != NULL ? " " : "",
             what != NULL ? what : "");
}

void auth_note_problem(struct authentication *a, enum log_level level, char *problem)
{
    log_line(level, "%s: %s", a->h->host, problem);
    if (level == ADIT_LOG_DEBUG && a->problem != NULL) {
        free(problem);
        return;
    }
    free(a->problem);
    a->problem = problem;
}

unsigned auth_prompts(const struct authentication *a)
{
    return a->h->upstream->password_prompts;
}

static void note_nobody(struct authentication *a, const char *why)
{
    free(a->nobody);
    a->nobody = mem_strdup(why);
}

bool auth_can_ask(struct authentication *a)
{
    bool can = auth_prompts(a) > 0 && login_can_ask(a->h);

    if (!can)
        note_nobody(a, auth_prompts(a) > 0 ? a->h->requests.missing : "password_prompts is 0");
    return can;
}

bool auth_has_password(const struct authentication *a, enum login_password which)
{
    if (which == LOGIN_PASSWORD_CONFIGURED)
        return a->has_password;
    return auth_prompts(a) > 0 && !a->h->upstream->batch_mode && !a->gave_password &&
           login_has_password(a->h, which);
}

void auth_keep_answer(struct authentication *a)
{
    login_accepted(a->h);
    a->gave_password = true;
}

char *auth_ask(struct authentication *a, const struct auth_question *question)
{
    char *answer = NULL;

    if (login_turn(a->h)) {
        answer = login_ask(a->h, question);
        a->unanswered = answer == NULL;
    } else {
        note_nobody(a, a->h->requests.missing);
        a->unanswered = a->h->requests.missing == NULL;
    }
    return answer;
}

static const struct auth_method {
    int method;
    const char *name;
    int (*attempt)(struct authentication *a); /* NULL: not supported */
    size_t allowed;                           /* a bool of the upstream */
    const char *key;                          /* its key in adit.ini(5) */
} methods[] = {
    {SSH_AUTH_METHOD_PUBLICKEY, "publickey", auth_try_publickey,
     offsetof(struct config_upstream, pubkey_authentication), "pubkey_authentication"},
    {SSH_AUTH_METHOD_GSSAPI_MIC, "gssapi-with-mic", NULL, 0, NULL},
    {SSH_AUTH_METHOD_HOSTBASED, "hostbased", NULL, 0, NULL},
    {SSH_AUTH_METHOD_PASSWORD, "password", auth_try_password,
     offsetof(struct config_upstream, password_authentication), "password_authentication"},
    {SSH_AUTH_METHOD_INTERACTIVE, "keyboard-interactive", auth_try_interactive,
     offsetof(struct config_upstream, kbd_interactive_authentication),
     "kbd_interactive_authentication"},
};
#define METHODS (sizeof(methods) / sizeof(methods[0]))

static bool is_allowed(const struct config_upstream *upstream, const struct auth_method *method)
{
    return method->attempt != NULL && *(const bool *)((const char *)upstream + method->allowed);
}

/* The position of a method in the upstream's order; -1: it is not there. */
static int preference(const struct config_upstream *upstream, const struct auth_method *method)
{
    const char *at = upstream->preferred_authentications;

    for (int i = 0; at != NULL && *at != '\0'; i++) {
        size_t length = strcspn(at, ",");
        if (strlen(method->name) == length && strncmp(at, method->name, length) == 0)
            return i;
        at += length + (at[length] == ',');
    }
    return -1;
}

/* The preferred one of the methods that the server offers, that may be used and are not spent;
 * METHODS: there is none. */
static size_t next_method(const struct authentication *a, const bool *spent)
{
    const struct config_upstream *upstream = a->h->upstream;
    size_t best = METHODS;

    for (size_t i = 0; i < METHODS; i++) {
        int position = preference(upstream, &methods[i]);
        if (spent[i] || position < 0 || (a->offered & methods[i].method) == 0 ||
            !is_allowed(upstream, &methods[i]))
            continue;
        if (best == METHODS || position < preference(upstream, &methods[best]))
            best = i;
    }
    return best;
}

/* Steps that one login may have: more than any server asks for, and a bound if one never ends. */
#define STEPS_MAX 20

/* Tries the methods that the server offers until one succeeds. After a partial success the server
 * offers the methods that are still needed, which may be the same with another key or code; a
 * method that has not helped is spent. (The method "none" is how a client asks for what is offered,
 * RFC 4252 section 5.2.) */
static int run_methods(struct authentication *a)
{
    bool spent[METHODS] = {false};
    unsigned steps = 0;
    uint64_t began = clock_now();
    int answer = auth_answer(a, ssh_userauth_none(a->h->handle, NULL));

    a->h->info.answer_ms = clock_now() - began;
    snprintf(a->h->info.login, sizeof(a->h->info.login), "none");
    if (answer == SSH_AUTH_ERROR || answer == SSH_AUTH_AGAIN)
        return answer;
    if (!handshake_is_checked(a->h)) {
        a->unchecked = true;
        return SSH_AUTH_ERROR;
    }
    while (!a->unanswered && (answer == SSH_AUTH_DENIED || answer == SSH_AUTH_PARTIAL)) {
        a->offered = ssh_userauth_list(a->h->handle, NULL);
        size_t i = next_method(a, spent);
        if (i == METHODS || steps++ == STEPS_MAX)
            return SSH_AUTH_DENIED;
        answer = methods[i].attempt(a);
        spent[i] = answer != SSH_AUTH_PARTIAL;
        login_turn_end(a->h);
    }
    return answer;
}

/* "; password is off (password_authentication = no)" and the like, for methods that the server
 * offers. */
static void list_forbidden(const struct authentication *a, char *text, size_t size)
{
    const struct config_upstream *upstream = a->h->upstream;
    size_t length = 0;

    text[0] = '\0';
    for (size_t i = 0; i < METHODS && length < size; i++) {
        const struct auth_method *method = &methods[i];
        if ((a->offered & method->method) == 0 || method->attempt == NULL)
            continue;
        if (!is_allowed(upstream, method))
            length += (size_t)snprintf(text + length, size - length, "; %s is off (%s = no)",
                                       method->name, method->key);
        else if (preference(upstream, method) < 0)
            length += (size_t)snprintf(text + length, size - length,
                                       "; %s is off (preferred_authentications does not list it)",
                                       method->name);
    }
}

/* "publickey,password": the methods that the server offered last. */
static void list_offered(const struct authentication *a, char *text, size_t size)
{
    size_t length = 0;

    text[0] = '\0';
    for (size_t i = 0; i < METHODS && length < size; i++)
        if ((a->offered & methods[i].method) != 0)
            length += (size_t)snprintf(text + length, size - length, "%s%s", length > 0 ? "," : "",
                                       methods[i].name);
}

static enum dial_status fail_denied(struct authentication *a, const char *ssh_error)
{
    char offered[128], forbidden[320];

    list_offered(a, offered, sizeof(offered));
    list_forbidden(a, forbidden, sizeof(forbidden));
    return handshake_fail(
        a->h, DIAL_AUTHENTICATION, "Permission denied (%s) for %s; tried: %s%s%s%s%s%s%s%s%s%s%s",
        offered, a->user,
        a->tried[0] != '\0'                          ? a->tried
        : a->problem != NULL || forbidden[0] != '\0' ? "nothing"
                                                     : "nothing, as there is no key or password",
        forbidden,

        a->problem != NULL ? "; " : "", a->problem != NULL ? a->problem : "",
        a->nobody != NULL ? "; nobody was asked: " : "", a->nobody != NULL ? a->nobody : "",
        a->unanswered ? "; no answer was given" : "", ssh_error != NULL ? "; libssh says \"" : "",
        ssh_error != NULL ? ssh_error : "", ssh_error != NULL ? "\"" : "",
        a->tried_key && a->nobody == NULL && !a->unanswered && ssh_error == NULL
            ? "; the server must have the public half of a key in the user's authorized_keys, or "
              "name another key by identity (-i)"
            : "");
}

/* The connection has ended; what was tried until then is part of the reason. */
static enum dial_status fail_ended(struct authentication *a)
{
    enum dial_status status = server_words_fail(a->h, " while logging in");
    size_t length = strlen(a->h->error);

    if (a->tried[0] != '\0')
        snprintf(a->h->error + length, sizeof(a->h->error) - length, " (tried: %s)%s", a->tried,
                 a->tried_key && status == DIAL_AUTHENTICATION
                     ? "; offer the right key alone: identities_only = yes with identity (-o "
                       "IdentitiesOnly=yes -i FILE)"
                     : "");
    return status;
}

static enum dial_status judge_answer(struct authentication *a, int answer)
{
    struct handshake *h = a->h;
    const char *ssh_error = answer == SSH_AUTH_ERROR ? ssh_get_error(h->handle) : NULL;

    if (answer == SSH_AUTH_SUCCESS)
        return DIAL_OK;
    if (a->unchecked)
        return DIAL_TRANSPORT; /* handshake_is_checked has set the error */
    /* The server ends the connection when no answer comes: a person has to mend that as well. */
    if (a->unanswered)
        return fail_denied(a, NULL);
    if (answer == SSH_AUTH_AGAIN && ssh_is_connected(h->handle))
        return handshake_fail(h, DIAL_TRANSPORT, "timed out while logging in (tried: %s)",
                              a->tried[0] != '\0' ? a->tried : "nothing");
    /* A connection that broke is no verdict on keys and passwords, unless the server says that it
     * ended the connection because of them. */
    if ((ssh_error != NULL || answer == SSH_AUTH_AGAIN) && !ssh_is_connected(h->handle))
        return fail_ended(a);
    return fail_denied(a, ssh_error);
}

/* The name that libssh logs in with: the configured one, or that of the user who runs this process.
 */
static char *login_user(const struct handshake *h)
{
    char *found = NULL;
    char *user;

    if (h->upstream->user != NULL)
        return mem_strdup(h->upstream->user);
    if (ssh_options_get(h->handle, SSH_OPTIONS_USER, &found) != SSH_OK)
        return mem_strdup("the login user");
    user = mem_strdup(found);
    ssh_string_free_char(found);
    return user;
}

enum dial_status handshake_authenticate(struct handshake *h)
{
    struct authentication a = {.h = h, .user = login_user(h)};
    enum dial_status status = DIAL_AUTHENTICATION;

    h->info.step = LOGIN_STEP_USER;
    snprintf(h->info.user, sizeof(h->info.user), "%s", a.user);
    if (login_check_password(h, &a.has_password, &status))
        status = judge_answer(&a, run_methods(&a));
    server_words_show(h);
    auth_keys_free(a.keys);
    secret_free(a.passphrase);
    free(a.problem);
    free(a.nobody);
    free(a.user);
    return status;
}
