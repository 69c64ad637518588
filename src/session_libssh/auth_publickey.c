/* Keys: those of the agent and those in files, with their certificates; RFC 4252 section 7. */
#include "base/mem.h"
#include "io/wait.h"
#include "io/whole.h"
#include "session_libssh/auth_keys.h"
#include "session_libssh/kept_keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#define LEAKS_OF_LIBSSH_BEGIN() __lsan_disable()
#define LEAKS_OF_LIBSSH_END() __lsan_enable()
#else
#define LEAKS_OF_LIBSSH_BEGIN() ((void)0)
#define LEAKS_OF_LIBSSH_END() ((void)0)
#endif

/* What is noted of a key. */

bool auth_is_welcome(struct authentication *a, ssh_key half)
{
    return half == NULL || ssh_userauth_try_publickey(a->h->handle, NULL, half) == SSH_AUTH_SUCCESS;
}

void auth_note_locked(struct authentication *a, struct identity *identity)
{
    const char *why = a->h->upstream->passphrase_file != NULL
                          ? "passphrase_file has not its passphrase"
                      : a->nobody != NULL ? "there is no passphrase_file"
                                          : "no right passphrase was given";

    identity->given_up = true;
    auth_note_problem(
        a, ADIT_LOG_INFO,
        mem_printf("identity %s is encrypted and %s: give passphrase_file, or an agent "
                   "the key (`ssh-add '%s'`)",
                   identity->path, why, identity->path));
}

void auth_note_unwelcome(struct authentication *a, const struct identity *identity, ssh_key half)
{
    auth_note_key(a, identity->path, half);
    auth_note_problem(
        a, ADIT_LOG_DEBUG,
        mem_printf("the server does not take identity %s, which is encrypted", identity->path));
}

/* The agent. */

/* Notes that the agent of a path cannot be asked. */
static void note_no_agent(struct authentication *a, const char *path, const char *error)
{
    struct wait_limit now = wait_limit(a->h->requests.connection, 0);

    /* The server may have hung up meanwhile: libssh, which has not noticed, would wait for an
     * answer in vain. */
    a->unanswered = wait_for(-1, 0, &now) != ETIMEDOUT;
    auth_note_problem(a, a->unanswered ? ADIT_LOG_INFO : ADIT_LOG_DEBUG,
                      mem_printf("agent %s: %s", path, error));
}

/* Asks the user's agent, at that descriptor, for its keys. NULL: it does not answer. */
static struct agent *ask_user_agent(struct authentication *a, const struct identities *all, int fd)
{
    struct key_blob *certificates =
        mem_zalloc((all->certificate_count + 1) * sizeof(*certificates));
    struct agent *agent;

    for (size_t i = 0; i < all->certificate_count; i++)
        certificates[i] = all->certificates[i].blob;
    agent = agent_open(&(struct agent_options){.fd = fd,
                                               .certificates = certificates,
                                               .certificate_count = all->certificate_count,
                                               .connection = a->h->requests.connection,
                                               .waiting = a->h->requests.line.waiting,
                                               .proof = &a->h->proof});
    free(certificates);
    return agent;
}

static struct agent *find_agent(struct authentication *a, const struct identities *all)
{
    const char *path = a->h->upstream->identity_agent;
    struct agent *agent = NULL;
    char *error = NULL;
    int fd = kept_keys_user_agent(a->h, &error);

    if (path == NULL)
        path = getenv("SSH_AUTH_SOCK");
    if (fd >= 0)
        agent = ask_user_agent(a, all, fd);
    if (agent == NULL && (fd >= 0 || error != NULL))
        note_no_agent(a, path,
                      error != NULL ? error : "the agent does not answer which keys it has");
    free(error);
    if (agent == NULL)
        return NULL;
    for (size_t i = 0; i < all->count; i++)
        if (all->items[i].public.length > 0)
            agent_name(agent, &all->items[i].public);
    for (size_t i = 0; i < all->certificate_count; i++)
        agent_name(agent, &all->certificates[i].blob);
    if (agent_serve(agent, a->h->handle))
        return agent;
    auth_note_problem(a, ADIT_LOG_INFO, mem_strdup("agent: no descriptors are left"));
    agent_close(agent);
    return NULL;
}

/* Whether the server would take the key. */
static int probe_agent_key(struct authentication *a, const struct agent *agent, size_t number)
{
    ssh_key key = agent_public_key(agent, number);
    int answer = key != NULL ? auth_answer(a, ssh_userauth_try_publickey(a->h->handle, NULL, key))
                             : SSH_AUTH_DENIED;

    ssh_key_free(key);
    return answer;
}

