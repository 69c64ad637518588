/* Which sockets are bound for remote forwards, and what their masters are asked for. */
#include "keeper/forward_sockets.h"

#include "base/log.h"
#include "base/mem.h"
#include "conf/forward_spec.h"
#include "conf/master_socket.h"
#include "conf/tunnel_socket.h"
#include "io/listener.h"
#include "keeper/forward_cancels.h"
#include "keeper/forward_records.h"
#include "wire/mux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

struct forward_socket {
    LIST_ENTRY(forward_socket) link;
    char *path;
    struct listener *listener;
    struct forward_record record;
    int lock; /* of the record; -1: it is not written */
};

struct forward_sockets {
    struct forward_cancels *cancels;
    LIST_HEAD(, forward_socket) all;
};

struct forward_sockets *forward_sockets_new(struct loop *loop)
{
    struct forward_sockets *sockets = mem_zalloc(sizeof(*sockets));

    sockets->cancels = forward_cancels_new(loop);
    LIST_INIT(&sockets->all);
    return sockets;
}

static void forward_socket_free(struct forward_socket *s)
{
    LIST_REMOVE(s, link);
    listener_close(s->listener);
    if (s->lock >= 0) {
        forward_record_remove(s->path);
        close(s->lock);
    }
    forward_record_clear(&s->record);
    free(s->path);
    free(s);
}

/* What carries the forward: the path of the socket of the master that is joined; or, of masters of
 * this keeper's own, which nobody has to ask as they end with it, no path but this process and the
 * upstream. NULL: no ssh carries it. The caller frees. */
static char *master_of(const struct config *config, const struct config_forward *forward)
{
    const struct config_upstream *upstream = config_upstream(config, forward->via);

    if (forward->kind != FORWARD_REMOTE || upstream == NULL)
        return NULL;
    if (upstream->by_openssh)
        return mem_printf("process %d, upstream %s", (int)getpid(), upstream->name);
    return upstream->join_master != NULL ? config_join_master(upstream) : NULL;
}

/* Where the server is to listen, in the words of ssh(1) -R. */
static const char *bind_words(const struct config_place *bind)
{
    if (bind->path != NULL)
        return bind->path;
    return bind->host[0] != '\0' ? bind->host : "localhost";
}

/* FNV-1a of 64 bits (draft-eastlake-fnv). */
static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++)
        hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    return (hash ^ '\n') * UINT64_C(0x100000001b3);
}

/* The path of the socket for a forward; the caller frees. (Of several whose ports the server picks
 * each has another one.) NULL: no ssh carries the forward, or there is no directory. */
static char *forward_path(const char *directory, const struct config *config,
                          const struct config_forward *forward)
{
    char *master = master_of(config, forward);
    char *bind = place_print(&forward->bind);
    bool picked = forward->bind.path == NULL && forward->bind.port == 0;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    char *path = NULL;

    if (master != NULL && directory != NULL) {
        hash = hash_text(hash_text(hash, master), bind);
        hash = picked ? hash_text(hash, forward->name) : hash;
        path = mem_printf("%s/forward-%016llx", directory, (unsigned long long)hash);
    }
    free(bind);
    free(master);
    return path;
}

/* The first forward of the configuration whose path it is; NULL: there is none. */
static const struct config_forward *forward_of_path(const struct config *config,
                                                    const char *directory, const char *path)
{
    const struct config_forward *found = NULL;

    for (size_t i = 0; config != NULL && i < config->forward_count && found == NULL; i++) {
        char *own = forward_path(directory, config, &config->forwards[i]);
        if (own != NULL && strcmp(own, path) == 0)
            found = &config->forwards[i];
        free(own);
    }
    return found;
}

static bool has_path(const struct config *config, const char *directory, const char *path)
{
    return forward_of_path(config, directory, path) != NULL;
}

/* False: errno. (Whose socket there is nobody has locked: it is not needed any more.) */
static bool socket_bind(struct forward_socket *s)
{
    const struct listener_address address = {.is_unix = true, .path = s->path, .unlink = true};
    char words[256];

    s->lock = forward_record_write(&s->record, s->path);
    if (s->lock >= 0)
        s->listener = listener_new(&address, words, sizeof(words));
    return s->listener != NULL;
}

static struct forward_socket *find_socket(const struct forward_sockets *sockets, const char *path)
{
    struct forward_socket *s;

    LIST_FOREACH (s, &sockets->all, link)
        if (strcmp(s->path, path) == 0)
            return s;
    return NULL;
}

/* Takes over the path. NULL: errno. */
static struct forward_socket *add_socket(struct forward_sockets *sockets, char *path,
                                         const struct config *config,
                                         const struct config_forward *forward)
{
    struct forward_socket *s = mem_zalloc(sizeof(*s));
    int error;

    s->path = path;
    s->record.master = master_of(config, forward);
    s->record.bind = mem_strdup(bind_words(&forward->bind));
    s->record.port = forward->bind.path != NULL ? MUX_PORT_UNIX : forward->bind.port;
    LIST_INSERT_HEAD(&sockets->all, s, link);
    if (socket_bind(s))
        return s;
    error = errno;
    forward_socket_free(s);
    errno = error;
    return NULL;
}

struct forward_bound forward_sockets_get(struct forward_sockets *sockets,
                                         const struct config *config,
                                         const struct config_forward *forward)
{
    char *directory = private_directory(true);
    char *path = forward_path(directory, config, forward);
    struct forward_bound bound = {.fd = -1, .error = directory == NULL ? EACCES : ENOENT};
    struct forward_socket *s;

    if (path != NULL && forward_of_path(config, directory, path) != forward) {
        bound.error = EADDRINUSE;
        free(path);
        path = NULL;
    }
    free(directory);
    if (path == NULL)
        return bound;
    s = find_socket(sockets, path);
    if (s != NULL)
        free(path);
    else
        s = add_socket(sockets, path, config, forward);
    if (s != NULL) {
        bound.path = s->path;
        bound.fd = fcntl(listener_fd(s->listener), F_DUPFD_CLOEXEC, 0);
    }
    bound.error = bound.fd < 0 ? errno : 0;
    return bound;
}

void forward_sockets_keep(struct forward_sockets *sockets, const struct config *config)
{
    char *directory = private_directory(false);
    struct forward_socket *s = LIST_FIRST(&sockets->all);

    while (s != NULL) {
        struct forward_socket *next = LIST_NEXT(s, link);
        if (!has_path(config, directory, s->path)) {
            forward_cancels_ask(sockets->cancels, &s->record, s->path);
            forward_socket_free(s);
        }
        s = next;
    }
    free(directory);
}

struct left {
    struct forward_sockets *sockets;
    const struct config *config;
    const char *directory;
};

/* (A forward_record_fn.) */
static bool cancel_left(void *arg, const struct forward_record *record, const char *path)
{
    const struct left *left = arg;

    if (has_path(left->config, left->directory, path))
        return false;
    log_info("a remote forward on '%s' is cancelled at the master %s: it was left by an adit that "
             "was killed",
             record->bind, record->master);
    forward_cancels_ask(left->sockets->cancels, record, path);
    return true;
}

void forward_sockets_clean(struct forward_sockets *sockets, const struct config *config)
{
    char *directory = private_directory(false);

    if (directory != NULL)
        forward_records_take(directory, cancel_left, &(struct left){sockets, config, directory});
    free(directory);
}

void forward_sockets_free(struct forward_sockets *sockets)
{
    if (sockets == NULL)
        return;
    forward_sockets_keep(sockets, NULL);
    forward_cancels_free(sockets->cancels, CANCEL_MS);
    free(sockets);
}
