/* Names to addresses: look-ups, the questions they wait for, and the cache.
 *
 * A look-up finds its answer in the cache, or waits for the question about its name, of which
 * there is one at a time. In either case the answer is given later in the turn, so that c-ares is
 * never on the stack when a caller's function is called, and that never happens inside the caller's
 * own call. */
#include "io/resolver.h"

#include "base/log.h"
#include "base/mem.h"
#include "io/resolver_cache.h"
#include "io/resolver_dns.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

TAILQ_HEAD(resolve_list, resolve);

struct resolver {
    struct loop *loop;
    struct resolver_options options;
    struct dns *dns;
    struct resolver_cache cache;
    struct name_question *questions; /* by name; those that are not settled */
    size_t questions_asked;          /* questions that c-ares has not ended, settled or not */
    size_t resolves;                 /* look-ups whose `done` is still to be called */
    struct resolver_counts counts;
};

/* A name that a server is asked for. It lives until c-ares calls back. */
struct name_question {
    UT_hash_handle hh;
    struct resolver *resolver;
    struct deadline deadline;
    struct resolve_list waiting;
    bool settled; /* the look-ups that waited were answered, and no others join */
    char name[];
};

struct resolve {
    TAILQ_ENTRY(resolve) next; /* of the question's `waiting` */
    struct resolver *resolver;
    struct name_question *question; /* NULL: answered */
    struct answer *answer;
    struct later later;
    resolve_done_fn *done;
    void *arg;
};

/* ---- look-ups */

static void resolve_free(struct resolve *resolve)
{
    resolve->resolver->resolves--;
    answer_release(resolve->answer);
    free(resolve);
}

static void give_answer(struct later *later)
{
    struct resolve *resolve = container_of(later, struct resolve, later);
    struct answer *answer = answer_hold(resolve->answer);
    resolve_done_fn *done = resolve->done;
    void *arg = resolve->arg;

    resolve_free(resolve);
    done(arg, answer->status, answer->addresses, answer->count, answer->error);
    answer_release(answer); /* its own memory: the caller may have freed the resolver */
}

/* Settles one look-up. */
static void resolve_answer(struct resolve *resolve, struct answer *answer)
{
    struct resolver_counts *counts = &resolve->resolver->counts;

    switch (answer->status) {
    case RESOLVE_FOUND: counts->found++; break;
    case RESOLVE_NO_SUCH_NAME: counts->no_such_name++; break;
    case RESOLVE_FAILED: counts->failed++; break;
    }
    resolve->question = NULL;
    resolve->answer = answer_hold(answer);
    later_post(resolve->resolver->loop, &resolve->later, give_answer);
}

void resolve_cancel(struct resolve *resolve)
{
    if (resolve == NULL)
        return;
    if (resolve->question != NULL)
        TAILQ_REMOVE(&resolve->question->waiting, resolve, next);
    later_cancel(resolve->resolver->loop, &resolve->later);
    resolve_free(resolve);
}

/* ---- what c-ares says */

/* Moves `*node` past the next address of one family and gives it. False: there is none. */
static bool take_address(const struct ares_addrinfo_node **node, bool v4, struct ip *ip)
{
    uint16_t port;

    while (*node != NULL) {
        const struct sockaddr *address = (*node)->ai_addr;
        *node = (*node)->ai_next;
        /* Not by ai_family: a v4-mapped address of an AAAA record is IPv4. */
        if (ip_from_sockaddr(address, ip, &port) && ip_is_v4(ip) == v4)
            return true;
    }
    return false;
}

static bool contains(const struct ip *addresses, size_t count, const struct ip *ip)
{
    for (size_t i = 0; i < count; i++) {
        if (ip_equal(&addresses[i], ip))
            return true;
    }
    return false;
}

static struct answer *answer_of(int status, const struct ares_addrinfo *found)
{
    struct ip addresses[RESOLVER_ADDRESSES_MAX], ip;
    const struct ares_addrinfo_node *left[2] = {found->nodes, found->nodes}; /* IPv6, IPv4 */
    size_t count = 0;
    bool v4 = false;

    while (count < RESOLVER_ADDRESSES_MAX &&
           (take_address(&left[v4], v4, &ip) || take_address(&left[!v4], !v4, &ip))) {
        if (contains(addresses, count, &ip))
            continue;
        addresses[count++] = ip;
        v4 = !ip_is_v4(&ip);
    }
    if (count > 0)
        return answer_new(RESOLVE_FOUND, NULL, addresses, count);

    switch (status) {
    case ARES_SUCCESS: status = ARES_ENODATA; /* fall through */
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
    case ARES_EBADNAME: /* "a..b", a label over 63 bytes: no host can have such a name */
        return answer_new(RESOLVE_NO_SUCH_NAME, ares_strerror(status), NULL, 0);
    default: return answer_new(RESOLVE_FAILED, ares_strerror(status), NULL, 0);
    }
}

/* ---- questions */

/* Gives all look-ups that wait the answer; later ones make a new question. */
static void question_settle(struct name_question *question, struct answer *answer)
{
    struct resolve *resolve;

    deadline_cancel(&question->deadline);
    HASH_DEL(question->resolver->questions, question);
    question->settled = true;
    while ((resolve = TAILQ_FIRST(&question->waiting)) != NULL) {
        TAILQ_REMOVE(&question->waiting, resolve, next);
        resolve_answer(resolve, answer);
    }
}

