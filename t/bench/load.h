/* The load generator of t/bench: what its parts share. */
#ifndef ADIT_BENCH_LOAD_H
#define ADIT_BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The origins listen on so many addresses from 127.0.1.1 on, and clients come from as many from
 * 127.0.0.1 on: one address has 28,000 ephemeral ports, and a closed connection keeps its own for a
 * while. */
#define ADDRESSES 8

/* Where the proxy and the origins are. Ports. */
struct setting {
    uint16_t proxy;
    uint16_t echo;
    uint16_t source;      /* is told a length (8 bytes, big-endian), sends that many, closes */
    uint16_t sink;        /* reads to the end, says how many there were (as above), closes */
    uint16_t answer;      /* as the source, but again and again, until the client closes */
    uint16_t hole;        /* the server connects to it in vain: it gets no answer */
    const char *password; /* NULL: the proxy asks for none; else that of SOCKS_USER */
};

/* load.c */

/* Seconds of a monotonic clock. */
double now(void);
/* Prints "load: ..." and errno's text, and ends the program. */
_Noreturn void die(const char *what);
uint64_t big_endian(uint64_t number);

/* samples.c */

/* Milliseconds. Zeroed: none. */
struct samples {
    double *values;
    size_t count, room;
};

void samples_add(struct samples *samples, double value);
/* The smallest that at least the part q of them does not exceed, 0 <= q <= 1; of none: 0. */
double samples_quantile(struct samples *samples, double q);
void samples_free(struct samples *samples);

/* socks.c: RFC 1928, as a client without authentication. */

#define SOCKS_GREETING "\x05\x01\x00"
#define SOCKS_REQUEST_SIZE 10
#define SOCKS_REPLY_MAX (6 + 256)
#define SOCKS_USER "bob"

/* What a client says first, both parts of it where the proxy asks for a password (RFC 1929).
 * Returns the length. */
size_t socks_greeting(uint8_t greeting[static SOCKS_REPLY_MAX], const char *password);

/* A request for `port` of the n-th origin address. */
void socks_request(uint8_t request[static SOCKS_REQUEST_SIZE], unsigned n, uint16_t port);
/* The length of a reply that begins so; 0: too early to say. */
size_t socks_reply_length(const uint8_t *reply, size_t length);
/* A socket that is connecting to the proxy from 127.0.0.`host`, or -1. */
int socks_socket_from(const struct setting *setting, unsigned host, int flags);
/* The same from the n-th client address. */
int socks_socket(const struct setting *setting, unsigned n, int flags);
/* A blocking connection through the proxy to `port` of the first origin; -1: refused. */
int socks_connect(const struct setting *setting, uint16_t port);
/* A blocking connection to the proxy that was asked to lead to `port` of a name, and whose answer
 * was not waited for; -1: the proxy does not listen. */
int socks_ask_name(const struct setting *setting, const char *name, uint16_t port);

/* origin.c */

/* The servers behind the proxy. Prints their ports, runs until standard input ends. */
void origin_run(void);

/* visit.c: connections to the echo server that prove themselves with one byte there and back. Each
 * prints its result as a line of JSON. */

/* Opens `count` connections, 64 at once, for `seconds` at most, and keeps them open. */
void visit_hold(const struct setting *setting, unsigned count, double seconds);
/* Opens, and closes again, `parallel` at once for `seconds`. */
void visit_churn(const struct setting *setting, unsigned parallel, double seconds);
/* Opens so many a second for `seconds`, whether those before are done or not, and closes each when
 * it is. The time of one counts from when it was due. */
void visit_rate(const struct setting *setting, double rate, double seconds);
/* One byte there and back on one of the connections that are held, again and again. */
void visit_echo(double seconds);

/* flood.c: what one source, 127.0.0.66, can do to a proxy. */

/* Begins a flood of a kind, which goes on until flood_end: `rate` connections a second, of which
 * the last `most` stay open (readers: the first). It sleeps in between, so that it takes little of
 * the processor. Returns false if there is no such kind: connections, heads, readers, holes,
 * passwords. */
bool flood_begin(const struct setting *setting, const char *kind, unsigned most, double rate);
/* Ends it, and prints a line of JSON. */
void flood_end(void);

/* stall.c: transfers of 16 KiB chunks, and the longest time that one of them had nothing to read
 * before names were asked for, and from then on. Prints a line of JSON. */
#define STALL_LEAD 2 /* seconds that they run before it is measured, and before names are asked */
struct stall {
    unsigned down, up;    /* transfers */
    unsigned pause_us;    /* between two chunks of one; 0: as fast as it goes */
    unsigned names;       /* n0.slow.test, n1.slow.test, ... */
    unsigned interval_ms; /* from one to the next */
    double seconds;       /* from the first on */
};
void stall_run(const struct setting *setting, const struct stall *stall);

/* stream.c: `streams` at once carry `bytes` together. Prints a line of JSON. */
void stream_run(const struct setting *setting, bool up, unsigned streams, uint64_t bytes);
/* `streams` downloads at once for `seconds`, their start with them: what has come by then. The same
 * line. */
void stream_flow(const struct setting *setting, unsigned streams, double seconds);
/* Begins streams that carry until stream_end, and returns when all are well under way, or have
 * failed. */
void stream_begin(const struct setting *setting, unsigned down, unsigned up);
/* What those have carried so far: down, and up as far as the proxy took it. */
void stream_carried(uint64_t bytes[static 2]);
/* Ends them; returns how many had failed. */
unsigned stream_end(void);

/* request.c: requests that are answered by so many bytes. Each prints its result as a line of JSON.
 */

/* What a browser does for a page of `objects`: `connections` at once ask for one after another,
 * until all are there. Again and again for `seconds`. */
void request_pages(const struct setting *setting, unsigned connections, unsigned objects,
                   uint64_t bytes, double seconds);
/* Requests of `bytes`, each by a connection of its own, one after another for `seconds`, beside so
 * many streams. */
void request_beside(const struct setting *setting, unsigned down, unsigned up, uint64_t bytes,
                    double seconds);

#endif
