/* c-ares on a loop: its sockets polled, its timeouts followed, its TCP connections dialled.
 *
 * * With configured servers everything goes over TCP connections that stay open between questions
 * (RFC 7766 section 6.2.1). c-ares itself never gives up a connection that fell silent without
 * being closed, and would send question after question into it. So a connection that owes an answer
 * for too long is shut down here; c-ares then sees its end and asks again over a new one. */
#include "io/resolver_dns.h"

#include "base/hostport.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/system_files.h"

#include <arpa/nameser.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

/* An attempt's part of a look-up's time, where there are several servers. The only server has all
 * the time there is, as what is asked over TCP does not get lost. (Since 1.33 c-ares learns shorter
 * times from quick servers: hence more tries.) */
#define ATTEMPT_SHARE 2
#define TRIES 6
/* How long a connection may owe an answer while there is another server to ask, and otherwise. A
 * slow server is not a dead one: a question that is asked again takes as long again. */
#define SILENCE_SHARE 5
#define LAST_SILENCE_SHARE 2
/* How long a server that did not answer is asked only when no other one is left. */
#define LAME_MS 60000
/* How often that and c-ares' time-outs are looked at while something is under way. A timer for the
 * very next of them would cost each packet a walk over all questions: ares_timeout(3) of 1.18. */
#define TICK_SHARE 40

/* A socket of c-ares'. */
struct dns_socket {
    LIST_ENTRY(dns_socket) next;
    struct dns *dns;
    uv_poll_t poll;
    ares_socket_t socket;
    bool owes; /* a TCP connection that is connecting, or was sent a question after the last answer
                */
    uint64_t since; /* since when, in loop_now's time */
    bool answered;  /* something has come by it */
    size_t server;  /* of dns->servers */
};

/* A configured server. */
struct dns_server_state {
    struct resolver_server server;
    uint64_t lame_until; /* it did not answer: the others are asked first; loop_now's time */
};

struct dns {
    ares_channel channel;
    struct loop *loop;
    uv_timer_t tick;
    uint64_t tick_ms;
    LIST_HEAD(, dns_socket) sockets;
    int (*dial)(void *arg, const struct ip *server,
                uint16_t port); /* NULL: no servers were configured */
    void *dial_arg;
    int timeout_ms; /* of a look-up */
    struct dns_server_state *servers;
    size_t server_count;
    size_t dialled; /* the server that was connected to last */
};

/* ---- servers that do not answer */

static bool is_lame(const struct dns *dns, size_t server)
{
    return loop_now(dns->loop) < dns->servers[server].lame_until;
}

/* How many servers are not known to be without an answer. */
static size_t count_well(const struct dns *dns)
{
    size_t well = 0;

    for (size_t i = 0; i < dns->server_count; i++)
        well += !is_lame(dns, i);
    return well;
}

static uint64_t silence_ms(const struct dns *dns)
{
    unsigned share = count_well(dns) > 1 ? SILENCE_SHARE : LAST_SILENCE_SHARE;

    return (uint64_t)dns->timeout_ms / share;
}

static void server_failed(struct dns *dns, size_t server)
{
    dns->servers[server].lame_until = loop_now(dns->loop) + LAME_MS;
}

static void server_answered(struct dns *dns, size_t server)
{
    dns->servers[server].lame_until = 0;
}

static size_t find_server(const struct dns *dns, const struct ip *ip, uint16_t port)
{
    size_t i = 0;

    while (i + 1 < dns->server_count &&
           !(dns->servers[i].server.port == port && ip_equal(&dns->servers[i].server.ip, ip)))
        i++;
    return i;
}

/* ---- time */

/* A connection that has owed an answer for so long; NULL: there is none. */
static struct dns_socket *find_owing(struct dns *dns, uint64_t milliseconds)
{
    struct dns_socket *s;

    LIST_FOREACH (s, &dns->sockets, next) {
        if (s->owes && loop_now(dns->loop) - s->since >= milliseconds)
            return s;
    }
    return NULL;
}

