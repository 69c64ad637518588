/* A way around copies that are slow on some machines. */
#ifndef ADIT_BASE_SLOW_COPIES_H
#define ADIT_BASE_SLOW_COPIES_H

/* On AMD processors, memcpy of glibc before 2.39 copies more than 2 KiB with an instruction that is
 * several times slower than a loop when source and destination lie badly in their pages (glibc's
 * bug 30994); that was a third of the processor time of a download. glibc reads the size from which
 * it does so from the environment when a program begins.
 *
 * "NAME=VALUE" for the environment of a process that is to carry data; NULL: nothing is to be done,
 * or the environment has that variable, which is left as it is. Static text. */
const char *slow_copies_setting(void);

/* In that process, before there are threads: the programs that it starts do not inherit the
 * setting. */
void slow_copies_forget(void);

#endif
