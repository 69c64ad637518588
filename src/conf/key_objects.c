/* The objects of a configuration, whose fields the table of keys describes: made, copied, compared,
 * freed. */
#include "conf/keys.h"

#include "base/mem.h"
#include "conf/stores.h"
#include "conf/types.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void *at(const void *base, size_t offset)
{
    return (char *)base + offset;
}

size_t section_objects(const struct section *section, const struct config *config)
{
    return section->named ? *(size_t *)at(config, section->count_offset) : 1;
}

void *section_object(const struct section *section, const struct config *config, size_t index)
{
    void *object = at(config, section->offset);

    return section->named ? at(*(void **)object, index * section->size) : object;
}

void section_append(const struct section *section, struct config *config, char *name, unsigned line)
{
    void **array = at(config, section->offset);
    size_t *count = at(config, section->count_offset);

    *array = mem_realloc(*array, (*count + 1) * section->size);
    struct section_head *head = at(*array, *count * section->size);
    memset(head, 0, section->size);
    head->name = name;
    head->line = line;
    (*count)++;
}

void section_object_clear(const struct section *section, void *object)
{
    for (size_t k = 0; k < section->key_count; k++) {
        const struct key *key = &section->keys[k];
        if (key->type->free)
            key->type->free(key_slot(key, object));
    }
    if (section->named)
        free(((struct section_head *)object)->name);
}

void sections_free(struct config *config)
{
    for (size_t s = 0; s < section_count; s++) {
        const struct section *section = &sections[s];
        for (size_t i = 0; i < section_objects(section, config); i++)
            section_object_clear(section, section_object(section, config, i));
        if (section->named)
            free(*(void **)at(config, section->offset));
    }
}

void key_copy(const struct key *key, const void *from, void *to)
{
    const struct key_store *store = key->type->store;
    struct buffer line = {0};

    store->save(key_slot(key, from), &line);
    struct word_reader words = word_reader_of(&line);
    if (words.at < words.end) {
        bool ok = store->restore(key_slot(key, to), &words) && words_ended(&words);
        assert(ok && "what a store saves it restores");
        (void)ok;
    }
    buffer_clear(&line);
}

bool key_same(const struct key *key, const void *a, const void *b)
{
    struct buffer line_a = {0}, line_b = {0};

    key->type->store->save(key_slot(key, a), &line_a);
    key->type->store->save(key_slot(key, b), &line_b);
    size_t length = buffer_length(&line_a);
    bool same = length == buffer_length(&line_b) &&
                (length == 0 || memcmp(buffer_data(&line_a), buffer_data(&line_b), length) == 0);
    buffer_clear(&line_a);
    buffer_clear(&line_b);
    return same;
}

struct key_slot key_slot(const struct key *key, const void *object)
{
    return (struct key_slot){key, at(object, key->offset)};
}
