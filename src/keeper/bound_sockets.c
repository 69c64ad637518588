/* Which addresses are bound. */
#include "keeper/bound_sockets.h"

#include "base/mem.h"
#include "conf/master_socket.h"
#include "io/passed_sockets.h"
#include "wire/keeper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

/* Of a socket that no listener of a configuration has. */
#define NO_INDEX (UINT32_MAX - 2)

/* One address that is bound. */
struct bound_socket {
    TAILQ_ENTRY(bound_socket) link;
    struct listener *listener;
    struct listener_address address; /* (its path is a copy) */
    uint32_t id;
    uint32_t index;      /* of the listener that it belongs to; NO_INDEX: it is new */
    uint32_t next_index; /* while changing; NO_INDEX: it will be closed */
};

struct bound_sockets {
    uint32_t last_id;
    bool changing; /* between prepare and commit */
    size_t needed; /* bound_sockets_need; SIZE_MAX: of no forward */
    TAILQ_HEAD(, bound_socket) all;
};

struct bound_sockets *bound_sockets_new(void)
{
    struct bound_sockets *b = mem_zalloc(sizeof(*b));

    b->needed = SIZE_MAX;
    TAILQ_INIT(&b->all);
    return b;
}

/* (The socket is shut down: the kernel refuses connections, whatever the gateway is doing.) */
static void bound_socket_close(struct bound_sockets *b, struct bound_socket *s)
{
    TAILQ_REMOVE(&b->all, s, link);
    listener_close(s->listener);
    free((char *)s->address.path);
    free(s);
}

/* Why an address cannot be listened on: an errno, and words for it. */
struct bind_failure {
    int why;
    char words[400];
};

/* (On a command line in ssh's words.) */
static void format_failure(const struct config *config, const struct config_listen *listen,
                           const struct config_address *address, const struct bind_failure *failure,
                           char error[static BOUND_SOCKETS_ERROR_MAX])
{
    char ip[IP_TEXT_MAX];

    const char *advice = failure->why != EADDRINUSE ? ""
                         : address->is_unix         ? " (`ss -xlp` shows who listens there)"
                                                    : " (`ss -tlnp` shows who listens there)";

    if (config->file != NULL)
        snprintf(error, BOUND_SOCKETS_ERROR_MAX, "listen %s: %s%s", listen->name, failure->words,
                 advice);
    else if (address->is_unix)
        snprintf(error, BOUND_SOCKETS_ERROR_MAX, "bind %s: %s%s", address->path,
                 strerror(failure->why), advice);
    else
        snprintf(error, BOUND_SOCKETS_ERROR_MAX, "bind [%s]:%u: %s%s", ip_format(&address->ip, ip),
                 address->port, strerror(failure->why), advice);
}

/* Binds an address that was not bound before. Its index stays NO_INDEX until the change has
 * succeeded, so that it is closed if the change fails. NULL: `failure` says why. */
static struct bound_socket *bound_socket_open(struct bound_sockets *b,
                                              const struct listener_address *address,
                                              uint32_t index, struct bind_failure *failure)
{
    struct bound_socket *s = mem_zalloc(sizeof(*s));

    s->id = ++b->last_id;
    s->index = NO_INDEX;
    s->next_index = index;
    s->address = *address;
    s->address.path = mem_strdup(address->path);
    TAILQ_INSERT_TAIL(&b->all, s, link);
    s->listener = listener_new(&s->address, failure->words, sizeof(failure->words));
    if (s->listener != NULL)
        return s;
    failure->why = errno;
    bound_socket_close(b, s);
    return NULL;
}

/* What a socket is for, by its index: KEEPER_CONTROL, KEEPER_STATUS, or 0 for listeners. */
static uint32_t purpose_of(uint32_t index)
{
    return index == KEEPER_CONTROL || index == KEEPER_STATUS ? index : 0;
}

/* The socket that is bound to the address already for the same purpose, and that no other listener
 * of the configuration has; NULL: none. */
static struct bound_socket *find_bound_socket(struct bound_sockets *b, uint32_t index,
                                              const struct listener_address *address)
{
    struct bound_socket *s;

    TAILQ_FOREACH (s, &b->all, link) {
        if (s->next_index != NO_INDEX || s->address.is_unix != address->is_unix ||
            s->address.is_passed != address->is_passed || s->address.index != address->index ||
            purpose_of(s->index) != purpose_of(index))
            continue;
        if (address->is_unix || address->is_passed
                ? strcmp(s->address.path, address->path) == 0
                : ip_equal(&s->address.ip, &address->ip) && s->address.port == address->port)
            return s;
    }
    return NULL;
}

/* Marks a socket as wanted, or binds it. */
static bool prepare_socket(struct bound_sockets *b, const struct config *config, uint32_t index,
                           const struct listener_address *at, struct bind_failure *failure)
{
    struct bound_socket *s = find_bound_socket(b, index, at);

    if (s != NULL) {
        s->next_index = index;
        return true;
    }
    s = bound_socket_open(b, at, index, failure);
    if (s != NULL && purpose_of(index) == 0)
        log_info("listening on %s (listen %s)", listener_name(s->listener),
                 config_listen_at(config, index)->name);
    return s != NULL;
}

