/* Writing mdoc(7) to standard output, for the programs that make manual pages from tables while
 * adit is built. */
#ifndef ADIT_CONF_MDOC_H
#define ADIT_CONF_MDOC_H

/* One argument of a macro line, which is not taken for a macro itself: ` MACRO "TEXT"`. */
void mdoc_put_argument(const char *macro, const char *text);

/* Lines of text, each sentence on lines of its own. */
void mdoc_put_text(const char *text);

#endif
