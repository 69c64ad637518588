/* The values of keys as texts: what is the same for all types. */
#include "conf/keys.h"

#include "base/mem.h"
#include "conf/types.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Makes one line of a value that went on over several; false where it may not. */
static bool join_lines(char *text, enum key_join join)
{
    char *to = text;
    char last = ','; /* the last byte that is no blank: nothing is put before the first word */

    if (join == JOIN_NONE) {
        /* The value may stand alone on the line after its key. */
        size_t start = text[0] == '\n';
        memmove(text, text + start, strlen(text + start) + 1);
        return !strchr(text, '\n');
    }
    for (const char *from = text; *from; from++) {
        if (*from != '\n')
            *to++ = *from;
        else if (last != ',' && from[1] != ',')
            *to++ = join == JOIN_COMMAS ? ',' : ' ';
        if (to > text && to[-1] != ' ' && to[-1] != '\t')
            last = to[-1];
    }
    *to = '\0';
    return true;
}

bool key_parse(struct key_slot slot, struct key_input *in)
{
    const struct key_type *type = slot.key->type;

    in->error[0] = '\0';
    if (!join_lines(in->text, type->join))
        return input_refuse(in, "one value, on one line, is expected");
    if (in->text[0] == '\0')
        return input_refuse(in, "a value is missing");

    char *text = mem_strdup(in->text); /* parse may take it apart */
    bool ok = type->parse(slot, in);
    if (!ok && in->error[0] == '\0') {
        char *form = key_form(slot.key);
        input_refuse(in, "'%s' is not %s", text, form);
        free(form);
    }
    free(text);
    return ok;
}

char *key_print(struct key_slot slot)
{
    return slot.key->type->print(slot);
}

char *key_form(const struct key *key)
{
    struct buffer text = {0};

    if (key->type->form) {
        text_add(&text, "%s", key->type->form);
    } else if (key->words) {
        for (size_t i = 0; key->words[i]; i++)
            text_add(&text, "%s%s", i == 0 ? "one of " : ", ", key->words[i]);
    } else {
        text_add(&text, "a number from %" PRIu64 " to %" PRIu64, key->min, key->max);
    }
    if (key->zero)
        text_add(&text, ", or %s", key->zero);
    return text_take(&text);
}
