/* Changing an htpasswd file: a user's new hash, in its text. */
#include "policy/users.h"

#include "base/buffer.h"
#include "base/mem.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* RFC 1929 section 2: both have a length of one byte. */
#define NAME_MOST 255
#define PASSWORD_MOST 255

static bool has_control_character(const char *text)
{
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return true;
    return false;
}

const char *users_name_wrong(const char *name)
{
    size_t length = strlen(name);

    if (length == 0)
        return "it is empty";
    if (length > NAME_MOST)
        return "it has more than 255 bytes, which is what SOCKS5 can carry";
    if (strchr(name, ':'))
        return "a colon ends the name in a users file";
    if (*name == '#')
        return "a line that begins with # is a comment";
    if (*name == ' ' || name[length - 1] == ' ')
        return "blanks around a name are not part of it";
    if (has_control_character(name))
        return "it has a control character";
    return NULL;
}

const char *users_password_wrong(const char *password)
{
    if (!*password)
        return "the password is empty";
    if (strlen(password) > PASSWORD_MOST)
        return "the password has more than 255 bytes, which is what SOCKS5 can carry";
    return NULL;
}

char *users_hash(const char *password)
{
    char *setting = crypt_gensalt_ra(NULL, 0, NULL, 0);
    struct crypt_data *data = mem_zalloc(sizeof(*data)); /* 32 KiB, much for a stack */
    const char *made = setting ? crypt_r(password, setting, data) : NULL;
    char *hash = made && *made != '*' ? mem_strdup(made) : NULL;

    if (setting && !hash && errno == 0)
        errno = EINVAL;
    free(setting);
    mem_free_secret(data, sizeof(*data));
    return hash;
}

/* Whether the line that begins here is the user's. */
static bool is_line_of(const char *line, const char *name)
{
    size_t length = strlen(name);

    line += strspn(line, " \t");
    return strncmp(line, name, length) == 0 && line[length] == ':';
}

static void add(struct buffer *out, const char *text)
{
    buffer_append(out, text, strlen(text));
}

char *users_text_with(const char *text, const char *name, const char *hash, bool *known)
{
    struct buffer out = {0};
    const char *line = text;

    *known = false;
    while (*line && !is_line_of(line, name)) {
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    buffer_append(&out, text, (size_t)(line - text));
    if (*line) {
        const char *old = strchr(line, ':') + 1;
        *known = true;
        buffer_append(&out, line, (size_t)(old - line));
        add(&out, hash);
        add(&out, old + strcspn(old, ":\r\n"));
    } else {
        if (line > text && line[-1] != '\n')
            add(&out, "\n");
        add(&out, name);
        add(&out, ":");
        add(&out, hash);
        add(&out, "\n");
    }
    char *copy = mem_strndup((const char *)buffer_data(&out), buffer_length(&out));
    buffer_clear(&out);
    return copy;
}
