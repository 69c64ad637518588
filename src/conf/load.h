/* A load under way, of an INI file or of a command line: which values were given where, and the
 * problems found. One thread uses a load. For the files of conf/ only. */
#ifndef ADIT_CONF_LOAD_H
#define ADIT_CONF_LOAD_H

#include "conf/config.h"
#include "conf/keys.h"

#include <stdbool.h>
#include <stddef.h>

/* What the name of a section is made of. */
#define SECTION_NAME_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

/* What the load knows of one key of a section. */
struct load_key {
    bool set;      /* a value was given, perhaps one that was refused */
    bool bad;      /* a value of it was refused */
    unsigned line; /* that gave it; the last time, if it was given more than once; 0: no line did */
};

/* One section: of the file, or made for a hop. */
struct load_section {
    const struct section *kind;
    size_t index; /* of its object */
    unsigned line;
    bool made;     /* for a hop: it stands in no file */
    bool expanded; /* the jump hosts of this upstream are upstreams */
    char *hop;     /* what it was made from, with ssh_config; else NULL */
    /* Of an upstream: what ssh_config asks for that only ssh(1) does, as remarks; and whether that
     * is a PKCS#11 provider, or a login by GSSAPI or as a host. */
    struct string_list by_ssh;
    bool wants_pkcs11, wants_gssapi, wants_hostbased;
    struct load_key keys[SECTION_KEYS_MAX];
};

struct load_problem {
    unsigned line; /* its place among the problems */
    size_t order;  /* among those of one line */
    char *text;
};

struct load {
    const char *file; /* NULL: a command line, whose problems have no line */
    struct config *config;
    struct load_section *sections;
    size_t section_count;
    bool any_header; /* a section header was read, good or bad */
    bool skipping;   /* keys belong to no section that is known */
    struct load_problem *problems;
    size_t problem_count;
    unsigned last_line;
    int connection; /* a socket that ends what the load waits for when it is shut down; -1: none */
    /* The answer of ssh -G for the first upstream's host, if it was asked already; else NULL. */
    const struct ssh_known *ssh_known;
};

/* A load is: load_begin; load_open and load_entry for all that was given; load_end. */

/* `file` must live as long as the load; NULL: a command line. */
void load_begin(struct load *load, const char *file);

/* Opens the section [kind name]; `name` is "" where there is none. False, with a problem noted:
 * there can be no such section, and entries up to the next are left out. */
bool load_open(struct load *load, unsigned line, const char *kind, const char *name);

/* A key of the section opened last. `text` may have newlines where the file had, and be
 * overwritten. What is wrong with it is noted. */
void load_entry(struct load *load, unsigned line, const char *key, char *text);

/* Opens a [forward] for one of a command line (its `kind`, `bind` and `target`), under a name made
 * from what it is; `via` NULL: the first upstream. A dynamic one with a bind address is `open`. */
void load_forward(struct load *load, const struct config_forward *forward, const char *via);

/* Completes what was given (ssh_config, jump hosts, defaults), checks it all, and ends the load.
 * NULL: there was a problem, and all are added to `problems`. */
struct config *load_end(struct load *load, struct config_problems *problems);

/* The same for one object while load_end is under way: sets a key that has no value yet, as if an
 * entry had, but that problems are those of `line`. (For ssh_config.) */
void load_set(struct load *load, struct load_section *section, const char *key, const char *text,
              unsigned line);

/* Makes a remark of the configuration, unless it was made before. */
void load_remark(const struct load *load, const char *text);

/* Notes a problem of a line. (load_problems.c) */
void load_problem(struct load *load, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Notes a problem of a line of another file, which `line` of this one names. */
void load_problem_in(struct load *load, unsigned line, const char *file, unsigned file_line,
                     const char *message);

/* Hands the problems over in the file's order. (load_problems.c) */
void load_hand_over_problems(struct load *load, struct config_problems *problems);

/* Begins a section; false with a problem noted where there can be none of that kind and name.
 * (load_sections.c) */
bool load_section_begin(struct load *load, unsigned line, const char *kind, const char *name);

/* The section for an object of the configuration; NULL: there is none, and the functions below take
 * that. Valid until another is opened. (load_sections.c) */
struct load_section *load_section_of(const struct load *load, const char *kind, size_t index);

/* What is known of a key there. */
const struct load_key *load_key_of(const struct load_section *section, const char *key);

/* The line to blame for a key's value: the key's, or its section's if the default holds. */
unsigned load_line_of(const struct load_section *section, const char *key);

/* A name for a section of that kind made of the text's letters, and of a number if others have it
 * already; the caller frees. */
char *load_free_name(const struct load *load, const char *kind, const char *text);

/* Ends a load as load_end, but completes and checks nothing. */
struct config *load_finish(struct load *load, struct config_problems *problems);

/* A configuration without anything, and with one reference. (config.c) */
struct config *config_new(void);

/* The same again, to be changed, by the serialiser. What is large and does not change (the users,
 * the rules) stays the original's, of which the copy holds a reference. (config.c) */
struct config *config_copy(struct config *config);

/* Gives every forward that listens here its listener; notes a problem where it cannot listen.
 * (forwards.c) */
void load_listeners(struct load *load);

/* Makes the listener of a forward anew, which has addresses if the forward listens here. Its
 * strings are the forward's. False: nothing can listen there. (forwards.c) */
bool forward_listener_make(struct config_forward *forward);

/* Frees what the listener has for itself. (forwards.c) */
void forward_listener_clear(struct config_forward *forward);

/* Says which engine carries the sessions of each upstream, and with which options of ssh. (Those
 * that ssh_config has are known already.) (engines.c) */
void load_choose_engines(struct load *load);

/* Whether a method that libssh has may be used, and is in preferred_authentications. (engines.c) */
bool upstream_may_log_in(const struct config_upstream *upstream);

/* Notes problems of an upstream whose sessions an ssh carries. (engines.c) */
void load_check_engine(struct load *load, size_t index);
/* What a remote forward asks for that its upstream's engine cannot; `line` gives it. */
void load_check_remote(struct load *load, const struct config_forward *forward, unsigned line);

/* Checks what no single value shows, and reads the users files. (check.c) */
void load_check(struct load *load);

/* Whether a listener is where `spread` of [status] says that one is. */
void load_check_spread(struct load *load);

/* The same for one forward alone. */
void load_check_forward(struct load *load, size_t index);

#endif
