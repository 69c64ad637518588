/* Messages of a gateway to an agent, and of an agent: whatever they are, what is taken out of them
 * lies inside them, and what is passed on as a request is one. */
#include "wire/agent_messages.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void is_inside(struct span part, const uint8_t *data, size_t size)
{
    if (part.length > 0)
        assert(part.bytes >= data && part.length <= (size_t)(data + size - part.bytes));
}

static void request(const uint8_t *data, size_t size)
{
    struct span key;
    enum agent_request_kind kind = agent_request_kind((struct span){data, size}, &key);

    is_inside(key, data, size);
    if (kind == AGENT_ASKS_SIGNATURE)
        assert(data[0] == AGENT_SIGN_REQUEST && memmem(data, size, "publickey", 9) != NULL);
    if (kind == AGENT_BINDS_SESSION)
        assert(data[0] == AGENT_EXTENSION && data[size - 1] == 0);
    if (kind == AGENT_ASKS_KEYS)
        assert(size == 1);
}

static void answer(const uint8_t *data, size_t size)
{
    struct agent_keys keys = agent_keys_read((struct span){data, size});
    struct span key, comment;
    unsigned count = 0;

    while (agent_keys_next(&keys, &key, &comment)) {
        struct buffer one = {0};
        struct agent_keys again;
        struct span found;
        is_inside(key, data, size);
        is_inside(comment, data, size);
        assert(++count <= AGENT_KEYS_MAX);
        /* (The work is that of a square; and no bytes are no key, which is never shown.) */
        if (count > 4 || key.length == 0)
            continue;
        assert(agent_keys_answer_one((struct span){data, size}, key, &one));
        again = agent_keys_read((struct span){buffer_data(&one), buffer_length(&one)});
        assert(agent_keys_next(&again, &found, &comment) && found.length == key.length &&
               memcmp(found.bytes, key.bytes, key.length) == 0);
        assert(!agent_keys_next(&again, &found, &comment) && !again.reader.bad);
        buffer_clear(&one);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    request(data, size);
    answer(data, size);
    return 0;
}
