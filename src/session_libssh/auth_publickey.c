/* Keys: those of the agent and those in files, with their certificates; RFC 4252 section 7. */
#include "base/mem.h"
#include "io/wait.h"
#include "session_libssh/agent.h"
#include "session_libssh/authentication.h"
#include "session_libssh/key_file.h"
#include "session_libssh/secrets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A key by the name of its file. */
struct identity {
    char *path;
    bool is_public;         /* the file has the public half only: an agent has the private one */
    struct key_blob public; /* no bytes: not known */
    bool given_up;          /* its passphrase could not be had */
};

struct identities {
    struct identity *items;
    size_t count;
    struct key_blob *certificates; /* of all of them */
    size_t certificate_count;
};

/* Public halves. */

/* From FILE itself, FILE.pub, or the public part of an OpenSSH private key. */
static void read_public(struct identity *identity)
{
    char *beside = mem_printf("%s.pub", identity->path);
    ssh_key key = NULL;

    identity->is_public = key_blob_read(identity->path, &identity->public);
    if (!identity->is_public && !key_blob_read(beside, &identity->public) &&
        key_file_is_plain(identity->path) &&
        ssh_pki_import_pubkey_file(identity->path, &key) == SSH_OK)
        key_blob_export(key, &identity->public);
    ssh_key_free(key);
    free(beside);
}

static void add_certificate(struct identities *all, const char *path)
{
    struct key_blob blob;

    if (!key_blob_read(path, &blob))
        return;
    all->certificates = mem_realloc(all->certificates, (all->certificate_count + 1) * sizeof(blob));
    all->certificates[all->certificate_count++] = blob;
}

static void add_identity(struct identities *all, const char *path)
{
    struct identity *identity;
    char *beside = mem_printf("%s-cert.pub", path);

    all->items = mem_realloc(all->items, (all->count + 1) * sizeof(*all->items));
    identity = &all->items[all->count++];
    *identity = (struct identity){.path = mem_strdup(path)};
    read_public(identity);
    add_certificate(all, beside);
    free(beside);
}

static void add_default_identities(struct identities *all)
{
    static const char *const names[] = {"id_ed25519", "id_ecdsa", "id_rsa"};
    const char *home = getenv("HOME");

    for (size_t i = 0; home != NULL && i < sizeof(names) / sizeof(names[0]); i++) {
        char *path = mem_printf("%s/.ssh/%s", home, names[i]);
        if (access(path, F_OK) == 0)
            add_identity(all, path);
        free(path);
    }
}

/* The identity of ssh_config(5) that libssh reports, where libssh has read that file. */
static void add_libssh_identity(struct identities *all, ssh_session handle)
{
    char *path = NULL;

    /* (Its defaults are templates still.) */
    if (ssh_options_get(handle, SSH_OPTIONS_IDENTITY, &path) == SSH_OK && strchr(path, '%') == NULL)
        add_identity(all, path);
    ssh_string_free_char(path);
}

static struct identities find_identities(const struct handshake *h)
{
    const struct config_upstream *upstream = h->upstream;
    struct identities all = {0};

    for (size_t i = 0; i < upstream->identities.count; i++)
        add_identity(&all, upstream->identities.items[i]);
    if (upstream->identities.count == 0 && upstream->libssh_config)
        add_libssh_identity(&all, h->handle);
    if (all.count == 0)
        add_default_identities(&all);
    for (size_t i = 0; i < upstream->certificates.count; i++)
        add_certificate(&all, upstream->certificates.items[i]);
    return all;
}

static void identities_clear(struct identities *all)
{
    for (size_t i = 0; i < all->count; i++) {
        free(all->items[i].path);
        free(all->items[i].public.bytes);
    }
    for (size_t i = 0; i < all->certificate_count; i++)
        free(all->certificates[i].bytes);
    free(all->items);
    free(all->certificates);
}

/* Private keys. */

/* The key, by a passphrase that may be wrong, or by none. NULL: the file is not read with it. */
static ssh_key import_with(const char *path, const char *passphrase)
{
    struct key_import import = key_file_import(path, passphrase);

    free(import.problem);
    return import.key;
}

/* Whether the server would accept the key or certificate whose public half is in that file: else no
 * passphrase is asked for. */