static void question_expired(struct deadline *deadline)
{
    struct name_question *question = container_of(deadline, struct name_question, deadline);
    struct answer *answer = answer_new(RESOLVE_FAILED, ares_strerror(ARES_ETIMEOUT), NULL, 0);

    log_debug("resolve %s: timed out", question->name);
    question_settle(question, answer);
    answer_release(answer);
}

static void question_ended(void *arg, int status, int timeouts, struct ares_addrinfo *found)
{
    static const struct ares_addrinfo nothing;
    struct name_question *question = arg;
    struct resolver *resolver = question->resolver;

    (void)timeouts;
    if (status == ARES_EDESTRUCTION && !TAILQ_EMPTY(&question->waiting)) {
        dns_ask(resolver->dns, question->name, question_ended, question); /* after a flush */
        return;
    }
    struct answer *answer = answer_of(status, found != NULL ? found : &nothing);
    uint64_t ttl = answer_ttl(answer, found);
    log_debug("resolve %s: %s, %zu addresses, ttl %llu", question->name, ares_strerror(status),
              answer->count, (unsigned long long)ttl);
    if (ttl > 0)
        cache_store(&resolver->cache, question->name, answer,
                    loop_now(resolver->loop) + ttl * 1000);
    if (!question->settled)
        question_settle(question, answer);
    answer_release(answer);
    ares_freeaddrinfo(found);
    free(question);
    resolver->questions_asked--;
}

static struct name_question *question_new(struct resolver *resolver, const char *name)
{
    size_t size = strlen(name) + 1;
    struct name_question *question = mem_zalloc(sizeof(*question) + size);

    question->resolver = resolver;
    TAILQ_INIT(&question->waiting);
    memcpy(question->name, name, size);
    HASH_ADD_STR(resolver->questions, name, question);
    resolver->questions_asked++;
    deadline_arm(resolver->loop, &question->deadline, resolver->options.timeout_ms,
                 question_expired);
    return question;
}

/* ---- the resolver */

static bool is_localhost(const char *name)
{
    static const char localhost[] = "localhost";
    size_t length = strlen(name), tail = sizeof(localhost) - 1;

    if (length < tail || strcmp(name + length - tail, localhost) != 0)
        return false;
    return length == tail || name[length - tail - 1] == '.';
}

/* The answer that needs no question. NULL: there is none. The caller becomes a holder. */
static struct answer *known_answer(struct resolver *resolver, const char *name)
{
    struct answer *cached = cache_find(&resolver->cache, name, loop_now(resolver->loop));

    if (cached != NULL) {
        resolver->counts.cached++;
        return answer_hold(cached);
    }
    if (is_localhost(name)) {
        struct ip loopback[2];
        ip_parse("::1", &loopback[0]);
        ip_parse("127.0.0.1", &loopback[1]);
        return answer_new(RESOLVE_FOUND, NULL, loopback, 2);
    }
    return NULL;
}

struct resolve *resolver_lookup(struct resolver *resolver, const char *name, resolve_done_fn *done,
                                void *arg)
{
    struct resolve *resolve = mem_zalloc(sizeof(*resolve));
    struct answer *answer = known_answer(resolver, name);
    struct name_question *question;

    resolve->resolver = resolver;
    resolve->done = done;
    resolve->arg = arg;
    resolver->resolves++;

    HASH_FIND_STR(resolver->questions, name, question);
    if (answer == NULL && question == NULL && resolver->questions_asked >= RESOLVER_QUESTIONS_MAX)
        answer = answer_new(RESOLVE_FAILED, "Too many look-ups at a time", NULL, 0);
    if (answer != NULL) {
        resolve_answer(resolve, answer);
        answer_release(answer);
        return resolve;
    }
    bool ask = question == NULL;
    if (ask)
        question = question_new(resolver, name);
    resolve->question = question;
    TAILQ_INSERT_TAIL(&question->waiting, resolve, next);
    if (ask)
        dns_ask(resolver->dns, name, question_ended, question); /* may end it */
    return resolve;
}

struct resolver *resolver_new(struct loop *loop, const struct resolver_options *options)
{
    struct resolver *resolver = mem_zalloc(sizeof(*resolver));
    size_t size = options->server_count * sizeof(*options->servers);

    resolver->loop = loop;
    resolver->options = *options;
    if (options->timeout_ms == 0)
        resolver->options.timeout_ms = RESOLVER_TIMEOUT_MS;
    resolver->options.servers = NULL;
    if (size > 0)
        resolver->options.servers = memcpy(mem_zalloc(size), options->servers, size);
    resolver->dns = dns_new(loop, &resolver->options);
    if (resolver->dns == NULL) {
        free((void *)resolver->options.servers);
        free(resolver);
        return NULL;
    }
    return resolver;
}

void resolver_free(struct resolver *resolver)
{
    if (resolver == NULL)
        return;
    assert(resolver->resolves == 0);
    dns_free(resolver->dns);
    assert(resolver->questions_asked == 0);
    cache_clear(&resolver->cache);
    free((void *)resolver->options.servers);
    free(resolver);
}

void resolver_flush(struct resolver *resolver)
{
    struct dns *old = resolver->dns;
    struct dns *fresh = dns_new(resolver->loop, &resolver->options);

    if (fresh != NULL) {
        resolver->dns = fresh;
        dns_free(old);
    }
    cache_clear(&resolver->cache);
}

bool resolver_is_idle(const struct resolver *resolver)
{
    return resolver->resolves == 0;
}

void resolver_counts(const struct resolver *resolver, struct resolver_counts *counts)
{
    *counts = resolver->counts;
}
