/* A gateway that was taken over, in the place of gateway/process: it sends the packets that
 * the file $ADIT_TEST_PACKETS has, in hexadecimal, a blank between two, and then does nothing. */
#include "gateway/process.h"
#include "io/own_program.h"

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

int gateway_process_run(const struct login_engine *engine, const struct login_engine *join_engine)
{
    const char *packet = read_packets();
    static uint8_t bytes[1 << 17];

    (void)engine, (void)join_engine;
    while (packet != NULL && *packet != '\0') {
        size_t length = read_hex(packet, bytes);
        if (send(OWN_PROGRAM_FD, bytes, length, MSG_NOSIGNAL) < 0)
            return 1;
        packet = strchr(packet, ' ');
        packet += packet != NULL;
    }
    while (recv(OWN_PROGRAM_FD, bytes, sizeof(bytes), 0) > 0)
        continue;
    return 0;
}
