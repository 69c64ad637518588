/* The steps of a dial: the host's name, a connection (by TCP, through a jump host, by a
 * ProxyCommand, or to a master), and the login. Each step starts the next; any may fail. */
#include "gateway/dial_attempt.h"

#include "base/mem.h"
#include "base/probe.h"
#include "conf/ssh_names.h"
#include "gateway/dial_master.h"
#include "gateway/keeper_link.h"
#include "shared/internal_connection.h"
#include "io/connect.h"
#include "io/system_files.h"
#include "io/socket_calls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How many connect_timeouts a handshake and login may take. */
#define LOGIN_TIMEOUTS 2

/* A ProxyCommand closes its output a moment before it exits: its exit status is waited for this
 * long, because it says more than the end of the connection does. */
#define PROXY_EXIT_MS 200

struct dial_attempt {
    struct dial_attempt_request r;
    /* The step under way; the others are NULL. */
    struct later start;
    struct resolve *resolve;
    struct connect *connect;
    struct internal_connection *connection;
    struct dial_master *master;
    int fd; /* adit's end of the internal connection; -1: there is none, or the dial has it */
    struct dial *dial;
    struct deadline proxy_exit;
    struct deadline login; /* the dial's */
    unsigned prompts;      /* the dial's, when the deadline last looked */
    bool timed_out;        /* the dial timed out, and its thread has not ended yet */
    char *login_error;     /* while a ProxyCommand's end is waited for */
    bool no_address;       /* none of the family that is allowed */
    unsigned zone;         /* of the address; 0: none */
    uint64_t began;
};

static void dial_attempt_free(struct dial_attempt *a)
{
    if (a->fd >= 0)
        close(a->fd); /* (that ends the internal connection) */
    config_unref(a->r.config);
    free(a->login_error);
    free(a);
}

static void count_dial(const struct dial_attempt *a, bool reached, enum dial_status status,
                       const struct logged_in *logged_in)
{
    struct pool_room *room = a->r.room;
    uint16_t upstream = label_of_upstream(room->workers->labels, a->r.upstream->name);
    struct upstream_counts *counts = &room->by_upstream[upstream];

    if (logged_in != NULL)
        metric_set(&counts->certificate_until, logged_in_info(logged_in)->certificate_until);
    metric_add(reached ? &counts->dials[status] : &counts->unreachable, 1);
    metric_add(reached ? &room->metrics.dials[status] : &room->metrics.dials_unreachable, 1);
}

static void dial_attempt_finish(struct dial_attempt *a, bool reached, enum dial_status status,
                                struct logged_in *logged_in, const char *error)
{
    const struct dial_attempt_request r = a->r;

    deadline_cancel(&a->login);
    if (logged_in != NULL)
        host_backoff_asks(a->r.place->host, logged_in_info(logged_in)->asks_anew);
    host_backoff_end(r.place->host, a->began, loop_now(r.room->loop), reached, status);
    probe_dial_end(r.upstream->name, r.slot, dial_status_name(status));
    count_dial(a, reached, status, logged_in);
    if (r.seen != NULL)
        r.seen->reached = reached;
    dial_attempt_free(a);
    r.done(r.arg, r.slot, status, logged_in, error);
}

/* The login by a ProxyCommand failed: a command that has failed itself is the reason. */
static void proxy_failed(struct deadline *deadline)
{
    struct dial_attempt *a = container_of(deadline, struct dial_attempt, proxy_exit);
    const char *ended = dial_command_ended(a->r.programs->proxy);
    bool failed = ended != NULL && strcmp(ended, COMMAND_ENDED_WELL) != 0;
    char *error =
        failed ? mem_printf("ProxyCommand %s before there was a session: %s", ended, a->login_error)
        : ended != NULL ? mem_printf("%s (ProxyCommand %s)", a->login_error, ended)
                        : mem_strdup(a->login_error);

    dial_attempt_finish(a, !failed, DIAL_TRANSPORT, NULL, error);
    free(error);
}

static void on_login_ended(void *arg, enum dial_status status, struct logged_in *logged_in,
                           const char *error)
{
    struct dial_attempt *a = arg;

    a->dial = NULL;
    deadline_cancel(&a->login);
    if (a->timed_out) {
        logged_in_free(logged_in);
        dial_attempt_finish(a, true, DIAL_TRANSPORT, NULL, "timed out while logging in");
    } else if (status == DIAL_TRANSPORT && a->r.programs->proxy != NULL) {
        a->login_error = mem_strdup(error);
        deadline_arm(a->r.room->loop, &a->proxy_exit, PROXY_EXIT_MS, proxy_failed);
    } else {
        dial_attempt_finish(a, true, status, logged_in, error);
    }
}

