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

enum { FAMILY_V6, FAMILY_V4, FAMILIES };

/* What a server is asked about one family. */
struct family_question {
    struct name_question *question;
    struct ares_addrinfo *found; /* NULL: nothing, or not ended */
    bool ended;
    int status; /* c-ares' */
};

/* A name that a server is asked for: both families at a time. It lives until c-ares has called back
 * for both. */
struct name_question {
    UT_hash_handle hh;
    struct resolver *resolver;
    struct deadline deadline; /* of the whole question */
    struct deadline patience; /* for the other family, when one has addresses */
    struct resolve_list waiting;
    struct family_question families[FAMILIES];
    struct answer *early; /* what is given until the other family has ended; or NULL */
    bool settled;         /* the look-ups that waited were answered, and no others join */
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
    case RESOLVE_FAILED: (*(answer->timed_out ? &counts->timed_out : &counts->failed))++; break;
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

/* The addresses that were not taken yet. */
struct family_cursor {
    const struct ares_addrinfo_node *left[FAMILIES];
};

/* Moves the cursor past the next address that is IPv4, or IPv6, and gives it. False: there is none.
 */
static bool take_address(struct family_cursor *cursor, bool v4, struct ip *ip)
{
    uint16_t port;

    for (int i = 0; i < FAMILIES; i++)
        while (cursor->left[i] != NULL) {
            const struct sockaddr *address = cursor->left[i]->ai_addr;
            cursor->left[i] = cursor->left[i]->ai_next;
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

static bool is_absence(int status)
{
    return status == ARES_SUCCESS || status == ARES_ENODATA || status == ARES_ENOTFOUND ||
           status == ARES_EBADNAME;
}

/* What both families came to. A failure is never taken for absence. */
static int status_of(const struct name_question *question)
{
    const struct family_question *v6 = &question->families[FAMILY_V6];
    const struct family_question *v4 = &question->families[FAMILY_V4];

    if (!v6->ended || !v4->ended)
        return ARES_ETIMEOUT;
    return is_absence(v4->status) ? v6->status : v4->status;
}

static struct answer *failure_answer(int status)
{
    struct answer *answer = answer_new(RESOLVE_FAILED, ares_strerror(status), NULL, 0);

    answer->timed_out = status == ARES_ETIMEOUT;
    return answer;
}

/* The answer, as far as it is known. */
static struct answer *answer_so_far(const struct name_question *question)
{
    struct family_cursor cursors[FAMILIES] = {0}; /* IPv6, IPv4 */
    struct ip addresses[RESOLVER_ADDRESSES_MAX], ip;
    int status = status_of(question);
    size_t count = 0;
    bool v4 = false;

    for (int i = 0; i < FAMILIES; i++)
        if (question->families[i].found != NULL)
            cursors[0].left[i] = cursors[1].left[i] = question->families[i].found->nodes;
    while (count < RESOLVER_ADDRESSES_MAX &&
           (take_address(&cursors[v4], v4, &ip) || take_address(&cursors[!v4], !v4, &ip))) {
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
    default: return failure_answer(status);
    }
}

/* ---- questions */

/* Gives all look-ups that wait the answer. */
static void question_answer(struct name_question *question, struct answer *answer)
{
    struct resolve *resolve;

    while ((resolve = TAILQ_FIRST(&question->waiting)) != NULL) {
        TAILQ_REMOVE(&question->waiting, resolve, next);
        resolve_answer(resolve, answer);
    }
}

/* The same, and later look-ups make a new question. */
static void question_settle(struct name_question *question, struct answer *answer)
{
    deadline_cancel(&question->deadline);
    deadline_cancel(&question->patience);
    if (!question->settled)
        HASH_DEL(question->resolver->questions, question);
    question->settled = true;
    question_answer(question, answer);
}

static void question_expired(struct deadline *deadline)
{
    struct name_question *question = container_of(deadline, struct name_question, deadline);
    struct answer *answer = answer_so_far(question);

    log_debug("resolve %s: timed out", question->name);
    question_settle(question, answer);
    answer_release(answer);
}

/* One family has addresses, and the other one is late: they are given without it, also to look-ups
 * that come while it is awaited. */
static void patience_expired(struct deadline *deadline)
{
    struct name_question *question = container_of(deadline, struct name_question, patience);

    question->early = answer_so_far(question);
    log_debug("resolve %s: %zu addresses so far, one family is late", question->name,
              question->early->count);
    question_answer(question, question->early);
}

/* For how many seconds the answer may be cached. */
static uint64_t question_ttl(const struct name_question *question, const struct answer *answer)
{
    struct ares_addrinfo *const found[FAMILIES] = {question->families[FAMILY_V6].found,
                                                   question->families[FAMILY_V4].found};
    uint64_t ttl = answer_ttl(answer, found);
    bool whole = is_absence(status_of(question));

    return whole || ttl < RESOLVER_TTL_PARTIAL ? ttl : RESOLVER_TTL_PARTIAL;
}

static void question_ended(struct name_question *question)
{
    struct resolver *resolver = question->resolver;
    struct answer *answer = answer_so_far(question);
    uint64_t ttl = question_ttl(question, answer);

    log_debug("resolve %s: %s, %zu addresses, ttl %llu", question->name,
              ares_strerror(status_of(question)), answer->count, (unsigned long long)ttl);
    if (ttl > 0)
        cache_store(&resolver->cache, question->name, answer,
                    loop_now(resolver->loop) + ttl * 1000);
    question_settle(question, answer);
    answer_release(answer);
    answer_release(question->early);
    for (int i = 0; i < FAMILIES; i++)
        ares_freeaddrinfo(question->families[i].found);
    free(question);
    resolver->questions_asked--;
}

static void family_ended(void *arg, int status, int timeouts, struct ares_addrinfo *found);

/* The question may end and be freed in this call if both families have been asked for. */
static void ask_family(struct family_question *family)
{
    struct name_question *question = family->question;

    dns_ask(question->resolver->dns, question->name,
            family == &question->families[FAMILY_V4] ? AF_INET : AF_INET6, family_ended, family);
}

static void family_ended(void *arg, int status, int timeouts, struct ares_addrinfo *found)
{
    struct family_question *family = arg;
    struct name_question *question = family->question;
    bool v4 = family == &question->families[FAMILY_V4];
    const struct family_question *other = &question->families[v4 ? FAMILY_V6 : FAMILY_V4];

    (void)timeouts;
    if (status == ARES_EDESTRUCTION && !TAILQ_EMPTY(&question->waiting)) {
        ask_family(family); /* after a flush */
        return;
    }
    family->ended = true;
    family->status = status;
    family->found = found;
    if (other->ended)
        question_ended(question);
    else if (!question->settled && found != NULL && found->nodes != NULL)
        deadline_arm(question->resolver->loop, &question->patience,
                     v4 ? RESOLVER_LATE_V6_MS : RESOLVER_LATE_V4_MS, patience_expired);
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
    resolver->counts.asked++;
    for (int i = 0; i < FAMILIES; i++)
        question->families[i].question = question;
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
    if (answer == NULL && question != NULL && question->early != NULL)
        answer = answer_hold(question->early);
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
    for (int i = 0; ask && i < FAMILIES; i++)
        ask_family(&question->families[i]);
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

struct loop *resolver_loop(const struct resolver *resolver)
{
    return resolver->loop;
}

struct dns *resolver_dns(const struct resolver *resolver)
{
    return resolver->dns;
}

uint64_t resolver_timeout_ms(const struct resolver *resolver)
{
    return (uint64_t)resolver->options.timeout_ms;
}
