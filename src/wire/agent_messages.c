/* Messages of the agent's protocol. */
#include "wire/agent_messages.h"

#include <string.h>

#define USERAUTH_REQUEST 50 /* RFC 4252 section 6 */

static bool is_word(struct span span, const char *word)
{
    return span.length == strlen(word) && memcmp(span.bytes, word, span.length) == 0;
}

static bool is_equal(struct span a, struct span b)
{
    return a.length == b.length && memcmp(a.bytes, b.bytes, a.length) == 0;
}

static uint8_t take_byte(struct ssh_reader *reader)
{
    struct span byte = ssh_take(reader, 1);

    return reader->bad ? 0 : byte.bytes[0];
}

static bool is_over(const struct ssh_reader *reader)
{
    return !reader->bad && reader->rest.length == 0;
}

/* What a signature of a login is of: the identifier of the session, and the request. */
static bool is_login(struct span data, struct span *algorithm)
{
    struct ssh_reader reader = {.rest = data};
    struct span session = ssh_take_string(&reader);
    uint8_t number = take_byte(&reader);
    struct span service, method;
    bool hostbound, has_signature;

    ssh_take_string(&reader); /* the user */
    service = ssh_take_string(&reader);
    method = ssh_take_string(&reader);
    if (reader.bad || session.length == 0)
        return false;
    hostbound = is_word(method, "publickey-hostbound-v00@openssh.com");
    has_signature = take_byte(&reader) == 1;
    *algorithm = ssh_take_string(&reader);
    ssh_take_string(&reader); /* the key */
    if (hostbound)
        ssh_take_string(&reader); /* the server's key */
    return is_over(&reader) && number == USERAUTH_REQUEST && has_signature &&
           is_word(service, "ssh-connection") && (hostbound || is_word(method, "publickey"));
}

static enum agent_request_kind sign_request(struct ssh_reader *reader, struct span *key,
                                            struct span *algorithm)
{
    struct span data;

    *key = ssh_take_string(reader);
    data = ssh_take_string(reader);
    ssh_take_uint32(reader); /* the flags */
    return is_over(reader) && is_login(data, algorithm) ? AGENT_ASKS_SIGNATURE : AGENT_ASKS_OTHER;
}

static enum agent_request_kind extension(struct ssh_reader *reader)
{
    struct span name = ssh_take_string(reader);
    uint8_t forwarding;

    ssh_take_string(reader); /* the server's key */
    ssh_take_string(reader); /* the identifier of the session */
    ssh_take_string(reader); /* the signature */
    forwarding = take_byte(reader);
    return is_over(reader) && forwarding == 0 && is_word(name, "session-bind@openssh.com")
               ? AGENT_BINDS_SESSION
               : AGENT_ASKS_OTHER;
}

enum agent_request_kind agent_request_kind(struct span message, struct span *key)
{
    struct ssh_reader reader = {.rest = message};
    struct span algorithm;

    *key = (struct span){0};
    switch (take_byte(&reader)) {
    case AGENT_REQUEST_IDENTITIES: return is_over(&reader) ? AGENT_ASKS_KEYS : AGENT_ASKS_OTHER;
    case AGENT_SIGN_REQUEST: return sign_request(&reader, key, &algorithm);
    case AGENT_EXTENSION: return extension(&reader);
    default: return AGENT_ASKS_OTHER;
    }
}

/* Whether it is that algorithm, or that of a certificate of such a key. */
static bool is_algorithm(struct span algorithm, const char *name)
{
    size_t length = strlen(name);

    return algorithm.length >= length && memcmp(algorithm.bytes, name, length) == 0;
}

uint32_t agent_sign_flags(struct span message)
{
    struct ssh_reader reader = {.rest = message};
    struct span key;
    struct span algorithm;

    if (take_byte(&reader) != AGENT_SIGN_REQUEST ||
        sign_request(&reader, &key, &algorithm) != AGENT_ASKS_SIGNATURE)
        return 0;
    if (is_algorithm(algorithm, "rsa-sha2-256"))
        return AGENT_RSA_SHA2_256;
    return is_algorithm(algorithm, "rsa-sha2-512") ? AGENT_RSA_SHA2_512 : 0;
}

struct agent_keys agent_keys_read(struct span message)
{
    struct agent_keys keys = {.reader = {.rest = message}};

    if (take_byte(&keys.reader) != AGENT_IDENTITIES_ANSWER)
        keys.reader.bad = true;
    keys.left = ssh_take_uint32(&keys.reader);
    if (keys.left > AGENT_KEYS_MAX)
        keys.left = AGENT_KEYS_MAX;
    return keys;
}

bool agent_keys_next(struct agent_keys *keys, struct span *key, struct span *comment)
{
    if (keys->reader.bad || keys->left == 0)
        return false;
    keys->left--;
    *key = ssh_take_string(&keys->reader);
    *comment = ssh_take_string(&keys->reader);
    return !keys->reader.bad;
}

bool agent_keys_answer_one(struct span answer, struct span key, struct buffer *out)
{
    struct agent_keys keys = agent_keys_read(answer);
    struct span found, comment;
    uint8_t head[1 + 4] = {AGENT_IDENTITIES_ANSWER};

    while (agent_keys_next(&keys, &found, &comment))
        if (key.length > 0 && is_equal(found, key)) {
            ssh_put_uint32(head + 1, 1);
            buffer_append(out, head, sizeof(head));
            ssh_append_string(out, found);
            ssh_append_string(out, comment);
            return true;
        }
    if (keys.reader.bad)
        return false;
    buffer_append(out, head, sizeof(head));
    return true;
}
