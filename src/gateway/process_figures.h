/* What the kernel knows of this process. Main thread only. */
#ifndef ADIT_GATEWAY_PROCESS_FIGURES_H
#define ADIT_GATEWAY_PROCESS_FIGURES_H

#include <stdint.h>

struct process_figures {
    double cpu_seconds;
    double start_seconds; /* since 1970 */
    uint64_t resident_bytes;
    uint64_t virtual_bytes;
    uint64_t descriptors; /* 0: the kernel does not tell but by listing them */
    uint64_t descriptors_max;
};

/* Reads proc(5), which does not wait. What cannot be read is 0. */
void process_figures_read(struct process_figures *figures);

#endif