static void login_timed_out(struct deadline *deadline);

/* (libssh bounds each step of the login by connect_timeout; this bounds their sum.) */
static void arm_login(struct dial_attempt *a)
{
    a->prompts = dial_prompts(a->dial);
    deadline_arm(a->r.room->loop, &a->login, LOGIN_TIMEOUTS * a->r.upstream->connect_timeout_ms,
                 login_timed_out);
}

static void login_timed_out(struct deadline *deadline)
{
    struct dial_attempt *a = container_of(deadline, struct dial_attempt, login);

    /* While a person is asked, only the server's own limit counts. */
    if (dial_is_asking(a->dial) || dial_prompts(a->dial) != a->prompts) {
        arm_login(a);
        return;
    }
    /* The host is not dialled again until the thread has ended (an agent that asks a person may
     * keep it): otherwise threads would pile up. */
    a->timed_out = true;
    dial_shutdown(a->dial);
}

/* The login's line to the keeper; -1: there is none. */
static int login_line_of(const struct dial_attempt *a)
{
    return a->r.room->link == NULL
               ? -1
               : keeper_link_login(a->r.room->link, a->r.upstream->name, a->r.place->entry);
}

/* What a login needs besides its connection: of a master. */
struct master_login {
    int unreached;   /* it cannot be reached, for this error */
    uint32_t number; /* 0: it is not the keeper's */
    struct span about;
};

/* Over a connection to a server, or, where `master` is not NULL, to a master. */
static void start_login(struct dial_attempt *a, int fd, const struct master_login *master)
{
    const struct dial_request request = {
        .fd = fd,
        .unreached = master != NULL ? master->unreached : 0,
        .master = master != NULL ? master->number : 0,
        .about = master != NULL ? master->about : (struct span){0},
        .line = master != NULL ? -1 : login_line_of(a),
        .config = a->r.config,
        .upstream = a->r.upstream,
        .host = a->r.place->at.name,
        .port = a->r.place->at.port,
        .alias = a->r.place->at.alias,
        .may_ask = a->r.room->may_ask,
        .seen = a->r.seen != NULL ? &a->r.seen->info : NULL,
        .reply = a->r.room->workers->main_mailbox,
        .done = on_login_ended,
        .arg = a,
    };

    a->dial = dial_start(master != NULL ? a->r.room->join_engine : a->r.room->engine, &request);
    arm_login(a);
}

static void on_own_master(void *arg, const struct own_master_result *result)
{
    struct dial_attempt *a = arg;

    if (result->fd >= 0)
        start_login(a, result->fd,
                    &(struct master_login){.number = result->master, .about = result->about});
    else
        on_login_ended(a, result->status, NULL, result->error);
}

static void dial(struct dial_attempt *a, int fd)
{
    if (a->r.upstream->by_openssh)
        a->r.programs->master =
            dial_own_master_start(&(struct own_master_request){.service = a->r.room->service,
                                                               .upstream = a->r.upstream->name,
                                                               .host = a->r.place->entry,
                                                               .fd = fd,
                                                               .done = on_own_master,
                                                               .arg = a});
    else
        start_login(a, fd, NULL);
}

/* By TCP. */

static void on_tcp_connected(void *arg, int fd, const struct ip *address, const char *error)
{
    struct dial_attempt *a = arg;
    char text[HOST_MAX + 200];

    (void)address;
    a->connect = NULL;
    if (fd >= 0) {
        dial(a, fd);
        return;
    }
    snprintf(text, sizeof(text),
             "%s has no address of the family that address_family (-4, -6) allows",
             a->r.place->at.name);
    dial_attempt_finish(a, false, DIAL_TRANSPORT, NULL, a->no_address ? text : error);
}

static bool family_suits(const struct dial_attempt *a, const struct ip *ip)
{
    int family = a->r.upstream->address_family;

    return family == AF_UNSPEC || (family == AF_INET) == ip_is_v4(ip);
}

/* How often the addresses are tried, as ssh's ConnectionAttempts. A host that has been logged in to
 * is tried once a dial: its next dial is another attempt, and not later than that of a host that
 * was never there. */
static unsigned attempts_of(const struct dial_attempt *a)
{
    return host_backoff_is_proved(a->r.place->host) ? 1 : a->r.upstream->connection_attempts;
}

