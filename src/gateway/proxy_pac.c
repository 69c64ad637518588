/* Which listener, and at which addresses. */
#include "gateway/proxy_pac.h"

#include "base/hostport.h"
#include "base/mem.h"
#include "gateway/gateway_parts.h"
#include "policy/pac.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROXIES_MAX 64

struct proxy_places {
    const struct status_pac *asked;
    struct text name; /* of the listener that is wanted; empty: the first that fits */
    unsigned spread;  /* 0.0.0.0 is reached by so many addresses of loopback; 0: not so */
    const struct config_listen *listen; /* the first that fits; NULL: none yet */
    char *proxies[PROXIES_MAX];
    size_t count;
};

/* "SOCKS5 host:port; PROXY host:port", for a listener that a browser can use. */
static char *proxy_of(const struct config_listen *listen, const char *place)
{
    bool http = listen->protocols[WIRE_HTTP], socks = listen->protocols[WIRE_SOCKS5];

    if (listen->auth == LISTEN_AUTH_PASSWORD)
        return mem_printf("PROXY %s", place);
    if (socks && http)
        return mem_printf("SOCKS5 %s; PROXY %s", place, place);
    return mem_printf("%s %s", socks ? "SOCKS5" : "PROXY", place);
}

static bool is_wildcard(const char *host)
{
    return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

static void offer_proxy(struct proxy_places *places, const struct config_listen *listen,
                        const char *host, uint16_t port)
{
    char place[HOSTPORT_TEXT_MAX];
    char *proxy;

    if (places->count == PROXIES_MAX)
        return;
    hostport_format(host, port, place);
    proxy = proxy_of(listen, place);
    for (size_t i = 0; i < places->count; i++)
        if (strcmp(places->proxies[i], proxy) == 0) { /* (0.0.0.0 and :: by one name) */
            free(proxy);
            return;
        }
    places->listen = listen;
    places->proxies[places->count++] = proxy;
}

/* The addresses of `spread`, by 0.0.0.0; :: has none of them. */
static void offer_spread(struct proxy_places *places, const struct config_listen *listen,
                         const char *host, uint16_t port)
{
    char last[IP_TEXT_MAX];

    for (unsigned i = 1; strcmp(host, "::") != 0 && i <= places->spread; i++) {
        snprintf(last, sizeof(last), "127.0.0.%u", i);
        offer_proxy(places, listen, last, port);
    }
}

/* An address of everywhere is reached by the name that the file was asked by. */
static void offer_address(struct proxy_places *places, const struct config_listen *listen,
                          const char *address)
{
    const struct status_pac *asked = places->asked;
    char host[HOST_MAX + 1];
    struct ip ip;
    uint16_t port;

    if (!hostport_split(address, strlen(address), 0, host, &port) || !ip_parse(host, &ip))
        return; /* a unix socket */
    if (ip_is_loopback(&ip) && !asked->near)
        return;
    if (!is_wildcard(host))
        offer_proxy(places, listen, host, port);
    else if (places->spread > 0)
        offer_spread(places, listen, host, port);
    else if (asked->host[0] != '\0')
        offer_proxy(places, listen, asked->host, port);
}

static void offer_place(void *arg, const struct config_listen *listen, const char *address)
{
    struct proxy_places *places = arg;

    if (places->listen != NULL ? listen != places->listen : !config_listen_is_for_browsers(listen))
        return;
    if (places->name.length == 0 || text_is(places->name, listen->name))
        offer_address(places, listen, address);
}

/* `spread` is for who asks from this machine, and for a listener that is at its addresses. */
static void choose_spread(struct proxy_places *places, const struct config *config)
{
    const struct config_listen *listen = NULL;

    if (places->asked->near && config->status.spread > 1)
        listen = config_spread_listener(config, places->name);
    if (listen == NULL)
        return;
    places->name = (struct text){listen->name, strlen(listen->name)};
    places->spread = config->status.spread;
}

char *proxy_pac_text(const struct gateway *g, const struct status_pac *asked)
{
    struct proxy_places places = {.asked = asked, .name = asked->listen};
    char *text = NULL;

    choose_spread(&places, g->generation->config);
    listeners_each(g->listeners, offer_place, &places);
    if (places.count > 0)
        text = pac_text(g->generation->config->acl, places.listen->name,
                        (const char *const *)places.proxies, places.count);
    for (size_t i = 0; i < places.count; i++)
        free(places.proxies[i]);
    return text;
}
