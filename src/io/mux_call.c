/* A master's client that blocks. */
#include "io/mux_call.h"

#include <errno.h>

int mux_call_send(struct mux_call *call, const struct mux_request *request,
                  const struct wait_limit *limit)
{
    struct buffer frame = {0};
    int error;

    mux_request_append(&frame, request);
    error = send_whole(call->fd, buffer_data(&frame), buffer_length(&frame), limit);
    buffer_clear(&frame);
    return error;
}

int mux_call_answer(struct mux_call *call, struct mux_answer *answer,
                    const struct wait_limit *limit)
{
    int error = 0;

    buffer_consume(&call->received, call->used);
    call->used = 0;
    while (error == 0) {
        size_t used;
        switch (mux_answer_parse(buffer_data(&call->received), buffer_length(&call->received),
                                 &used, answer)) {
        case WIRE_OK: call->used = used; return 0;
        case WIRE_BAD: return EPROTO;
        case WIRE_MORE: error = receive_some(call->fd, &call->received, limit); break;
        }
    }
    return error;
}

bool mux_call_has_more(const struct mux_call *call)
{
    return buffer_length(&call->received) > call->used;
}

void mux_call_clear(struct mux_call *call)
{
    buffer_clear(&call->received);
}
