/* The modes of a terminal as a pty-req has them (RFC 4254 section 8, RFC 8160). Any thread. */
#ifndef ADIT_IO_TERMINAL_MODES_H
#define ADIT_IO_TERMINAL_MODES_H

#include <stddef.h>
#include <stdint.h>

#define TERMINAL_MODES_MAX 320

/* Writes what tcgetattr(3) tells of the terminal, as ssh(1) does (OpenSSH's ttymodes.c): its
 * speeds, its characters, its flags, and the end of the list. Returns the length; of what is no
 * terminal there is only the end. */
size_t terminal_modes(int fd, uint8_t modes[static TERMINAL_MODES_MAX]);

#endif
