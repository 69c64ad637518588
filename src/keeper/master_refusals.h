/* Why a server has refused opens over an ssh(1) that carries sessions: ssh prints which channel of
 * its own leads to which target, and why the channel of that number did not open. Pure; the
 * keeper's main thread. Only for this room. */
#ifndef ADIT_KEEPER_MASTER_REFUSALS_H
#define ADIT_KEEPER_MASTER_REFUSALS_H

#include <stddef.h>
#include <stdint.h>

/* How many refusals are kept. Each is asked for as soon as it has happened. */
#define MASTER_REFUSALS_MAX 1024

/* ssh has no more channels than that at a time (CHANNELS_MAX_CHANNELS of its channels.c). */
#define MASTER_CHANNELS_MAX 10001

struct master_target {
    char *host; /* or a path; NULL: none */
    uint32_t port;
};

struct master_refusal {
    struct master_target target;
    uint32_t reason; /* RFC 4254 section 5.1 */
    char *words;     /* the server's, on one line, visible */
};

/* Zero before. */
struct master_refusals {
    struct master_target asked; /* whose channel has no number yet */
    struct master_target *channels;
    size_t channel_count;
    struct master_refusal *kept[MASTER_REFUSALS_MAX]; /* a ring */
    size_t next;
};

/* Takes what ssh says of a request to open: "channel 2: stdio fwd to HOST:PORT", then "channel_new:
 * 3 control 2". */
void master_refusals_asked(struct master_refusals *refusals, const char *words);

/* Takes what it says of an answer: "channel 3: open failed: REASON: WORDS". Other words are fine,
 * in both. */
void master_refusals_failed(struct master_refusals *refusals, const char *words);

/* The last refusal of that target: valid until the next line. NULL: it is not known. */
const struct master_refusal *master_refusals_find(const struct master_refusals *refusals,
                                                  const char *host, uint32_t port);

void master_refusals_clear(struct master_refusals *refusals);

#endif
