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
    char **environment = mem_zalloc((request->variable_count + 1) * sizeof(*environment));

    for (size_t i = 0; i < request->variable_count; i++)
        environment[i] = mem_strdup(request->environment[i]);
    stream->is_shell = true;
    stream->error_fd = error_fd;
    stream->request = *request;
    stream->request.command = mem_strdup(request->command);
    stream->request.term = mem_strdup(request->term);
    stream->request.agent = mem_strdup(request->agent);
    stream->request.environment = environment;
    atomic_store(&stream->size, shell_size_pack(&request->size));
}

void internal_stream_free(struct internal_stream *stream)
{
    if (stream == NULL)
        return;
    for (size_t i = 0; i < stream->request.variable_count; i++)
        free(stream->request.environment[i]);
    free(stream->request.environment);
    free((char *)stream->request.command);
    free((char *)stream->request.term);
    free((char *)stream->request.agent);
    if (stream->error_fd >= 0)
        close(stream->error_fd);
    free(stream);
}
