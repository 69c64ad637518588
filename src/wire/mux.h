/* OpenSSH's multiplexing protocol, version 4 (PROTOCOL.mux and mux.c of OpenSSH 10.5): the frames
 * that an ssh(1) and its ControlMaster send each other over a unix socket.
 *
 * A frame is a uint32 length and as many bytes: a uint32 type, then fields of RFC 4251 section 5.
 * The client sends a HELLO, the master answers with its own, then each request of the client has
 * one answer; SESSION_OPENED is followed by EXIT_MESSAGE. Behind the frame of a NEW_SESSION come
 * three descriptors (standard input, output, error), behind that of a NEW_STDIO_FWD two, each by a
 * sendmsg(2) of its own with one byte, which belongs to no frame.
 *
 * Pure; any thread. Parsers and builders are for both sides. */
#ifndef ADIT_WIRE_MUX_H
#define ADIT_WIRE_MUX_H

#include "base/ssh_bytes.h"
#include "wire/wire.h"

#define MUX_VERSION 4

/* Longer frames are refused, as OpenSSH's channels.c does (CHANNEL_MUX_MAX_PACKET). */
#define MUX_FRAME_MAX ((size_t)256 * 1024)

/* In the place of a port: the host beside it is the path of a unix socket. */
#define MUX_PORT_UNIX UINT32_C(0xfffffffe)

/* In the place of an escape character: there is none. */
#define MUX_ESCAPE_NONE UINT32_C(0xffffffff)

/* What the client sends. A type may also be a number that is not here. */
enum mux_request_type {
    MUX_HELLO = 0x00000001, /* the master's, too */
    MUX_NEW_SESSION = 0x10000002,
    MUX_ALIVE_CHECK = 0x10000004,
    MUX_TERMINATE = 0x10000005,
    MUX_OPEN_FWD = 0x10000006,
    MUX_CLOSE_FWD = 0x10000007,
    MUX_NEW_STDIO_FWD = 0x10000008,
    MUX_STOP_LISTENING = 0x10000009,
    MUX_PROXY = 0x1000000f,
    MUX_EXT_INFO = 0x20000001,
};

/* What the master sends besides its HELLO. (Their numbers do not fit an int.) */
#define MUX_OK UINT32_C(0x80000001)
#define MUX_PERMISSION_DENIED UINT32_C(0x80000002)
#define MUX_FAILURE UINT32_C(0x80000003)
#define MUX_EXIT_MESSAGE UINT32_C(0x80000004)
#define MUX_ALIVE UINT32_C(0x80000005)
#define MUX_SESSION_OPENED UINT32_C(0x80000006)
#define MUX_REMOTE_PORT UINT32_C(0x80000007)
#define MUX_TTY_ALLOC_FAIL UINT32_C(0x80000008)
#define MUX_PROXY_OK UINT32_C(0x8000000f)
#define MUX_INFO UINT32_C(0x90000001)

enum mux_forward_kind { MUX_FORWARD_LOCAL = 1, MUX_FORWARD_REMOTE = 2, MUX_FORWARD_DYNAMIC = 3 };

/* Spans lie in the frame and have no NUL inside. */

struct mux_session {
    bool tty;
    bool x11;
    bool agent;
    bool subsystem;
    uint32_t escape;         /* a character, or MUX_ESCAPE_NONE */
    struct span term;        /* the value of TERM */
    struct span command;     /* or the subsystem's name; empty: a shell */
    struct span environment; /* strings NAME=VALUE, each with its length: ssh_take_string */
};

struct mux_forward {
    uint32_t kind;       /* enum mux_forward_kind, or a number that is not there */
    struct span listen;  /* a host, or a path */
    uint32_t port;       /* below 65536, or MUX_PORT_UNIX */
    struct span connect; /* the same for where the forward leads */
    uint32_t connect_port;
};

struct mux_place {
    struct span host; /* or a path */
    uint32_t port;    /* below 65536, or MUX_PORT_UNIX */
};

struct mux_request {
    uint32_t type;
    uint32_t id; /* 0 for a HELLO */
    union {
        bool info;                  /* HELLO: the peer knows EXT_INFO */
        struct mux_session session; /* NEW_SESSION */
        struct mux_forward forward; /* OPEN_FWD, CLOSE_FWD */
        struct mux_place place;     /* NEW_STDIO_FWD */
        struct span name;           /* EXT_INFO: "connection" or "channels" */
    };
};

struct mux_answer {
    uint32_t type;
    uint32_t id; /* of the request; EXIT_MESSAGE, TTY_ALLOC_FAIL: of the session; 0 for a HELLO */
    union {
        bool info;        /* HELLO: the master knows EXT_INFO */
        uint32_t number;  /* EXIT_MESSAGE: the value; ALIVE: the process; SESSION_OPENED: the
                             session; REMOTE_PORT: the port */
        struct span text; /* PERMISSION_DENIED, FAILURE: the reason */
        struct mux_info {
            uint32_t status; /* 1: the text is what was asked for */
            struct span text;
        } answer; /* INFO */
    };
};

/* The bytes of the first frame, with its length, once all of it has come: WIRE_BAD for one that is
 * longer than MUX_FRAME_MAX or too short for a type. Then the frame of a client, or of a master.
 * WIRE_BAD: the frame is not as the protocol has it, and no frame can follow. A request or answer
 * of a type that is not listed above is WIRE_OK, with its number and id. Fields that a later
 * version may add to a frame are not looked at. */
enum wire_status mux_request_parse(const uint8_t *bytes, size_t length, size_t *used,
                                   struct mux_request *request);
enum wire_status mux_answer_parse(const uint8_t *bytes, size_t length, size_t *used,
                                  struct mux_answer *answer);

/* How many descriptors follow a request's frame. */
unsigned mux_descriptors(const struct mux_request *request);

/* Append one frame. Of a HELLO `info` is told as an extension. */
void mux_request_append(struct buffer *out, const struct mux_request *request);
void mux_answer_append(struct buffer *out, const struct mux_answer *answer);

#endif