static void on_tick(uv_timer_t *tick)
{
    struct dns *dns = tick->data;
    struct dns_socket *s;
    struct timeval left;

    /* Before the time-outs: then the questions move to a new connection instead of failing. */
    while ((s = find_owing(dns, silence_ms(dns))) != NULL) {
        log_debug("a DNS server fell silent, connecting anew");
        server_failed(dns, s->server);
        s->owes = false;
        shutdown(s->socket, SHUT_RDWR);
        ares_process_fd(dns->channel, s->socket, ARES_SOCKET_BAD);
    }
    ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    if (ares_timeout(dns->channel, NULL, &left) == NULL && find_owing(dns, 0) == NULL)
        uv_timer_stop(tick);
}

/* ---- sockets */

static struct dns_socket *find_dns_socket(struct dns *dns, ares_socket_t socket)
{
    struct dns_socket *s;

    LIST_FOREACH (s, &dns->sockets, next) {
        if (s->socket == socket)
            return s;
    }
    return NULL;
}

static void dns_socket_asked(struct dns_socket *s)
{
    if (s->owes || s->dns->dial == NULL)
        return; /* a datagram socket has no silence to end */
    s->owes = true;
    s->since = loop_now(s->dns->loop);
}

static void on_dns_socket_closed(uv_handle_t *poll)
{
    free(container_of(poll, struct dns_socket, poll));
}

static struct dns_socket *dns_socket_new(struct dns *dns, ares_socket_t socket)
{
    struct dns_socket *s = mem_zalloc(sizeof(*s));
    int error = uv_poll_init(loop_uv(dns->loop), &s->poll, socket);

    if (error != 0) {
        /* The question on it will time out. */
        log_error("cannot poll a DNS socket: %s", uv_strerror(error));
        free(s);
        return NULL;
    }
    s->dns = dns;
    s->socket = socket;
    s->server = dns->dialled;
    dns_socket_asked(s);
    LIST_INSERT_HEAD(&dns->sockets, s, next);
    return s;
}

/* Also called when libuv reports an error, which c-ares then meets. The socket may be freed
 * afterwards. */
static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct dns_socket *s = container_of(poll, struct dns_socket, poll);
    bool readable = status < 0 || (events & UV_READABLE) != 0;
    bool writable = status < 0 || (events & UV_WRITABLE) != 0;

    if (readable)
        s->owes = false;
    ares_process_fd(s->dns->channel, readable ? s->socket : ARES_SOCKET_BAD,
                    writable ? s->socket : ARES_SOCKET_BAD);
}

/* ARES_OPT_SOCK_STATE_CB: what c-ares wants to know of a socket; nothing: about to close it. */
static void on_socket_state(void *data, ares_socket_t socket, int readable, int writable)
{
    struct dns *dns = data;
    struct dns_socket *s = find_dns_socket(dns, socket);

    if (!readable && !writable) {
        if (s == NULL)
            return;
        LIST_REMOVE(s, next);
        if (dns->dial != NULL && !s->answered)
            server_failed(dns, s->server);
        uv_close((uv_handle_t *)&s->poll, on_dns_socket_closed);
        return;
    }
    if (s == NULL && (s = dns_socket_new(dns, socket)) == NULL)
        return;
    uv_poll_start(&s->poll, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0), on_poll);
}

/* ---- ares_set_socket_functions(3), with configured servers */

/* The address is not known yet: a placeholder, which open_connection replaces. (Any descriptor
 * does, and a sandbox forbids unix sockets.) */
static ares_socket_t open_placeholder(int family, int type, int protocol, void *data)
{
    (void)family;
    (void)protocol;
    (void)data;
    if (type != SOCK_STREAM) {
        errno = EPROTONOSUPPORT; /* a datagram would go past the tunnel */
        return ARES_SOCKET_BAD;
    }
    return eventfd(0, EFD_CLOEXEC);
}

