/* Kinds of single values: numbers, words, durations, files. */
#include "conf/types.h"

#include "base/mem.h"
#include "base/units.h"
#include "conf/paths.h"
#include "conf/ssh_names.h"
#include "conf/ssh_tokens.h"
#include "conf/stores.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool input_refuse(struct key_input *in, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(in->error, sizeof(in->error), format, args);
    va_end(args);
    return false;
}

int word_index(const char *const *words, const char *text)
{
    for (int i = 0; words[i]; i++) {
        if (strcmp(words[i], text) == 0)
            return i;
    }
    return -1;
}

void text_add(struct buffer *text, const char *format, ...)
{
    va_list args;
    char *part;

    va_start(args, format);
    int length = vasprintf(&part, format, args);
    va_end(args);
    if (length < 0)
        abort();
    buffer_append(text, part, (size_t)length);
    free(part);
}

char *text_take(struct buffer *text)
{
    const char *bytes = (const char *)buffer_data(text);
    char *string = mem_strndup(bytes ? bytes : "", buffer_length(text));

    buffer_clear(text);
    return string;
}

/* A number within the key's bounds, or 0 by its word. */
static bool number_parse(const struct key *key, const char *text,
                         bool (*parse)(const char *text, uint64_t *value), uint64_t *value)
{
    if (key->zero && strcmp(text, key->zero) == 0) {
        *value = 0;
        return true;
    }
    return parse(text, value) && *value >= key->min && *value <= key->max;
}

static bool plain_parse(const char *text, uint64_t *value)
{
    return integer_parse(text, 0, UINT64_MAX, value);
}

static bool count_parse(struct key_slot slot, struct key_input *in)
{
    uint64_t value;

    if (!number_parse(slot.key, in->text, plain_parse, &value))
        return false;
    *(unsigned *)slot.field = (unsigned)value;
    return true;
}

static char *count_print(struct key_slot slot)
{
    unsigned value = *(unsigned *)slot.field;

    if (value == 0 && slot.key->zero)
        return mem_strdup(slot.key->zero);
    return mem_printf("%u", value);
}

const struct key_type type_count = {
    .metavar = "number", .parse = count_parse, .print = count_print, .store = &store_unsigned};

static bool port_value_parse(struct key_slot slot, struct key_input *in)
{
    return port_parse(in->text, false, slot.field);
}

static char *port_print(struct key_slot slot)
{
    return mem_printf("%u", *(uint16_t *)slot.field);
}

const struct key_type type_port = {.metavar = "port",
                                   .form = "a port from 1 to 65535",
                                   .parse = port_value_parse,
                                   .print = port_print,
                                   .store = &store_port};

static bool duration_value_parse(struct key_slot slot, struct key_input *in)
{
    const struct key *key = slot.key;
    uint64_t value;

    if (!number_parse(key, in->text, duration_parse, &value)) {
        char least[DURATION_TEXT_MAX], most[DURATION_TEXT_MAX];
        return input_refuse(in, "'%s' is not a duration from %s to %s, such as 15s or 2m30s",
                            in->text, duration_format(key->min, least),
                            duration_format(key->max, most));
    }
    *(uint64_t *)slot.field = value;
    return true;
}

static char *duration_print(struct key_slot slot)
{
    char text[DURATION_TEXT_MAX];

    return mem_strdup(duration_format(*(uint64_t *)slot.field, text));
}

const struct key_type type_duration = {.metavar = "duration",
                                       .parse = duration_value_parse,
                                       .print = duration_print,
                                       .store = &store_u64};

static bool size_value_parse(struct key_slot slot, struct key_input *in)
{
    const struct key *key = slot.key;
    uint64_t value;

    if (!number_parse(key, in->text, size_parse, &value)) {
        char least[SIZE_TEXT_MAX];
        return input_refuse(in, "'%s' is not a size of at least %s, such as 512m or 1g%s%s",
                            in->text, size_format(key->min, least), key->zero ? ", or " : "",
                            key->zero ? key->zero : "");
    }
    *(uint64_t *)slot.field = value;
    return true;
}

static char *size_print(struct key_slot slot)
{
    uint64_t value = *(uint64_t *)slot.field;
    char text[SIZE_TEXT_MAX];

    return mem_strdup(value == 0 && slot.key->zero ? slot.key->zero : size_format(value, text));
}

const struct key_type type_size = {
    .metavar = "size", .parse = size_value_parse, .print = size_print, .store = &store_u64};

static bool bool_parse(struct key_slot slot, struct key_input *in)
{
    int index = word_index(slot.key->words, in->text);

    if (index >= 0)
        *(bool *)slot.field = index == 1;
    return index >= 0;
}

static char *bool_print(struct key_slot slot)
{
    return mem_strdup(slot.key->words[*(bool *)slot.field]);
}

const struct key_type type_bool = {.parse = bool_parse, .print = bool_print, .store = &store_bool};

static bool choice_parse(struct key_slot slot, struct key_input *in)
{
    int index = word_index(slot.key->words, in->text);

    if (index >= 0)
        *(unsigned *)slot.field = (unsigned)index;
    return index >= 0;
}

static char *choice_print(struct key_slot slot)
{
    return mem_strdup(slot.key->words[*(unsigned *)slot.field]);
}

const struct key_type type_choice = {
    .parse = choice_parse, .print = choice_print, .store = &store_choice};

static bool text_parse(struct key_slot slot, struct key_input *in)
{
    *(char **)slot.field = mem_strdup(in->text);
    return true;
}

static char *text_print(struct key_slot slot)
{
    return mem_strdup(*(char **)slot.field);
}

static void text_free(struct key_slot slot)
{
    free(*(char **)slot.field);
}

