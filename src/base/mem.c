/* Memory that is either there or ends the process. */
#include "base/mem.h"

#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void out_of_memory(size_t size)
{
    log_error("out of memory (%zu bytes wanted)", size);
    abort();
}

void *mem_zalloc(size_t size)
{
    void *block = calloc(1, size > 0 ? size : 1);

    if (block == NULL)
        out_of_memory(size);
    return block;
}

void *mem_realloc(void *block, size_t size)
{
    void *moved = realloc(block, size > 0 ? size : 1);

    if (moved == NULL)
        out_of_memory(size);
    return moved;
}

char *mem_strdup(const char *text)
{
    return text == NULL ? NULL : mem_strndup(text, strlen(text));
}

char *mem_strndup(const char *text, size_t length)
{
    char *copy = mem_zalloc(length + 1);

    if (length > 0) /* (memcpy(3) takes no NULL.) */
        memcpy(copy, text, length);
    return copy;
}

char *mem_printf(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        out_of_memory(0);
    va_end(arguments);
    return text;
}

void mem_free_secret(void *secret, size_t length)
{
    if (secret != NULL)
        explicit_bzero(secret, length);
    free(secret);
}
