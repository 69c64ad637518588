/* Reading known_hosts line by line; what a line says is parsed and matched by libssh. */
#include "ssh/known_hosts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Takes the marker off the line. False: one that nobody knows. */
static bool read_marker(char **text, enum known_marker *marker)
{
    static const char *const names[] = {
        [KNOWN_REVOKED] = "@revoked", [KNOWN_AUTHORITY] = "@cert-authority"};

    *marker = KNOWN_PLAIN;
    if (**text != '@')
        return true;
    for (int i = KNOWN_REVOKED; i <= KNOWN_AUTHORITY; i++) {
        size_t length = strlen(names[i]);
        if (strncmp(*text, names[i], length) == 0 && strchr(" \t", (*text)[length]) != NULL) {
            *text += length;
            *text += strspn(*text, " \t");
            *marker = (enum known_marker)i;
            return true;
        }
    }
    return false;
}

static void read_line(struct known_line *line, char *text, const char *host,
                      void (*each)(void *arg, const struct known_line *line), void *arg)
{
    struct ssh_knownhosts_entry *entry = NULL;

    text += strspn(text, " \t");
    text[strcspn(text, "\r\n")] = '\0';
    if (*text == '\0' || *text == '#' || !read_marker(&text, &line->marker))
        return;
    for (char *tab = text; (tab = strchr(tab, '\t')) != NULL;)
        *tab = ' ';
    if (ssh_known_hosts_parse_line(host, text, &entry) != SSH_OK || entry == NULL)
        return;
    line->names = entry->unparsed;
    line->key = entry->publickey;
    if (line->key != NULL)
        each(arg, line);
    ssh_knownhosts_entry_free(entry);
}

void known_hosts_each(const struct string_list *files, const char *host,
                      void (*each)(void *arg, const struct known_line *line), void *arg)
{
    for (size_t i = 0; i < files->count; i++) {
        struct known_line line = {.file = files->items[i]};
        FILE *in = fopen(line.file, "re");
        char *text = NULL;
        size_t size = 0;
        while (in != NULL && getline(&text, &size, in) >= 0) {
            line.number++;
            read_line(&line, text, host, each, arg);
        }
        free(text);
        if (in != NULL)
            fclose(in);
    }
}

char *key_fingerprint(ssh_key key)
{
    unsigned char *hash = NULL;
    size_t length = 0;
    char *text = NULL;

    if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &length) == 0)
        text = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, length);
    ssh_clean_pubkey_hash(&hash);
    return text;
}

const char *key_kind(ssh_key key)
{
    switch (ssh_key_type(key)) {
    case SSH_KEYTYPE_RSA: return "RSA";
    case SSH_KEYTYPE_ECDSA_P256:
    case SSH_KEYTYPE_ECDSA_P384:
    case SSH_KEYTYPE_ECDSA_P521: return "ECDSA";
    case SSH_KEYTYPE_ED25519: return "ED25519";
    case SSH_KEYTYPE_SK_ECDSA: return "ECDSA-SK";
    case SSH_KEYTYPE_SK_ED25519: return "ED25519-SK";
    default: return "unknown";
    }
}
