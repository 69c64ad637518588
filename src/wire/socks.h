/* What the requests of SOCKS4 and SOCKS5 have in common. */
#ifndef ADIT_WIRE_SOCKS_H
#define ADIT_WIRE_SOCKS_H

#include "wire/outcome.h"
#include "wire/wire.h"

struct socks_request {
    enum wire_command command;
    struct wire_target target;
    char user[WIRE_CREDENTIAL_MAX + 1]; /* USERID of SOCKS4: a name and no proof of it */
    enum outcome outcome;               /* after WIRE_BAD: how to answer */
};

#endif
