/* The table of the access line's fields. */
#include "worker/access_fields.h"

const struct access_field_row access_fields[ACCESS_FIELDS] = {
    [ACCESS_CONNECTION] = {"connection", "The number of the connection."},
    [ACCESS_CLIENT] = {"client",
                       "Where the connection came from: address and port, unix, or remote: and the "
                       "address and port of a client of a remote forward, as the SSH server says; "
                       "remote alone where it says none."},
    [ACCESS_BALANCER] = {"balancer",
                         "Where the connection came from, address and port or unix, if client is "
                         "what the header of its PROXY protocol says."},
    [ACCESS_ID] = {"id", "The unique id that the balancer's header has for the connection; bytes "
                         "other than those of ASCII that can be seen are written %XX."},
    [ACCESS_USER] = {"user", "The user whose password was right."},
    [ACCESS_TRIED] = {"tried", "The user whose login failed."},
    [ACCESS_LISTEN] = {"listen", "The name of the listener's or forward's section."},
    [ACCESS_PROTOCOL] = {"protocol",
                         "socks5, socks4, http, or forward, whose clients ask nothing."},
    [ACCESS_COMMAND] =
        {"command", "What was asked for: connect (SOCKS, and CONNECT of HTTP), request (a plain "
                    "HTTP request), bind or udp-associate."},
    [ACCESS_TARGET] = {"target", "Host and port, or a path."},
    [ACCESS_BOUND] = {"bound", "Of BIND: where the server listens."},
    [ACCESS_PEER] = {"peer", "Of BIND: who connected there."},
    [ACCESS_VERDICT] = {"verdict", "allow or deny."},
    [ACCESS_RULE] = {"rule", "The rule that decided, or default."},
    [ACCESS_UPSTREAM] = {"upstream", "The name of the upstream's section."},
    [ACCESS_SESSION] = {"session", "The number of the upstream's session, at that time."},
    [ACCESS_OUTCOME] = {"outcome",
                        "ok, if the target was reached, however the connection ended afterwards; "
                        "or why not, as below."},
    [ACCESS_UP] = {"up", "Bytes that the target took."},
    [ACCESS_DOWN] = {"down", "Bytes that the client took."},
    [ACCESS_OPEN] = {"open",
                     "How many milliseconds of ms went by until the target was reached: what the "
                     "client took to ask, the wait for a session, the look-up of the name, and the "
                     "connection that the server made. Of a target that was not reached there is "
                     "none."},
    [ACCESS_MS] = {"ms", "How long the connection or the HTTP request lasted, in milliseconds."},
    [ACCESS_END] = {"end", "Why it ended, in words; answered, if an HTTP client may ask again; "
                           "before a colon the side that failed: client, "
                           "channel or target."},
};
