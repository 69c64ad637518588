/* A connection to an OpenSSH ControlMaster (wire/mux.h), asked and waited for by a thread that runs
 * no loop. Errors are numbers of errno(3). */
#ifndef ADIT_IO_MUX_CALL_H
#define ADIT_IO_MUX_CALL_H

#include "io/whole.h"
#include "wire/mux.h"

/* Zeroed but for the descriptor, which stays the caller's. */
struct mux_call {
    int fd;
    struct buffer received;
    size_t used; /* of `received`: the last answer, whose text lies there */
};

/* Sends a request without the descriptors that follow it. 0, or an error of send_whole. */
int mux_call_send(struct mux_call *call, const struct mux_request *request,
                  const struct wait_limit *limit);

/* The next answer, a HELLO included, which is valid until the next call. 0, EPROTO where it is not
 * as the protocol has it, or an error of receive_some. */
int mux_call_answer(struct mux_call *call, struct mux_answer *answer,
                    const struct wait_limit *limit);

/* Whether more has come than was asked for by mux_call_answer. */
bool mux_call_has_more(const struct mux_call *call);

/* Frees what was received. */
void mux_call_clear(struct mux_call *call);

#endif