/* (A login that needs two signatures: at the second call libssh 0.10 loses what it keeps of the
 * first, doc/libssh.md. A leak sanitizer would tell that.) */
static int log_in_by_agent(ssh_session handle)
{
    int answer;

    LEAKS_OF_LIBSSH_BEGIN();
    answer = ssh_userauth_agent(handle, NULL);
    LEAKS_OF_LIBSSH_END();
    return answer;
}

/* An agent that refuses, or whose signature is none that libssh can send, loses that key alone. */
int auth_sign_by_agent(struct authentication *a, size_t key)
{
    struct agent *agent = a->keys->agent;
    const char *comment = agent_comment(agent, key);
    int answer;

    agent_offer(agent, key);
    answer = auth_answer(a, log_in_by_agent(a->h->handle));
    if (answer != SSH_AUTH_ERROR || !ssh_is_connected(a->h->handle))
        return answer;
    auth_note_problem(
        a, ADIT_LOG_INFO,
        agent_has_refused(agent)
            ? mem_printf("the agent refused to sign with key %s", comment)
            : mem_printf("the agent's signature with key %s cannot be used", comment));
    return SSH_AUTH_DENIED;
}

/* (With several keys of the agent each is probed first, although libssh does so once more: each
 * call of ssh_userauth_agent loses what libssh 0.10 keeps of the one before.) */
static int try_agent(struct authentication *a, size_t key)
{
    struct agent *agent = a->keys->agent;
    char *what = mem_printf("agent key %s", agent_comment(agent, key));
    ssh_key key_tried = agent_public_key(agent, key);
    int answer = SSH_AUTH_SUCCESS;

    auth_note_key(a, what, key_tried);
    ssh_key_free(key_tried);
    if (a->keys->of_agent > 1)
        answer = probe_agent_key(a, agent, key);
    if (answer == SSH_AUTH_SUCCESS)
        answer = auth_sign_by_agent(a, key);
    free(what);
    return answer;
}

/* The order of attempts. */

static void add_attempt(struct auth_keys *keys, struct key_attempt attempt)
{
    keys->attempts = mem_realloc(keys->attempts, (keys->count + 1) * sizeof(attempt));
    keys->attempts[keys->count++] = attempt;
}

static void add_agent_attempts(struct auth_keys *keys, bool named)
{
    for (size_t i = 0; keys->agent != NULL && i < agent_count(keys->agent); i++)
        if (agent_is_named(keys->agent, i) == named) {
            add_attempt(keys, (struct key_attempt){.agent_key = i});
            keys->of_agent++;
        }
}

static void add_certificate_attempt(struct auth_keys *keys, struct identity *identity,
                                    const char *path)
{
    if (identities_certificate(&keys->all, identity, path) != NULL)
        add_attempt(keys,
                    (struct key_attempt){.identity = identity, .certificate = mem_strdup(path)});
}

/* Whether the file is to be read: the agent does not hold the key. */
static bool is_for_file(struct authentication *a, const struct auth_keys *keys,
                        const struct identity *identity)
{
    if (keys->agent != NULL && identity->public.length > 0 &&
        agent_has(keys->agent, &identity->public))
        return false;
    if (!identity->is_public)
        return true;
    auth_note_problem(
        a, ADIT_LOG_INFO,
        mem_printf("identity %s is a public key, and no agent has it", identity->path));
    return false;
}

static void add_file_attempts(struct authentication *a, struct auth_keys *keys)
{
    const struct string_list *certificates = &a->h->upstream->certificates;
    bool *wanted = mem_zalloc(keys->all.count + 1);

    for (size_t i = 0; i < keys->all.count; i++)
        wanted[i] = is_for_file(a, keys, &keys->all.items[i]);
    for (size_t c = 0; c < certificates->count; c++)
        for (size_t i = 0; i < keys->all.count; i++)
            if (wanted[i])
                add_certificate_attempt(keys, &keys->all.items[i], certificates->items[c]);
    for (size_t i = 0; i < keys->all.count; i++) {
        struct identity *identity = &keys->all.items[i];
        char *beside = mem_printf("%s-cert.pub", identity->path);
        if (wanted[i] && identity->certificate != NULL)
            add_certificate_attempt(keys, identity, identity->certificate);
        else if (wanted[i])
            add_attempt(keys, (struct key_attempt){.identity = identity});
        if (wanted[i])
            add_certificate_attempt(keys, identity, beside);
        free(beside);
    }
    free(wanted);
}

