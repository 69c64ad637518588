/* ssh -O conninfo and channels. */
#include "gateway/mux_info.h"

#include "conf/types.h"
#include "gateway/gateway_parts.h"
#include "session/post_quantum.h"

#include <string.h>

static bool is_named(struct span name, const char *text)
{
    return name.length == strlen(text) && memcmp(name.bytes, text, name.length) == 0;
}

/* (The first is this machine's choice of what is sent, the second of what comes.) */
static void add_two(struct buffer *text, const char *word, const char *out, const char *in)
{
    if (out != NULL && in != NULL && strcmp(out, in) != 0)
        text_add(text, "  %s %s (to the server), %s (from it)\r\n", word, out, in);
    else if (out != NULL || in != NULL)
        text_add(text, "  %s %s\r\n", word, out != NULL ? out : in);
}

static void add_connection(struct buffer *text, int slot, const struct pool_session *session)
{
    const struct connection_info *info = session->info;

    text_add(text, "session %d at %s, for %llu s\r\n", slot, session->host,
             (unsigned long long)(session->up_ms / 1000));
    add_two(text, "key exchange", info->kex, NULL);
    add_two(text, "post-quantum", kex_is_post_quantum(info->kex) ? "yes" : "no", NULL);
    add_two(text, "host key", info->host_key, NULL);
    add_two(text, "cipher", info->cipher_out, info->cipher_in);
    add_two(text, "MAC", info->mac_out, info->mac_in);
    text_add(text, "  received %llu bytes, sent %llu bytes\r\n",
             (unsigned long long)session->bytes_in, (unsigned long long)session->bytes_out);
}

static void add_channels(struct buffer *text, int slot, const struct pool_session *session)
{
    text_add(text, "session %d at %s: %u channels\r\n", slot, session->host, session->channels);
}

char *mux_info_text(const struct gateway *g, const char *via, struct span name)
{
    bool connection = is_named(name, "connection");
    struct buffer text = {0};
    struct pool_session session;

    if (!connection && !is_named(name, "channels"))
        return NULL;
    for (size_t i = 0; i < g->pool_count; i++)
        for (int slot = 0; slot < SESSION_TABLE_SLOTS; slot++) {
            if (strcmp(pool_upstream(g->pools[i])->name, via) != 0 ||
                !pool_session(g->pools[i], slot, &session) || session.info == NULL)
                continue;
            if (connection)
                add_connection(&text, slot, &session);
            else
                add_channels(&text, slot, &session);
        }
    if (buffer_length(&text) == 0)
        text_add(&text, "no session is up\r\n");
    return text_take(&text);
}
