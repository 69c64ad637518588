/* Lines "NAME VALUE", made from what ssh(1) has said. */
#include "session_openssh/parts.h"

#include "base/text.h"
#include "session/post_quantum.h"

#include <stdio.h>
#include <string.h>

static void copy_about(char *to, size_t size, struct text text)
{
    snprintf(to, size, "%.*s", (int)text.length, text.at);
}

/* "CIPHER MAC: MAC compression: NAME". */
static void take_direction(struct text value, char cipher[static 64], char mac[static 64],
                           char compression[static 32])
{
    struct text words[6] = {{0}};

    for (size_t i = 0; i < 6 && value.length > 0; i++)
        words[i] = text_take_until(&value, ' ');
    copy_about(cipher, 64, words[0]);
    if (text_is(words[1], "MAC:"))
        copy_about(mac, 64,
                   text_is(words[2], "<implicit>") ? (struct text){"implicit", 8} : words[2]);
    if (text_is(words[3], "compression:"))
        copy_about(compression, 32, words[4]);
}

static void take_about_line(struct connection_info *info, struct text name, struct text value)
{
    if (text_is(name, "kex"))
        copy_about(info->kex, sizeof(info->kex), value);
    else if (text_is(name, "host_key"))
        copy_about(info->host_key, sizeof(info->host_key), value);
    else if (text_is(name, "in"))
        take_direction(value, info->cipher_in, info->mac_in, info->compression);
    else if (text_is(name, "out"))
        take_direction(value, info->cipher_out, info->mac_out, info->compression);
    else if (text_is(name, "server"))
        snprintf(info->server, sizeof(info->server), "SSH-2.0-%.*s", (int)value.length, value.at);
    else if (text_is(name, "local"))
        copy_about(info->local, sizeof(info->local), value);
    else if (text_is(name, "remote"))
        copy_about(info->remote, sizeof(info->remote), value);
    else if (text_is(name, "asked"))
        info->asks_anew = true;
}

void master_about(struct connection_info *info, const char *about, uint32_t number, pid_t process)
{
    struct text rest = {about, strlen(about)};
    struct text method = {"", 0};

    info->master = number;
    while (rest.length > 0) {
        struct text line = text_take_until(&rest, '\n');
        struct text name = text_take_until(&line, ' ');
        take_about_line(info, name, line);
        if (text_is(name, "login"))
            method = line;
    }
    snprintf(info->library, sizeof(info->library), "ssh (process %d)", (int)process);
    info->has_post_quantum = true;
    snprintf(info->login, sizeof(info->login), "%.*s", (int)method.length, method.at);
}
