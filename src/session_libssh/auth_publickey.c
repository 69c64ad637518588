/* Keys: those of the agent and those in files, with their certificates; RFC 4252 section 7. */
#include "base/mem.h"
#include "base/secrets.h"
#include "io/private_file.h"
#include "io/wait.h"
#include "session_libssh/authentication.h"
#include "session_libssh/identities.h"
#include "session_libssh/key_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One way to try a key. */
struct key_attempt {
    struct identity *identity; /* NULL: the agent's */
    size_t agent_key;          /* its number with the agent */
    char *certificate; /* the file of the certificate that the identity goes with, or NULL */
};

struct auth_keys {
    struct identities all;
    struct agent *agent;          /* NULL: none */
    struct key_attempt *attempts; /* a ring, as ssh(1) has it: see auth_try_publickey */
    size_t count;
    size_t of_agent; /* of these */
    size_t next;
};

/* Private keys. */

/* The key, by a passphrase that may be wrong, or by none. NULL: the file is not read with it. */
static ssh_key import_with(const char *path, const char *passphrase)
{
    struct key_import import = key_file_import(path, passphrase);

    free(import.problem);
    return import.key;
}

/* The public key or the certificate in a file; NULL: there is none that libssh can read. */
static ssh_key public_half(const char *path)
{
    ssh_key key = NULL;

    if (!private_file_is_plain(path) || (ssh_pki_import_pubkey_file(path, &key) != SSH_OK &&
                                         ssh_pki_import_cert_file(path, &key) != SSH_OK))
        return NULL;
    return key;
}

/* Whether the server would accept the key or certificate: else no passphrase is asked for. */
static bool is_welcome(struct authentication *a, ssh_key half)
{
    /* (Where the public half is not known, the passphrase is asked for.) */
    return half == NULL || ssh_userauth_try_publickey(a->h->handle, NULL, half) == SSH_AUTH_SUCCESS;
}

static ssh_key import_kept(const char *path, const char *memory)
{
    char *kept = secrets_get(memory);
    ssh_key key = NULL;

    if (kept == NULL)
        return NULL;
    key = import_with(path, kept);
    if (key == NULL)
        secrets_drop(memory, kept);
    secret_free(kept);
    return key;
}

static ssh_key import_asked(struct authentication *a, const char *path, const char *memory)
{
    ssh_key key = NULL;
    bool given = auth_can_ask(a);

    /* Another dial may have asked the same while this one waited for its turn. */
    if (given && login_turn(a->h))
        key = import_kept(path, memory);
    for (unsigned i = 0; key == NULL && given && i < auth_prompts(a); i++) {
        char *passphrase = auth_ask(
            a, &(struct auth_question){.question = LOGIN_QUESTION_PASSPHRASE, .about = path});
        given = passphrase != NULL && *passphrase != '\0';
        if (given)
            key = import_with(path, passphrase);
        if (key != NULL)
            secrets_keep(memory, passphrase);
        secret_free(passphrase);
    }
    login_turn_end(a->h);
    return key;
}

/* "FILE.pub" where that is there, else FILE, whose public part may be readable. The caller frees.
 */
static char *public_file(const char *path)
{
    char *beside = mem_printf("%s.pub", path);

    if (access(beside, R_OK) == 0)
        return beside;
    free(beside);
    return mem_strdup(path);
}

static ssh_key import_locked(struct authentication *a, struct identity *identity,
                             const char *certificate)
{
    char *memory = mem_printf("passphrase of %s", identity->path);
    char *offer = certificate != NULL ? mem_strdup(certificate) : public_file(identity->path);
    ssh_key half = public_half(offer);
    ssh_key key = import_kept(identity->path, memory);

    if (key == NULL && is_welcome(a, half)) {
        key = import_asked(a, identity->path, memory);
        identity->given_up = key == NULL;
        if (key == NULL)
            auth_note_problem(a, ADIT_LOG_INFO,
                              mem_printf("identity %s is encrypted and %s: give passphrase_file, "
                                         "or an agent the key (`ssh-add '%s'`)",
                                         identity->path,
                                         a->passphrase != NULL
                                             ? "passphrase_file has not its passphrase"
                                         : a->nobody != NULL ? "there is no passphrase_file"
                                                             : "no right passphrase was given",
                                         identity->path));
    } else if (key == NULL) {
        auth_note_key(a, identity->path, half);
        auth_note_problem(
            a, ADIT_LOG_DEBUG,
            mem_printf("the server does not take identity %s, which is encrypted", identity->path));
    }
    ssh_key_free(half);
    free(offer);
    free(memory);
    return key;
}

/* Loads a private key, anew for each attempt, because a certificate stays with the key that it was
 * copied to. `certificate`: the file of the certificate that the key is offered with, or NULL. */
static ssh_key load_private_key(struct authentication *a, struct identity *identity,
                                const char *certificate)
{
    struct key_import import = {0};

    if (a->passphrase != NULL)
        import.key = import_with(identity->path, a->passphrase);
    if (import.key == NULL)
        import = key_file_import(identity->path, NULL);
    if (import.key == NULL && import.encrypted)
        return import_locked(a, identity, certificate);
    if (import.key == NULL) {
        identity->given_up = true;
        auth_note_problem(a, import.missing ? ADIT_LOG_DEBUG : ADIT_LOG_INFO,
                          mem_printf("identity %s %s", identity->path, import.problem));
        free(import.problem);
    }
    return import.key;
}

/* Files. */

