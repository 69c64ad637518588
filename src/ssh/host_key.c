/* The server's key against what is known of it. */
#include "base/mem.h"
#include "ssh/handshake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "SHA256:..." of a public key, as ssh-keygen(1) -l prints it; the caller frees with
 * ssh_string_free_char. */
static char *fingerprint(ssh_key key)
{
    unsigned char *hash = NULL;
    size_t length = 0;
    char *text = NULL;

    if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &length) == 0)
        text = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, length);
    ssh_clean_pubkey_hash(&hash);
    return text;
}

/* The line of `file` that reads `wanted`; 0: it has none. */
static unsigned line_number(const char *file, const char *wanted)
{
    FILE *in = fopen(file, "re");
    char *line = NULL;
    size_t size = 0;
    unsigned number = 0;
    bool found = false;

    if (in == NULL)
        return 0;
    while (!found && getline(&line, &size, in) >= 0) {
        number++;
        line[strcspn(line, "\r\n")] = '\0';
        found = strcmp(line, wanted) == 0;
    }
    free(line);
    fclose(in);
    return found ? number : 0;
}

static enum dial_status verify_pins(struct handshake *h, const char *offered)
{
    const struct string_list *pins = &h->upstream->host_key_pins;

    for (size_t i = 0; i < pins->count; i++)
        if (strcmp(pins->items[i], offered) == 0)
            return DIAL_OK;
    return handshake_fail(h, DIAL_HOST_KEY,
                          "host key %s of %s is not among those that host_key names (%s%s)",
                          offered, h->host, pins->count > 0 ? pins->items[0] : "none",
                          pins->count > 1 ? ", ..." : "");
}

/* The key on file is another one: name both, and where the old one stands. */
static enum dial_status fail_changed(struct handshake *h, const char *offered)
{
    struct ssh_knownhosts_entry *entry = NULL;
    const struct string_list *files = &h->upstream->known_hosts;
    const char *file = "known_hosts";
    char *known = NULL;
    unsigned line = 0;

    ssh_session_get_known_hosts_entry(h->handle, &entry);
    if (entry != NULL && entry->publickey != NULL)
        known = fingerprint(entry->publickey);
    for (size_t i = 0; entry != NULL && i < files->count && line == 0; i++) {
        line = line_number(files->items[i], entry->unparsed);
        file = files->items[i];
    }
    handshake_fail(
        h, DIAL_HOST_KEY,
        "host key of %s has changed: the server offers %s, %s:%u has %s; if the change is "
        "meant, remove that line, else somebody may be listening in",
        h->host, offered, file, line, known != NULL ? known : "another one");
    ssh_string_free_char(known);
    ssh_knownhosts_entry_free(entry);
    return DIAL_HOST_KEY;
}

static enum dial_status accept_new(struct handshake *h, const char *offered)
{
    if (h->upstream->host_key != HOST_KEY_ACCEPT_NEW)
        return handshake_fail(
            h, DIAL_HOST_KEY,
            "host key %s of %s is not known; compare it with the server's and add "
            "it to known_hosts, or pin it with host_key",
            offered, h->host);
    if (ssh_session_update_known_hosts(h->handle) != SSH_OK)
        return handshake_fail(h, DIAL_HOST_KEY, "host key %s of %s cannot be stored: %s", offered,
                              h->host, ssh_get_error(h->handle));
    log_info("%s: new host key %s added to known_hosts", h->host, offered);
    return DIAL_OK;
}

static enum dial_status verify_known(struct handshake *h, const char *offered)
{
    switch (ssh_session_is_known_server(h->handle)) {
    case SSH_KNOWN_HOSTS_OK: return DIAL_OK;
    case SSH_KNOWN_HOSTS_NOT_FOUND:
    case SSH_KNOWN_HOSTS_UNKNOWN: return accept_new(h, offered);
    case SSH_KNOWN_HOSTS_OTHER: /* a key of another type is known: an attacker would offer just that
                                 */
    case SSH_KNOWN_HOSTS_CHANGED: return fail_changed(h, offered);
    case SSH_KNOWN_HOSTS_ERROR: break;
    }
    return handshake_fail(h, DIAL_HOST_KEY, "known_hosts cannot be read: %s",
                          ssh_get_error(h->handle));
}

enum dial_status host_key_verify(struct handshake *h)
{
    ssh_key key = NULL;
    char *offered = NULL;
    enum dial_status status;

    if (ssh_get_server_publickey(h->handle, &key) == SSH_OK)
        offered = fingerprint(key);
    ssh_key_free(key);
    if (offered == NULL)
        return handshake_fail(h, DIAL_HOST_KEY, "the server's host key cannot be read");
    status = h->upstream->host_key == HOST_KEY_PINNED ? verify_pins(h, offered)
                                                      : verify_known(h, offered);
    ssh_string_free_char(offered);
    return status;
}
