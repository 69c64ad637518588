/* Streams of mux clients. */
#include "shared/internal_stream.h"

#include "base/mem.h"

#include <stdlib.h>
#include <unistd.h>

struct internal_stream *internal_stream_new(void)
{
    struct internal_stream *stream = mem_zalloc(sizeof(*stream));

    stream->error_fd = -1;
    return stream;
}

void internal_stream_set_shell(struct internal_stream *stream, const struct shell_request *request,
                               int error_fd)
{
    stream->is_shell = true;
    stream->error_fd = error_fd;
    stream->request = shell_request_copy(request);
    atomic_store(&stream->size, shell_size_pack(&request->size));
}

void internal_stream_free(struct internal_stream *stream)
{
    if (stream == NULL)
        return;
    shell_request_clear(&stream->request);
    if (stream->error_fd >= 0)
        close(stream->error_fd);
    free(stream);
}
