/* Which listener, and at which addresses. */
#include "gateway/proxy_pac.h"

#include "base/hostport.h"
#include "base/mem.h"
#include "gateway/gateway_parts.h"
#include "policy/pac.h"

#include <stdlib.h>
#include <string.h>

#define PROXIES_MAX 64

struct proxy_places {
    const struct status_pac *asked;
    const struct config_listen *listen; /* the first that fits; NULL: none yet */
    char *proxies[PROXIES_MAX];
    size_t count;
};

/* "SOCKS5 host:port; PROXY host:port". (Browsers ask for passwords over HTTP only.) */
static char *proxy_of(const struct config_listen *listen, const char *place)
{
    bool http = listen->protocols[WIRE_HTTP], socks = listen->protocols[WIRE_SOCKS5];

    if (listen->auth == LISTEN_AUTH_PASSWORD)
        return http ? mem_printf("PROXY %s", place) : NULL;
    if (socks && http)
        return mem_printf("SOCKS5 %s; PROXY %s", place, place);
    return http || socks ? mem_printf("%s %s", socks ? "SOCKS5" : "PROXY", place) : NULL;
}

/* A wildcard is reached by the name that the page was asked by. False: by none that is known. */
static bool reachable_place(const struct status_pac *asked, const char *address,
                            char place[static HOSTPORT_TEXT_MAX])
{
    char host[HOST_MAX + 1];
    struct ip ip;
    uint16_t port;

    if (!hostport_split(address, strlen(address), 0, host, &port) || !ip_parse(host, &ip))
        return false; /* a unix socket */
    if (ip_is_loopback(&ip) && !asked->near)
        return false;
    if (strcmp(host, "0.0.0.0") != 0 && strcmp(host, "::") != 0) {
        hostport_format(host, port, place);
        return true;
    }
    if (asked->host[0] == '\0')
        return false;
    hostport_format(asked->host, port, place);
    return true;
}

static void offer_place(void *arg, const struct config_listen *listen, const char *address)
{
    struct proxy_places *places = arg;
    char place[HOSTPORT_TEXT_MAX];
    char *proxy;

    if (places->listen != NULL ? listen != places->listen : config_listen_leads(listen))
        return;
    if (places->asked->listen.length > 0 && !text_is(places->asked->listen, listen->name))
        return;
    if (places->count == PROXIES_MAX || !reachable_place(places->asked, address, place))
        return;
    proxy = proxy_of(listen, place);
    for (size_t i = 0; proxy != NULL && i < places->count; i++)
        if (strcmp(places->proxies[i], proxy) == 0) { /* (0.0.0.0 and :: by one name) */
            free(proxy);
            proxy = NULL;
        }
    if (proxy == NULL)
        return;
    places->listen = listen;
    places->proxies[places->count++] = proxy;
}

char *proxy_pac_text(const struct gateway *g, const struct status_pac *asked)
{
    struct proxy_places places = {.asked = asked};
    char *text = NULL;

    listeners_each(g->listeners, offer_place, &places);
    if (places.count > 0)
        text = pac_text(g->generation->config->acl, places.listen->name,
                        (const char *const *)places.proxies, places.count);
    for (size_t i = 0; i < places.count; i++)
        free(places.proxies[i]);
    return text;
}
