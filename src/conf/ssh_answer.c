/* The lines of an answer of ssh -G, and what they say of forwards, control and the log. */
#include "conf/ssh_answer.h"

#include "base/mem.h"
#include "conf/forward_spec.h"
#include "conf/ssh_tokens.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *ssh_answer_value_at(const struct ssh_answer *answer, const char *keyword, size_t index)
{
    for (size_t i = 0; i < answer->count; i++) {
        if (strcmp(answer->lines[i].keyword, keyword) == 0 && index-- == 0)
            return answer->lines[i].value;
    }
    return NULL;
}

const char *ssh_answer_value(const struct ssh_answer *answer, const char *keyword)
{
    return ssh_answer_value_at(answer, keyword, 0);
}

bool ssh_word_is_yes(const char *value)
{
    return value && (strcasecmp(value, "yes") == 0 || strcasecmp(value, "true") == 0);
}

bool ssh_word_is_no(const char *value)
{
    return value && (strcasecmp(value, "no") == 0 || strcasecmp(value, "false") == 0);
}

bool ssh_word_is_none(const char *value)
{
    return strcasecmp(value, "none") == 0;
}

bool ssh_answer_is_yes(const struct ssh_answer *answer, const char *keyword)
{
    return ssh_word_is_yes(ssh_answer_value(answer, keyword));
}

struct ssh_tokens ssh_answer_tokens(const struct ssh_answer *answer, const char *host)
{
    return (struct ssh_tokens){
        .host = host,
        .name = ssh_answer_value(answer, "hostname"),
        .port = ssh_answer_value(answer, "port"),
        .user = ssh_answer_value(answer, "user"),
        .jump = ssh_answer_value(answer, "proxyjump"),
        .alias = ssh_answer_value(answer, "hostkeyalias"),
    };
}

/* Whether a DynamicForward is but the other face of a LocalForward to a socket: OpenSSH 9 and 10
 * print such a one as both. */
static bool is_ghost(const struct ssh_answer *answer, const char *bind)
{
    size_t length = strlen(bind);
    const char *local;

    for (size_t i = 0; (local = ssh_answer_value_at(answer, "localforward", i)); i++) {
        if (strncmp(local, bind, length) == 0 && local[length] == ' ' && local[length + 1] == '/')
            return true;
    }
    return false;
}

void ssh_answer_each_forward(const struct ssh_answer *answer,
                             void (*each)(void *arg, enum forward_kind kind, const char *spec),
                             void *arg)
{
    static const struct {
        const char *keyword;
        enum forward_kind kind;
    } kinds[] = {
        {"localforward", FORWARD_LOCAL},
        {"remoteforward", FORWARD_REMOTE},
        {"dynamicforward", FORWARD_DYNAMIC},
    };
    const char *spec;

    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        for (size_t i = 0; (spec = ssh_answer_value_at(answer, kinds[k].keyword, i)); i++) {
            if (kinds[k].kind == FORWARD_DYNAMIC && is_ghost(answer, spec))
                continue;
            char *text = answer->raw || kinds[k].kind == FORWARD_DYNAMIC
                             ? mem_strdup(spec)
                             : forward_text_of_answer(spec);
            each(arg, kinds[k].kind, text);
            free(text);
        }
    }
}

char *ssh_answer_control_path(const struct ssh_answer *answer, const char *host)
{
    const char *value = ssh_answer_value(answer, "controlpath");
    struct ssh_tokens tokens = ssh_answer_tokens(answer, host);

    if (!value || ssh_word_is_none(value))
        return NULL;
    return answer->raw ? ssh_tokens_expand_path(value, &tokens) : mem_strdup(value);
}

enum log_level ssh_answer_log_level(const struct ssh_answer *answer)
{
    static const struct {
        const char *word; /* what the value begins with */
        enum log_level level;
    } levels[] = {
        {"quiet", ADIT_LOG_ERROR}, {"silent", ADIT_LOG_ERROR}, {"fatal", ADIT_LOG_ERROR},
        {"error", ADIT_LOG_ERROR}, {"verbose", ADIT_LOG_INFO}, {"debug", ADIT_LOG_DEBUG},
    };
    const char *value = ssh_answer_value(answer, "loglevel");

    for (size_t i = 0; value && i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (strncasecmp(value, levels[i].word, strlen(levels[i].word)) == 0)
            return levels[i].level;
    }
    return ADIT_LOG_WARNING;
}
