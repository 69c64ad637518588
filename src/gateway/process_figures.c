/* Figures of the process, as Prometheus' client libraries have them. */
#include "gateway/process_figures.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The fields of /proc/self/stat that are read, counted from 0 behind the program's name, which is
 * in parentheses and may have any character in it (proc(5)). */
#define STAT_START 19
#define STAT_VIRTUAL 20
#define STAT_RESIDENT 21
#define STAT_FIELDS 22

static void read_stat(uint64_t fields[static STAT_FIELDS])
{
    char text[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    size_t length = file != NULL ? fread(text, 1, sizeof(text) - 1, file) : 0;
    char *at;

    memset(fields, 0, STAT_FIELDS * sizeof(fields[0]));
    if (file != NULL)
        fclose(file);
    text[length] = '\0';
    at = strrchr(text, ')');
    for (int i = 0; at != NULL && i < STAT_FIELDS; i++) {
        at = strchr(at + 1, ' ');
        if (at != NULL && i > 0) /* (the first one is a letter) */
            sscanf(at, "%" SCNu64, &fields[i]);
    }
}

static double seconds_of(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

/* When the machine began, in seconds since 1970. */
static double boot_seconds(void)
{
    struct timespec now, up;

    clock_gettime(CLOCK_REALTIME, &now);
    clock_gettime(CLOCK_BOOTTIME, &up);
    return (double)(now.tv_sec - up.tv_sec) + (double)(now.tv_nsec - up.tv_nsec) / 1e9;
}

/* When the process began, as it was seen first: what comes of these clocks differs each time by how
 * far apart they are read, and by what is done to the clock, and a process begins once. */
static double start_seconds(const uint64_t fields[static STAT_FIELDS])
{
    static double start;

    if (start == 0)
        start = boot_seconds() + (double)fields[STAT_START] / (double)sysconf(_SC_CLK_TCK);
    return start;
}

void process_figures_read(struct process_figures *figures)
{
    uint64_t fields[STAT_FIELDS];
    struct rlimit limit = {0};
    struct rusage usage = {0};
    struct stat found = {0};

    read_stat(fields);
    getrusage(RUSAGE_SELF, &usage);
    getrlimit(RLIMIT_NOFILE, &limit);
    stat("/proc/self/fd", &found); /* its size is the number of them from Linux 6.2 on */
    *figures = (struct process_figures){
        .cpu_seconds = seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime),
        .start_seconds = start_seconds(fields),
        .resident_bytes = fields[STAT_RESIDENT] * (uint64_t)sysconf(_SC_PAGESIZE),
        .virtual_bytes = fields[STAT_VIRTUAL],
        .descriptors = (uint64_t)found.st_size,
        .descriptors_max = limit.rlim_cur,
    };
}
