/* Finding keys and certificates, and their public halves. */
#include "conf/identities.h"

#include "base/mem.h"
#include "conf/types.h"
#include "io/private_file.h"
#include "wire/openssh_key.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* From the public part of an OpenSSH private key. */
static void read_public_part(struct identity *identity)
{
    struct buffer text = {0}, public = {0};

    if (private_file_read(identity->path, &text) == NULL &&
        openssh_key_public((const char *)buffer_data(&text),
                           strlen((const char *)buffer_data(&text)), &public))
        identity->public = key_blob_copy(&(struct key_blob){
            .bytes = (uint8_t *)buffer_data(&public), .length = buffer_length(&public)});
    buffer_wipe(&text);
    buffer_clear(&public);
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
    all->certificates =
        mem_realloc(all->certificates, (all->certificate_count + 1) * sizeof(*all->certificates));
    all->certificates[all->certificate_count++] =
        (struct identity_certificate){.path = mem_strdup(path), .blob = blob};
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

static void default_paths(struct string_list *paths)
{
    static const char *const names[] = {"id_ed25519", "id_ecdsa", "id_rsa"};
    const char *home = getenv("HOME");

    for (size_t i = 0; home != NULL && i < sizeof(names) / sizeof(names[0]); i++)
        string_list_append(paths, mem_printf("%s/.ssh/%s", home, names[i]));
}

static void add_default_identities(struct identities *all)
{
    struct string_list paths = {0};

    default_paths(&paths);
    for (size_t i = 0; i < paths.count; i++)
        if (access(paths.items[i], F_OK) == 0)
            add_identity(all, paths.items[i]);
    string_list_clear(&paths);
}

void identities_paths(const struct config_upstream *upstream, struct string_list *paths)
{
    for (size_t i = 0; i < upstream->identities.count; i++)
        if (strcmp(upstream->identities.items[i], CONFIG_IDENTITY_NONE) != 0)
            string_list_append(paths, mem_strdup(upstream->identities.items[i]));
    if (upstream->identities.count == 0)
        default_paths(paths);
}

struct identities identities_find(const struct config_upstream *upstream, const char *other)
{
    struct identities all = {0};

    for (size_t i = 0; i < upstream->identities.count; i++)
        if (strcmp(upstream->identities.items[i], CONFIG_IDENTITY_NONE) != 0)
            add_identity(&all, upstream->identities.items[i]);
    if (upstream->identities.count == 0 && other != NULL)
        add_identity(&all, other);
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
    for (size_t i = 0; i < all->certificate_count; i++) {
        free(all->certificates[i].path);
        free(all->certificates[i].blob.bytes);
    }
    free(all->items);
    free(all->certificates);
    *all = (struct identities){0};
}

const struct key_blob *identities_certificate(const struct identities *all,
                                              const struct identity *identity, const char *path)
{
    for (size_t i = 0; i < all->certificate_count; i++) {
        const struct identity_certificate *certificate = &all->certificates[i];
        if (strcmp(certificate->path, path) == 0)
            return identity->public.length == 0 ||
                           key_blob_certifies(&certificate->blob, &identity->public)
                       ? &certificate->blob
                       : NULL;
    }
    return NULL;
}

/* Writing and reading. */

static void write_number(struct buffer *out, size_t number)
{
    uint8_t bytes[4];

    ssh_put_uint32(bytes, (uint32_t)number);
    buffer_append(out, bytes, sizeof(bytes));
}

static void write_path(struct buffer *out, const char *path)
{
    size_t length = path != NULL ? strlen(path) : 0;

    ssh_append_string(out, (struct span){(const uint8_t *)path, length});
}

static void write_blob(struct buffer *out, const struct key_blob *blob)
{
    ssh_append_string(out, (struct span){blob->bytes, blob->length});
}

void identities_write(const struct identities *all, struct buffer *out)
{
    write_number(out, all->count);
    for (size_t i = 0; i < all->count; i++) {
        write_path(out, all->items[i].path);
        write_path(out, all->items[i].certificate);
        write_number(out, all->items[i].is_public);
        write_blob(out, &all->items[i].public);
    }
    write_number(out, all->certificate_count);
    for (size_t i = 0; i < all->certificate_count; i++) {
        write_path(out, all->certificates[i].path);
        write_blob(out, &all->certificates[i].blob);
    }
}

/* NULL for an empty one. */
static char *take_identity_path(struct ssh_reader *reader)
{
    struct span path = ssh_take_string(reader);

    return path.length > 0 ? mem_strndup((const char *)path.bytes, path.length) : NULL;
}

static struct key_blob take_blob(struct ssh_reader *reader)
{
    struct span blob = ssh_take_string(reader);

    return blob.length > 0 ? key_blob_copy(&(struct key_blob){.bytes = (uint8_t *)blob.bytes,
                                                              .length = blob.length})
                           : (struct key_blob){0};
}

/* How many of what has `size` bytes at the least follow. */
static size_t take_count(struct ssh_reader *reader, size_t size)
{
    size_t count = ssh_take_uint32(reader);

    if (count > reader->rest.length / size)
        reader->bad = true;
    return reader->bad ? 0 : count;
}

bool identities_read(struct span bytes, struct identities *all)
{
    struct ssh_reader reader = {.rest = bytes};
    bool ok = true;

    *all = (struct identities){.count = take_count(&reader, 16)};
    all->items = mem_zalloc((all->count + 1) * sizeof(*all->items));
    for (size_t i = 0; i < all->count; i++) {
        struct identity *identity = &all->items[i];
        identity->path = take_identity_path(&reader);
        identity->certificate = take_identity_path(&reader);
        identity->is_public = ssh_take_uint32(&reader) != 0;
        identity->public = take_blob(&reader);
        ok = ok && identity->path != NULL;
    }
    all->certificate_count = take_count(&reader, 8);
    all->certificates = mem_zalloc((all->certificate_count + 1) * sizeof(*all->certificates));
    for (size_t i = 0; i < all->certificate_count; i++) {
        all->certificates[i].path = take_identity_path(&reader);
        all->certificates[i].blob = take_blob(&reader);
        ok = ok && all->certificates[i].path != NULL && all->certificates[i].blob.length > 0;
    }
    if (ok && !reader.bad && reader.rest.length == 0)
        return true;
    identities_clear(all);
    return false;
}
