/* The list of all that is wrong with a configuration. */
#include "conf/load.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void add_problem(struct load *load, unsigned line, char *text)
{
    load->problems =
        mem_realloc(load->problems, (load->problem_count + 1) * sizeof(*load->problems));
    load->problems[load->problem_count] = (struct load_problem){line, load->problem_count, text};
    load->problem_count++;
}

void load_problem(struct load *load, unsigned line, const char *format, ...)
{
    va_list args;
    char message[2 * KEY_ERROR_MAX];

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    load_problem_in(load, line, load->file, line, message);
}

void load_problem_in(struct load *load, unsigned line, const char *file, unsigned file_line,
                     const char *message)
{
    add_problem(load, line,
                !file       ? mem_strdup(message)
                : file_line ? mem_printf("%s:%u: %s", file, file_line, message)
                            : mem_printf("%s: %s", file, message));
}

static int by_line(const void *a, const void *b)
{
    const struct load_problem *p = a, *q = b;

    if (p->line != q->line)
        return p->line < q->line ? -1 : 1;
    return p->order < q->order ? -1 : 1;
}

void load_hand_over_problems(struct load *load, struct config_problems *problems)
{
    qsort(load->problems, load->problem_count, sizeof(*load->problems), by_line);
    problems->lines =
        mem_realloc(problems->lines, (problems->count + load->problem_count) * sizeof(char *));
    for (size_t i = 0; i < load->problem_count; i++)
        problems->lines[problems->count++] = load->problems[i].text;
    free(load->problems);
    load->problems = NULL;
    load->problem_count = 0;
}

void config_problems_add(struct config_problems *problems, const char *text)
{
    problems->lines =
        mem_realloc(problems->lines, (problems->count + 1) * sizeof(*problems->lines));
    problems->lines[problems->count++] = mem_strdup(text);
}

void config_problems_clear(struct config_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++)
        free(problems->lines[i]);
    free(problems->lines);
    *problems = (struct config_problems){0};
}