static int open_connection(ares_socket_t placeholder, const struct sockaddr *address,
                           ares_socklen_t length, void *data)
{
    struct dns *dns = data;
    struct ip ip;
    uint16_t port;

    (void)length;
    int fd = -1;
    if (ip_from_sockaddr(address, &ip, &port)) {
        dns->dialled = find_server(dns, &ip, port);
        /* (To pass a server over is no failure of it, which would lengthen its minute.) */
        if (!is_lame(dns, dns->dialled) || count_well(dns) == 0) {
            fd = dns->dial(dns->dial_arg, &ip, port);
            if (fd < 0)
                server_failed(dns, dns->dialled);
        }
    }
    if (fd >= 0) {
        int dialled = dup3(fd, placeholder, O_CLOEXEC);
        close(fd);
        if (dialled >= 0)
            return 0;
    }
    errno =
        ECONNREFUSED; /* c-ares tries another server, where EINPROGRESS and EINTR mean to wait */
    return -1;
}

static int close_socket(ares_socket_t socket, void *data)
{
    (void)data;
    return close(socket);
}

static ares_ssize_t receive_from(ares_socket_t socket, void *bytes, size_t size, int flags,
                                 struct sockaddr *from, ares_socklen_t *from_length, void *data)
{
    struct dns *dns = data;
    struct dns_socket *s = find_dns_socket(dns, socket);
    ares_ssize_t count = recvfrom(socket, bytes, size, flags, from, from_length);

    if (s != NULL && count > 0) {
        s->answered = true;
        server_answered(dns, s->server);
    }
    return count;
}

static ares_ssize_t send_vector(ares_socket_t socket, const struct iovec *vector, int count,
                                void *data)
{
    struct dns *dns = data;
    /* c-ares 1.18 passes all that is queued, were it more than the kernel takes. */
    struct msghdr message = {
        .msg_iov = (struct iovec *)vector,
        .msg_iovlen = (size_t)(count < IOV_MAX ? count : IOV_MAX),
    };
    struct dns_socket *s = find_dns_socket(dns, socket);

    if (s != NULL)
        dns_socket_asked(s);
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}

static const struct ares_socket_functions socket_functions = {
    .asocket = open_placeholder,
    .aclose = close_socket,
    .aconnect = open_connection,
    .arecvfrom = receive_from,
    .asendv = send_vector,
};

static int dial_tcp(void *arg, const struct ip *server, uint16_t port)
{
    struct sockaddr_storage address;
    socklen_t length = ip_to_sockaddr(server, port, &address);
    int on = 1;

    (void)arg;
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, (struct sockaddr *)&address, length) != 0 && errno != EINPROGRESS) {
        close(fd);
        return -1;
    }
    return fd;
}

/* ---- the channel */

static void init_library(void)
{
    int status = ares_library_init(ARES_LIB_INIT_ALL);

    if (status != ARES_SUCCESS)
        log_error("cannot start c-ares: %s", ares_strerror(status));
}

static int set_servers(struct dns *dns, const struct resolver_options *options)
{
    char *list = mem_strdup("");
    int status;

    for (size_t i = 0; i < options->server_count; i++) {
        char ip[IP_TEXT_MAX], server[HOSTPORT_TEXT_MAX];
        char *longer = mem_printf("%s%s%s", list, i > 0 ? "," : "",
                                  hostport_format(ip_format(&options->servers[i].ip, ip),
                                                  options->servers[i].port, server));
        free(list);
        list = longer;
    }
    status = ares_set_servers_ports_csv(dns->channel, list);
    free(list);
    return status;
}