/* The identity of ssh_config(5) that libssh reports, where libssh has read that file. The caller
 * frees. NULL: none. (Its defaults are templates still.) */
static char *libssh_identity(const struct authentication *a)
{
    char *found = NULL;
    char *path = NULL;

    if (a->h->upstream->libssh_config &&
        ssh_options_get(a->h->handle, SSH_OPTIONS_IDENTITY, &found) == SSH_OK &&
        strchr(found, '%') == NULL)
        path = mem_strdup(found);
    ssh_string_free_char(found);
    return path;
}

/* Where the keeper loads no keys. */
static void find_identities(struct authentication *a, struct auth_keys *keys)
{
    char *other = libssh_identity(a);

    keys->all = identities_find(a->h->upstream, other);
    free(other);
    if (a->h->upstream->passphrase_file != NULL)
        a->passphrase = file_first_line(a->h->upstream->passphrase_file);
}

/* Named keys come first, from the agent if it has them, as then no passphrase is asked for. All
 * keys of a full agent before them would use up MaxAuthTries of the server. */
static void find_keys(struct authentication *a)
{
    struct auth_keys *keys = mem_zalloc(sizeof(*keys));

    a->keys = keys;
    keys->kept = kept_keys_list(a->h, &keys->all);
    if (!keys->kept)
        find_identities(a, keys);
    keys->agent = find_agent(a, &keys->all);
    add_agent_attempts(keys, true);
    add_file_attempts(a, keys);
    if (!a->h->upstream->identities_only)
        add_agent_attempts(keys, false);
}

void auth_keys_free(struct auth_keys *keys)
{
    if (keys == NULL)
        return;
    agent_close(keys->agent);
    for (size_t i = 0; i < keys->count; i++)
        free(keys->attempts[i].certificate);
    free(keys->attempts);
    identities_clear(&keys->all);
    free(keys);
}

/* The certificate that is offered; NULL: none is. */
static const struct key_blob *certificate_of(const struct authentication *a,
                                             const struct key_attempt *attempt)
{
    if (attempt->identity != NULL)
        return attempt->certificate != NULL
                   ? identities_certificate(&a->keys->all, attempt->identity, attempt->certificate)
                   : NULL;
    return agent_is_certificate(a->keys->agent, attempt->agent_key)
               ? agent_key_blob(a->keys->agent, attempt->agent_key)
               : NULL;
}

/* The server took a certificate. (Of a login by two of them, the one that ends first counts.) */
static void note_certificate(struct authentication *a, const struct key_blob *certificate)
{
    uint64_t *noted = &a->h->info.certificate_until;
    uint64_t until = key_blob_valid_until(certificate);

    if (until != 0 && (*noted == 0 || until < *noted))
        *noted = until;
}

static int try_key(struct authentication *a, const struct key_attempt *attempt)
{
    if (attempt->identity == NULL)
        return try_agent(a, attempt->agent_key);
    if (attempt->identity->given_up)
        return SSH_AUTH_DENIED;
    return a->keys->kept ? auth_try_kept_key(a, attempt->identity, attempt->certificate)
                         : auth_try_key_file(a, attempt->identity, attempt->certificate);
}

static int try_attempt(struct authentication *a, const struct key_attempt *attempt)
{
    const struct key_blob *certificate = certificate_of(a, attempt);
    int answer;

    algorithms_set_signatures(a->h, certificate != NULL);
    answer = try_key(a, attempt);
    if (certificate != NULL && (answer == SSH_AUTH_SUCCESS || answer == SSH_AUTH_PARTIAL))
        note_certificate(a, certificate);
    return answer;
}

/* Tries each key once. After a partial success the next call begins with the key behind the one
 * that succeeded, and comes to that one last, as ssh(1) does: the server may want two keys. */
int auth_try_publickey(struct authentication *a)
{
    int answer = SSH_AUTH_DENIED;

    if (a->keys == NULL)
        find_keys(a);
    for (size_t i = 0; !auth_is_final(answer) && !a->unanswered && i < a->keys->count; i++) {
        const struct key_attempt *attempt = &a->keys->attempts[a->keys->next];
        a->keys->next = (a->keys->next + 1) % a->keys->count;
        answer = try_attempt(a, attempt);
    }
    return answer;
}