/* Connects to the addresses of the wanted family. (connect_start reports it if there are none.) */
static void connect_to(struct dial_attempt *a, const struct ip *addresses, size_t count)
{
    struct ip *suitable = mem_zalloc(count * sizeof(*suitable));
    size_t n = 0;
    struct ip from;
    bool bound =
        a->r.upstream->bind_address != NULL && ip_parse(a->r.upstream->bind_address, &from);

    for (size_t i = 0; i < count; i++)
        if (family_suits(a, &addresses[i]))
            suitable[n++] = addresses[i];
    a->no_address = n == 0;
    a->connect = connect_start(a->r.room->loop,
                               &(struct connect_options){
                                   .addresses = suitable,
                                   .count = n,
                                   .port = a->r.place->at.port,
                                   .zone = a->zone,
                                   .from = bound ? &from : NULL,
                                   .interface = a->r.upstream->bind_interface,
                                   .no_keepalive = !a->r.upstream->tcp_keepalive,
                                   .service = (unsigned char)a->r.upstream->ip_qos,
                                   .timeout_ms = a->r.upstream->connect_timeout_ms,
                                   .again = attempts_of(a) - 1,
                                   .use = DESCRIPTOR_GATEWAY,
                               },
                               on_tcp_connected, a);
    free(suitable);
}

static void on_host_resolved(void *arg, enum resolve_status status, const struct ip *addresses,
                             size_t count, const char *error)
{
    struct dial_attempt *a = arg;
    char text[HOST_MAX + 300];
    const char *lost;

    a->resolve = NULL;
    if (status == RESOLVE_FOUND) {
        connect_to(a, addresses, count);
        return;
    }
    /* (ssh's words, which are those of getaddrinfo(3).) */
    lost = system_file_replaced();
    snprintf(text, sizeof(text), "Could not resolve hostname %s: %s%s%s%s", a->r.place->at.name,
             status == RESOLVE_NO_SUCH_NAME ? "Name or service not known" : error,
             lost != NULL ? "; " : "", lost != NULL ? lost : "",
             lost != NULL ? " was replaced: a reload (SIGHUP, adit -O reload) reads the new one"
                          : "");
    dial_attempt_finish(a, false, DIAL_TRANSPORT, NULL, text);
}

bool dial_error_is_of_name(const char *error)
{
    static const char words[] = "Could not resolve hostname ";

    return strncmp(error, words, strlen(words)) == 0;
}

/* "fe80::1%eth0": an address and the interface that it is meant at. */
static void start_zoned(struct dial_attempt *a, const char *percent)
{
    char text[HOST_MAX + 200];
    struct ip ip;

    snprintf(text, sizeof(text), "%.*s", (int)(percent - a->r.place->at.name), a->r.place->at.name);
    a->zone = connect_zone(percent + 1);
    if (a->zone != 0 && ip_parse(text, &ip)) {
        connect_to(a, &ip, 1);
        return;
    }
    snprintf(text, sizeof(text), "Could not resolve hostname %s: there is no interface %s",
             a->r.place->at.name, percent + 1);
    dial_attempt_finish(a, false, DIAL_TRANSPORT, NULL, text);
}

static void start_tcp(struct dial_attempt *a)
{
    const char *percent =
        strchr(a->r.place->at.name, ':') != NULL ? strchr(a->r.place->at.name, '%') : NULL;
    struct ip ip;

    if (percent != NULL) {
        start_zoned(a, percent);
    } else if (ip_parse(a->r.place->at.name, &ip)) {
        connect_to(a, &ip, 1);
    } else {
        char name[HOST_MAX + 1];
        memcpy(name, a->r.place->at.name, sizeof(name));
        host_normalise(name);
        a->resolve = resolver_lookup(a->r.room->resolver, name, on_host_resolved, a);
    }
}

/* By a ProxyCommand. */

static void on_command_started(void *arg, int fd, int error)
{
    struct dial_attempt *a = arg;
    char *text;

    if (fd >= 0) {
        dial(a, fd);
        return;
    }
    text = mem_printf("ProxyCommand cannot be run by %s: %s",
                      getenv("SHELL") != NULL ? getenv("SHELL") : "/bin/sh", strerror(error));
    dial_attempt_finish(a, false, DIAL_TRANSPORT, NULL, text);
    free(text);
}

static void start_proxy(struct dial_attempt *a)
{
    /* (Names of the configuration were checked when it was read; libssh's ssh_config was not.) */
    const char *wrong = ssh_host_wrong(a->r.place->at.name);
    char error[HOST_MAX + 200];

    if (wrong != NULL) {
        snprintf(error, sizeof(error), "ssh_config: HostName '%s' is no host's name: %s",
                 a->r.place->at.name, wrong);
        dial_attempt_finish(a, false, DIAL_TRANSPORT, NULL, error);
        return;
    }
    a->r.programs->proxy = dial_command_start(a->r.room->service, a->r.upstream->name,
                                              a->r.place->entry, on_command_started, a);
}

