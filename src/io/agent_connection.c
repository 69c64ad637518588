/* Whole messages of an agent. */
#include "io/agent_connection.h"

#include "io/whole.h"

bool agent_receive(int fd, const struct wait_limit *limit, size_t max, struct buffer *message)
{
    uint8_t head[4];
    struct ssh_reader reader = {.rest = {head, sizeof(head)}};
    uint32_t length;

    buffer_clear(message);
    if (receive_whole(fd, head, sizeof(head), limit) != 0)
        return false;
    length = ssh_take_uint32(&reader);
    if (length == 0 || length > max ||
        receive_whole(fd, buffer_reserve(message, length), length, limit) != 0)
        return false;
    buffer_commit(message, length);
    return true;
}

bool agent_send(int fd, const struct wait_limit *limit, struct span message)
{
    struct buffer whole = {0};
    bool sent;

    ssh_append_string(&whole, message);
    sent = send_whole(fd, buffer_data(&whole), buffer_length(&whole), limit) == 0;
    buffer_clear(&whole);
    return sent;
}
