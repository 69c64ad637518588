/* Plays a gateway that was taken over, on the lines that it has with the keeper: the first byte
 * says whether it is a service line or which login's, and packets follow, each behind two bytes of
 * its length. All that is answered must be a message that the gateway can read. No program is
 * started: there is none in PATH, and the configuration has no command. */
#include "base/log.h"
#include "io/packets.h"
#include "keeper/forward_sockets.h"
#include "keeper/keeper_parts.h"
#include "keeper/login.h"
#include "keeper/masters.h"
#include "wire/service.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* The answers to as many fit into the socket. */
#define PACKETS_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char text[] =
    "[upstream a]\nhost = one.example, two.example:2222\nuser = joe\nhost_key = strict\n"
    "known_hosts = /nowhere/known\nidentity = none\nagent = no\nssh_config = no\n"
    "[upstream off]\nhost = h\nssh_config = no\nhost_key = strict\nknown_hosts = /nowhere/known\n"
    "pubkey_authentication = no\npassword_authentication = no\n"
    "kbd_interactive_authentication = no\n"
    "[listen b]\naddress = 127.0.0.1:1080\n"
    "[forward web]\nvia = a\nlocal = 8080 web:80\n"
    "[forward in]\nvia = a\nremote = 9 /nowhere/socket\n";

static struct config *load(void)
{
    static struct config *config;
    struct config_problems problems = {0};

    if (config != NULL)
        return config;
    setenv("PATH", "/nowhere", 1);
    setenv("HOME", "/nowhere", 1);
    unsetenv("SSH_AUTH_SOCK");
    config = config_load_text("t.ini", text, sizeof(text) - 1, &problems);
    assert(config != NULL);
    return config;
}

/* The next packet; false: there is none. */
static bool next_packet(const uint8_t **data, size_t *size, struct span *packet)
{
    size_t length;

    if (*size < 2)
        return false;
    length = (size_t)(*data)[0] << 8 | (*data)[1];
    *data += 2;
    *size -= 2;
    if (length > *size)
        length = *size;
    *packet = (struct span){*data, length};
    *data += length;
    *size -= length;
    return true;
}

/* What has come until the other end is closed. */
static void read_answers(int end, bool is_login)
{
    struct buffer packet = {0};
    int fd = -1;

    shutdown(end, SHUT_WR);
    while (packet_wait(end, LOGIN_PACKET_MAX, &packet, &fd)) {
        struct login_message answer;
        struct service_message message;
        assert(is_login ? login_message_parse(span_of_buffer(&packet), false, &answer)
                        : service_message_parse(span_of_buffer(&packet), fd >= 0, false, &message));
        if (fd >= 0)
            close(fd);
        fd = -1;
        buffer_clear(&packet);
    }
    buffer_clear(&packet);
}

static void send_packets(int end, const uint8_t *data, size_t size)
{
    struct span packet;

    for (int i = 0; i < PACKETS_MAX && next_packet(&data, &size, &packet); i++)
        if (packet.length > 0)
            send(end, packet.bytes, packet.length, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* By its own thread in the keeper; all that it is asked for is there before it begins. */
static void play_login(unsigned which, const uint8_t *data, size_t size)
{
    const struct config_upstream *upstream = &load()->upstreams[which % 2];
    struct quota *agents = quota_new(1);
    struct login login = {.agents = agents};
    struct upstream_host host;
    int ends[2];

    assert(packet_pair(ends));
    assert(upstream_host_find(upstream, upstream->hosts.items[0], &host));
    login_begin(&login, upstream, &host, false, ends[1]);
    send_packets(ends[0], data, size);
    shutdown(ends[0], SHUT_WR);
    login_serve(&login);
    login_clear(&login);
    close(ends[1]);
    read_answers(ends[0], true);
    close(ends[0]);
    quota_unref(agents);
}

static void ignore_packet(void *arg, struct span packet, int *fd)
{
    (void)arg, (void)packet, (void)fd;
}

static void ignore_end(void *arg)
{
    (void)arg;
}

/* (A gateway that is condemned has no process here: its number is 0.) */
static struct gateway_child *new_child(struct keeper *k, int end)
{
    struct gateway_child *child = calloc(1, sizeof(*child));

    assert(child != NULL);
    *child = (struct gateway_child){.keeper = k, .config = config_ref(load())};
    LIST_INIT(&child->lines);
    child->quotas = (struct child_quotas){quota_new(1), quota_new(1), quota_new(1), quota_new(1)};
    child->guesses = guess_queue_new(k->checks);
    child->packets =
        packets_new(k->loop, end,
                    &(struct packets_options){
                        .max = KEEPER_PACKET_MAX, .received = ignore_packet, .ended = ignore_end});
    assert(child->packets != NULL);
    return child;
}

static void play_service(const uint8_t *data, size_t size)
{
    struct keeper k = {.config = load(), .loop = loop_new()};
    int ends[2], pair[2];

    k.mailbox = mailbox_new(k.loop, &k);
    k.checks = password_checks_new(k.loop, k.mailbox);
    k.commands = proxy_commands_new(k.loop);
    k.masters = keeper_masters_new(&k);
    k.forward_sockets = forward_sockets_new(k.loop);
    assert(packet_pair(ends) && packet_pair(pair));
    k.current = new_child(&k, pair[1]);
    assert(service_line_open(k.current, &ends[1]));
    send_packets(ends[0], data, size);
    for (int i = 0; i < PACKETS_MAX; i++)
        uv_run(loop_uv(k.loop), UV_RUN_NOWAIT);
    child_free(k.current);
    read_answers(ends[0], false);
    close(ends[0]);
    close(pair[0]);
    forward_sockets_free(k.forward_sockets);
    keeper_masters_free(k.masters);
    proxy_commands_free(k.commands);
    password_checks_free(k.checks);
    mailbox_free(k.mailbox);
    loop_free(k.loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    log_setup(-1, ADIT_LOG_ERROR, ADIT_LOG_TEXT);
    if (data[0] % 3 == 2)
        play_service(data + 1, size - 1);
    else
        play_login(data[0] % 3, data + 1, size - 1);
    return 0;
}
