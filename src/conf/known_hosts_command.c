/* The words and tokens of KnownHostsCommand, and the key known_hosts_command. */
#include "conf/known_hosts_command.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "conf/stores.h"
#include "conf/types.h"

#include <stdlib.h>
#include <string.h>

/* ---- words */

static bool is_escaped(const char *at, char quote)
{
    return at[0] == '\\' &&
           (at[1] == '\'' || at[1] == '"' || at[1] == '\\' || (quote == '\0' && at[1] == ' '));
}

/* Takes a word, which begins at `*text`; NULL: a quote has no end. */
static char *take_command_word(const char **text)
{
    char *word = mem_zalloc(strlen(*text) + 1);
    char *to = word, quote = '\0';
    const char *at;

    for (at = *text; *at != '\0' && (quote != '\0' || (*at != ' ' && *at != '\t')); at++) {
        if (is_escaped(at, quote))
            *to++ = *++at;
        else if (quote == '\0' && (*at == '"' || *at == '\''))
            quote = *at;
        else if (quote != '\0' && *at == quote)
            quote = '\0';
        else
            *to++ = *at;
    }
    *text = at;
    if (quote == '\0')
        return word;
    free(word);
    return NULL;
}

char **command_words_split(const char *text)
{
    char **words = mem_zalloc(sizeof(*words));
    size_t count = 0;

    for (text += strspn(text, " \t"); *text != '\0'; text += strspn(text, " \t")) {
        char *word = take_command_word(&text);
        if (word == NULL) {
            command_words_free(words);
            return NULL;
        }
        words = mem_realloc(words, (count + 2) * sizeof(*words));
        words[count++] = word;
        words[count] = NULL;
    }
    return words;
}

void command_words_free(char **words)
{
    for (size_t i = 0; words != NULL && words[i] != NULL; i++)
        free(words[i]);
    free(words);
}

/* (A ';' behind a blank would begin a comment of the configuration: quotes end and begin there.) */
static void add_quoted(struct buffer *text, const char *word)
{
    char before = '\0';

    text_add(text, "\"");
    for (; *word != '\0'; before = *word++) {
        if (*word == ';' && (before == ' ' || before == '\t'))
            text_add(text, "\"\"");
        text_add(text, "%s%c", *word == '"' || *word == '\\' ? "\\" : "", *word);
    }
    text_add(text, "\"");
}

char *command_words_join(char *const *words)
{
    struct buffer text = {0};

    for (size_t i = 0; words[i] != NULL; i++) {
        const char *word = words[i];
        if (i > 0)
            text_add(&text, " ");
        if (*word == '\0' || *word == ';' || *word == '#' || strpbrk(word, " \t\"'\\") != NULL)
            add_quoted(&text, word);
        else
            text_add(&text, "%s", word);
    }
    return text_take(&text);
}

/* ---- tokens */

typedef char *expand_word_fn(const char *word, const struct ssh_tokens *tokens);

/* Replaces the tokens of each word but the first; false: one is unknown. */
static bool expand_words(char **words, expand_word_fn *expand, const struct ssh_tokens *tokens)
{
    for (size_t i = 1; words[0] != NULL && words[i] != NULL; i++) {
        char *expanded = expand(words[i], tokens);
        if (expanded == NULL)
            return false;
        free(words[i]);
        words[i] = expanded;
    }
    return true;
}

static const struct ssh_key_tokens no_key = {"", "", "", "", ""};

/* What is wrong with the words of any command that is run without a shell. */
static const char *words_wrong(char *const *words)
{
    if (words == NULL)
        return "has a quote without an end";
    return words[0] == NULL || words[0][0] != '/'
               ? "does not begin with the absolute path of a program"
               : NULL;
}

const char *known_hosts_command_wrong(const char *value)
{
    const struct ssh_tokens any = {.key = &no_key};
    char **words = command_words_split(value);
    const char *wrong = words_wrong(words);

    if (wrong == NULL && !expand_words(words, ssh_tokens_expand, &any))
        wrong = "has a '%' that begins no token that is known ('%%' is a '%')";
    command_words_free(words);
    return wrong;
}

char *known_hosts_command_prepare(const char *value, const struct ssh_tokens *tokens)
{
    struct ssh_tokens all = *tokens;
    char **words = command_words_split(value);
    char *text = NULL;

    all.key = &no_key;
    if (words != NULL && expand_words(words, ssh_tokens_expand_but_key, &all))
        text = command_words_join(words);
    command_words_free(words);
    return text;
}

char **known_hosts_command_arguments(const char *value, const struct ssh_tokens *tokens)
{
    char **words = command_words_split(value);

    if (words == NULL || expand_words(words, ssh_tokens_expand, tokens))
        return words;
    command_words_free(words);
    return NULL;
}

/* ---- the key */

/* Stores the value, quoted as command_words_join does; `wrong` refuses it. */
static bool keep_words(struct key_slot slot, struct key_input *in, const char *wrong)
{
    char **words;

    if (wrong != NULL)
        return input_refuse(in, "'%s' %s", in->text, wrong);
    words = command_words_split(in->text);
    *(char **)slot.field = command_words_join(words);
    command_words_free(words);
    return true;
}

static bool known_hosts_command_parse(struct key_slot slot, struct key_input *in)
{
    return strcmp(in->text, "none") == 0 ||
           keep_words(slot, in, known_hosts_command_wrong(in->text));
}

static bool program_parse(struct key_slot slot, struct key_input *in)
{
    char **words = command_words_split(in->text);
    const char *wrong = words_wrong(words);

    command_words_free(words);
    return strcmp(in->text, "none") == 0 || keep_words(slot, in, wrong);
}

static char *known_hosts_command_print(struct key_slot slot)
{
    const char *value = *(char **)slot.field;

    return value != NULL ? mem_strdup(value) : NULL;
}

static void known_hosts_command_free(struct key_slot slot)
{
    free(*(char **)slot.field);
}

const struct key_type type_known_hosts_command = {
    .metavar = "command",
    .join = JOIN_WORDS,
    .parse = known_hosts_command_parse,
    .print = known_hosts_command_print,
    .store = &store_string,
    .free = known_hosts_command_free,
};

const struct key_type type_program = {
    .metavar = "command",
    .join = JOIN_WORDS,
    .parse = program_parse,
    .print = known_hosts_command_print,
    .store = &store_string,
    .free = known_hosts_command_free,
};
