/* One load of an INI file under way: what was given where, and what is wrong with it. */
#ifndef ADIT_CONF_LOAD_H
#define ADIT_CONF_LOAD_H

#include "conf/config.h"
#include "conf/keys.h"

#include <stdbool.h>
#include <stddef.h>

/* What the file said of one key; the last time, if it was given more than once. */
struct load_key {
    unsigned line; /* 0: nothing */
    bool bad;      /* a value of it was refused */
};

/* One section of the file. */
struct load_section {
    const struct section *kind;
    size_t index; /* of its object */
    unsigned line;
    struct load_key keys[SECTION_KEYS_MAX];
};

struct load_problem {
    unsigned line; /* its place among the problems */
    size_t order;  /* among those of one line */
    char *text;
};

struct load {
    const char *file;
    struct config *config;
    struct load_section *sections;
    size_t section_count;
    bool any_header; /* a section header was read, good or bad */
    bool skipping;   /* keys belong to no section that is known */
    struct load_problem *problems;
    size_t problem_count;
    unsigned last_line;
};

/* Notes a problem of the file's line. */
void load_problem(struct load *load, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Notes a problem of a line of another file, which `line` of this one names. */
void load_problem_in(struct load *load, unsigned line, const char *file, unsigned file_line,
                     const char *message);

/* The file's section for an object of the configuration; NULL: there is none, and the functions
 * below take that. */
const struct load_section *load_section_of(const struct load *load, const char *kind, size_t index);

/* What the file said of a key there. */
const struct load_key *load_key_of(const struct load_section *section, const char *key);

/* The line to blame for a key's value: the key's, or its section's if the default holds. */
unsigned load_line_of(const struct load_section *section, const char *key);

/* A configuration without anything, and with one reference. (config.c) */
struct config *config_new(void);

/* Checks what no single value shows, and reads the users files. (check.c) */
void load_check(struct load *load);

#endif