static int init_channel(struct dns *dns, const struct resolver_options *options)
{
    char dns_only[] = "b", no_file[] = "/dev/null";
    struct ares_options ares = {
        .timeout = (int)(options->timeout_ms / (options->server_count == 1 ? 1 : ATTEMPT_SHARE)),
        .tries = TRIES,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = dns,
    };
    int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;

#ifdef ARES_OPT_QUERY_CACHE
    mask |=
        ARES_OPT_QUERY_CACHE; /* of size 0: the cache of this file's callers knows resolver_flush */
#endif
    if (options->server_count == 0 && system_files_are_held()) {
        ares.resolvconf_path = (char *)system_file_path(SYSTEM_FILE_RESOLV_CONF); /* (it copies) */
        mask |= ARES_OPT_RESOLVCONF;
    }
    if (options->server_count == 0)
        return ares_init_options(&dns->channel, &ares, mask);

    /* Nothing of this machine's configuration may show. */
    ares.flags = ARES_FLAG_USEVC | ARES_FLAG_STAYOPEN | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
    if (options->server_count == 1)
        ares.flags |= ARES_FLAG_NOCHECKRESP; /* SERVFAIL is the answer: there is no other to ask */
    ares.lookups = dns_only;
    ares.resolvconf_path = no_file;
    mask |= ARES_OPT_FLAGS | ARES_OPT_LOOKUPS | ARES_OPT_DOMAINS | ARES_OPT_RESOLVCONF;
    int status = ares_init_options(&dns->channel, &ares, mask);
    if (status != ARES_SUCCESS)
        return status;
    ares_set_socket_functions(dns->channel, &socket_functions, dns);
    status = set_servers(dns, options);
    if (status != ARES_SUCCESS)
        ares_destroy(dns->channel);
    return status;
}

struct dns *dns_new(struct loop *loop, const struct resolver_options *options)
{
    static uv_once_t once = UV_ONCE_INIT;
    struct dns *dns = mem_zalloc(sizeof(*dns));

    uv_once(&once, init_library);
    dns->loop = loop;
    LIST_INIT(&dns->sockets);
    dns->timeout_ms = options->timeout_ms;
    dns->tick_ms = (uint64_t)options->timeout_ms / TICK_SHARE + 1;
    if (options->server_count > 0) {
        dns->dial = options->dial != NULL ? options->dial : dial_tcp;
        dns->dial_arg = options->dial_arg;
        dns->server_count = options->server_count;
        dns->servers = mem_zalloc(dns->server_count * sizeof(*dns->servers));
        for (size_t i = 0; i < dns->server_count; i++)
            dns->servers[i].server = options->servers[i];
    }
    int status = init_channel(dns, options);
    if (status != ARES_SUCCESS) {
        log_error("cannot start the resolver: %s", ares_strerror(status));
        free(dns->servers);
        free(dns);
        return NULL;
    }
    uv_timer_init(loop_uv(loop), &dns->tick);
    dns->tick.data = dns;
    return dns;
}

static void tick_closed(uv_handle_t *tick)
{
    free(((struct dns *)tick->data)->servers);
    free(tick->data);
}

void dns_free(struct dns *dns)
{
    if (dns == NULL)
        return;
    ares_destroy(dns->channel);
    assert(LIST_EMPTY(&dns->sockets));
    uv_close((uv_handle_t *)&dns->tick, tick_closed);
}

/* While something is under way. */
static void start_tick(struct dns *dns)
{
    if (!uv_is_active((uv_handle_t *)&dns->tick))
        uv_timer_start(&dns->tick, on_tick, dns->tick_ms, dns->tick_ms);
}

void dns_ask(struct dns *dns, const char *name, int family, ares_addrinfo_callback done, void *arg)
{
    /* Unsorted, because c-ares sorts by connecting datagram sockets to the addresses. */
    const struct ares_addrinfo_hints hints = {
        .ai_family = family,
        .ai_flags = ARES_AI_NOSORT |
                    (dns->servers == NULL && system_files_are_held() ? ARES_AI_ENVHOSTS : 0),
    };

    start_tick(dns);
    ares_getaddrinfo(dns->channel, name, NULL, &hints, done, arg);
}

void dns_query(struct dns *dns, const char *name, int type, ares_callback done, void *arg)
{
    start_tick(dns);
    ares_query(dns->channel, name, ns_c_in, type, done, arg);
}
