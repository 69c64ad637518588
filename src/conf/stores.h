/* How the value of each kind of key is stored, byte by byte: what the serialiser (conf/serialise.h)
 * writes of a field, and reads back. Unlike the printers of conf/types.h, which write for people
 * and for the INI reader, a store loses nothing: "~" in a path, blanks, commas, newlines, quotes.
 * Any thread may use a store on an object that no other thread changes. */
#ifndef ADIT_CONF_STORES_H
#define ADIT_CONF_STORES_H

#include "conf/keys.h"
#include "conf/words.h"

struct key_store {
    /* Appends the value as words; none: the field is as in an object of zeroes. */
    void (*save)(struct key_slot slot, struct buffer *line);
    /* Reads what `save` wrote into a field that is all zeroes. False: it cannot be such a value;
     * the field is then what the type's `free` takes. What is left over in `words` is the caller's
     * to notice. */
    bool (*restore)(struct key_slot slot, struct word_reader *words);
};

extern const struct key_store store_unsigned;  /* unsigned, or an enum without words */
extern const struct key_store store_port;      /* uint16_t */
extern const struct key_store store_u64;       /* uint64_t */
extern const struct key_store store_bool;      /* bool */
extern const struct key_store store_choice;    /* an enum: the key's words in order */
extern const struct key_store store_family;    /* int, an AF_ */
extern const struct key_store store_string;    /* char *; NULL and "" are two values */
extern const struct key_store store_list;      /* struct string_list */
extern const struct key_store store_range;     /* config_upstream: sessions_min, sessions_max */
extern const struct key_store store_host_key;  /* config_upstream: host_key, host_key_pins */
extern const struct key_store store_addresses; /* config_listen: addresses */
extern const struct key_store store_protocols; /* bool[WIRE_PROTOCOLS] */
extern const struct key_store store_networks;  /* struct network_list */
extern const struct key_store store_order;     /* config_resolve: order */
extern const struct key_store store_servers;   /* config_resolve: servers */
extern const struct key_store store_forward;   /* config_forward: kind, bind, target, by the key */

#endif
