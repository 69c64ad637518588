/* Frames of OpenSSH's multiplexing protocol. */
#include "wire/mux.h"

#include <string.h>

/* Fields of a frame. */

static bool take_bool(struct ssh_reader *reader)
{
    return ssh_take_uint32(reader) != 0;
}

/* OpenSSH's strings are C strings: one with a NUL inside is malformed. */
static struct span take_c_string(struct ssh_reader *reader)
{
    struct span text = ssh_take_string(reader);

    if (text.length > 0 && memchr(text.bytes, '\0', text.length) != NULL)
        reader->bad = true;
    return text;
}

static uint32_t take_port(struct ssh_reader *reader)
{
    uint32_t port = ssh_take_uint32(reader);

    if (port > UINT16_MAX && port != MUX_PORT_UNIX)
        reader->bad = true;
    return port;
}

/* The version, then extensions as pairs of strings. True: "info" is among them. */
static bool take_hello(struct ssh_reader *reader)
{
    static const char info[] = "info";
    bool has_info = false;

    if (ssh_take_uint32(reader) != MUX_VERSION)
        reader->bad = true;
    while (!reader->bad && reader->rest.length > 0) {
        struct span name = take_c_string(reader);

        ssh_take_string(reader);
        if (!reader->bad && name.length == strlen(info) &&
            memcmp(name.bytes, info, strlen(info)) == 0)
            has_info = true;
    }
    return has_info;
}

/* (Each variable is read once here, so that the reader of `environment` finds whole strings.) */
static struct span take_environment(struct ssh_reader *reader)
{
    struct span all = reader->rest;

    while (!reader->bad && reader->rest.length > 0)
        take_c_string(reader);
    return all;
}

static struct mux_session take_session(struct ssh_reader *reader)
{
    struct mux_session session;

    ssh_take_string(reader); /* reserved */
    session.tty = take_bool(reader);
    session.x11 = take_bool(reader);
    session.agent = take_bool(reader);
    session.subsystem = take_bool(reader);
    session.escape = ssh_take_uint32(reader);
    session.term = take_c_string(reader);
    session.command = take_c_string(reader);
    session.environment = take_environment(reader);
    return session;
}

static struct mux_forward take_mux_forward(struct ssh_reader *reader)
{
    struct mux_forward forward;

    forward.kind = ssh_take_uint32(reader);
    forward.listen = take_c_string(reader);
    forward.port = take_port(reader);
    forward.connect = take_c_string(reader);
    forward.connect_port = take_port(reader);
    return forward;
}

static struct mux_place take_place(struct ssh_reader *reader)
{
    struct mux_place place;

    ssh_take_string(reader); /* reserved */
    place.host = take_c_string(reader);
    place.port = take_port(reader);
    return place;
}

/* Frames. */

/* Finds the first frame, and begins to read it. */
static enum wire_status begin_frame(const uint8_t *bytes, size_t length, size_t *used,
                                    struct ssh_reader *frame)
{
    struct ssh_reader reader = {.rest = {bytes, length}};
    uint32_t size;

    if (length < 4)
        return WIRE_MORE;
    size = ssh_take_uint32(&reader);
    if (size < 4 || size > MUX_FRAME_MAX)
        return WIRE_BAD;
    if (reader.rest.length < size)
        return WIRE_MORE;
    *frame = (struct ssh_reader){.rest = {reader.rest.bytes, size}};
    *used = 4 + size;
    return WIRE_OK;
}

enum wire_status mux_request_parse(const uint8_t *bytes, size_t length, size_t *used,
                                   struct mux_request *request)
{
    struct ssh_reader reader;
    enum wire_status status = begin_frame(bytes, length, used, &reader);

    if (status != WIRE_OK)
        return status;
    *request = (struct mux_request){.type = ssh_take_uint32(&reader)};
    if (request->type != MUX_HELLO)
        request->id = ssh_take_uint32(&reader);
    switch (request->type) {
    case MUX_HELLO: request->info = take_hello(&reader); break;
    case MUX_NEW_SESSION: request->session = take_session(&reader); break;
    case MUX_OPEN_FWD:
    case MUX_CLOSE_FWD: request->forward = take_mux_forward(&reader); break;
    case MUX_NEW_STDIO_FWD: request->place = take_place(&reader); break;
    case MUX_EXT_INFO: request->name = take_c_string(&reader); break;
    }
    return reader.bad ? WIRE_BAD : WIRE_OK;
}

