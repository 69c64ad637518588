/* A c-ares channel that runs on a loop (resolver.c and resolver_srv.c only). */
#ifndef ADIT_IO_RESOLVER_DNS_H
#define ADIT_IO_RESOLVER_DNS_H

#include "io/resolver.h"

#include <ares.h>

struct dns;

/* A channel for what `options` say (with a timeout_ms that is not 0); they are not kept. NULL:
 * c-ares could not start (logged). */
struct dns *dns_new(struct loop *loop, const struct resolver_options *options);

/* Frees. Questions under way end during this call, with ARES_EDESTRUCTION as a rule; their
 * callbacks may ask another channel. NULL is fine. */
void dns_free(struct dns *dns);

/* Asks for the addresses of one family, AF_INET or AF_INET6. `done` is called once, as
 * ares_getaddrinfo(3) has it, possibly from inside this call, and must not call dns_free. */
void dns_ask(struct dns *dns, const char *name, int family, ares_addrinfo_callback done, void *arg);

/* Asks for the records of one type (and class IN) of a name, which is taken as it is: no search
 * domains, no hosts file. `done` as of dns_ask, with the whole answer (ares_query(3)). */
void dns_query(struct dns *dns, const char *name, int type, ares_callback done, void *arg);

/* What a resolver has: its channel now (another after resolver_flush), and how many milliseconds a
 * look-up may take. */
struct dns *resolver_dns(const struct resolver *resolver);
uint64_t resolver_timeout_ms(const struct resolver *resolver);

#endif
