/* The transport of an SSH server that breaks the protocol (RFC 4253): version exchange, key
 * exchange (curve25519-sha256, ssh-ed25519), aes128-ctr with hmac-sha2-256. All that comes above it
 * is the test's, t/lib/adit_test/rogue.py, which this program serves for one connection:
 *
 *   rogue_transport public SEED            prints the host key's public half, as in known_hosts
 *   rogue_transport serve SEED FD [STEP HOW]
 *   rogue_transport record SEED FD
 *
 * SEED is the private key, 64 hexadecimal digits; FD the connection. STEP ends the connection there
 * (see `steps`), and HOW says how: "close", "reset", "disconnect", "garbage" or "hang".
 *
 * "record" is "serve", and the client's version line, after a byte 0, and its KEXINITs come out,
 * too. The client's first KEXINIT is waited for before ours is sent.
 *
 * Standard input and output carry payloads of packets, each after its length (uint32, as SSH has
 * it). What the client sends comes out, except for the messages of key exchange; what comes in is
 * sent. A payload whose first byte is 0 is an order: with 32 bytes more, the seed of a host key, to
 * exchange the keys anew with that one; with one byte more, to leave the client's next KEXINIT
 * without an answer; alone, to read nothing from the client any more. */
#include "rogue_kex.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct rogue_sides sides;
static bool deaf;     /* nothing is read from the client */
static bool stubborn; /* the client's KEXINIT is not answered */
static bool record;   /* the test sees all that comes before the keys, too */
static const char *stop_step = "", *stop_how = "close";

/* Ends. */

static void disconnect(void)
{
    struct bytes b = {0};

    put_u8(&b, MSG_DISCONNECT);
    put_u32(&b, 2);
    put_text(&b, "rogue");
    put_text(&b, "");
    send_payload(b.data, b.length);
    free(b.data);
}

static const char *const steps[] = {"connect",       "version-part", "version",
                                    "their-version", "kexinit-part", "kexinit",
                                    "their-kexinit", "ecdh",         "reply-part",
                                    "reply",         "newkeys",      "their-newkeys"};

