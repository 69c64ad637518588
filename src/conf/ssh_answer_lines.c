/* The lines that an answer of ssh -G, or a file of ssh_config, is made of. */
#include "conf/ssh_answer.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Other names that ssh takes (readconf.c, keywords[]); ssh -G prints the second. */
static const char *const old_names[][2] = {
    {"challengeresponseauthentication", "kbdinteractiveauthentication"},
    {"skeyauthentication", "kbdinteractiveauthentication"},
    {"tisauthentication", "kbdinteractiveauthentication"},
    {"dsaauthentication", "pubkeyauthentication"},
    {"keepalive", "tcpkeepalive"},
};

/* The keyword in lower case, without quotes, under the name that ssh -G prints. */
static char *keyword_of(const char *text)
{
    char *keyword = mem_strdup(text + (*text == '"'));

    keyword[strcspn(keyword, "\"")] = '\0';
    for (char *c = keyword; *c; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
    for (size_t i = 0; i < sizeof(old_names) / sizeof(old_names[0]); i++) {
        if (strcmp(keyword, old_names[i][0]) == 0) {
            free(keyword);
            return mem_strdup(old_names[i][1]);
        }
    }
    return keyword;
}

void ssh_answer_add_line(struct ssh_answer *answer, const char *keyword, const char *value)
{
    answer->lines = mem_realloc(answer->lines, (answer->count + 1) * sizeof(*answer->lines));
    struct ssh_line *line = &answer->lines[answer->count++];
    *line = (struct ssh_line){keyword_of(keyword), mem_strdup(value)};
}

void ssh_line_unquote(struct ssh_line *line)
{
    size_t length = strlen(line->value);

    if (length >= 2 && line->value[0] == '"' && line->value[length - 1] == '"') {
        line->value[length - 1] = '\0';
        memmove(line->value, line->value + 1, length - 1);
    }
}

void ssh_answer_add(struct ssh_answer *answer, const char *text)
{
    static const char blanks[] = " \t\r";

    while (*text) {
        size_t length = strcspn(text, "\n");
        char *line = mem_strndup(text, length);
        char *keyword = line + strspn(line, blanks);
        char *value = keyword + strcspn(keyword, " \t\r=");
        size_t end = strlen(line);

        while (end > 0 && strchr(blanks, line[end - 1]))
            line[--end] = '\0';
        if (*value)
            *value++ = '\0';
        value += strspn(value, " \t\r");
        value += *value == '=';
        value += strspn(value, " \t\r");
        if (*keyword && *value)
            ssh_answer_add_line(answer, keyword, value);
        free(line);
        text += length + (text[length] == '\n');
    }
}

void ssh_answer_clear(struct ssh_answer *answer)
{
    for (size_t i = 0; i < answer->count; i++) {
        free(answer->lines[i].keyword);
        free(answer->lines[i].value);
    }
    free(answer->lines);
    *answer = (struct ssh_answer){0};
}
