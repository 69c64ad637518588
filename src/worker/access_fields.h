/* The fields of the access line, in their order, and what the manual says of them. Any thread. */
#ifndef ADIT_WORKER_ACCESS_FIELDS_H
#define ADIT_WORKER_ACCESS_FIELDS_H

enum access_field {
    ACCESS_CONNECTION,
    ACCESS_CLIENT,
    ACCESS_BALANCER,
    ACCESS_ID,
    ACCESS_USER,
    ACCESS_TRIED,
    ACCESS_LISTEN,
    ACCESS_PROTOCOL,
    ACCESS_COMMAND,
    ACCESS_TARGET,
    ACCESS_BOUND,
    ACCESS_PEER,
    ACCESS_VERDICT,
    ACCESS_RULE,
    ACCESS_UPSTREAM,
    ACCESS_SESSION,
    ACCESS_OUTCOME,
    ACCESS_UP,
    ACCESS_DOWN,
    ACCESS_OPEN,
    ACCESS_MS,
    ACCESS_END,
};
#define ACCESS_FIELDS (ACCESS_END + 1)

struct access_field_row {
    const char *key;
    const char *help; /* sentences */
};

/* By enum access_field. */
extern const struct access_field_row access_fields[ACCESS_FIELDS];

#endif
