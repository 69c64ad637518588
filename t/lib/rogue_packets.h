/* The packets of one connection, for rogue_transport.c. Where the client has left, the program ends
 * with status 0: that is what a test waits for. */
#ifndef ADIT_T_LIB_ROGUE_PACKETS_H
#define ADIT_T_LIB_ROGUE_PACKETS_H

#include "rogue_bytes.h"

#include <openssl/evp.h>
#include <stdbool.h>

#define HASH_SIZE 32
#define PACKET_MAX (1024 * 1024)
#define BLOCK 16

/* One direction's keys. */
struct direction {
    EVP_CIPHER_CTX *cipher; /* NULL: in clear */
    uint8_t mac_key[HASH_SIZE];
    uint32_t sequence;
};

extern int connection; /* the socket */
extern struct direction in, out;

/* Encrypts or decrypts in place; in clear without a cipher. */
void crypt_bytes(struct direction *d, uint8_t *data, size_t length);
/* The MAC of a packet in clear, HASH_SIZE bytes. */
void packet_mac(const struct direction *d, const uint8_t *packet, size_t length, uint8_t *digest);
/* The next packet of `out`, whose data the caller frees. */
struct bytes make_packet(const uint8_t *payload, size_t length);

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