enum wire_status mux_answer_parse(const uint8_t *bytes, size_t length, size_t *used,
                                  struct mux_answer *answer)
{
    struct ssh_reader reader;
    enum wire_status status = begin_frame(bytes, length, used, &reader);

    if (status != WIRE_OK)
        return status;
    *answer = (struct mux_answer){.type = ssh_take_uint32(&reader)};
    if (answer->type != MUX_HELLO)
        answer->id = ssh_take_uint32(&reader);
    switch (answer->type) {
    case MUX_HELLO: answer->info = take_hello(&reader); break;
    case MUX_PERMISSION_DENIED:
    case MUX_FAILURE: answer->text = take_c_string(&reader); break;
    case MUX_EXIT_MESSAGE:
    case MUX_ALIVE:
    case MUX_SESSION_OPENED:
    case MUX_REMOTE_PORT: answer->number = ssh_take_uint32(&reader); break;
    case MUX_INFO:
        answer->answer.status = ssh_take_uint32(&reader);
        answer->answer.text = take_c_string(&reader);
        break;
    }
    return reader.bad ? WIRE_BAD : WIRE_OK;
}

unsigned mux_descriptors(const struct mux_request *request)
{
    return request->type == MUX_NEW_SESSION ? 3 : request->type == MUX_NEW_STDIO_FWD ? 2 : 0;
}

/* Building: `out` may hold earlier frames. */

static void append_number(struct buffer *out, uint32_t number)
{
    ssh_put_uint32(buffer_reserve(out, 4), number);
    buffer_commit(out, 4);
}

static void append_text(struct buffer *out, const char *text)
{
    ssh_append_string(out, (struct span){(const uint8_t *)text, strlen(text)});
}

static void put_hello(struct buffer *out, bool info)
{
    append_number(out, MUX_VERSION);
    if (info) {
        append_text(out, "info");
        append_text(out, "0");
    }
}

static void put_session(struct buffer *out, const struct mux_session *session)
{
    append_text(out, ""); /* reserved */
    append_number(out, session->tty);
    append_number(out, session->x11);
    append_number(out, session->agent);
    append_number(out, session->subsystem);
    append_number(out, session->escape);
    ssh_append_string(out, session->term);
    ssh_append_string(out, session->command);
    buffer_append(out, session->environment.bytes, session->environment.length);
}

static void put_forward(struct buffer *out, const struct mux_forward *forward)
{
    append_number(out, forward->kind);
    ssh_append_string(out, forward->listen);
    append_number(out, forward->port);
    ssh_append_string(out, forward->connect);
    append_number(out, forward->connect_port);
}

static void put_place(struct buffer *out, const struct mux_place *place)
{
    append_text(out, ""); /* reserved */
    ssh_append_string(out, place->host);
    append_number(out, place->port);
}

/* Appends what `frame` holds with its length, and clears it. */
static void end_frame(struct buffer *out, struct buffer *frame)
{
    ssh_append_string(out, (struct span){buffer_data(frame), buffer_length(frame)});
    buffer_clear(frame);
}

void mux_request_append(struct buffer *out, const struct mux_request *request)
{
    struct buffer frame = {0};

    append_number(&frame, request->type);
    if (request->type != MUX_HELLO)
        append_number(&frame, request->id);
    switch (request->type) {
    case MUX_HELLO: put_hello(&frame, request->info); break;
    case MUX_NEW_SESSION: put_session(&frame, &request->session); break;
    case MUX_OPEN_FWD:
    case MUX_CLOSE_FWD: put_forward(&frame, &request->forward); break;
    case MUX_NEW_STDIO_FWD: put_place(&frame, &request->place); break;
    case MUX_EXT_INFO: ssh_append_string(&frame, request->name); break;
    }
    end_frame(out, &frame);
}

void mux_answer_append(struct buffer *out, const struct mux_answer *answer)
{
    struct buffer frame = {0};

    append_number(&frame, answer->type);
    if (answer->type != MUX_HELLO)
        append_number(&frame, answer->id);
    switch (answer->type) {
    case MUX_HELLO: put_hello(&frame, answer->info); break;
    case MUX_PERMISSION_DENIED:
    case MUX_FAILURE: ssh_append_string(&frame, answer->text); break;
    case MUX_EXIT_MESSAGE:
    case MUX_ALIVE:
    case MUX_SESSION_OPENED:
    case MUX_REMOTE_PORT: append_number(&frame, answer->number); break;
    case MUX_INFO:
        append_number(&frame, answer->answer.status);
        ssh_append_string(&frame, answer->answer.text);
        break;
    }
    end_frame(out, &frame);
}
