/* Requests for keys. */
#include "session_libssh/kept_keys.h"

#include "base/mem.h"
#include "io/memory_file.h"

#include <stdlib.h>
#include <unistd.h>

static bool ask_keeper(struct handshake *h, const struct login_message *request,
                       struct login_packet *answer)
{
    return login_line_ask(&h->requests.line, request, h->requests.connection, answer);
}

bool kept_keys_list(struct handshake *h, struct identities *all)
{
    struct login_packet answer;
    bool kept = ask_keeper(h, &(struct login_message){.kind = LOGIN_KEYS}, &answer) &&
                answer.message.numbers[0] != 0;
    int fd = login_packet_take(&answer);
    struct buffer bytes = {0};

    login_packet_clear(&answer);
    kept = kept && fd >= 0 && memory_file_bytes(fd, &bytes) &&
           identities_read(span_of_buffer(&bytes), all);
    if (fd >= 0)
        close(fd);
    buffer_clear(&bytes);
    return kept;
}

int kept_keys_user_agent(struct handshake *h, char **error)
{
    struct login_packet answer;
    bool answered = ask_keeper(h, &(struct login_message){.kind = LOGIN_AGENT}, &answer);
    int fd = answered ? login_packet_take(&answer) : -1;

    *error = NULL;
    if (answered && answer.message.numbers[0] == LOGIN_AGENT_FAILED)
        *error = login_text(answer.message.texts[0]);
    login_packet_clear(&answer);
    return fd;
}

void kept_key_load(struct handshake *h, uint32_t number, bool asks, struct kept_key *key)
{
    const struct login_message request = {.kind = LOGIN_KEY, .numbers = {number, asks}};
    struct login_packet answer;
    bool answered = ask_keeper(h, &request, &answer);
    struct span text = answer.message.texts[0];

    *key = (struct kept_key){.state = LOGIN_KEY_UNUSABLE, .fd = -1};
    if (answered && answer.message.numbers[0] < LOGIN_KEY_STATES) {
        key->state = (enum login_key)answer.message.numbers[0];
        key->unanswered = answer.message.numbers[1] != 0;
    }
    if (key->state != LOGIN_KEY_LOADED)
        key->problem = answered ? login_text(text) : mem_strdup("is not loaded: adit is ending");
    else if ((key->fd = login_packet_take(&answer)) < 0 ||
             !key_blob_decode((const char *)text.bytes, text.length, &key->public)) {
        key->state = LOGIN_KEY_UNUSABLE;
        key->problem = mem_strdup("is not loaded");
    }
    login_packet_clear(&answer);
}

void kept_key_clear(struct kept_key *key)
{
    if (key->fd >= 0)
        close(key->fd);
    free(key->public.bytes);
    free(key->problem);
    *key = (struct kept_key){.fd = -1};
}
