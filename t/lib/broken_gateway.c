/* A gateway that was taken over, in the place of gateway/process: it sends the packets that
 * the file $ADIT_TEST_PACKETS has, in hexadecimal, a blank between two, and then does nothing.
 * "line" makes a service line (wire/service.h), to which the packets behind it go, "stream" one of
 * another kind of socket, and "answer" waits for the next packet that comes by it and prints that
 * on standard error. "end" ends it. */
#include "gateway/process.h"
#include "io/own_program.h"
#include "wire/keeper.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static size_t read_hex(const char *text, uint8_t *bytes)
{
    size_t length = 0;
    unsigned byte;

    while (sscanf(text + 2 * length, "%2x", &byte) == 1 && text[2 * length] != ' ')
        bytes[length++] = (uint8_t)byte;
    return length;
}

static const char *read_packets(void)
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

/* Sends the keeper one end of a pair beside a GATEWAY_SERVICE; the other end, or -1. */
static int open_line(int type)
{
    uint8_t kind = GATEWAY_SERVICE;
    struct iovec iov = {.iov_base = &kind, .iov_len = 1};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    int ends[2];

    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) != 0)
        return -1;
    control.align.cmsg_level = SOL_SOCKET;
    control.align.cmsg_type = SCM_RIGHTS;
    control.align.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.align), &ends[1], sizeof(int));
    sendmsg(OWN_PROGRAM_FD, &message, MSG_NOSIGNAL);
    close(ends[1]);
    return ends[0];
}

static void print_answer(int line)
{
    static uint8_t bytes[1 << 16];
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    ssize_t length = recvmsg(line, &message, MSG_CMSG_CLOEXEC);

    fprintf(stderr, "answer:");
    for (ssize_t i = 0; i < length; i++)
        fprintf(stderr, "%s%02x", i == 0 ? " " : "", bytes[i]);
    fprintf(stderr, "%s\n", CMSG_FIRSTHDR(&message) != NULL ? " and a descriptor" : "");
}

int gateway_process_run(const struct login_engine *engine, const struct login_engine *join_engine)
{
    const char *packet = read_packets();
    static uint8_t bytes[1 << 17];
    int to = OWN_PROGRAM_FD;

    (void)engine, (void)join_engine;
    while (packet != NULL && *packet != '\0') {
        if (strncmp(packet, "line", 4) == 0)
            to = open_line(SOCK_SEQPACKET);
        else if (strncmp(packet, "stream", 6) == 0)
            to = open_line(SOCK_STREAM);
        else if (strncmp(packet, "answer", 6) == 0)
            print_answer(to);
        else if (strncmp(packet, "end", 3) == 0)
            return 0;
        else if (send(to, bytes, read_hex(packet, bytes), MSG_NOSIGNAL) < 0)
            break;
        packet = strchr(packet, ' ');
        packet += packet != NULL;
    }
    while (recv(OWN_PROGRAM_FD, bytes, sizeof(bytes), 0) > 0)
        continue;
    return 0;
}