const struct key_type type_text = {.metavar = "name",
                                   .parse = text_parse,
                                   .print = text_print,
                                   .store = &store_string,
                                   .free = text_free};

static bool user_parse(struct key_slot slot, struct key_input *in)
{
    const char *wrong = ssh_user_wrong(in->text);

    return wrong ? input_refuse(in, "'%s' is no user's name: %s", in->text, wrong)
                 : text_parse(slot, in);
}

const struct key_type type_user = {.metavar = "name",
                                   .parse = user_parse,
                                   .print = text_print,
                                   .store = &store_string,
                                   .free = text_free};

static bool alias_parse(struct key_slot slot, struct key_input *in)
{
    const char *wrong = ssh_host_wrong(in->text);

    return wrong ? input_refuse(in, "'%s' is no host's name: %s", in->text, wrong)
                 : text_parse(slot, in);
}

const struct key_type type_alias = {.metavar = "name",
                                    .parse = alias_parse,
                                    .print = text_print,
                                    .store = &store_string,
                                    .free = text_free};

static bool file_parse(struct key_slot slot, struct key_input *in)
{
    char *path = path_expand(in->text);

    if (!path)
        return false;
    *(char **)slot.field = path;
    return true;
}

static char *file_print(struct key_slot slot)
{
    const char *path = *(char **)slot.field;

    return path ? path_contract(path) : NULL;
}

const struct key_type type_file = {.metavar = "file",
                                   .form = "a file's name (only ~/ stands for a home directory)",
                                   .parse = file_parse,
                                   .print = file_print,
                                   .store = &store_string,
                                   .free = text_free};

static bool range_parse(struct key_slot slot, struct key_input *in)
{
    const struct key *key = slot.key;
    struct config_upstream *upstream = slot.field;
    uint64_t min, max;
    char *dash = strchr(in->text, '-');
    char *text = mem_strdup(in->text);
    bool ok;

    if (dash)
        *dash = '\0';
    ok = integer_parse(in->text, key->min, key->max, &min) &&
         integer_parse(dash ? dash + 1 : in->text, min, key->max, &max);
    if (ok) {
        upstream->sessions_min = (unsigned)min;
        upstream->sessions_max = (unsigned)max;
    } else {
        input_refuse(in, "'%s' is not MIN-MAX with %" PRIu64 " <= MIN <= MAX <= %" PRIu64, text,
                     key->min, key->max);
    }
    free(text);
    return ok;
}

static char *range_print(struct key_slot slot)
{
    const struct config_upstream *upstream = slot.field;

    return mem_printf("%u-%u", upstream->sessions_min, upstream->sessions_max);
}

const struct key_type type_range = {
    .metavar = "min-max", .parse = range_parse, .print = range_print, .store = &store_range};

static bool command_parse(struct key_slot slot, struct key_input *in)
{
    static const struct ssh_tokens none;
    char *expanded;

    if (strcmp(in->text, "none") == 0)
        return true;
    expanded = ssh_tokens_expand(in->text, &none);
    if (!expanded)
        return input_refuse(in, "a '%%' in it begins no token that is known ('%%%%' is a '%%')");
    free(expanded);
    *(char **)slot.field = mem_strdup(in->text);
    return true;
}

/* What ends a command for the shell would begin a comment for the reader. */
static char *command_print(struct key_slot slot)
{
    char *text = mem_strdup(*(char **)slot.field);
    char *to = text;

    for (const char *from = text; from && *from; from++) {
        const char *next = from + strspn(from, " \t");
        if (*next == ';')
            from = next;
        *to++ = *from;
    }
    if (to)
        *to = '\0';
    return text;
}

const struct key_type type_command = {.metavar = "command",
                                      .join = JOIN_WORDS,
                                      .parse = command_parse,
                                      .print = command_print,
                                      .store = &store_string,
                                      .free = text_free};

static const int families[] = {AF_UNSPEC, AF_INET, AF_INET6};

static bool family_parse(struct key_slot slot, struct key_input *in)
{
    int index = word_index(slot.key->words, in->text);

    assert(index < (int)(sizeof(families) / sizeof(families[0])) && "as many words as families");
    if (index >= 0)
        *(int *)slot.field = families[index];
    return index >= 0;
}

static char *family_print(struct key_slot slot)
{
    size_t index = 0;

    while (families[index] != *(int *)slot.field) {
        index++;
        assert(index < sizeof(families) / sizeof(families[0]) && "a family of the table");
    }
    return mem_strdup(slot.key->words[index]);
}

const struct key_type type_family = {
    .parse = family_parse, .print = family_print, .store = &store_family};

static bool ip_value_parse(struct key_slot slot, struct key_input *in)
{
    char text[IP_TEXT_MAX];
    struct ip ip;

    if (!ip_parse(in->text, &ip))
        return false;
    *(char **)slot.field = mem_strdup(ip_format(&ip, text));
    return true;
}

const struct key_type type_ip = {.metavar = "address",
                                 .form = "an IP address",
                                 .parse = ip_value_parse,
                                 .print = text_print,
                                 .store = &store_string,
                                 .free = text_free};

static bool mask_parse(struct key_slot slot, struct key_input *in)
{
    size_t length = strlen(in->text);

    if (length > 4 || strspn(in->text, "01234567") != length)
        return false;
    unsigned long value = strtoul(in->text, NULL, 8);
    if (value > 0777)
        return false;
    *(unsigned *)slot.field = (unsigned)value;
    return true;
}

static char *mask_print(struct key_slot slot)
{
    return mem_printf("%04o", *(unsigned *)slot.field);
}

const struct key_type type_mask = {.metavar = "octal",
                                   .form = "an octal number up to 0777",
                                   .parse = mask_parse,
                                   .print = mask_print,
                                   .store = &store_unsigned};
