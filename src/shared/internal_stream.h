/* What an internal connection has besides, if an ssh(1) at the control socket asked for it
 * (gateway/mux_stream): it can be cut, and it may be a shell channel. The main thread makes the
 * struct; the internal connection frees it after its last message. */
#ifndef ADIT_SHARED_INTERNAL_STREAM_H
#define ADIT_SHARED_INTERNAL_STREAM_H

#include "session/shell.h"

#include <stdatomic.h>

struct internal_stream {
    atomic_bool cut; /* by the main thread: the connection is to end at once */
    /* The rest is a shell's. `request` has strings of its own; its size is the first. */
    bool is_shell;
    struct shell_request request;
    _Atomic uint64_t size; /* of the terminal: shell_size_pack */
    int error_fd;          /* the worker's end of a socketpair for standard error; -1: taken */
    /* By the worker, before the answer or the end is sent. */
    bool tty_refused;
    bool has_exited;
    uint32_t exit_status;
};

/* A stream that is no shell. */
struct internal_stream *internal_stream_new(void);

/* Makes it a shell channel; copies the request, and takes `error_fd`. */
void internal_stream_set_shell(struct internal_stream *stream, const struct shell_request *request,
                               int error_fd);

/* Closes what is left. NULL is fine. */
void internal_stream_free(struct internal_stream *stream);

static inline uint64_t shell_size_pack(const struct shell_size *size)
{
    return (uint64_t)size->columns << 48 | (uint64_t)size->rows << 32 |
           (uint64_t)size->width << 16 | size->height;
}

static inline struct shell_size shell_size_unpack(uint64_t packed)
{
    return (struct shell_size){.columns = (uint16_t)(packed >> 48),
                               .rows = (uint16_t)(packed >> 32),
                               .width = (uint16_t)(packed >> 16),
                               .height = (uint16_t)packed};
}

#endif
