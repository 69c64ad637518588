/* A gateway that was taken over, in the place of gateway/process: it does what the words of the
 * file $ADIT_TEST_PACKETS say, a blank between two, and then nothing more. A word is a packet in
 * hexadecimal, which is sent, or:
 *
 *     line      makes a service line (wire/service.h), to which the next packets go
 *     stream    the same with another kind of socket
 *     login     makes a login line (wire/login_line.h): the next packet opens it (GATEWAY_LOGIN),
 * and those after it go there keeper    the next packets go to the keeper itself (wire/keeper.h)
 *     tcp:PORT  connects to a port of 127.0.0.1: the descriptor goes with the next packet
 *     config    waits for the next configuration of the keeper's, and prints which change it is
 *     answer    waits for the next packet, and prints it on standard error
 *     agent     the descriptor beside the last answer is a connection to an agent, to which the
 * next packets go, each as one of its messages (without the length) end       ends the gateway */
#include "base/mem.h"
#include "base/ssh_bytes.h"
#include "gateway/process.h"
#include "io/own_program.h"
#include "io/packets.h"
#include "wire/keeper.h"

#include <ctype.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BYTES_MAX (1 << 17)

struct broken_gateway {
    int to;        /* where packets go */
    bool is_agent; /* those of an agent */
    int line_end;  /* goes with the next packet, whose line's other end is `to` then; -1: none */
    int other_end;
    int received; /* the descriptor beside the last answer; -1: none */
};

static const char *read_words(void)
{
    static char text[1 << 19];
    const char *path = getenv("ADIT_TEST_PACKETS");
    FILE *file = path != NULL ? fopen(path, "r") : NULL;

    if (file == NULL)
        return NULL;
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    return text;
}

static size_t read_hex(const char *text, uint8_t *bytes)
{
    size_t length = 0;

    while (length < BYTES_MAX && isxdigit((unsigned char)text[2 * length]) &&
           isxdigit((unsigned char)text[2 * length + 1])) {
        const char digits[] = {text[2 * length], text[2 * length + 1], '\0'};
        bytes[length++] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return length;
}

static void make_line(struct broken_gateway *g, int type)
{
    int ends[2];

    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) != 0)
        abort();
    g->line_end = ends[1];
    g->other_end = ends[0];
    g->to = OWN_PROGRAM_FD;
    g->is_agent = false;
}

/* A connection, which goes with the next packet to where packets go already. */
static void connect_tcp(struct broken_gateway *g, const char *port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    g->line_end = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g->other_end = g->to;
    if (connect(g->line_end, (const struct sockaddr *)&address, sizeof(address)) != 0)
        abort();
}

/* False: the keeper has closed its end. */
static bool send_bytes(struct broken_gateway *g, struct span bytes)
{
    uint8_t length[4];
    bool sent;

    if (g->is_agent) {
        ssh_put_uint32(length, (uint32_t)bytes.length);
        return send(g->to, length, sizeof(length), MSG_NOSIGNAL) == sizeof(length) &&
               send(g->to, bytes.bytes, bytes.length, MSG_NOSIGNAL) == (ssize_t)bytes.length;
    }
    sent = packet_pass(g->to, bytes, g->line_end);
    if (g->line_end >= 0) {
        close(g->line_end);
        g->line_end = -1;
        g->to = g->other_end;
    }
    return sent;
}

/* The next message of the agent; without bytes: its end. */
static void receive_of_agent(int fd, struct buffer *message)
{
    uint8_t head[4];
    struct ssh_reader reader = {.rest = {head, sizeof(head)}};
    uint32_t length;

    if (recv(fd, head, sizeof(head), MSG_WAITALL) != sizeof(head))
        return;
    length = ssh_take_uint32(&reader);
    if (length > BYTES_MAX ||
        recv(fd, buffer_reserve(message, length), length, MSG_WAITALL) != (ssize_t)length)
        return;
    buffer_commit(message, length);
}

static void print_answer(struct broken_gateway *g)
{
    struct buffer packet = {0};
    int fd = -1;

    if (g->is_agent)
        receive_of_agent(g->to, &packet);
    else
        packet_wait(g->to, BYTES_MAX, &packet, &fd);
    char *hex = mem_zalloc(2 * buffer_length(&packet) + 1);
    for (size_t i = 0; i < buffer_length(&packet); i++)
        snprintf(hex + 2 * i, 3, "%02x", buffer_data(&packet)[i]);
    /* (In one write(2): the keeper writes lines there, too.) */
    dprintf(STDERR_FILENO, "answer:%s%s%s\n", *hex ? " " : "", hex,
            fd >= 0 ? " and a descriptor" : "");
    g->received = fd;
    free(hex);
    buffer_clear(&packet);
}

static void await_config(void)
{
    struct keeper_message message = {.kind = KEEPER_START};
    struct buffer packet = {0};
    int fd = -1;

    while (message.kind != KEEPER_CONFIG) {
        buffer_clear(&packet);
        if (!packet_wait(OWN_PROGRAM_FD, KEEPER_PACKET_MAX, &packet, &fd) ||
            !keeper_message_parse(span_of_buffer(&packet), fd >= 0, false, &message))
            break;
        if (fd >= 0)
            close(fd);
    }
    fprintf(stderr, "answer: configuration %u\n", message.numbers[0]);
    buffer_clear(&packet);
}

/* False: nothing more is to be done. */
static bool do_word(struct broken_gateway *g, const char *word)
{
    static uint8_t bytes[BYTES_MAX];

    if (strncmp(word, "line", 4) == 0) {
        uint8_t kind = GATEWAY_SERVICE;
        make_line(g, SOCK_SEQPACKET);
        return send_bytes(g, (struct span){&kind, 1});
    }
    if (strncmp(word, "stream", 6) == 0) {
        uint8_t kind = GATEWAY_SERVICE;
        make_line(g, SOCK_STREAM);
        return send_bytes(g, (struct span){&kind, 1});
    }
    if (strncmp(word, "login", 5) == 0)
        make_line(g, SOCK_SEQPACKET);
    else if (strncmp(word, "tcp:", 4) == 0)
        connect_tcp(g, word + 4);
    else if (strncmp(word, "keeper", 6) == 0)
        *g = (struct broken_gateway){.to = OWN_PROGRAM_FD, .line_end = -1, .received = -1};
    else if (strncmp(word, "config", 6) == 0)
        await_config();
    else if (strncmp(word, "answer", 6) == 0)
        print_answer(g);
    else if (strncmp(word, "agent", 5) == 0)
        g->is_agent = true, g->to = g->received;
    else if (!send_bytes(g, (struct span){bytes, read_hex(word, bytes)}))
        return g->to != OWN_PROGRAM_FD; /* (a line may have been ended) */
    return true;
}

int gateway_process_run(const struct login_engine *engine, const struct login_engine *join_engine)
{
    struct broken_gateway gateway = {.to = OWN_PROGRAM_FD, .line_end = -1, .received = -1};
    const char *word = read_words();
    char byte[1];

    (void)engine, (void)join_engine;
    while (word != NULL && *word != '\0') {
        if (strncmp(word, "end", 3) == 0)
            return 0;
        if (!do_word(&gateway, word))
            break;
        word = strchr(word, ' ');
        word += word != NULL;
    }
    while (recv(OWN_PROGRAM_FD, byte, sizeof(byte), 0) > 0)
        continue;
    return 0;
}
