/* Writes a manual page: copies mdoc from standard input to standard output, and puts a section's
 * keys in place of each line
 * `.\" KEYS section`. A section that is not asked for, or not known, is an error. */
#include "conf/keys.h"
#include "conf/mdoc.h"
#include "conf/types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK ".\\\" KEYS "

/* The key, and what may follow its "=". */
static void put_head(const struct key *key)
{
    printf(".It");
    mdoc_put_argument("Cm", key->name);
    printf(" No =");
    if (key->zero) {
        mdoc_put_argument("Cm", key->zero);
        printf(" |");
    }
    if (key->metavar || key->type->metavar) {
        mdoc_put_argument("Ar", key->metavar ? key->metavar : key->type->metavar);
    } else {
        for (size_t i = 0; key->words[i]; i++) {
            printf("%s", i > 0 ? " |" : "");
            mdoc_put_argument("Cm", key->words[i]);
        }
    }
    putchar('\n');
}

static void put_key(const struct key *key)
{
    struct buffer text = {0};

    put_head(key);
    mdoc_put_text(key->help);
    if (key->flags & KEY_REQUIRED)
        text_add(&text, "Must be given.");
    else if (key->flags & KEY_REPEATED)
        text_add(&text, "May be given many times.");
    else if (key->initial || key->otherwise)
        text_add(&text, "Default: %s.", key->initial ? key->initial : key->otherwise);
    char *line = text_take(&text);
    if (*line)
        mdoc_put_text(line);
    free(line);
}

static void put_keys(const struct section *section)
{
    puts(".Bl -tag -width Ds");
    for (size_t i = 0; i < section->key_count; i++)
        put_key(&section->keys[i]);
    puts(".El");
}

int main(void)
{
    char line[1024];
    size_t done = 0;

    puts(".\\\" Made from adit.ini.5.in and the table of keys in src/conf/keys.c.");
    while (fgets(line, sizeof(line), stdin)) {
        if (strncmp(line, MARK, strlen(MARK)) != 0) {
            fputs(line, stdout);
            continue;
        }
        line[strcspn(line, "\n")] = '\0';
        const struct section *section = section_find(line + strlen(MARK));
        if (!section) {
            fprintf(stderr, "keys-mdoc: no such section: %s\n", line);
            return EXIT_FAILURE;
        }
        put_keys(section);
        done++;
    }
    if (done != section_count) {
        fprintf(stderr, "keys-mdoc: %zu of %zu sections are described\n", done, section_count);
        return EXIT_FAILURE;
    }
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
