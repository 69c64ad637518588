/* Memory that is either there or ends the process: no caller has a path for "out of memory". */
#ifndef ADIT_BASE_MEM_H
#define ADIT_BASE_MEM_H

#include <stddef.h>

/* `size` bytes of zeroes; the caller frees with free(3). Aborts with a log line when there is no
 * memory, because a proxy that half-failed an allocation would lose bytes it already took. */
void *mem_zalloc(size_t size);

/* Resizes `block` (NULL: allocates) to `size` bytes, as realloc(3). Aborts when there is none. */
void *mem_realloc(void *block, size_t size);

/* A copy of `text` (NULL gives NULL); the caller frees. */
char *mem_strdup(const char *text);

/* A NUL-terminated copy of the `length` bytes at `text`; the caller frees. */
char *mem_strndup(const char *text, size_t length);

/* A formatted string as printf(3) would write it; the caller frees. */
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Overwrites `length` bytes at `secret` in a way the compiler keeps, then frees it. NULL is fine.
 */
void mem_free_secret(void *secret, size_t length);

#endif
