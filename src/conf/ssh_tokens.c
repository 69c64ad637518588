/* Percent tokens of ssh_config. */
#include "conf/ssh_tokens.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "conf/paths.h"
#include "conf/types.h"

#include <openssl/evp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MACHINE_NAME_MAX 256

/* This machine's name: whole, or to its first dot. */
static char *machine_name(bool whole)
{
    char name[MACHINE_NAME_MAX] = "";

    gethostname(name, sizeof(name) - 1);
    if (!whole)
        name[strcspn(name, ".")] = '\0';
    return mem_strdup(name);
}

#define PASSWD_STRINGS_MAX 16384

/* (A change of the configuration expands on its thread while the main thread does for a
 * ProxyCommand: each has its own strings.) */
static char *local_user(void)
{
    char strings[PASSWD_STRINGS_MAX];
    struct passwd entry, *user = NULL;

    if (getpwuid_r(getuid(), &entry, strings, sizeof(strings), &user) != 0)
        user = NULL;
    return user ? mem_strdup(user->pw_name) : mem_printf("%u", getuid());
}

static char *or_empty(const char *text)
{
    return mem_strdup(text ? text : "");
}

/* %C: the SHA-1 of %l%h%p%r%j in hexadecimal. */
static char *connection_hash(const struct ssh_tokens *tokens)
{
    static const char parts[] = "%l%h%p%r%j";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    struct buffer text = {0};
    char *whole = ssh_tokens_expand(parts, tokens);

    EVP_Digest(whole, strlen(whole), digest, &length, EVP_sha1(), NULL);
    free(whole);
    for (unsigned i = 0; i < length; i++)
        text_add(&text, "%02x", digest[i]);
    return text_take(&text);
}

/* The same for those that are KnownHostsCommand's alone. */
static char *key_token_value(char token, const struct ssh_key_tokens *key)
{
    switch (token) {
    case 'H': return mem_strdup(key->name);
    case 'I': return mem_strdup(key->invocation);
    case 'K': return mem_strdup(key->base64);
    case 'f': return mem_strdup(key->fingerprint);
    case 't': return mem_strdup(key->type);
    }
    return NULL;
}

/* What a token stands for, or NULL: there is no such token. The caller frees. */
static char *token_value(char token, const struct ssh_tokens *tokens)
{
    switch (token) {
    case '%': return mem_strdup("%");
    case 'C': return connection_hash(tokens);
    case 'L': return machine_name(false);
    case 'T': return tokens->key ? NULL : mem_strdup("NONE");
    case 'd': return home_directory();
    case 'h': return or_empty(tokens->name);
    case 'i': return mem_printf("%u", getuid());
    case 'j': return or_empty(tokens->jump);
    case 'k': return or_empty(tokens->alias ? tokens->alias : tokens->host);
    case 'l': return machine_name(true);
    case 'n': return or_empty(tokens->host);
    case 'p': return or_empty(tokens->port);
    case 'r': return tokens->user ? mem_strdup(tokens->user) : local_user();
    case 'u': return local_user();
    }
    return tokens->key ? key_token_value(token, tokens->key) : NULL;
}

/* The value of the variable that "NAME}..." names; NULL: it has none, or there is no brace. */
static const char *variable_value(const char *text)
{
    size_t length = strcspn(text, "}");

    if (text[length] == '\0')
        return NULL;
    char *name = mem_strndup(text, length);
    const char *value = getenv(name);
    free(name);
    return value;
}

/* What is done beside replacing tokens. */
enum expansion {
    EXPAND_TOKENS,
    EXPAND_VARIABLES,
    EXPAND_BUT_KEY, /* variables too, for another expansion that knows the key */
};

/* The text for a token or variable that has the value; with EXPAND_BUT_KEY it is expanded again. */
static void add_value(struct buffer *out, const char *value, enum expansion expansion)
{
    for (; *value; value++)
        text_add(out, "%s%c", *value == '%' && expansion == EXPAND_BUT_KEY ? "%" : "", *value);
}

static char *expand_token(const char *text, const struct ssh_tokens *tokens,
                          enum expansion expansion)
{
    struct buffer out = {0};

    while (*text) {
        size_t plain = strcspn(text, expansion != EXPAND_TOKENS ? "%$" : "%");
        buffer_append(&out, text, plain);
        text += plain;
        if (text[0] == '%') {
            char *value = token_value(text[1], tokens);
            if (!value) {
                buffer_clear(&out);
                return NULL;
            }
            if (expansion == EXPAND_BUT_KEY && strchr("HIKft", text[1]))
                buffer_append(&out, text, 2);
            else
                add_value(&out, value, expansion);
            free(value);
            text += 2;
        } else if (text[0] == '$' && text[1] == '{') {
            const char *value = variable_value(text + 2);
            if (!value) {
                buffer_clear(&out);
                return NULL;
            }
            add_value(&out, value, expansion);
            text = strchr(text, '}') + 1;
        } else if (text[0] == '$') {
            buffer_append(&out, text++, 1);
        }
    }
    return text_take(&out);
}

/* "~/x" and "~user/x"; another name as it is. Takes `path` over. */
static char *expand_tilde(char *path)
{
    char *expanded;

    if (path[0] != '~')
        return path;
    if (path[1] == '/') {
        expanded = path_expand(path);
    } else {
        size_t length = strcspn(path, "/");
        char *name = mem_strndup(path + 1, length - 1);
        char strings[PASSWD_STRINGS_MAX];
        struct passwd entry, *user = NULL;
        if (getpwnam_r(name, &entry, strings, sizeof(strings), &user) != 0)
            user = NULL;
        expanded = user ? mem_printf("%s%s", user->pw_dir, path + length) : NULL;
        free(name);
    }
    free(path);
    return expanded;
}

char *ssh_tokens_expand(const char *text, const struct ssh_tokens *tokens)
{
    return expand_token(text, tokens, EXPAND_TOKENS);
}

char *ssh_tokens_expand_socket(const char *text, const struct ssh_tokens *tokens)
{
    return expand_token(text, tokens, EXPAND_VARIABLES);
}

char *ssh_tokens_expand_but_key(const char *text, const struct ssh_tokens *tokens)
{
    return expand_token(text, tokens, EXPAND_BUT_KEY);
}

char *ssh_tilde_expand(const char *path)
{
    return expand_tilde(mem_strdup(path));
}

char *ssh_tokens_expand_path(const char *text, const struct ssh_tokens *tokens)
{
    char *path = expand_token(text, tokens, EXPAND_VARIABLES);

    return path ? expand_tilde(path) : NULL;
}
