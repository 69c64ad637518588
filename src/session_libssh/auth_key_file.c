/* Keys whose files libssh reads in this process, as there is no ssh-agent(1) for the keeper. */
#include "base/mem.h"
#include "base/secrets.h"
#include "io/private_file.h"
#include "session_libssh/auth_keys.h"
#include "session_libssh/key_file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

    if (key == NULL && auth_is_welcome(a, half)) {
        key = import_asked(a, identity->path, memory);
        if (key == NULL)
            auth_note_locked(a, identity);
    } else if (key == NULL) {
        auth_note_unwelcome(a, identity, half);
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

int auth_try_key_file(struct authentication *a, struct identity *identity, const char *certificate)
{
    return certificate != NULL ? try_with_certificate(a, identity, certificate)
                               : try_plain(a, identity);
}
