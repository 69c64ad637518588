/* Finding keys and certificates, and their public halves. */
#include "session_libssh/identities.h"

#include "base/mem.h"
#include "io/private_file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* From the public part of an OpenSSH private key. */
static void read_public_part(struct identity *identity)
{
    ssh_key key = NULL;

    if (private_file_is_plain(identity->path) &&
        ssh_pki_import_pubkey_file(identity->path, &key) == SSH_OK)
        key_blob_export(key, &identity->public);
    ssh_key_free(key);
}

/* From FILE itself, FILE.pub, or the public part of FILE. */
static void read_public(struct identity *identity)
{
    char *beside = mem_printf("%s.pub", identity->path);

    identity->is_public = key_blob_read(identity->path, &identity->public);
    if (!identity->is_public && !key_blob_read(beside, &identity->public)) {
        read_public_part(identity);
    } else if (!identity->is_public && key_blob_is_certificate(&identity->public)) {
        free(identity->public.bytes);
        identity->public = (struct key_blob){0};
        identity->certificate = beside;
        read_public_part(identity);
        return;
    }
    free(beside);
}

static void add_certificate(struct identities *all, const char *path)
{
    struct key_blob blob;

    if (!key_blob_read(path, &blob))
        return;
    all->certificates = mem_realloc(all->certificates, (all->certificate_count + 1) * sizeof(blob));
    all->certificates[all->certificate_count++] = blob;
}

static void add_identity(struct identities *all, const char *path)
{
    struct identity *identity;
    char *beside = mem_printf("%s-cert.pub", path);

    all->items = mem_realloc(all->items, (all->count + 1) * sizeof(*all->items));
    identity = &all->items[all->count++];
    *identity = (struct identity){.path = mem_strdup(path)};
    read_public(identity);
    add_certificate(all, beside);
    if (identity->certificate != NULL)
        add_certificate(all, identity->certificate);
    if (identity->is_public && key_blob_is_certificate(&identity->public))
        add_certificate(all, path);
    free(beside);
}

static void add_default_identities(struct identities *all)
{
    static const char *const names[] = {"id_ed25519", "id_ecdsa", "id_rsa"};
    const char *home = getenv("HOME");

    for (size_t i = 0; home != NULL && i < sizeof(names) / sizeof(names[0]); i++) {
        char *path = mem_printf("%s/.ssh/%s", home, names[i]);
        if (access(path, F_OK) == 0)
            add_identity(all, path);
        free(path);
    }
}

/* The identity of ssh_config(5) that libssh reports, where libssh has read that file. */
static void add_libssh_identity(struct identities *all, ssh_session handle)
{
    char *path = NULL;

    /* (Its defaults are templates still.) */
    if (ssh_options_get(handle, SSH_OPTIONS_IDENTITY, &path) == SSH_OK && strchr(path, '%') == NULL)
        add_identity(all, path);
    ssh_string_free_char(path);
}

struct identities identities_find(const struct handshake *h)
{
    const struct config_upstream *upstream = h->upstream;
    struct identities all = {0};

    for (size_t i = 0; i < upstream->identities.count; i++)
        if (strcmp(upstream->identities.items[i], CONFIG_IDENTITY_NONE) != 0)
            add_identity(&all, upstream->identities.items[i]);
    if (upstream->identities.count == 0 && upstream->libssh_config)
        add_libssh_identity(&all, h->handle);
    if (upstream->identities.count == 0 && all.count == 0)
        add_default_identities(&all);
    for (size_t i = 0; i < upstream->certificates.count; i++)
        add_certificate(&all, upstream->certificates.items[i]);
    return all;
}

void identities_clear(struct identities *all)
{
    for (size_t i = 0; i < all->count; i++) {
        free(all->items[i].path);
        free(all->items[i].certificate);
        free(all->items[i].public.bytes);
    }
    for (size_t i = 0; i < all->certificate_count; i++)
        free(all->certificates[i].bytes);
    free(all->items);
    free(all->certificates);
}

bool identity_may_have(const struct identity *identity, const char *certificate)
{
    struct key_blob blob;
    bool may;

    if (!key_blob_read(certificate, &blob))
        return false;
    may = identity->public.length == 0 || key_blob_certifies(&blob, &identity->public);
    free(blob.bytes);
    return may;
}
