/* The program's side. The keeper's is master_ask.c. */
#include "keeper/master_askpass.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "io/socket_calls.h"
#include "io/whole.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Asks over a pair whose other end the keeper gets. False: it cannot be asked. */
static bool ask_over(int fd, const char *prompt, struct buffer *answer)
{
    const struct wait_limit limit = wait_limit(-1, -1);
    const char *hint = getenv("SSH_ASKPASS_PROMPT");
    char *text = mem_printf("%s\n%.*s", hint != NULL ? hint : "", MASTER_PROMPT_MAX / 2, prompt);
    bool sent = send_whole(fd, text, strlen(text), &limit) == 0;

    free(text);
    socket_shutdown_sending(fd);
    while (sent && receive_some(fd, answer, &limit) == 0)
        continue;
    return sent;
}

int master_askpass(const char *prompt)
{
    struct buffer answer = {0};
    int ends[2];
    bool given;

    if (!socket_pair(true, ends))
        return EXIT_FAILURE;
    given = socket_send_passed(STDERR_FILENO, ends[1]) == 0;
    close(ends[1]);
    given = given && ask_over(ends[0], prompt, &answer) && buffer_length(&answer) > 0 &&
            write_whole(STDOUT_FILENO, buffer_data(&answer), buffer_length(&answer)) == 0;
    buffer_wipe(&answer);
    return given ? EXIT_SUCCESS : EXIT_FAILURE;
}
