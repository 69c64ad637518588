/* Reading keys from files. */
#include "session_libssh/key_file.h"

#include "base/mem.h"
#include "io/private_file.h"
#include "wire/openssh_key.h"

#include <errno.h>
#include <string.h>

/* libssh calls this only for an encrypted key, which so differs from a damaged file. (Without a
 * callback OpenSSL would ask on the terminal.) */
static int note_encrypted(const char *prompt, char *out, size_t size, int echo, int verify,
                          void *userdata)
{
    (void)prompt, (void)out, (void)size, (void)echo, (void)verify;
    *(bool *)userdata = true;
    return -1;
}

/* Why libssh is not given the key; NULL: libssh gets it. */
static char *refusal_of(const char *path, const char *text, size_t length)
{
    char name[OPENSSH_KEY_NAME_MAX];

    switch (openssh_key_inspect(text, length, name)) {
    case OPENSSH_KEY_CIPHER:
        return mem_printf(
            "is encrypted with %s, which libssh cannot decrypt: `ssh-keygen -p -Z "
            "aes256-ctr -f %s` changes the cipher, and an agent can use the key as it "
            "is (ssh-add)",
            name, path);
    case OPENSSH_KEY_KDF:
        return mem_printf("is encrypted with a key from %s, which libssh does not know", name);
    case OPENSSH_KEY_TOKEN:
        return mem_printf("is of type %s, a key in a FIDO token, which libssh cannot use: an agent "
                          "can (ssh-add %s)",
                          name, path);
    case OPENSSH_KEY_DAMAGED:
        return mem_strdup("cannot be read: it is a damaged OpenSSH private key");
    case OPENSSH_KEY_NONE:
    case OPENSSH_KEY_OK: break;
    }
    return NULL;
}

/* Whether libssh can sign with the key: 0.10 takes an Ed25519 key in PKCS#8 without its public
 * half. */
static bool is_whole(ssh_key key)
{
    ssh_key public = NULL;
    char *base64 = NULL;
    bool whole = ssh_pki_export_privkey_to_pubkey(key, &public) == SSH_OK &&
                 ssh_pki_export_pubkey_base64(public, &base64) == SSH_OK;

    ssh_string_free_char(base64);
    ssh_key_free(public);
    return whole;
}

static void decode(struct key_import *import, const char *path, const char *text,
                   const char *passphrase)
{
    if (ssh_pki_import_privkey_base64(text, passphrase, note_encrypted, &import->encrypted,
                                      &import->key) != SSH_OK) {
        import->key = NULL;
        if (!import->encrypted)
            import->problem = mem_strdup("cannot be read: it is no private key that libssh knows");
        return;
    }
    if (is_whole(import->key))
        return;
    import->problem =
        mem_printf("is of type %s in a format that libssh cannot use: `ssh-keygen -p -f %s` of "
                   "OpenSSH 9.6 or later makes an OpenSSH private key of it",
                   ssh_key_type_to_char(ssh_key_type(import->key)), path);
    ssh_key_free(import->key);
    import->key = NULL;
}

struct key_import key_file_import(const char *path, const char *passphrase)
{
    struct key_import import = {0};
    struct buffer bytes = {0};
    const char *wrong = private_file_read(path, &bytes);
    const char *text = (const char *)buffer_data(&bytes);

    if (wrong != NULL) {
        import.missing = errno == ENOENT;
        import.problem = mem_printf("cannot be read: %s", wrong);
    } else {
        /* (libssh takes a string, and does not see what is behind a NUL.) */
        import.problem = private_file_exposure(path);
        if (import.problem == NULL)
            import.problem = refusal_of(path, text, strlen(text));
        if (import.problem == NULL)
            decode(&import, path, text, passphrase);
    }
    buffer_wipe(&bytes);
    return import;
}
