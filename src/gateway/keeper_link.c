/* What the keeper sends, and what it is sent. */
#include "gateway/keeper_link.h"

#include "base/mem.h"
#include "conf/serialise.h"
#include "gateway/events.h"
#include "gateway/gateway_parts.h"
#include "io/background.h"
#include "io/packets.h"
#include "io/memory_file.h"
#include "io/system_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct keeper_link {
    struct gateway *gateway;
    struct packets *packets;
    struct given_sockets given;
};

/* Sockets. */

static struct listener *adopt(struct keeper_message *message, int *fd)
{
    struct span text = keeper_message_text(message);
    char *name = mem_strndup((const char *)text.bytes, text.length);
    struct listener *listener = NULL;

    if (*fd >= 0)
        listener = listener_adopt(*fd, name, (uint16_t)message->numbers[2]);
    *fd = -1;
    free(name);
    if (listener != NULL && message->numbers[3] != 0)
        listener_leave(listener);
    return listener;
}

static void append_given(struct given_socket **all, size_t *count, struct given_socket socket)
{
    *all = mem_realloc(*all, (*count + 1) * sizeof(**all));
    (*all)[(*count)++] = socket;
}

void given_sockets_add(struct given_sockets *given, struct keeper_message *message, int *fd)
{
    struct given_socket socket = {
        .id = message->numbers[0],
        .index = message->numbers[1],
        .listener = adopt(message, fd),
    };

    if (socket.index == KEEPER_CONTROL) {
        append_given(&given->control, &given->control_count, socket);
    } else if (socket.index == KEEPER_STATUS) {
        append_given(&given->status, &given->status_count, socket);
    } else {
        append_given(&given->listeners, &given->listener_count, socket);
    }
}

static void forget_given(struct given_socket *all, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (all[i].listener != NULL)
            listener_unref(all[i].listener);
    free(all);
}

void given_sockets_clear(struct given_sockets *given)
{
    forget_given(given->listeners, given->listener_count);
    forget_given(given->status, given->status_count);
    forget_given(given->control, given->control_count);
    *given = (struct given_sockets){0};
}

struct given_sockets *keeper_link_given(struct keeper_link *link)
{
    return &link->given;
}

/* Configurations. */

static struct config_problems problems_of(int fd)
{
    struct config_problems problems = {0};
    char *text = memory_file_text(fd);
    char *rest = text;
    const char *line;

    while (rest != NULL && (line = strsep(&rest, "\n")) != NULL)
        if (line[0] != '\0')
            config_problems_add(&problems, line);
    free(text);
    return problems;
}

/* A configuration that was asked for, or why there is none. */
static bool take_config(struct keeper_link *link, struct keeper_message *message, int fd)
{
    struct span text = keeper_message_text(message);
    char *error = mem_strndup((const char *)text.bytes, text.length);
    struct config_problems problems = {0};
    struct config *config = NULL;
    bool good = true;

    if (message->numbers[1] == 0)
        problems = problems_of(fd);
    else
        good = (config = config_restore_file(fd)) != NULL;
    if (good)
        config_changes_made(link->gateway->changes, message->numbers[0], config, error, &problems);
    given_sockets_clear(&link->given);
    config_unref(config);
    config_problems_clear(&problems);
    free(error);
    return good;
}

/* The rest. */

/* The log's descriptor leads to the file of that name from now on. */
static void take_log(const struct gateway *g, int fd)
{
    dup3(fd, g->options.log_fd, O_CLOEXEC);
    log_reopen();
}

static void detach(struct keeper_link *link, bool keep_stderr)
{
    log_flush(); /* to where it went until now */
    background_leave(keep_stderr);
    log_reopen();
    keeper_link_send(link, GATEWAY_DETACHED, NULL, NULL, 0);
}

/* As by a signal; what is not up by then is a failure of a command line. */
static void on_keeper_ended(void *arg)
{
    struct keeper_link *link = arg;

    log_error("the keeper, adit's first process, has ended: ending");
    if (!link->gateway->draining)
        gateway_signal(link->gateway, KEEPER_SIGNAL_END);
}

static bool take_keeper_message(struct keeper_link *link, struct keeper_message *message, int *fd)
{
    switch (message->kind) {
    case KEEPER_SOCKET: given_sockets_add(&link->given, message, fd); return true;
    case KEEPER_CONFIG: return take_config(link, message, *fd);
    case KEEPER_LOG: take_log(link->gateway, *fd); return true;
    case KEEPER_LISTEN:
        gateway_listen_now(link->gateway);
        given_sockets_clear(&link->given);
        return true;
    case KEEPER_RETIRE: gateway_retire(link->gateway); return true;
    case KEEPER_FILE:
        if (message->numbers[0] >= SYSTEM_FILES)
            return false;
        system_file_renew((enum system_file)message->numbers[0], *fd);
        return true;
    case KEEPER_DETACH: detach(link, message->numbers[0] != 0); return true;
    case KEEPER_SIGNAL:
        if (message->numbers[0] >= KEEPER_SIGNALS)
            return false;
        gateway_signal(link->gateway, (enum keeper_signal)message->numbers[0]);
        return true;
    case KEEPER_START:
    case GATEWAY_READY:
    case GATEWAY_UP:
    case GATEWAY_DETACHED:
    case GATEWAY_CHANGE:
    case GATEWAY_CHANGED:
    case GATEWAY_NOTIFY:
    case GATEWAY_UPGRADE:
    case GATEWAY_CLOSED:
    case GATEWAY_SERVICE:
    case GATEWAY_LOGIN:
    case GATEWAY_EVENT:
    case KEEPER_MESSAGE_KINDS: break;
    }
    return false;
}