/* Ends the connection here if this is the step to stop at. */
static void step(const char *name)
{
    struct linger linger = {1, 0};
    uint8_t garbage[256];

    if (strcmp(name, stop_step) != 0)
        return;
    if (strcmp(stop_how, "disconnect") == 0) {
        disconnect();
    } else if (strcmp(stop_how, "reset") == 0) {
        setsockopt(connection, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    } else if (strcmp(stop_how, "garbage") == 0 || strcmp(stop_how, "hang") == 0) {
        memset(garbage, 0xa5, sizeof(garbage));
        if (*stop_how == 'g')
            write_all(connection, garbage, sizeof(garbage));
        while (read_exactly(connection, garbage, 1))
            ;
    }
    close(connection);
    exit(0);
}

/* Key exchange. */

static void give(const struct bytes *payload)
{
    uint32_t order = htonl((uint32_t)payload->length);

    write_all(STDOUT_FILENO, &order, 4);
    write_all(STDOUT_FILENO, payload->data, payload->length);
}

/* The next message of that type; others, which were on their way, go to the test. */
static struct bytes expect(uint8_t type)
{
    for (;;) {
        struct bytes b = receive_payload();
        if (b.length > 0 && b.data[0] == type)
            return b;
        if (b.length > 0 && b.data[0] == MSG_DISCONNECT)
            exit(0);
        give(&b);
        free(b.data);
    }
}

/* `theirs`: their KEXINIT, if that came first; it is freed. */
static void exchange_keys(struct bytes theirs)
{
    struct exchange x = {
        .theirs = theirs, .ours = kex_init(), .blob = kex_key_blob(sides.host_key)};
    struct bytes b;
    uint8_t newkeys = MSG_NEWKEYS;

    /* (A client may leave without a word of its own once it has seen ours.) */
    if (record && x.theirs.data == NULL)
        x.theirs = expect(MSG_KEXINIT);
    if (record)
        give(&x.theirs);
    if (strcmp(stop_step, "kexinit-part") == 0)
        send_part(&x.ours);
    step("kexinit-part");
    send_payload(x.ours.data, x.ours.length);
    step("kexinit");
    if (x.theirs.data == NULL)
        x.theirs = expect(MSG_KEXINIT);
    step("their-kexinit");
    b = expect(MSG_ECDH_INIT);
    if (b.length != 1 + 4 + 32)
        fail("ECDH_INIT");
    memcpy(x.client, b.data + 5, 32);
    free(b.data);
    step("ecdh");
    kex_agree(&x, &sides);
    b = kex_reply(&x, &sides);
    if (strcmp(stop_step, "reply-part") == 0)
        send_part(&b);
    step("reply-part");
    send_payload(b.data, b.length);
    free(b.data);
    step("reply");
    send_payload(&newkeys, 1);
    kex_take_keys(&x, &sides, &out, "BDF");
    step("newkeys");
    b = expect(MSG_NEWKEYS);
    free(b.data);
    kex_take_keys(&x, &sides, &in, "ACE");
    free(x.theirs.data);
    free(x.ours.data);
    free(x.blob.data);
    step("their-newkeys");
}

/* Life. */

static void give_version(void)
{
    struct bytes b = {0};

    put_u8(&b, 0);
    put(&b, sides.their_version, strlen(sides.their_version));
    if (record)
        give(&b);
    free(b.data);
}

static void exchange_versions(void)
{
    char line[256];
    size_t length = 0;

    step("connect");
    write_all(connection, rogue_version, 4);
    step("version-part");
    snprintf(line, sizeof(line), "%s\r\n", rogue_version + 4);
    write_all(connection, line, strlen(line));
    step("version");
    do
        receive_bytes(&sides.their_version[length], 1);
    while (sides.their_version[length] != '\n' && ++length < sizeof(sides.their_version) - 1);
    while (length > 0 && strchr("\r\n", sides.their_version[length]) != NULL)
        sides.their_version[length--] = '\0';
    give_version();
    step("their-version");
}

static void from_client(void)
{
    struct bytes b = receive_payload();

    if (b.length > 0 && b.data[0] == MSG_KEXINIT && !stubborn) {
        exchange_keys(b);
        return;
    }
    give(&b);
    free(b.data);
}

static void from_test(void)
{
    uint32_t order;
    uint8_t *payload;
    size_t length;

    if (!read_exactly(STDIN_FILENO, &order, 4))
        exit(0); /* which closes the connection */
    length = ntohl(order);
    payload = malloc(length + 1);
    if (payload == NULL || !read_exactly(STDIN_FILENO, payload, length))
        exit(0);
    if (length == 33 && payload[0] == 0) {
        EVP_PKEY_free(sides.host_key);
        sides.host_key = kex_key(payload + 1);
        exchange_keys((struct bytes){0});
    } else if (length == 1 && payload[0] == 0) {
        deaf = true;
    } else if (length == 2 && payload[0] == 0) {
        stubborn = true;
    } else {
        send_payload(payload, length);
    }
    free(payload);
}

static void serve(void)
{
    struct pollfd fds[2] = {{.fd = connection, .events = POLLIN},
                            {.fd = STDIN_FILENO, .events = POLLIN}};

    exchange_versions();
    exchange_keys((struct bytes){0});
    for (;;) {
        if (poll(fds, 2, -1) < 0)
            fail("poll");
        if (fds[0].revents != 0)
            from_client();
        if (fds[1].revents != 0)
            from_test();
        if (deaf)
            fds[0].fd = -1;
    }
}

static void print_public(void)
{
    struct bytes b = kex_key_blob(sides.host_key);
    unsigned char base64[256];

    EVP_EncodeBlock(base64, b.data, (int)b.length);
    printf("ssh-ed25519 %s\n", base64);
    free(b.data);
}

static bool known_step(const char *name)
{
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        if (strcmp(name, steps[i]) == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    uint8_t seed[32];
    size_t length = 0;

    if (argc < 3 || OPENSSL_hexstr2buf_ex(seed, sizeof(seed), &length, argv[2], '\0') != 1 ||
        length != sizeof(seed))
        fail("usage: rogue_transport public SEED | serve SEED FD [STEP HOW] | record SEED FD");
    sides.host_key = kex_key(seed);
    if (strcmp(argv[1], "public") == 0) {
        print_public();
        return 0;
    }
    if (argc < 4)
        fail("no connection");
    connection = atoi(argv[3]);
    record = strcmp(argv[1], "record") == 0;
    if (argc > 5) {
        stop_step = argv[4];
        stop_how = argv[5];
        if (!known_step(stop_step))
            fail("no such step");
    }
    serve();
    return 0;
}
