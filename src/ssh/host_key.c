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

/* A known_hosts line that names the host, with another key than the server's. */
struct known {
    const char *file;
    unsigned line;
    char *fingerprint; /* NULL: none was found */
    bool same_type;    /* as the key that the server offers */
};

static void known_consider(struct known *known, const struct known *candidate, ssh_key key,
                           enum ssh_keytypes_e offered_type)
{
    bool same_type = ssh_key_type(key) == offered_type;

    if (known->fingerprint != NULL && (known->same_type || !same_type))
        return;
    ssh_string_free_char(known->fingerprint);
    *known = *candidate;
    known->fingerprint = fingerprint(key);
    known->same_type = same_type;
}

/* Looks through one file; a line with a key of the same type is what a person wants to see first.
 */
static void known_search(struct known *known, const char *file, const char *host,
                         enum ssh_keytypes_e offered_type)
{
    FILE *in = fopen(file, "re");
    struct known here = {.file = file};
    char *line = NULL;
    size_t size = 0;

    while (in != NULL && getline(&line, &size, in) >= 0) {
        struct ssh_knownhosts_entry *entry = NULL;
        here.line++;
        line[strcspn(line, "\r\n")] = '\0';
        if (ssh_known_hosts_parse_line(host, line, &entry) == SSH_OK && entry != NULL &&
            entry->publickey != NULL)
            known_consider(known, &here, entry->publickey, offered_type);
        ssh_knownhosts_entry_free(entry);
    }
    free(line);
    if (in != NULL)
        fclose(in);
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
    const struct string_list *files = &h->upstream->known_hosts;
    struct known known = {.file = "known_hosts"};
    ssh_key key = NULL;
    char *host = h->port == 22 ? mem_strdup(h->host) : mem_printf("[%s]:%u", h->host, h->port);

    ssh_get_server_publickey(h->handle, &key);
    for (size_t i = 0; i < files->count && key != NULL; i++)
        known_search(&known, files->items[i], host, ssh_key_type(key));
    handshake_fail(
        h, DIAL_HOST_KEY,
        "host key of %s has changed: the server offers %s, but %s:%u has %s; if the change is "
        "meant, remove that line, else somebody may be listening in",
        h->host, offered, known.file, known.line,
        known.fingerprint != NULL ? known.fingerprint : "another one");
    ssh_string_free_char(known.fingerprint);
    ssh_key_free(key);
    free(host);
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
