/* The kinds of values that keys have. */
#ifndef ADIT_CONF_TYPES_H
#define ADIT_CONF_TYPES_H

#include "base/buffer.h"
#include "conf/keys.h"

extern const struct key_type type_count;    /* unsigned */
extern const struct key_type type_port;     /* uint16_t */
extern const struct key_type type_duration; /* uint64_t, milliseconds */
extern const struct key_type type_size;     /* uint64_t, bytes */
extern const struct key_type type_bool;     /* bool; the key's words are those for false and true */
extern const struct key_type type_choice;   /* an enum, by the key's words */
extern const struct key_type type_text;     /* char * */
extern const struct key_type type_user;     /* char *, a user's name as ssh takes it */
extern const struct key_type type_alias;    /* char *, a host's name as ssh takes it */
extern const struct key_type type_file;     /* char *, a path */
extern const struct key_type type_range;    /* struct config_upstream: sessions_min, sessions_max */
extern const struct key_type type_command;  /* char *, run by a shell; "none" is NULL */
extern const struct key_type
    type_known_hosts_command;              /* char *, run without a shell; "none": NULL */
extern const struct key_type type_program; /* the same, without tokens */
extern const struct key_type type_family;  /* int, an AF_, by the key's words */
extern const struct key_type type_ip;      /* char *, an IP address */
extern const struct key_type type_mask;    /* unsigned, octal, as umask(2) */
extern const struct key_type type_qos;     /* unsigned, a byte, by IPQoS's names; "none" is 0 */

extern const struct key_type type_files;      /* struct string_list of paths */
extern const struct key_type type_names;      /* struct string_list of names */
extern const struct key_type type_hosts;      /* struct string_list of HOST[:PORT] */
extern const struct key_type type_jump;       /* struct string_list of hops; "none" is empty */
extern const struct key_type type_patterns;   /* struct string_list of HOST:PORT */
extern const struct key_type type_forward;    /* struct config_forward: kind, bind, target */
extern const struct key_type type_algorithms; /* char *, a comma list */
extern const struct key_type type_methods;    /* char *, a comma list of the key's words */
extern const struct key_type type_host_key;   /* struct config_upstream: host_key, host_key_pins */
extern const struct key_type type_addresses;  /* struct config_listen: addresses */
extern const struct key_type type_protocols;  /* bool[], by the key's words */
extern const struct key_type type_networks;   /* struct network_list */
extern const struct key_type type_order;      /* struct config_resolve: order */
extern const struct key_type type_servers;    /* struct config_resolve: servers */
extern const struct key_type type_rule;       /* struct acl *, which must be there */

/* Says why a value is refused; always false. */
bool input_refuse(struct key_input *in, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The position of a word in a NULL-terminated list, or -1. */
int word_index(const char *const *words, const char *text);

/* Cuts the next item off a comma list, in place; "\\," is a comma of the item's own. NULL: there
 * are no more. */
char *list_next_item(char **rest);

/* Appends an item, which the list takes over; frees all of them. */
void string_list_append(struct string_list *list, char *item);
void string_list_clear(struct string_list *list);

/* Appends formatted text; what the buffer holds as a string, the buffer being emptied; the caller
 * frees. */
void text_add(struct buffer *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *text_take(struct buffer *text);

#endif