/* The same for an address, which may be that of several sockets that were passed. */
static bool prepare_address(struct bound_sockets *b, const struct config *config, uint32_t index,
                            const struct config_address *address, struct bind_failure *failure)
{
    struct listener_address at = {
        .is_unix = address->is_unix,
        .is_passed = address->is_passed,
        .path = address->path,
        .mode = 0777 & ~config->gateway.stream_local_bind_mask,
        .unlink = config->gateway.stream_local_bind_unlink,
        .ip = address->ip,
        .port = address->port,
    };
    size_t count = address->is_passed ? passed_sockets_count(address->path) : 1;
    bool bound = true;

    do
        bound = prepare_socket(b, config, index, &at, failure) && bound;
    while (++at.index < count);
    return bound;
}

/* Every address of one listener. */
static bool prepare_listener(struct bound_sockets *b, const struct config *config, uint32_t index,
                             char error[static BOUND_SOCKETS_ERROR_MAX])
{
    const struct config_listen *listen = config_listen_at(config, index);
    bool either_family = index >= config->listen_count;
    size_t there = 0;
    bool ok = true;

    for (size_t k = 0; k < listen->address_count; k++) {
        const struct config_address *address = &listen->addresses[k];
        struct bind_failure failure = {0};
        bool bound = prepare_address(b, config, index, address, &failure);
        there += bound;
        if (bound || !ok)
            continue; /* (only the first failure is reported) */
        format_failure(config, listen, address, &failure, error);
        ok = (either_family || address->optional) &&
             (failure.why == EAFNOSUPPORT || failure.why == EADDRNOTAVAIL);
    }
    return ok && there > 0;
}

/* Whether adit goes on without this forward (ssh_config(5), ExitOnForwardFailure). */
static bool dispensable(const struct bound_sockets *b, const struct config *config,
                        const struct config_listen *listen)
{
    const struct config_upstream *upstream = config_upstream(config, listen->via);

    for (size_t i = b->needed; i < config->forward_count; i++)
        if (listen == &config->forwards[i].listen)
            return false;
    return config->file == NULL && !upstream->exit_on_forward_failure;
}

static bool has_remote_forward(const struct config *config)
{
    for (size_t i = 0; i < config->forward_count; i++)
        if (config->forwards[i].kind == FORWARD_REMOTE)
            return true;
    return false;
}

static bool prepare_listeners(struct bound_sockets *b, const struct config *config,
                              char error[static BOUND_SOCKETS_ERROR_MAX])
{
    bool any = has_remote_forward(config);
    bool missing = false; /* an address cannot be listened on ... */
    bool needed = false;  /* ... without which adit must not go on */
    const struct config_listen *listen;

    for (uint32_t i = 0; (listen = config_listen_at(config, i)) != NULL; i++) {
        char words[BOUND_SOCKETS_ERROR_MAX];
        if (prepare_listener(b, config, i, words)) {
            any = true;
            continue;
        }
        if (missing)
            log_line(needed ? ADIT_LOG_ERROR : ADIT_LOG_WARNING, "%s", error);
        memcpy(error, words, sizeof(words));
        missing = true;
        needed = needed || !dispensable(b, config, listen);
    }
    if (missing && any && !needed)
        log_warning("%s", error);
    return !missing || (any && !needed);
}

/* What to do as the socket of `[gateway] control` cannot be bound. (Of a command line that the path
 * is taken is only a warning, as it is to ssh.) */
static bool control_taken(const struct config *config, const struct control_holder *holder,
                          const struct bind_failure *failure,
                          char error[static BOUND_SOCKETS_ERROR_MAX])
{
    const char *path = config->gateway.control;
    struct control_holder found;

    if (holder == NULL) {
        found.peer = control_probe(path, &found.pid);
        holder = &found;
    }
    if (config->file == NULL && holder->peer != CONTROL_NOBODY) {
        log_warning("ControlSocket %s already exists, disabling multiplexing", path);
        return true;
    }
    if (holder->peer == CONTROL_ADIT)
        snprintf(error, BOUND_SOCKETS_ERROR_MAX, "control: another adit (pid %d) listens on %s",
                 (int)holder->pid, path);
    else
        snprintf(error, BOUND_SOCKETS_ERROR_MAX, "control: %s", failure->words);
    return false;
}

static bool prepare_path(struct bound_sockets *b, const char *path, struct bind_failure *failure)
{
    struct listener_address at = {.is_unix = true, .path = path, .mode = 0600};
    struct bound_socket *s = find_bound_socket(b, KEEPER_CONTROL, &at);

    if (s != NULL)
        s->next_index = KEEPER_CONTROL;
    return s != NULL || bound_socket_open(b, &at, KEEPER_CONTROL, failure) != NULL;
}

