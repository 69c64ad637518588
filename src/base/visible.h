/* Which characters of a text that anybody may have written are shown as they are, and which are
 * escaped: those that a terminal, or the reader of a log, acts upon. Pure; any thread. */
#ifndef ADIT_BASE_VISIBLE_H
#define ADIT_BASE_VISIBLE_H

#include <stddef.h>

/* How many bytes (1 to 4) the first character of the text has, if it is shown as it is. 0: its
 * first byte is to be escaped or left out. These are not shown: control characters (C0, DEL, C1),
 * line and paragraph separators, characters that turn the direction of writing or have no width
 * (Unicode Standard Annex 9; U+200B to U+200F, U+2028 to U+202E, U+2060 to U+206F, U+061C, U+FEFF),
 * and bytes that are no UTF-8 (RFC 3629). The text may end within a character. It ends at a NUL. */
size_t visible_character(const char *text);

/* How many bytes at the beginning of the text are shown as they are. */
size_t visible_length(const char *text);

/* A copy in which each byte that is not shown is "\xNN". The caller frees. */
char *text_visible(const char *text);

/* In place: each byte that is not shown becomes `mark`. */
void text_mark_invisible(char *text, char mark);

/* A copy for a terminal or a dialogue: without what is not shown but line ends, and with a space
 * for each tab. NULL is "". The caller frees. */
char *text_lines(const char *text);

#endif
