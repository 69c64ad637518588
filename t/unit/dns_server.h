/* A DNS server for the tests of the resolver: TCP or one end of a socketpair, on the test's own
 * loop, with a zone that has a name for every conduct. */
#ifndef ADIT_T_UNIT_DNS_SERVER_H
#define ADIT_T_UNIT_DNS_SERVER_H

#include "io/loop.h"

#include <netinet/in.h>

struct dns_peer;

struct dns_server {
    struct loop *loop;
    uv_tcp_t listener;
    uint16_t port;
    LIST_HEAD(, dns_peer) peers;
    unsigned connections; /* seen so far */
    unsigned questions;   /* received so far, one for a family */
    unsigned mute;        /* so many of the next connections are never answered */
    bool released;        /* slow.example is answered */
    /* What _live._tcp.example has: "PRIORITY WEIGHT PORT TARGET" each, up to a NULL, and how many
     * seconds they live; a response code other than 0 comes without. Silent: nothing comes. */
    const char *service[4];
    uint32_t service_ttl;
    int service_rcode;
    bool service_silent;
    unsigned breaking; /* so many of the next answers are cut in the middle, and closed */
};

/* Listens on a port of 127.0.0.1. */
void dns_server_start(struct dns_server *server, struct loop *loop);

/* Serves a connected descriptor too, and closes it. */
void dns_server_adopt(struct dns_server *server, int fd);

/* Answers questions for slow.example, which wait until then. */
void dns_server_release(struct dns_server *server);

/* Closes every connection. */
void dns_server_hang_up(struct dns_server *server);

void dns_server_stop(struct dns_server *server);

#endif