static bool is_welcome(struct authentication *a, const char *offer)
{
    ssh_key key = NULL;
    int answer = SSH_AUTH_DENIED;

    if (!key_file_is_plain(offer) || (ssh_pki_import_pubkey_file(offer, &key) != SSH_OK &&
                                      ssh_pki_import_cert_file(offer, &key) != SSH_OK))
        return true; /* not known */
    answer = ssh_userauth_try_publickey(a->h->handle, NULL, key);
    ssh_key_free(key);
    return answer == SSH_AUTH_SUCCESS;
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
    char *prompt = mem_printf("Enter passphrase for key '%s': ", path);
    ssh_key key = NULL;
    bool given = auth_can_ask(a);

    /* Another dial may have asked the same while this one waited for its turn. */
    if (given && ask_begin(&a->h->asker))
        key = import_kept(path, memory);
    for (unsigned i = 0; key == NULL && given && i < auth_prompts(a); i++) {
        char *passphrase = auth_ask(a, prompt, false);
        given = passphrase != NULL && *passphrase != '\0';
        if (given)
            key = import_with(path, passphrase);
        if (key != NULL)
            secrets_keep(memory, passphrase);
        secret_free(passphrase);
    }
    ask_end(&a->h->asker);
    free(prompt);
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
    ssh_key key = import_kept(identity->path, memory);

    if (key == NULL && is_welcome(a, offer)) {
        key = import_asked(a, identity->path, memory);
        identity->given_up = key == NULL;
        if (key == NULL)
            auth_note_problem(a, ADIT_LOG_INFO,
                              mem_printf("identity %s is encrypted and %s", identity->path,
                                         a->passphrase != NULL
                                             ? "passphrase_file has not its passphrase"
                                         : a->nobody != NULL ? "there is no passphrase_file"
                                                             : "no right passphrase was given"));
    } else if (key == NULL) {
        auth_note_tried(a, "publickey", identity->path);
        auth_note_problem(
            a, ADIT_LOG_DEBUG,
            mem_printf("the server does not take identity %s, which is encrypted", identity->path));
    }
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

static int try_with_certificate(struct authentication *a, struct identity *identity,
                                const char *path)
{
    struct key_blob blob = {0};
    ssh_key certificate = NULL;
    ssh_key key = NULL;
    int answer = SSH_AUTH_DENIED;

    if (!key_file_is_plain(path) || access(path, R_OK) != 0 || identity->given_up)
        return answer;
    if (key_blob_read(path, &blob) && identity->public.length > 0 &&
        !key_blob_certifies(&blob, &identity->public)) {
        free(blob.bytes); /* the certificate of another key */
        return answer;
    }
    free(blob.bytes);
    key = load_private_key(a, identity, path);
    if (key == NULL)
        return answer;
    if (ssh_pki_import_cert_file(path, &certificate) != SSH_OK ||
        ssh_pki_copy_cert_to_privkey(certificate, key) != SSH_OK) {
        auth_note_problem(a, ADIT_LOG_INFO, mem_printf("certificate %s cannot be used", path));
    } else {
        auth_note_tried(a, "publickey", path);
        answer = ssh_userauth_publickey(a->h->handle, NULL, key);
    }
    ssh_key_free(certificate);
    ssh_key_free(key);
    return answer;
}

static int try_file(struct authentication *a, struct identity *identity)
{
    const struct string_list *certificates = &a->h->upstream->certificates;
    char *beside = mem_printf("%s-cert.pub", identity->path);
    int answer = try_with_certificate(a, identity, beside);
    ssh_key key;

    free(beside);
    for (size_t i = 0; !auth_is_final(answer) && i < certificates->count; i++)
        answer = try_with_certificate(a, identity, certificates->items[i]);
    if (auth_is_final(answer) || identity->given_up || a->unanswered)
        return answer;
    key = load_private_key(a, identity, NULL);
    if (key == NULL)
        return SSH_AUTH_DENIED;
    auth_note_tried(a, "publickey", identity->path);
    answer = ssh_userauth_publickey(a->h->handle, NULL, key);
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
                                               .connection = a->h->asker.connection,
                                               .waiting = a->h->asker.waiting},
                       &error);
    if (agent == NULL) {
        struct wait_limit now = wait_limit(a->h->asker.connection, 0);
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

static int try_agent(struct authentication *a, struct agent *agent, bool named)
{
    if (agent == NULL || agent_offer(agent, named) == 0)
        return SSH_AUTH_DENIED;
    auth_note_tried(a, "publickey", named ? "agent (keys that are named)" : "agent");
    return ssh_userauth_agent(a->h->handle, NULL);
}

static int try_files(struct authentication *a, struct identities *all, const struct agent *agent)
{
    int answer = SSH_AUTH_DENIED;

    for (size_t i = 0; !auth_is_final(answer) && !a->unanswered && i < all->count; i++) {
        struct identity *identity = &all->items[i];
        bool offered =
            agent != NULL && identity->public.length > 0 && agent_has(agent, &identity->public);
        if (offered)
            continue; /* the server has denied it */
        if (identity->is_public)
            auth_note_problem(
                a, ADIT_LOG_INFO,
                mem_printf("identity %s is a public key, and no agent has it", identity->path));
        else
            answer = try_file(a, identity);
    }
    return answer;
}

/* Named keys come first, from the agent if it has them, as then no passphrase is asked for. All
 * keys of a full agent before them would use up MaxAuthTries of the server. */
int auth_try_publickey(struct authentication *a)
{
    struct identities all = find_identities(a->h);
    struct agent *agent = find_agent(a, &all);
    int answer = try_agent(a, agent, true);

    if (!auth_is_final(answer))
        answer = try_files(a, &all, agent);
    if (!auth_is_final(answer) && !a->unanswered && !a->h->upstream->identities_only)
        answer = try_agent(a, agent, false);
    agent_close(agent);
    identities_clear(&all);
    return answer;
}
