/* Keys that the keeper loads: an agent of its own signs with them. */
#include "base/mem.h"
#include "session_libssh/auth_keys.h"
#include "session_libssh/kept_keys.h"

#include <stdlib.h>
#include <string.h>

/* What libssh makes of a public key or certificate; NULL: nothing, or there is none. */
static ssh_key half_of(const struct key_blob *blob)
{
    return blob->length > 0 ? key_blob_import(blob) : NULL;
}

/* Asks for the passphrase, in the turn of this dial. */
static void load_with_question(struct authentication *a, uint32_t number, struct kept_key *key)
{
    bool can = auth_can_ask(a);

    if (can && login_turn(a->h)) {
        kept_key_clear(key);
        kept_key_load(a->h, number, true, key);
        a->unanswered = key->unanswered;
    } else if (can) {
        a->unanswered = a->h->requests.missing == NULL;
    }
    login_turn_end(a->h);
}

/* The passphrase is asked for if the server takes the key. */
static void load_locked(struct authentication *a, struct identity *identity,
                        const struct key_blob *offer, struct kept_key *key)
{
    ssh_key half = half_of(offer);

    if (auth_is_welcome(a, half)) {
        load_with_question(a, (uint32_t)(identity - a->keys->all.items), key);
        if (key->state == LOGIN_KEY_ENCRYPTED)
            auth_note_locked(a, identity);
    } else {
        auth_note_unwelcome(a, identity, half);
    }
    ssh_key_free(half);
}

/* Has the keeper load the key. False: it has not done so, which is noted. */
static bool load_key(struct authentication *a, struct identity *identity,
                     const struct key_blob *offer, struct kept_key *key)
{
    kept_key_load(a->h, (uint32_t)(identity - a->keys->all.items), false, key);
    if (key->state == LOGIN_KEY_ENCRYPTED)
        load_locked(a, identity, offer, key);
    if (key->state == LOGIN_KEY_MISSING || key->state == LOGIN_KEY_UNUSABLE) {
        identity->given_up = true;
        auth_note_problem(a, key->state == LOGIN_KEY_MISSING ? ADIT_LOG_DEBUG : ADIT_LOG_INFO,
                          mem_printf("identity %s %s", identity->path, key->problem));
    }
    return key->state == LOGIN_KEY_LOADED;
}

/* libssh asks one agent: this one, which knows who has which key. */
static bool has_agent(struct authentication *a)
{
    struct agent *agent = a->keys->agent;

    if (agent != NULL)
        return true;
    agent = agent_none(a->h->requests.connection, a->h->requests.line.waiting);
    if (agent_serve(agent, a->h->handle)) {
        a->keys->agent = agent;
        return true;
    }
    agent_close(agent);
    auth_note_problem(a, ADIT_LOG_INFO, mem_strdup("agent: no descriptors are left"));
    return false;
}

/* Offers the key of that number with the agent, or with its certificate, whose file `what` is.
 * (With several keys each is probed first, as those of the user's agent are.) */
static int offer(struct authentication *a, size_t number, const char *what)
{
    ssh_key half = agent_public_key(a->keys->agent, number);
    int answer = SSH_AUTH_SUCCESS;

    if (half == NULL) {
        auth_note_problem(a, ADIT_LOG_INFO,
                          agent_is_certificate(a->keys->agent, number)
                              ? mem_printf("certificate %s cannot be used", what)
                              : mem_printf("libssh cannot sign with identity %s", what));
        return SSH_AUTH_DENIED;
    }
    auth_note_key(a, what, half);
    if (a->keys->count > 1)
        answer = auth_answer(a, ssh_userauth_try_publickey(a->h->handle, NULL, half));
    ssh_key_free(half);
    return answer == SSH_AUTH_SUCCESS ? auth_sign_by_agent(a, number) : answer;
}

int auth_try_kept_key(struct authentication *a, struct identity *identity, const char *path)
{
    const struct key_blob *certificate =
        path != NULL ? identities_certificate(&a->keys->all, identity, path) : NULL;
    struct kept_key key = {.fd = -1};
    int answer = SSH_AUTH_DENIED;

    if (load_key(a, identity, certificate != NULL ? certificate : &identity->public, &key) &&
        has_agent(a)) {
        size_t number =
            agent_add(a->keys->agent, &(struct agent_added_key){.fd = key.fd,
                                                                .key = &key.public,
                                                                .certificate = certificate,
                                                                .comment = identity->path});
        key.fd = -1;
        answer = offer(a, number, certificate != NULL ? path : identity->path);
    }
    kept_key_clear(&key);
    return answer;
}
