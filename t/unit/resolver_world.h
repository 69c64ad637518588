/* What the tests of the resolver share: a loop, a DNS server and a resolver that asks it. */
#ifndef ADIT_T_UNIT_RESOLVER_WORLD_H
#define ADIT_T_UNIT_RESOLVER_WORLD_H

#include "dns_server.h"
#include "io/resolver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The addresses of both.example, in the order to try them. */
#define BOTH "2001:db8::1 192.0.2.1 2001:db8::2 192.0.2.2 192.0.2.3"

#define GUARD_MS 20000 /* no test takes as long, not even under sanitizers on a busy machine */

struct world {
    struct loop *loop;
    struct dns_server server;
    struct resolver *resolver;
    unsigned dials;
    unsigned silent_dials; /* those of dial_silent_port_2 to port 2 */
    char logged_in[IP_TEXT_MAX + 8];
    bool looking_up; /* inside resolver_lookup */
    unsigned waiting;
    struct deadline guard;
    bool guard_expired;
};

struct result {
    struct world *world;
    struct resolve *resolve; /* NULL: `done` was called, or it was cancelled */
    unsigned calls;
    bool inside;
    enum resolve_status status;
    char addresses[64 * IP_TEXT_MAX];
    char error[128];
    struct result *cancels;   /* another look-up, which `done` cancels */
    bool frees;               /* `done` frees the resolver */
    const char *looks_up_too; /* a name `done` looks up, once */
};

/* The ways the resolver dials: through a socketpair, in vain, in vain for port 1 only. The
 * world is their `arg`. */
int dial_pair(void *arg, const struct ip *server, uint16_t port);
int dial_nothing(void *arg, const struct ip *server, uint16_t port);
int dial_but_port_1(void *arg, const struct ip *server, uint16_t port);
/* The server at port 2 takes questions and never answers. */
int dial_silent_port_2(void *arg, const struct ip *server, uint16_t port);

/* A new resolver in place of the old one, with one server. */
void use_server(struct world *w, const char *ip, uint16_t port,
                int (*dial)(void *arg, const struct ip *server, uint16_t port), int timeout_ms);

/* cmocka's fixtures: a world whose resolver asks its server over TCP. */
int set_up(void **state);
int tear_down(void **state);
#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* Starts a look-up; `result` is zeroed but for what `done` is to do. */
void look_up(struct world *w, const char *name, struct result *result);

/* Runs until every look-up is answered. */
void await(struct world *w);

/* Runs as long as it usually takes for what is on the way to arrive. */
void run_a_little(struct world *w);

/* Runs until the server has received `count` questions in all. */
void await_questions(struct world *w, unsigned count);

/* Fails unless the look-up of `name` was answered so, once, and not from inside the look-up. */
void expect(const struct result *result, const char *name, enum resolve_status status,
            const char *addresses);

void look_up_and_expect(struct world *w, const char *name, enum resolve_status status,
                        const char *addresses);

#endif