/* Through a jump host. */

static void on_jump_answered(void *arg, enum outcome outcome, const char *detail)
{
    struct dial_attempt *a = arg;
    const char *jump = a->r.upstream->jump.items[0];
    char *error;
    int fd = a->fd;

    a->connection = NULL;
    if (outcome == OUTCOME_OK) {
        a->fd = -1;
        dial(a, fd);
        return;
    }
    error = mem_printf(outcome == OUTCOME_NO_SESSION ? "%s: %s" : "%s could not reach it: %s", jump,
                       detail);
    dial_attempt_finish(a, false, DIAL_TRANSPORT, NULL, error);
    free(error);
}

/* How long a session of the jump host is waited for: as long as a TCP connection may take, and the
 * further attempts that jump hosts have. */
static uint64_t jump_patience_ms(const struct dial_attempt *a)
{
    const struct config_upstream *at = a->r.upstream;
    uint64_t patience = at->connect_timeout_ms;

    while (at->jump.count > 0) {
        at = config_upstream(a->r.config, at->jump.items[0]);
        patience +=
            (uint64_t)(at->connection_attempts - 1) * (at->connect_timeout_ms + CONNECT_PAUSE_MS);
    }
    return patience;
}

/* The other end of a socketpair becomes an internal connection through the jump host's pool. */
static void start_jump(struct dial_attempt *a)
{
    const char *jump = a->r.upstream->jump.items[0];
    int ends[2];

    if (!socket_pair(true, ends)) {
        char *error = mem_printf("jump host %s: no socket can be had: %s", jump, strerror(errno));
        dial_attempt_finish(a, false, DIAL_TRANSPORT, NULL, error);
        free(error);
        return;
    }
    a->fd = ends[0];
    a->connection = workers_send_internal(
        a->r.room->workers, a->r.room->generation,
        &(struct internal_request){.via = jump,
                                   .to = {.host = a->r.place->at.name, .port = a->r.place->at.port},
                                   .hold_ms = jump_patience_ms(a),
                                   .answered = on_jump_answered,
                                   .arg = a},
        ends[1]);
}

/* By a master that a person has logged in. */

static void on_master_reached(void *arg, int fd, int error)
{
    struct dial_attempt *a = arg;

    a->master = NULL;
    start_login(a, fd, &(struct master_login){.unreached = error});
}

static void start_master(struct dial_attempt *a)
{
    a->master =
        dial_master_start(a->r.room->loop, a->r.room->service, a->r.upstream, on_master_reached, a);
}

/* (Not inside dial_attempt_start: `done` must not be called there, and at the gateway's start there
 * is no generation yet.) */
static void on_start(struct later *later)
{
    struct dial_attempt *a = container_of(later, struct dial_attempt, start);

    if (a->r.upstream->join_master != NULL)
        start_master(a);
    else if (a->r.upstream->proxy_command != NULL)
        start_proxy(a);
    else if (a->r.upstream->jump.count > 0)
        start_jump(a);
    else
        start_tcp(a);
}

struct dial_attempt *dial_attempt_start(const struct dial_attempt_request *request)
{
    struct dial_attempt *a = mem_zalloc(sizeof(*a));

    *a = (struct dial_attempt){.r = *request, .fd = -1, .began = loop_now(request->room->loop)};
    config_ref(a->r.config);
    host_backoff_begin(a->r.place->host);
    probe_dial_start(a->r.upstream->name, a->r.slot, a->r.place->at.name);
    later_post(a->r.room->loop, &a->start, on_start);
    return a;
}

bool dial_attempt_is_asking(const struct dial_attempt *a)
{
    return a->dial != NULL
               ? dial_is_asking(a->dial)
               : a->r.programs->master != NULL && dial_own_master_is_asking(a->r.programs->master);
}

void dial_attempt_cancel(struct dial_attempt *a)
{
    later_cancel(a->r.room->loop, &a->start);
    resolve_cancel(a->resolve);
    connect_cancel(a->connect);
    internal_connection_forget(a->connection);
    dial_master_cancel(a->master);
    deadline_cancel(&a->login);
    deadline_cancel(&a->proxy_exit);
    if (a->dial != NULL)
        dial_cancel(a->dial);
    if (a->r.programs->master != NULL)
        dial_own_master_forget(a->r.programs->master);
    host_backoff_abandon(a->r.place->host);
    probe_dial_end(a->r.upstream->name, a->r.slot, "cancelled");
    dial_attempt_free(a);
}
