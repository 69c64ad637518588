/* An endpoint over another one that lets its bytes come no faster than a pace. What is written to
 * it goes to the other one as it is. It has the other one's thread.
 *
 * Bytes come by portions. For each portion the pace says how long it has to wait; meanwhile the
 * other endpoint is paused, and what it brought beyond the portion is held. Endpoints that ask the
 * same pace in turn share it fairly. */
#ifndef ADIT_IO_PACED_H
#define ADIT_IO_PACED_H

#include "base/buffer.h"
#include "io/endpoint.h"
#include "io/loop.h"

/* A portion; a slow pace has smaller ones (paced_portion). */
#define PACED_PORTION 65536

/* For how many milliseconds the next portion, of so many bytes, has to wait; 0: it may come now. */
typedef uint64_t paced_wait_fn(void *arg, size_t portion);

/* So many bytes of the portions that were waited for will not come. */
typedef void paced_unused_fn(void *arg, size_t bytes);

struct paced_pace {
    paced_wait_fn *wait;
    paced_unused_fn *unused; /* called when the paced endpoint is freed; NULL: nobody asks */
    void *arg;
    size_t portion; /* at least 1 */
};

/* A portion for so many bytes a second: what comes in a fiftieth of a second, at most
 * PACED_PORTION, so that many who share the pace have their turns often. */
size_t paced_portion(uint64_t rate);

/* Takes the endpoint over until it is given back. `pace` is copied, and asked until then. The paced
 * endpoint has one owner until it is closed or ended. */
struct endpoint *paced_new(struct loop *loop, struct endpoint *endpoint,
                           const struct paced_pace *pace);

/* Bytes that have come from the endpoint before it was paced: they are the first that it delivers,
 * at the pace. Before it is resumed. `bytes` is empty then. */
void paced_hold(struct endpoint *endpoint, struct buffer *bytes);

/* Whether it is such a one. NULL is none. */
bool endpoint_is_paced(const struct endpoint *endpoint);

/* Gives the other endpoint back, which is paused then and needs an owner, with what is kept of
 * messages; frees the paced one. Bytes that have come from it and had to wait are appended to
 * `held`. The owner may do so from inside an event, if that is the last thing that the event does.
 */
struct endpoint *paced_end(struct endpoint *endpoint, struct buffer *held);

#endif
