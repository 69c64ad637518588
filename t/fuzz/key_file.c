/* Fuzzes the import of private keys, with libssh's own readers behind adit's look at them: a file
 * gives a key that can sign, or a reason, or is encrypted, and nothing crashes. */
#include "session_libssh/key_file.h"

#include "base/ssh_bytes.h"
#include "session_libssh/agent.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libssh forgets some bytes of damaged keys; what it hands out is freed here. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libssh.so";
}

/* A key's public half can be told: that is what a login offers. */
static void check_key(ssh_key key)
{
    struct key_blob blob;
    ssh_key public = NULL;

    assert(ssh_key_is_private(key));
    assert(ssh_pki_export_privkey_to_pubkey(key, &public) == SSH_OK);
    assert(key_blob_export(public, &blob) && blob.length > 0);
    free(blob.bytes);
    ssh_key_free(public);
}

static void check_import(const char *path)
{
    struct key_import import = key_file_import(path, NULL);

    assert((import.key != NULL) + import.encrypted + (import.problem != NULL) == 1);
    assert(!import.missing);
    if (import.key != NULL)
        check_key(import.key);
    if (import.problem != NULL)
        assert(strchr(import.problem, '\n') == NULL);
    ssh_key_free(import.key);
    free(import.problem);
}

/* The same bytes as a public key or a certificate. */
static void check_public(const char *path)
{
    struct key_blob blob = {0};

    if (!key_blob_read(path, &blob))
        return;
    if (key_blob_is_certificate(&blob))
        assert(!key_blob_certifies(&blob, &blob));
    free(blob.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("key", MFD_CLOEXEC);
    char path[64];

    if (fd < 0 || size == 0)
        goto end;
    assert(write(fd, data, size) == (ssize_t)size && fchmod(fd, 0600) == 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    check_import(path);
    check_public(path);
end:
    if (fd >= 0)
        close(fd);
    return 0;
}
