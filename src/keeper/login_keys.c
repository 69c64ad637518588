/* Keys of a login: the gateway gets their public halves, and agents that sign with them. */
#include "base/base64.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secrets.h"
#include "io/login_line.h"
#include "io/memory_file.h"
#include "io/ssh_agent.h"
#include "io/unix_connect.h"
#include "keeper/agent_filter.h"
#include "keeper/login.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* (An identity that libssh itself finds in ssh_config(5), where
 * there is no ssh(1), is known to the gateway alone.) */
bool login_loads_keys(const struct login *l)
{
    return !l->upstream->libssh_config && ssh_agent_is_there();
}

/* The path of the user's agent; NULL: none is to be asked. */
static const char *user_agent(const struct login *l)
{
    const char *path = l->upstream->identity_agent;

    if (path == NULL)
        path = getenv("SSH_AUTH_SOCK");
    return l->upstream->agent && l->upstream->pubkey_authentication && path != NULL && *path != '\0'
               ? path
               : NULL;
}

void login_prepare_keys(struct login *l)
{
    struct key_result result;

    if (l->has_prepared || !l->upstream->pubkey_authentication || !login_loads_keys(l))
        return;
    l->has_prepared = true;
    l->identities = identities_find(l->upstream, NULL);
    /* (What the user's agent may have, or a passphrase opens, is loaded when it is needed.) */
    if (l->identities.count == 0 || l->identities.items[0].is_public || user_agent(l) != NULL ||
        l->upstream->passphrase_file != NULL)
        return;
    result = key_agent_load(l->keys, l->identities.items[0].path, NULL, l->asker.line);
    key_result_clear(&result);
}

bool login_list_keys(struct login *l, struct login_reply *reply)
{
    struct buffer list = {0};

    if (l->has_identities)
        return false;
    l->has_identities = true;
    if (l->upstream->pubkey_authentication && !login_loads_keys(l))
        return true;
    if (l->upstream->pubkey_authentication && !l->has_prepared)
        l->identities = identities_find(l->upstream, NULL);
    identities_write(&l->identities, &list);
    reply->descriptor = memory_file_new("adit-keys", buffer_data(&list), buffer_length(&list));
    reply->numbers[0] = reply->descriptor >= 0;
    buffer_clear(&list);
    return true;
}

/* A connection to a filter is given, or the reason why there is none. */
static void give_agent(struct login_reply *reply, int filter, uint32_t open, uint32_t failed)
{
    reply->descriptor = filter;
    reply->numbers[0] = reply->descriptor >= 0 ? open : failed;
    if (reply->descriptor < 0)
        reply->text = mem_strdup(strerror(errno));
}

void login_open_agent(struct login *l, struct login_reply *reply)
{
    const char *path = user_agent(l);

    int agent;

    reply->numbers[0] = LOGIN_AGENT_OFF;
    if (path == NULL)
        return;
    agent = unix_connect(path, DESCRIPTOR_GATEWAY); /* (without waiting for it to accept) */
    give_agent(reply, agent >= 0 ? agent_filter_start_all(agent, l->agents) : -1, LOGIN_AGENT_OPEN,
               LOGIN_AGENT_FAILED);
}

/* Loads a file with the passphrases that are known already. */
static struct key_result load_known(struct login *l, const char *path, const char *memory)
{
    struct key_result result = key_agent_load(l->keys, path, l->passphrase, l->asker.line);
    char *kept = result.state == KEY_ENCRYPTED ? secrets_get(memory) : NULL;

    if (kept == NULL)
        return result;
    key_result_clear(&result);
    result = key_agent_load(l->keys, path, kept, l->asker.line);
    if (result.state == KEY_ENCRYPTED)
        secrets_drop(memory, kept);
    secret_free(kept);
    return result;
}

/* Asks for the passphrase until it is right, or none is given. */
static struct key_result load_asking(struct login *l, const char *path, const char *memory,
                                     bool *unanswered)
{
    struct key_result result = {.state = KEY_ENCRYPTED};
    bool given = true;

    for (unsigned i = 0;
         result.state == KEY_ENCRYPTED && given && i < l->upstream->password_prompts; i++) {
        char *passphrase =
            login_question(l, LOGIN_QUESTION_PASSPHRASE, false, false, login_span(path));
        *unanswered = passphrase == NULL;
        given = passphrase != NULL && *passphrase != '\0';
        if (given) {
            key_result_clear(&result);
            result = key_agent_load(l->keys, path, passphrase, l->asker.line);
        }
        if (given && result.state == KEY_LOADED)
            secrets_keep(memory, passphrase);
        secret_free(passphrase);
    }
    return result;
}

static void reply_key(struct login *l, struct key_result *result, struct login_reply *reply)
{
    static const uint32_t states[] = {
        [KEY_LOADED] = LOGIN_KEY_LOADED,     [KEY_ENCRYPTED] = LOGIN_KEY_ENCRYPTED,
        [KEY_MISSING] = LOGIN_KEY_MISSING,   [KEY_UNUSABLE] = LOGIN_KEY_UNUSABLE,
        [KEY_NO_AGENT] = LOGIN_KEY_UNUSABLE,
    };

    if (result->state == KEY_LOADED) {
        int agent = key_agent_connect(l->keys);
        give_agent(reply,
                   agent >= 0 ? agent_filter_start(agent, span_of_buffer(&result->key), l->agents)
                              : -1,
                   LOGIN_KEY_LOADED, LOGIN_KEY_UNUSABLE);
        if (reply->descriptor < 0)
            return;
        reply->text = mem_zalloc(BASE64_SIZE(buffer_length(&result->key)));
        base64_encode(buffer_data(&result->key), buffer_length(&result->key), reply->text);
        return;
    }
    reply->numbers[0] = states[result->state];
    reply->text = mem_strdup(result->problem);
}

bool login_load_key(struct login *l, uint32_t number, bool asks, struct login_reply *reply)
{
    struct key_result result;
    const char *path;
    char *memory;
    bool unanswered = false;

    if (number >= l->identities.count || (asks && !l->asker.has_turn))
        return false;
    path = l->identities.items[number].path;
    memory = key_passphrase_name(path);
    result = load_known(l, path, memory);
    if (asks && result.state == KEY_ENCRYPTED) {
        key_result_clear(&result);
        result = load_asking(l, path, memory, &unanswered);
    }
    reply_key(l, &result, reply);
    reply->numbers[1] = unanswered;
    key_result_clear(&result);
    free(memory);
    return true;
}
