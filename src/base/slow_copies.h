/* A way around copies that are slow on some machines. */
#ifndef ADIT_BASE_SLOW_COPIES_H
#define ADIT_BASE_SLOW_COPIES_H

/* On AMD processors, memcpy of glibc before 2.39 copies more than 2 KiB with an instruction that is
 * several times slower than a loop when source and destination lie badly in their pages (glibc's
 * bug 30994); that was a third of the processor time of a download. glibc reads the size from which
 * it does so from the environment when a program begins; so this function sets the size and
 * executes the program again. It is to be called first, and returns when there is nothing (more) to
 * do. An environment that has GLIBC_TUNABLES is left as it is. */
void slow_copies_avoid(char **argv);

#endif