/* The paths at which ssh(1) finds sessions, but for that of `[gateway] control`. */
static bool prepare_masters(struct bound_sockets *b, const struct config *config,
                            char error[static BOUND_SOCKETS_ERROR_MAX])
{
    const char *control = config->gateway.control;
    bool ok = true;

    for (size_t i = 0; ok && i < config->upstream_count; i++) {
        char *path = config_master_socket(&config->upstreams[i]);
        struct bind_failure failure;
        ok = path == NULL || (control != NULL && strcmp(path, control) == 0) ||
             prepare_path(b, path, &failure);
        if (!ok)
            snprintf(error, BOUND_SOCKETS_ERROR_MAX, "master_socket: %s", failure.words);
        free(path);
    }
    return ok;
}

static bool prepare_control(struct bound_sockets *b, const struct config *config,
                            const struct control_holder *holder,
                            char error[static BOUND_SOCKETS_ERROR_MAX])
{
    struct bind_failure failure;

    if (config->gateway.control != NULL && !prepare_path(b, config->gateway.control, &failure) &&
        !control_taken(config, holder, &failure, error))
        return false;
    return prepare_masters(b, config, error);
}

static bool prepare_status(struct bound_sockets *b, const struct config *config,
                           char error[static BOUND_SOCKETS_ERROR_MAX])
{
    const struct config_listen *listen = &config->status.listen;

    for (size_t i = 0; i < listen->address_count; i++) {
        const struct config_address *address = &listen->addresses[i];
        struct bind_failure failure;
        if (prepare_address(b, config, KEEPER_STATUS, address, &failure) ||
            (address->optional && (failure.why == EAFNOSUPPORT || failure.why == EADDRNOTAVAIL)))
            continue;
        snprintf(error, BOUND_SOCKETS_ERROR_MAX, "status: %s%s", failure.words,
                 failure.why == EADDRINUSE ? " (`ss -tlnp` shows who listens there)" : "");
        return false;
    }
    return true;
}

bool bound_sockets_prepare(struct bound_sockets *b, const struct config *config,
                           const struct control_holder *holder,
                           char error[static BOUND_SOCKETS_ERROR_MAX])
{
    b->changing = true;
    return prepare_control(b, config, holder, error) && prepare_status(b, config, error) &&
           prepare_listeners(b, config, error);
}

void bound_sockets_need(struct bound_sockets *b, size_t first)
{
    b->needed = first;
}

void bound_sockets_remove_paths(struct bound_sockets *b)
{
    struct bound_socket *s;

    TAILQ_FOREACH (s, &b->all, link)
        if (s->next_index == NO_INDEX)
            listener_remove_path(s->listener);
}

void bound_sockets_commit(struct bound_sockets *b, bool keep_new)
{
    struct bound_socket *s = TAILQ_FIRST(&b->all);

    b->changing = false;
    b->needed = SIZE_MAX;
    while (s != NULL) {
        struct bound_socket *next = TAILQ_NEXT(s, link);
        if (keep_new)
            s->index = s->next_index;
        s->next_index = NO_INDEX;
        if (s->index == NO_INDEX)
            bound_socket_close(b, s);
        s = next;
    }
}

void bound_sockets_adopt(struct bound_sockets *b, const struct bound_socket_info *info)
{
    struct bound_socket *s = mem_zalloc(sizeof(*s));

    s->id = info->id;
    s->index = info->index;
    s->next_index = NO_INDEX;
    s->address = *info->address;
    s->address.path = mem_strdup(info->address->path);
    s->listener = listener_adopt(info->fd, info->name, info->port);
    if (info->left)
        listener_leave(s->listener);
    if (info->has_path)
        listener_take_path(s->listener, info->address->path);
    if (info->id > b->last_id)
        b->last_id = info->id;
    TAILQ_INSERT_TAIL(&b->all, s, link);
}

void bound_sockets_each(const struct bound_sockets *b, bound_socket_fn *each, void *arg)
{
    const struct bound_socket *s;

    TAILQ_FOREACH (s, &b->all, link) {
        uint32_t index = b->changing ? s->next_index : s->index;
        if (index == NO_INDEX)
            continue;
        each(arg, &(struct bound_socket_info){
                      .id = s->id,
                      .index = index,
                      .port = listener_port(s->listener),
                      .name = listener_name(s->listener),
                      .fd = listener_fd(s->listener),
                      .address = &s->address,
                      .has_path = listener_has_path(s->listener),
                      .left = listener_is_left(s->listener),
                  });
    }
}

void bound_sockets_close(struct bound_sockets *b, bool status)
{
    struct bound_socket *s = TAILQ_FIRST(&b->all);

    while (s != NULL) {
        struct bound_socket *next = TAILQ_NEXT(s, link);
        if (status || s->index != KEEPER_STATUS)
            bound_socket_close(b, s);
        s = next;
    }
}

void bound_sockets_free(struct bound_sockets *b)
{
    if (b == NULL)
        return;
    bound_sockets_close(b, true);
    free(b);
}
