/* The server's host key, as libssh has it: its text, and the keeper's decision about it. */
#include "session_libssh/agent.h"
#include "session_libssh/handshake.h"

#include <stdlib.h>
#include <string.h>

static void write_key_text(ssh_key key, const char *fingerprint,
                           char text[static HOST_KEY_TEXT_MAX])
{
    snprintf(text, HOST_KEY_TEXT_MAX, "%s %s", ssh_key_type_to_char(ssh_key_type(key)),
             fingerprint);
}

bool host_key_text(ssh_session handle, char text[static HOST_KEY_TEXT_MAX])
{
    ssh_key key = NULL;
    unsigned char *hash = NULL;
    size_t length = 0;
    bool ok = ssh_get_server_publickey(handle, &key) == SSH_OK &&
              ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &length) == SSH_OK;
    char *fingerprint =
        ok ? ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, length) : NULL;

    if (fingerprint != NULL)
        write_key_text(key, fingerprint, text);
    ssh_string_free_char(fingerprint);
    ssh_clean_pubkey_hash(&hash);
    ssh_key_free(key);
    return fingerprint != NULL;
}

enum dial_status host_key_verify(struct handshake *h)
{
    ssh_key key = NULL;
    struct key_blob blob = {0};
    enum dial_status status;

    if (ssh_get_server_publickey(h->handle, &key) == SSH_OK && key_blob_export(key, &blob) &&
        host_key_text(h->handle, h->info.host_key))
        status = login_judge_host_key(h, blob.bytes, blob.length);
    else
        status = handshake_fail(h, DIAL_HOST_KEY, "the server's host key cannot be read");
    free(blob.bytes);
    ssh_key_free(key);
    return status;
}
