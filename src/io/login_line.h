/* The two ends of a login line (wire/login_line.h), whose threads may block: that of a dial in the
 * gateway, and that which serves it in the keeper. An end is used by one thread at a time. */
#ifndef ADIT_IO_LOGIN_LINE_H
#define ADIT_IO_LOGIN_LINE_H

#include "wire/login_line.h"

#include <stdatomic.h>

/* What came, in memory that is overwritten when it is cleared. */
struct login_packet {
    struct buffer bytes;
    struct login_message message; /* its texts lie in `bytes` */
    bool has_descriptor;          /* only an answer of the keeper's has one, */
    int descriptor;               /* which is closed when the packet is cleared */
};

/* Waits for a message. False: the other side has ended the line, or sent what is no message. */
bool login_line_receive(int end, bool from_gateway, struct login_packet *packet);

/* Sends a message. False: the other side has ended the line, or the message is too long. */
bool login_line_send(int end, const struct login_message *message);

/* The same with a descriptor, which stays the caller's; -1: none. */
bool login_line_pass(int end, const struct login_message *message, int descriptor);

void login_packet_clear(struct login_packet *packet);

/* The descriptor of an answer, the caller's from now on; -1: there is none. */
int login_packet_take(struct login_packet *packet);

/* The text as a string; the caller frees, by secret_free if it is a secret. */
char *login_text(struct span text);

/* A string as a text; NULL is "". */
struct span login_span(const char *text);

/* The gateway's end. */
struct login_line {
    int end;              /* -1: there is none, and nothing can be asked for */
    atomic_bool *waiting; /* set while the keeper waits for a person or a program; any thread */
    atomic_uint *prompts; /* counts the questions; any thread */
};

/* Sends a request and waits for its answer, which is to be cleared in each case. When `connection`
 * (-1: none) is shut down by either side meanwhile, the keeper is told that no person is to be
 * waited for; then nothing more can be asked for. False: there is no answer. */
bool login_line_ask(const struct login_line *line, const struct login_message *request,
                    int connection, struct login_packet *answer);

/* Closes the end. */
void login_line_close(struct login_line *line);

#endif