/* Takes the key's signature for the login. A key that libssh cannot sign with is lost alone. */
static int offer_key(struct authentication *a, ssh_key key, const char *path)
{
    int answer;

    auth_note_key(a, path, key);
    answer = auth_answer(a, ssh_userauth_publickey(a->h->handle, NULL, key));
    if (answer != SSH_AUTH_ERROR || !ssh_is_connected(a->h->handle))
        return answer;
    auth_note_problem(a, ADIT_LOG_INFO,
                      mem_printf("libssh cannot sign with identity %s; libssh says \"%s\"", path,
                                 ssh_get_error(a->h->handle)));
    return SSH_AUTH_DENIED;
}

static int try_with_certificate(struct authentication *a, struct identity *identity,
                                const char *path)
{
    ssh_key certificate = NULL;
    ssh_key key = load_private_key(a, identity, path);
    int answer = SSH_AUTH_DENIED;

    if (key == NULL)
        return answer;
    if (ssh_pki_import_cert_file(path, &certificate) != SSH_OK ||
        ssh_pki_copy_cert_to_privkey(certificate, key) != SSH_OK)
        auth_note_problem(a, ADIT_LOG_INFO, mem_printf("certificate %s cannot be used", path));
    else
        answer = offer_key(a, key, path);
    ssh_key_free(certificate);
    ssh_key_free(key);
    return answer;
}

static int try_plain(struct authentication *a, struct identity *identity)
{
    ssh_key key = load_private_key(a, identity, NULL);
    int answer = key != NULL ? offer_key(a, key, identity->path) : SSH_AUTH_DENIED;

    ssh_key_free(key);
    return answer;
}

/* The agent. */

static struct agent *find_agent(struct authentication *a, const struct identities *all)
{
    const struct config_upstream *upstream = a->h->upstream;
    const char *path = upstream->identity_agent;
    const char *error = NULL;
    struct agent *agent;

    if (path == NULL)
        path = getenv("SSH_AUTH_SOCK");
    if (!upstream->agent || path == NULL || *path == '\0')
        return NULL;
    agent = agent_open(&(struct agent_options){.path = path,
                                               .certificates = all->certificates,
                                               .certificate_count = all->certificate_count,
                                               .connection = a->h->requests.connection,
                                               .waiting = a->h->requests.line.waiting,
                                               .proof = &a->h->proof},
                       &error);
    if (agent == NULL) {
        struct wait_limit now = wait_limit(a->h->requests.connection, 0);
        /* The server may have hung up meanwhile: libssh, which has not noticed, would wait for an
         * answer in vain. */
        a->unanswered = wait_for(-1, 0, &now) != ETIMEDOUT;
        auth_note_problem(a, a->unanswered ? ADIT_LOG_INFO : ADIT_LOG_DEBUG,
                          mem_printf("agent %s: %s", path, error));
        return NULL;
    }
    for (size_t i = 0; i < all->count; i++)
        if (all->items[i].public.length > 0)
            agent_name(agent, &all->items[i].public);
    for (size_t i = 0; i < all->certificate_count; i++)
        agent_name(agent, &all->certificates[i]);
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

/* An agent that refuses, or whose signature is none that libssh can send, loses that key alone. */
static int sign_by_agent(struct authentication *a, struct agent *agent, size_t key)
{
    const char *comment = agent_comment(agent, key);
    int answer;

    agent_offer(agent, key);
    answer = auth_answer(a, ssh_userauth_agent(a->h->handle, NULL));
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
        answer = sign_by_agent(a, agent, key);
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
    if (identity_may_have(identity, path))
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

/* Named keys come first, from the agent if it has them, as then no passphrase is asked for. All
 * keys of a full agent before them would use up MaxAuthTries of the server. */
static struct auth_keys *keys_new(struct authentication *a)
{
    struct auth_keys *keys = mem_zalloc(sizeof(*keys));

    keys->all = identities_find(a->h);
    keys->agent = find_agent(a, &keys->all);
    add_agent_attempts(keys, true);
    add_file_attempts(a, keys);
    if (!a->h->upstream->identities_only)
        add_agent_attempts(keys, false);
    return keys;
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

static bool has_certificate(const struct authentication *a, const struct key_attempt *attempt)
{
    return attempt->identity == NULL ? agent_is_certificate(a->keys->agent, attempt->agent_key)
                                     : attempt->certificate != NULL;
}

static int try_attempt(struct authentication *a, const struct key_attempt *attempt)
{
    algorithms_set_signatures(a->h, has_certificate(a, attempt));
    if (attempt->identity == NULL)
        return try_agent(a, attempt->agent_key);
    if (attempt->identity->given_up)
        return SSH_AUTH_DENIED;
    if (attempt->certificate != NULL)
        return try_with_certificate(a, attempt->identity, attempt->certificate);
    return try_plain(a, attempt->identity);
}

/* Tries each key once. After a partial success the next call begins with the key behind the one
 * that succeeded, and comes to that one last, as ssh(1) does: the server may want two keys. */
int auth_try_publickey(struct authentication *a)
{
    int answer = SSH_AUTH_DENIED;

    if (a->keys == NULL)
        a->keys = keys_new(a);
    for (size_t i = 0; !auth_is_final(answer) && !a->unanswered && i < a->keys->count; i++) {
        const struct key_attempt *attempt = &a->keys->attempts[a->keys->next];
        a->keys->next = (a->keys->next + 1) % a->keys->count;
        answer = try_attempt(a, attempt);
    }
    return answer;
}
