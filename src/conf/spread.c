/* Which listener is at several loopback addresses, for browsers: spread of [status]. */
#include "conf/load.h"

#include <stdio.h>

static bool is_everywhere(const struct ip *ip)
{
    return ip_is_v4(ip) && ip_is_unspecified(ip);
}

/* Whether it listens at 127.0.0.`last`. */
static bool listens_at(const struct config_listen *listen, unsigned last)
{
    char text[IP_TEXT_MAX];
    struct ip ip;

    snprintf(text, sizeof(text), "127.0.0.%u", last);
    ip_parse(text, &ip);
    for (size_t i = 0; i < listen->address_count; i++) {
        const struct config_address *address = &listen->addresses[i];
        if (!address->is_unix && !address->is_passed &&
            (is_everywhere(&address->ip) || ip_equal(&address->ip, &ip)))
            return true;
    }
    return false;
}

static bool covers(const struct config_listen *listen, unsigned count)
{
    for (unsigned last = 1; last <= count; last++)
        if (!listens_at(listen, last))
            return false;
    return true;
}

bool config_listen_is_for_browsers(const struct config_listen *listen)
{
    if (config_listen_leads(listen))
        return false;
    return listen->protocols[WIRE_HTTP] ||
           (listen->auth != LISTEN_AUTH_PASSWORD && listen->protocols[WIRE_SOCKS5]);
}

const struct config_listen *config_spread_listener(const struct config *config, struct text name)
{
    const struct config_listen *listen;

    for (size_t i = 0; (listen = config_listen_at(config, i)); i++)
        if ((name.length == 0 || text_is(name, listen->name)) &&
            config_listen_is_for_browsers(listen) && covers(listen, config->status.spread))
            return listen;
    return NULL;
}

/* Whether each listener's addresses are known: none was refused, or is passed by systemd. */
static bool addresses_are_known(const struct load *load)
{
    for (size_t i = 0; i < load->config->listen_count; i++) {
        const struct config_listen *listen = &load->config->listens[i];
        const struct load_section *section = load_section_of(load, "listen", i);
        if (load_key_of(section, "address")->bad)
            return false;
        for (size_t k = 0; k < listen->address_count; k++)
            if (listen->addresses[k].is_passed)
                return false;
    }
    return true;
}

void load_check_spread(struct load *load)
{
    const struct load_section *section = load_section_of(load, "status", 0);
    unsigned spread = load->config->status.spread;

    if (!section || spread < 2 || !addresses_are_known(load) ||
        config_spread_listener(load->config, (struct text){0}))
        return;
    load_problem(load, load_line_of(section, "spread"),
                 "spread: no listener for browsers is at each of 127.0.0.1 to 127.0.0.%u: give one "
                 "address = 127.0.0.1:1080, 127.0.0.2:1080 and so on, or 0.0.0.0:1080",
                 spread);
}
