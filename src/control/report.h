/* Prints the answers of a running adit for a person. For `adit -O`. */
#ifndef ADIT_CONTROL_REPORT_H
#define ADIT_CONTROL_REPORT_H

#include <jansson.h>
#include <stdio.h>

/* The answer to "status", as tables. */
void report_status(FILE *out, const json_t *answer);

/* The answer to "connections", as a table. */
void report_connections(FILE *out, const json_t *answer);

/* The answer to "conninfo", as ssh(1) -O conninfo has it, once for each session. */
void report_conninfo(FILE *out, const json_t *answer);

/* Tunnels, as control_list has them: a line each with its host, process, state and socket. */
void report_list(FILE *out, const json_t *tunnels);

/* What a trial has seen of one host; and the answer to "try". */
void report_try(FILE *out, const json_t *seen);
void report_tries(FILE *out, const json_t *answer);

/* An answer as it is, in lines. */
void report_json(FILE *out, const json_t *answer);

/* Prints text and the end of the line; control characters become "?", so that they cannot drive the
 * terminal. NULL is fine. */
void report_line(FILE *out, const char *text);

/* The same for text of several lines, each with its end. */
void report_text(FILE *out, const char *text);

#endif
