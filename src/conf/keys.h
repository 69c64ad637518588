/* The one table of what an INI file may say. The reader, --dump, the message about an unknown key
 * and the manual page all come from it. */
#ifndef ADIT_CONF_KEYS_H
#define ADIT_CONF_KEYS_H

#include "conf/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_ERROR_MAX 400
#define SECTION_KEYS_MAX 64

struct key_store;

/* A key of one object: where the object keeps the key's value. */
struct key_slot {
    const struct key *key;
    void *field;
};

/* A value on its way in. */
struct key_input {
    char *text; /* may be overwritten */
    unsigned line;
    char error[KEY_ERROR_MAX]; /* set when the value was refused */
};

/* What a value that goes on over several lines is joined with. */
enum key_join {
    JOIN_NONE,   /* it may not go on */
    JOIN_COMMAS, /* a list: a line's end is as good as a comma */
    JOIN_WORDS,  /* words: a line's end is a space, unless a list was open */
};

/* A kind of value. */
struct key_type {
    const char *metavar; /* stands for the value in the manual; NULL: the key's words do */
    const char *form;    /* completes "'x' is not ..."; NULL: made from the key's words or bounds */
    enum key_join join;
    /* Stores the value; false with `error` set if there is more to say than `form`. */
    bool (*parse)(struct key_slot slot, struct key_input *in);
    /* The text that parse reads back to the same value (the caller frees), or NULL: there is none.
     */
    char *(*print)(struct key_slot slot);
    /* How it is copied and serialised (conf/stores.h); NULL: the serialiser has lines of its own.
     */
    const struct key_store *store;
    /* Frees what the value owns; NULL: nothing. */
    void (*free)(struct key_slot slot);
};

enum key_flags {
    KEY_REQUIRED = 1, /* no section of its kind is complete without it */
    KEY_REPEATED = 2, /* may be given again: each is a value of its own */
    KEY_SESSION = 4,  /* part of what leads to a session: config_upstream_same_sessions */
    /* A hop without an [upstream] inherits the value from the upstream that names the hop.
     * KEY_HOP_ALWAYS: a hop whose other settings come from ssh_config inherits it, too, as
     * ssh_config has no such setting. */
    KEY_HOP = 8,
    KEY_HOP_ALWAYS = 16,
};

struct key {
    const char *name;
    const struct key_type *type;
    size_t offset;         /* of the field in the section's object */
    const char *initial;   /* the default as text; NULL: the field stays empty */
    const char *otherwise; /* what holds then, in words, for the manual */
    const char *help;      /* one line, a sentence */
    unsigned flags;
    uint64_t min, max;        /* bounds of a number or a duration */
    const char *zero;         /* the word for 0, outside the bounds */
    const char *const *words; /* NULL-terminated: the words of a choice, in the enum's order */
    const char *metavar;      /* in place of the type's; NULL: that one */
};

/* A section is an object: of the configuration itself, or, if it is `named`, one of an array. */
struct section {
    const char *name;
    bool named;
    size_t offset;       /* in struct config: of the object, or of the pointer to the array */
    size_t count_offset; /* of the array's length */
    size_t size;         /* of one element */
    const struct key *keys;
    size_t key_count;
};

/* The first two fields of every named object. */
struct section_head {
    char *name;
    unsigned line;
};

extern const struct section sections[];
extern const size_t section_count;

/* The section of that name, and the key of a section; NULL if there is none. */
const struct section *section_find(const char *name);
const struct key *key_find(const struct section *section, const char *name);

/* The known name that an unknown one was most likely meant to be (edit distance), or NULL: none is
 * near. */
const char *section_nearest(const char *name);
const char *key_nearest(const struct section *section, const char *name);

/* How many objects of a section the configuration has (1 if it is not named), and one of them. */
size_t section_objects(const struct section *section, const struct config *config);
void *section_object(const struct section *section, const struct config *config, size_t index);

/* Appends an object without keys to a named section's array, which takes `name` over. */
void section_append(const struct section *section, struct config *config, char *name,
                    unsigned line);

/* Frees every value of one object, and its name. */
void section_object_clear(const struct section *section, void *object);

/* Frees every value of every object, and the arrays. */
void sections_free(struct config *config);

/* Gives an object the very value that another of its section has for a key. `to` must have none yet
 * (zeroes). Not for keys without a store. */
void key_copy(const struct key *key, const void *from, void *to);

/* Whether two objects of a section have the very same value for a key. Not for keys without a
 * store. */
bool key_same(const struct key *key, const void *a, const void *b);

struct key_slot key_slot(const struct key *key, const void *object);

/* Reads a value, which may have newlines where the file had, into the object. False with in->error
 * set. */
bool key_parse(struct key_slot slot, struct key_input *in);

/* The value as text, or NULL: there is none. The caller frees. */
char *key_print(struct key_slot slot);

/* What completes "'x' is not ...": "a port from 1 to 65535". The caller frees. */
char *key_form(const struct key *key);

#endif
