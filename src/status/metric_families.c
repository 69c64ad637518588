/* The table of metrics. */
#include "status/metric_families.h"

static const struct metric_family_row rows[METRIC_FAMILIES] = {
    [FAMILY_BUILD] = {"adit_build_info", METRIC_GAUGE, {"version"}, "1, with the version of adit."},
    [FAMILY_READY] = {"adit_ready", METRIC_GAUGE, {0}, "1 if adit can serve, as /readyz tells."},
    [FAMILY_CONNECTIONS] = {"adit_connections",
                            METRIC_GAUGE,
                            {"listener"},
                            "Connections that are open, by the listener or forward they came by."},
    [FAMILY_ACCEPTED] = {"adit_connections_accepted",
                         METRIC_COUNTER,
                         {"listener"},
                         "Connections that came in."},
    [FAMILY_REQUESTS] = {"adit_requests",
                         METRIC_COUNTER,
                         {"listener", "upstream", "protocol", "outcome"},
                         "Requests that have ended. The outcomes are those of the access line, in "
                         "adit-log(5). The upstream is empty where none was chosen, and the "
                         "protocol is socks5, socks4, http, forward or unknown."},
    [FAMILY_CLIENT_BYTES] = {"adit_client_bytes",
                             METRIC_COUNTER,
                             {"listener", "direction"},
                             "Bytes of requests that have ended: up, taken from clients, and down, "
                             "given to them."},
    [FAMILY_LIMITED] = {"adit_limited",
                        METRIC_COUNTER,
                        {"limit", "bound"},
                        "Connections and requests that were refused or cut because there was too "
                        "much. The bound is the key that was reached: of that limit (of the one "
                        "named default where no limit covers a source), connections, before_login, "
                        "opens or new; with an empty limit, max_connections or held_bytes of "
                        "[gateway]."},
    [FAMILY_HELD] = {"adit_held_bytes",
                     METRIC_GAUGE,
                     {0},
                     "Bytes that are held for clients that do not read, as of the last second."},
    [FAMILY_HELD_MAX] = {"adit_held_max_bytes",
                         METRIC_GAUGE,
                         {0},
                         "held_bytes: how many these may be. Left out if there is no bound."},
    [FAMILY_USER_REQUESTS] = {"adit_user_requests",
                              METRIC_COUNTER,
                              {"user"},
                              "Requests of each user that have ended, with metrics_users = yes."},
    [FAMILY_USER_BYTES] = {"adit_user_bytes",
                           METRIC_COUNTER,
                           {"user", "direction"},
                           "Bytes of these requests."},
    [FAMILY_UPSTREAM_UP] = {"adit_upstream_up",
                            METRIC_GAUGE,
                            {"upstream"},
                            "1 if the upstream has a session."},
    [FAMILY_SESSIONS] = {"adit_sessions",
                         METRIC_GAUGE,
                         {"upstream", "state"},
                         "Sessions by state: dialling, up, or retiring (no new channels)."},
    [FAMILY_SESSION_INFO] = {"adit_session_info",
                             METRIC_GAUGE,
                             {"upstream", "kex", "cipher", "post_quantum"},
                             "1 for each key exchange and cipher (to the server) that sessions of "
                             "the upstream have. post_quantum is yes or no."},
    [FAMILY_SESSIONS_LOST] = {"adit_sessions_lost",
                              METRIC_COUNTER,
                              {"upstream"},
                              "Sessions that ended though they were needed."},
    [FAMILY_CHANNELS] = {"adit_channels",
                         METRIC_GAUGE,
                         {"upstream"},
                         "Channels that are open or being opened."},
    [FAMILY_DIALS] = {"adit_dials",
                      METRIC_COUNTER,
                      {"upstream", "result"},
                      "Dials that have ended: ok, unreachable (no address or no connection), "
                      "transport (no SSH, or the key exchange failed), host-key, authentication."},
    [FAMILY_CERTIFICATE] = {"adit_certificate_expiry_timestamp_seconds",
                            METRIC_GAUGE,
                            {"upstream"},
                            "When the user certificate ends that the last login was by, in seconds "
                            "since 1970. Left out after a login by something else. A new "
                            "certificate in its place shows with the next login."},
    [FAMILY_WAITING] = {"adit_waiting_clients",
                        METRIC_GAUGE,
                        {"upstream"},
                        "Clients that wait for a session."},
    [FAMILY_CHANNEL_OPEN] = {"adit_channel_open_seconds",
                             METRIC_HISTOGRAM,
                             {"upstream"},
                             "From the request for a channel to the server's confirmation."},
    [FAMILY_HOLD] = {"adit_hold_seconds",
                     METRIC_HISTOGRAM,
                     {"upstream"},
                     "How long clients waited for a session."},
    [FAMILY_KEEPALIVE] = {"adit_keepalive_rtt_seconds",
                          METRIC_HISTOGRAM,
                          {"upstream"},
                          "From a keepalive, which is sent in silence only, to the next packet of "
                          "the server."},
    [FAMILY_FORWARD_UP] = {"adit_forward_up",
                           METRIC_GAUGE,
                           {"forward", "kind"},
                           "1 if the forward (local, remote or dynamic) is listened on."},
    [FAMILY_NAMES] = {"adit_names",
                      METRIC_COUNTER,
                      {"result"},
                      "Look-ups of names by adit itself that were answered: found, missing, failed "
                      "or timed-out."},
    [FAMILY_NAMES_CACHED] = {"adit_names_cached",
                             METRIC_COUNTER,
                             {0},
                             "Of these, look-ups that an earlier answer was known for."},
    [FAMILY_NAMES_ASKED] = {"adit_names_asked",
                            METRIC_COUNTER,
                            {0},
                            "Names that DNS servers were asked for. Look-ups that come meanwhile "
                            "for the same name wait for that answer."},
    [FAMILY_PROCESS_CPU] = {"process_cpu_seconds",
                            METRIC_COUNTER,
                            {0},
                            "Processor time, user and system, in seconds."},
    [FAMILY_PROCESS_START] = {"process_start_time_seconds",
                              METRIC_GAUGE,
                              {0},
                              "When the process began, in seconds since 1970."},
    [FAMILY_PROCESS_RESIDENT] = {"process_resident_memory_bytes",
                                 METRIC_GAUGE,
                                 {0},
                                 "Resident memory."},
    [FAMILY_PROCESS_VIRTUAL] = {"process_virtual_memory_bytes",
                                METRIC_GAUGE,
                                {0},
                                "Virtual memory."},
    [FAMILY_PROCESS_FDS] = {"process_open_fds",
                            METRIC_GAUGE,
                            {0},
                            "Descriptors that are open (Linux 6.2 and later tell)."},
    [FAMILY_PROCESS_FDS_MAX] = {"process_max_fds",
                                METRIC_GAUGE,
                                {0},
                                "Descriptors that may be open."},
};

const struct metric_family_row *metric_family_row(enum metric_family family)
{
    return &rows[family];
}

const char *metric_type_name(enum metric_type type)
{
    static const char *const names[] = {"counter", "gauge", "histogram"};

    return names[type];
}
