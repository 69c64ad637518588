/* The load generator of t/bench.
 *
 *     load origin                            the servers behind the proxy
 *     load client PROXY ECHO SOURCE SINK ANSWER HOLE [PASSWORD]
 *                                            (ports) the clients before it; obeys standard input:
 *
 *         hold COUNT SECONDS       churn PARALLEL SECONDS      echo SECONDS
 *         down STREAMS MIB         up STREAMS MIB          flow STREAMS SECONDS
 *         pages CONNECTIONS OBJECTS BYTES SECONDS
 *         beside DOWN UP BYTES SECONDS
 *         stall DOWN UP PAUSE_US NAMES INTERVAL_MS SECONDS
 *         rate A_SECOND SECONDS    flood KIND MOST A_SECOND    flood_end
 *
 * Each command is answered by one line of JSON. Both end when standard input does. */
#include "load.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

double now(void)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

void die(const char *what)
{
    fputs("load: ", stderr);
    perror(what);
    exit(1);
}

uint64_t big_endian(uint64_t number)
{
    return htobe64(number);
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        die("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        die("setrlimit");
}

static void obey(const struct setting *setting, const char *line)
{
    unsigned count, more;
    double seconds, rate;
    uint64_t mib, bytes;
    struct stall stall;
    char kind[32];

    if (sscanf(line, "hold %u %lf", &count, &seconds) == 2)
        visit_hold(setting, count, seconds);
    else if (sscanf(line, "churn %u %lf", &count, &seconds) == 2)
        visit_churn(setting, count, seconds);
    else if (sscanf(line, "echo %lf", &seconds) == 1)
        visit_echo(seconds);
    else if (sscanf(line, "down %u %" SCNu64, &count, &mib) == 2)
        stream_run(setting, false, count, mib << 20);
    else if (sscanf(line, "up %u %" SCNu64, &count, &mib) == 2)
        stream_run(setting, true, count, mib << 20);
    else if (sscanf(line, "stall %u %u %u %u %u %lf", &stall.down, &stall.up, &stall.pause_us,
                    &stall.names, &stall.interval_ms, &stall.seconds) == 6)
        stall_run(setting, &stall);
    else if (sscanf(line, "flow %u %lf", &count, &seconds) == 2)
        stream_flow(setting, count, seconds);
    else if (sscanf(line, "pages %u %u %" SCNu64 " %lf", &count, &more, &bytes, &seconds) == 4)
        request_pages(setting, count, more, bytes, seconds);
    else if (sscanf(line, "beside %u %u %" SCNu64 " %lf", &count, &more, &bytes, &seconds) == 4)
        request_beside(setting, count, more, bytes, seconds);
    else if (sscanf(line, "rate %lf %lf", &rate, &seconds) == 2)
        visit_rate(setting, rate, seconds);
    else if (sscanf(line, "flood %31s %u %lf", kind, &count, &rate) == 3 &&
             flood_begin(setting, kind, count, rate))
        puts("{}");
    else if (strcmp(line, "flood_end\n") == 0)
        flood_end();
    else
        die(line);
}

int main(int argc, char **argv)
{
    char line[128];

    raise_descriptor_limit();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "origin") == 0) {
        origin_run();
    } else if ((argc == 8 || argc == 9) && strcmp(argv[1], "client") == 0) {
        struct setting setting = {
            .proxy = (uint16_t)atoi(argv[2]),
            .echo = (uint16_t)atoi(argv[3]),
            .source = (uint16_t)atoi(argv[4]),
            .sink = (uint16_t)atoi(argv[5]),
            .answer = (uint16_t)atoi(argv[6]),
            .hole = (uint16_t)atoi(argv[7]),
            .password = argv[8],
        };
        while (fgets(line, sizeof(line), stdin) != NULL)
            obey(&setting, line);
    } else {
        fputs("usage: load origin | load client PROXY ECHO SOURCE SINK ANSWER HOLE [PASSWORD]\n",
              stderr);
        return 64;
    }
    return 0;
}
