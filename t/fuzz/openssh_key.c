/* Fuzzes the look at OpenSSH private keys. */
#include "wire/openssh_key.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* (Memory of exactly that size, so that a sanitizer sees a read beyond.) */
    char *text = malloc(size > 0 ? size : 1);
    char name[OPENSSH_KEY_NAME_MAX];
    enum openssh_key found;

    assert(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    memset(name, 'x', sizeof(name));
    found = openssh_key_inspect(text, size, name);
    assert(memchr(name, '\0', sizeof(name)) != NULL);
    for (const char *c = name; *c != '\0'; c++)
        assert(*c > ' ' && *c <= '~');
    if (found == OPENSSH_KEY_OK || found == OPENSSH_KEY_CIPHER || found == OPENSSH_KEY_KDF)
        assert(*name != '\0');
    if (found == OPENSSH_KEY_NONE)
        assert(*name == '\0');
    free(text);
    return 0;
}
