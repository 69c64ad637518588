/* The packets of one connection, for rogue_transport.c. Where the client has left, the program ends
 * with status 0: that is what a test waits for. */
#ifndef ADIT_T_LIB_ROGUE_PACKETS_H
#define ADIT_T_LIB_ROGUE_PACKETS_H

#include "rogue_bytes.h"

#include <openssl/evp.h>
#include <stdbool.h>

#define HASH_SIZE 32

/* One direction's keys. */
struct direction {
    EVP_CIPHER_CTX *cipher; /* NULL: in clear */
    uint8_t mac_key[HASH_SIZE];
    uint32_t sequence;
};

extern int connection; /* the socket */
extern struct direction in, out;

/* False: the other end is gone. */
bool read_exactly(int fd, void *data, size_t length);
void write_all(int fd, const void *data, size_t length);
/* From the connection. */
void receive_bytes(void *data, size_t length);
void send_payload(const uint8_t *payload, size_t length);
/* The first half of a packet. */
void send_part(const struct bytes *payload);
/* The caller frees its data. */
struct bytes receive_payload(void);

#endif
