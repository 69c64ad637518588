/* The SSH server of t/fuzz/session: a real key exchange, then messages in any order and of any
 * content. It keeps count of what it has said and of what the client says, and aborts where the
 * client breaks the protocol (RFC 4254 section 5) towards a server that has not done so itself.
 *
 * It shares a thread with its client: nothing here waits. */
#ifndef ADIT_T_FUZZ_HOSTILE_SERVER_H
#define ADIT_T_FUZZ_HOSTILE_SERVER_H

#include "../lib/rogue_kex.h"
#include "base/buffer.h"
#include "base/ssh_bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The input, which is used up. */
struct input {
    const uint8_t *at, *end;
};

/* The next byte; 0 behind the end. */
uint8_t input_byte(struct input *input);

/* The messages of RFC 4254, and some of RFC 4253. */
enum {
    MSG_IGNORE = 2,
    MSG_UNIMPLEMENTED = 3,
    MSG_DEBUG = 4,
    MSG_SERVICE_REQUEST = 5,
    MSG_SERVICE_ACCEPT = 6,
    MSG_EXT_INFO = 7,
    MSG_USERAUTH_REQUEST = 50,
    MSG_USERAUTH_SUCCESS = 52,
    MSG_GLOBAL_REQUEST = 80,
    MSG_REQUEST_SUCCESS = 81,
    MSG_REQUEST_FAILURE = 82,
    MSG_OPEN = 90,
    MSG_CONFIRMATION = 91,
    MSG_OPEN_FAILURE = 92,
    MSG_ADJUST = 93,
    MSG_DATA = 94,
    MSG_EXTENDED_DATA = 95,
    MSG_EOF = 96,
    MSG_CLOSE = 97,
    MSG_CHANNEL_REQUEST = 98,
    MSG_CHANNEL_SUCCESS = 99,
    MSG_CHANNEL_FAILURE = 100,
};

/* Which channel it is: the port that the client asks for, or that the server's open comes from. */
#define PORT_OF_OPEN 1000
#define PORT_OF_FORWARDED 2000

#define HOSTILE_CHANNELS 48

/* A channel as the server has it. */
struct hostile_channel {
    uint32_t port;
    bool by_server;  /* the server has opened it */
    bool numbered;   /* `theirs` is known */
    uint32_t theirs; /* the client's number of it */
    uint32_t ours;   /* the server's, once it is `confirmed`, or `by_server` */
    bool confirmed, refused;
    bool unclear; /* the server has broken the protocol about it: nothing is expected any more */
    /* What the server has sent. */
    uint64_t sent; /* bytes of data before its end */
    bool ended, closed;
    /* What the client may send, and has sent. */
    uint64_t allowed;
    uint32_t packet_max;
    uint64_t got;
    bool got_eof, got_close;
};

struct hostile_server {
    int fd;
    struct rogue_sides sides;
    struct exchange exchange; /* the one that is under way: a KEXINIT was sent or has come */
    struct buffer out;        /* encrypted, and not sent yet */
    struct buffer in;         /* encrypted, but for the first block of a packet if `begun` */
    bool begun;
    bool logged_in;
    bool deaf;      /* it does not read */
    bool mute;      /* it does not answer a KEXINIT */
    bool other_key; /* it comes with another host key at the next exchange */
    bool client_left;
    bool unclear; /* it has broken the protocol at large */
    struct hostile_channel channels[HOSTILE_CHANNELS];
    size_t count;
    unsigned opened; /* channels that it has opened */
};

/* `fd` does not block, and is the server's to close. */
void hostile_begin(struct hostile_server *server, int fd);
void hostile_end(struct hostile_server *server);

/* Reads what the client has sent, and answers what belongs to the login or to a key exchange. */
void hostile_hear(struct hostile_server *server);

/* Queues a message. */
void hostile_say(struct hostile_server *server, const struct bytes *payload);

/* Begins a key exchange, unless one is under way. */
void hostile_rekey(struct hostile_server *server);

/* Sends up to `most` bytes of what is queued. False: the socket did not take them all. */
bool hostile_deliver(struct hostile_server *server, size_t most);

/* The channel of that port; NULL: the server has not heard of it, or of too many. */
struct hostile_channel *hostile_channel(struct hostile_server *server, uint32_t port);
struct hostile_channel *hostile_channel_new(struct hostile_server *server, uint32_t port);

/* The byte of a channel's stream at that place. */
static inline uint8_t hostile_stream(uint32_t port, uint64_t place)
{
    return (uint8_t)(port * 7 + place * 13 + (place >> 8));
}

/* hostile_messages.c: queues the message that the input says, the first byte of which is `what`. */
void hostile_message(struct hostile_server *server, uint8_t what, struct input *input);
#define HOSTILE_MESSAGES 16

#endif
