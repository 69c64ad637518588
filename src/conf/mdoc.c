/* Text of manual pages. */
#include "conf/mdoc.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define WIDTH 70

/* One character of text: nothing may be taken for an escape. */
static void put_char(char c)
{
    switch (c) {
    case '\\': fputs("\\e", stdout); break;
    case '~': fputs("\\(ti", stdout); break;
    case '"': fputs("\\(dq", stdout); break;
    default: putchar(c);
    }
}

void mdoc_put_argument(const char *macro, const char *text)
{
    printf(" %s \"\\&", macro);
    for (; *text; text++)
        put_char(*text);
    putchar('"');
}

void mdoc_put_text(const char *text)
{
    size_t column = 0;

    while (*text) {
        size_t length = strcspn(text, " ");
        if (column > 0 && column + 1 + length > WIDTH) {
            putchar('\n');
            column = 0;
        } else if (column > 0) {
            putchar(' ');
            column++;
        }
        if (column == 0 && (*text == '.' || *text == '\''))
            fputs("\\&", stdout);
        for (size_t i = 0; i < length; i++)
            put_char(text[i]);
        /* (A new sentence begins a new line: mdoc(7).) */
        column = text[length - 1] == '.' ? WIDTH : column + length;
        text += length;
        text += *text == ' ';
    }
    putchar('\n');
}