static void on_keeper_packet(void *arg, struct span packet, int *fd)
{
    struct keeper_link *link = arg;
    struct keeper_message message;

    if (!keeper_message_parse(packet, *fd >= 0, false, &message) ||
        !take_keeper_message(link, &message, fd))
        on_keeper_ended(link);
}

struct keeper_link *keeper_link_new(struct loop *loop, int end, struct gateway *gateway)
{
    struct keeper_link *link = mem_zalloc(sizeof(*link));

    link->gateway = gateway;
    link->packets = packets_new(loop, end,
                                &(struct packets_options){
                                    .max = KEEPER_PACKET_MAX,
                                    .received = on_keeper_packet,
                                    .ended = on_keeper_ended,
                                    .arg = link,
                                });
    if (link->packets != NULL)
        return link;
    free(link);
    return NULL;
}

void keeper_link_free(struct keeper_link *link)
{
    if (link == NULL)
        return;
    given_sockets_clear(&link->given);
    packets_free(link->packets);
    free(link);
}

/* (`fd` is closed in any case.) */
static bool send_with(struct keeper_link *link, enum keeper_message_kind kind,
                      const uint32_t *numbers, const char *const *texts, size_t text_count, int fd)
{
    struct buffer packet = {0};
    bool ok = keeper_message_write(&packet, kind, numbers, texts, text_count);

    if (ok)
        packets_send(link->packets, (struct span){buffer_data(&packet), buffer_length(&packet)},
                     fd);
    else if (fd >= 0)
        close(fd);
    buffer_clear(&packet);
    return ok;
}

bool keeper_link_send(struct keeper_link *link, enum keeper_message_kind kind,
                      const uint32_t *numbers, const char *const *texts, size_t text_count)
{
    return send_with(link, kind, numbers, texts, text_count, -1);
}

int keeper_link_login(struct keeper_link *link, const char *upstream, const char *host)
{
    int ends[2];

    if (!packet_pair(ends))
        return -1;
    send_with(link, GATEWAY_LOGIN, NULL, (const char *const[]){upstream, host}, 2, ends[1]);
    return ends[0];
}

int keeper_link_open_service(struct keeper_link *link)
{
    int ends[2];

    if (!packet_pair(ends)) {
        log_error("socketpair: %s: the keeper cannot be asked", strerror(errno));
        return -1;
    }
    send_with(link, GATEWAY_SERVICE, NULL, NULL, 0, ends[1]);
    return ends[0];
}

void keeper_link_notify(struct keeper_link *link, enum keeper_notice notice, const char *status)
{
    keeper_link_send(link, GATEWAY_NOTIFY, (const uint32_t[]){(uint32_t)notice}, &status, 1);
}

/* (A reason may be longer than what a server says; the keeper takes the beginning of it.) */
void keeper_link_happened(struct keeper_link *link, const struct event *event)
{
    static const int events[] = {
        [EVENT_UPSTREAM_UP] = KEEPER_EVENT_UPSTREAM_UP,
        [EVENT_UPSTREAM_DOWN] = KEEPER_EVENT_UPSTREAM_DOWN,
        [EVENT_SESSION_UP] = -1,
        [EVENT_SESSION_LOST] = -1,
        [EVENT_SESSION_CLOSED] = -1,
        [EVENT_FORWARD_UP] = KEEPER_EVENT_FORWARD_UP,
        [EVENT_FORWARD_DOWN] = KEEPER_EVENT_FORWARD_DOWN,
        [EVENT_DRAIN] = -1,
        [EVENT_RELOAD] = -1,
        [EVENT_RELOAD_REFUSED] = -1,
    };
    int number = events[event->kind];

    if (number >= 0)
        keeper_link_send(link, GATEWAY_EVENT, (const uint32_t[]){(uint32_t)number},
                         (const char *const[]){event->upstream, event->forward, event->reason}, 3);
}

bool keeper_link_ask(void *arg, uint32_t serial, enum config_change_kind kind,
                     const struct forward_words *forwards, size_t forward_count)
{
    const struct gateway *g = arg;
    const char **texts = mem_zalloc((4 * forward_count + 1) * sizeof(*texts));

    for (size_t i = 0; i < forward_count; i++) {
        texts[4 * i] = forwards[i].kind;
        texts[4 * i + 1] = forwards[i].spec;
        texts[4 * i + 2] = forwards[i].via;
        texts[4 * i + 3] = forwards[i].name;
    }
    bool ok = keeper_link_send(g->link, GATEWAY_CHANGE, (const uint32_t[]){serial, (uint32_t)kind},
                               texts, 4 * forward_count);
    free(texts);
    return ok;
}

void keeper_link_taken(void *arg, uint32_t serial, bool in_use)
{
    const struct gateway *g = arg;

    keeper_link_send(g->link, GATEWAY_CHANGED, (const uint32_t[]){serial, in_use}, NULL, 0);
}
