/* Packets as a server writes and reads them (RFC 4253 section 6), for rogue_transport.c and
 * t/fuzz/session.c.
 */
#include "rogue_packets.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int connection;
struct direction in, out;

bool read_exactly(int fd, void *data, size_t length)
{
    for (size_t got = 0; got < length;) {
        ssize_t n = read(fd, (uint8_t *)data + got, length - got);
        if (n <= 0)
            return false;
        got += (size_t)n;
    }
    return true;
}

void write_all(int fd, const void *data, size_t length)
{
    for (size_t put_out = 0; put_out < length;) {
        ssize_t n = write(fd, (const uint8_t *)data + put_out, length - put_out);
        if (n <= 0)
            exit(0); /* the client left: what a test waits for */
        put_out += (size_t)n;
    }
}

void receive_bytes(void *data, size_t length)
{
    if (!read_exactly(connection, data, length))
        exit(0);
}

void packet_mac(const struct direction *d, const uint8_t *packet, size_t length, uint8_t *digest)
{
    struct bytes b = {0};
    unsigned size = HASH_SIZE;

    put_u32(&b, d->sequence);
    put(&b, packet, length);
    HMAC(EVP_sha256(), d->mac_key, HASH_SIZE, b.data, b.length, digest, &size);
    free(b.data);
}

void crypt_bytes(struct direction *d, uint8_t *data, size_t length)
{
    int done = 0;

    if (d->cipher != NULL && EVP_CipherUpdate(d->cipher, data, &done, data, (int)length) != 1)
        fail("cipher");
}

struct bytes make_packet(const uint8_t *payload, size_t length)
{
    struct bytes packet = {0};
    uint8_t padding[2 * BLOCK] = {0}, digest[HASH_SIZE];
    size_t pad = BLOCK - (5 + length) % BLOCK;

    if (pad < 4)
        pad += BLOCK;
    put_u32(&packet, (uint32_t)(1 + length + pad));
    put_u8(&packet, (uint8_t)pad);
    put(&packet, payload, length);
    put(&packet, padding, pad);
    if (out.cipher != NULL) {
        packet_mac(&out, packet.data, packet.length, digest);
        crypt_bytes(&out, packet.data, packet.length);
        put(&packet, digest, sizeof(digest));
    }
    out.sequence++;
    return packet;
}

void send_payload(const uint8_t *payload, size_t length)
{
    struct bytes packet = make_packet(payload, length);

    write_all(connection, packet.data, packet.length);
    free(packet.data);
}

void send_part(const struct bytes *payload)
{
    struct bytes packet = make_packet(payload->data, payload->length);

    write_all(connection, packet.data, packet.length / 2);
    free(packet.data);
}

struct bytes receive_payload(void)
{
    uint8_t first[BLOCK], digest[HASH_SIZE], wanted[HASH_SIZE];
    struct bytes packet = {0}, payload = {0};
    uint8_t *rest;
    size_t length;

    receive_bytes(first, BLOCK);
    crypt_bytes(&in, first, BLOCK);
    length = get_u32(first);
    if (length < BLOCK - 4 || length > PACKET_MAX)
        fail("a packet's length");
    rest = malloc(length + 4);
    if (rest == NULL)
        fail("no memory");
    receive_bytes(rest, length + 4 - BLOCK);
    crypt_bytes(&in, rest, length + 4 - BLOCK);
    put(&packet, first, BLOCK);
    put(&packet, rest, length + 4 - BLOCK);
    free(rest);
    if (in.cipher != NULL) {
        receive_bytes(digest, sizeof(digest));
        packet_mac(&in, packet.data, packet.length, wanted);
        if (memcmp(digest, wanted, sizeof(digest)) != 0)
            fail("a packet's MAC");
    }
    in.sequence++;
    put(&payload, packet.data + 5, length - 1 - packet.data[4]);
    free(packet.data);
    return payload;
}
