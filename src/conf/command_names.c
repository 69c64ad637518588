/* The names that a command line has, and which of them are refused. */
#include "conf/command_names.h"

#include "base/mem.h"
#include "conf/jumps.h"
#include "conf/ssh_names.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_uri(const char *destination)
{
    return strncmp(destination, "ssh://", strlen("ssh://")) == 0;
}

char *destination_host(const char *destination, struct ssh_answer *answer)
{
    struct hop hop;

    if (is_uri(destination) && hop_parse(destination, &hop)) {
        char *host = mem_strdup(hop.host);
        char *port = hop.port ? mem_printf("%u", hop.port) : NULL;
        if (hop.user)
            ssh_answer_add_line(answer, "user", hop.user);
        if (port)
            ssh_answer_add_line(answer, "port", port);
        free(port);
        hop_clear(&hop);
        return host;
    }
    const char *at = strrchr(destination, '@');
    if (!at)
        return mem_strdup(destination);
    char *user = mem_strndup(destination, (size_t)(at - destination));
    ssh_answer_add_line(answer, "user", user);
    free(user);
    return mem_strdup(at + 1);
}

void command_settings(const struct command_line *line, struct ssh_answer *answer)
{
    for (size_t i = 0; i < line->setting_count; i++) {
        const char *keyword = line->settings[2 * i], *value = line->settings[2 * i + 1];
        size_t before = answer->count;
        if (value)
            ssh_answer_add_line(answer, keyword, value);
        else
            ssh_answer_add(answer, keyword);
        if (!value && answer->count > before)
            ssh_line_unquote(&answer->lines[answer->count - 1]);
    }
}

/* `given` is what the name was given with. */
static char *user_wrong(const char *given, const char *name)
{
    const char *wrong = ssh_user_wrong(name);

    return wrong ? mem_printf("%s: '%s' is no user's name: %s", given, name, wrong) : NULL;
}

static char *host_wrong(const char *given, const char *name)
{
    const char *wrong = ssh_host_wrong(name);

    return wrong ? mem_printf("%s: '%s' is no host's name: %s", given, name, wrong) : NULL;
}

/* Of one hop, or of a destination that is a URI. */
static char *hop_wrong(const char *given, const char *text)
{
    struct hop hop;

    if (hop_parse(text, &hop)) {
        hop_clear(&hop);
        return NULL;
    }
    if (hop.wrong)
        return mem_printf("%s: '%s': the name of the %s is refused: %s", given, text,
                          hop.wrong_part, hop.wrong);
    return mem_printf("%s: '%s' is not %sssh://[USER@]HOST[:PORT]", given, text,
                      is_uri(text) ? "" : "[USER@]HOST[:PORT] or ");
}

static char *hops_wrong(const char *given, const char *hops)
{
    char *copy = mem_strdup(hops), *rest = copy, *wrong = NULL;

    while (!wrong && rest && strcasecmp(hops, "none") != 0)
        wrong = hop_wrong(given, strsep(&rest, ","));
    free(copy);
    return wrong;
}

static char *destination_wrong(const char *destination)
{
    static const char given[] = "the destination";
    struct ssh_answer answer = {0};

    if (is_uri(destination))
        return hop_wrong(given, destination);
    char *host = destination_host(destination, &answer);
    const char *user = ssh_answer_value(&answer, "user");
    char *wrong = NULL;
    if (*host == '\0')
        wrong = mem_printf("%s '%s' has no host", given, destination);
    else if (strchr(destination, '@') == destination)
        wrong = mem_printf("%s '%s' has no user before the @", given, destination);
    else if (user)
        wrong = user_wrong(given, user);
    if (!wrong)
        wrong = host_wrong(given, host);
    free(host);
    ssh_answer_clear(&answer);
    return wrong;
}

char *command_names_wrong(const struct command_line *line)
{
    static const struct {
        const char *keyword;
        const char *given;
        char *(*find_wrong)(const char *given, const char *name);
    } names[] = {
        {"user", "-l or -o User", user_wrong},
        {"hostname", "-o HostName", host_wrong},
        {"hostkeyalias", "-o HostKeyAlias", host_wrong},
        {"proxyjump", "-J or -o ProxyJump", hops_wrong},
    };
    struct ssh_answer settings = {0};
    char *wrong = destination_wrong(line->destination);

    command_settings(line, &settings);
    for (size_t i = 0; !wrong && i < settings.count; i++) {
        const struct ssh_line *at = &settings.lines[i];
        for (size_t k = 0; !wrong && k < sizeof(names) / sizeof(names[0]); k++) {
            if (strcmp(at->keyword, names[k].keyword) == 0)
                wrong = names[k].find_wrong(names[k].given, at->value);
        }
    }
    ssh_answer_clear(&settings);
    return wrong;
}
