/* Packets between two processes of this program: a pair of sockets that keeps their bounds
 * (SOCK_SEQPACKET, unix(7)), each with one descriptor at most beside it. Main threads only, but for
 * what waits without a loop. */
#ifndef ADIT_IO_PACKETS_H
#define ADIT_IO_PACKETS_H

#include "base/ssh_bytes.h"
#include "io/loop.h"

#include <stdbool.h>

/* Two connected ends, close-on-exec, the caller's. False: errno says why. */
bool packet_pair(int ends[static 2]);

/* Whether a descriptor that another process has sent is an end of such a pair. (The file may be
 * shared with that process, and so may be its options and flags.) */
bool packet_is_end(int fd);

/* Waits for a packet without a loop, and appends it to `packet`; `*fd` is its descriptor,
 * the caller's, or -1. False: the other end has closed, or sent what is no packet of at most `max`
 * bytes. */
bool packet_wait(int end, size_t max, struct buffer *packet, int *fd);

/* Sends a packet without a loop, and waits until there is room. The descriptor beside it stays the
 * caller's; -1: none. False: the other end has closed. */
bool packet_pass(int end, struct span packet, int fd);

/* An end with its loop. */
struct packets;

/* A packet. The bytes are valid during the call; `*fd` is -1 (also if this process has no room for
 * the descriptor that was sent) or a descriptor, which the callee
 * takes over by setting it to -1. The callee may free the packets. */
typedef void packet_received_fn(void *arg, struct span packet, int *fd);

/* No more packets come: the other end has closed, or sent something longer than it may. Called
 * once. The callee may free the packets. */
typedef void packets_ended_fn(void *arg);

struct packets_options {
    size_t max; /* bytes of a packet that is received */
    packet_received_fn *received;
    packets_ended_fn *ended;
    void *arg;
    size_t queue_max; /* while more are queued nothing is received; 0: no limit */
};

/* Takes over `end`. NULL: the loop cannot watch it (logged), and it is closed. */
struct packets *packets_new(struct loop *loop, int end, const struct packets_options *options);

/* Sends a packet, or queues it behind those that the other end has no room for yet. `fd` is closed
 * once it is sent; -1: none. To an end that has closed nothing is sent. */
void packets_send(struct packets *packets, struct span packet, int fd);

/* The end, and whether no packet is queued. */
int packets_descriptor(const struct packets *packets);
bool packets_are_sent(const struct packets *packets);

/* Closes the end; what is still queued is lost. NULL is fine. */
void packets_free(struct packets *packets);

#endif
