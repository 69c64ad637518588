/* The first messages, which are waited for; then the gateway. */
#include "gateway/process.h"

#include "base/exit_status.h"
#include "base/mem.h"
#include "conf/serialise.h"
#include "conf/types.h"
#include "base/slow_copies.h"
#include "gateway/gateway.h"
#include "gateway/gateway_parts.h"
#include "gateway/keeper_link.h"
#include "io/background.h"
#include "io/own_program.h"
#include "io/packets.h"
#include "io/sandbox.h"
#include "io/ssh_agent.h"
#include "io/system_files.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* What the keeper says first. */
struct beginning {
    struct gateway_options options;
    struct config_place stdio_target;
    char *stdio_via;
    struct given_sockets sockets;
    struct config *config; /* NULL: has still to come */
    bool started;
};

/* NULL for "". */
static char *next_text(struct keeper_message *message)
{
    struct span text = keeper_message_text(message);

    return text.length > 0 ? mem_strndup((const char *)text.bytes, text.length) : NULL;
}

/* What --try names. (With it -W is no connection, but a place that a channel is to lead to.) */
static void take_trial(struct beginning *b, uint32_t flags, struct keeper_message *message)
{
    struct gateway_options *o = &b->options;
    char *names = next_text(message);
    char *next = names;
    const char *name;

    o->tries = (flags & KEEPER_FLAG_TRY) != 0;
    o->try_json = (flags & KEEPER_FLAG_JSON) != 0;
    if (b->stdio_target.host != NULL || b->stdio_target.path != NULL)
        o->try_target = &b->stdio_target;
    while ((name = strsep(&next, "\n")) != NULL)
        string_list_append(&o->try_upstreams, mem_strdup(name));
    free(names);
}

static void take_start(struct beginning *b, struct keeper_message *message, int *fd)
{
    uint32_t flags = message->numbers[2];
    struct gateway_options *o = &b->options;

    o->process = (pid_t)message->numbers[0];
    o->verbose = message->numbers[1];
    o->may_ask = (flags & KEEPER_FLAG_MAY_ASK) != 0;
    o->first_failure_ends = (flags & KEEPER_FLAG_FIRST_FAILURE_ENDS) != 0;
    o->reads_again = (flags & KEEPER_FLAG_READS_AGAIN) != 0;
    o->first_failure_ends = o->first_failure_ends && (flags & KEEPER_FLAG_UP) == 0;
    o->was_up = (flags & KEEPER_FLAG_UP) != 0;
    o->log_fd = STDERR_FILENO;
    if ((flags & KEEPER_FLAG_LOG_FILE) != 0) {
        o->log_fd = *fd;
        *fd = -1;
    }
    b->stdio_via = next_text(message);
    b->stdio_target.host = next_text(message);
    b->stdio_target.path = next_text(message);
    b->stdio_target.port = (uint16_t)message->numbers[3];
    take_trial(b, flags, message);
    if ((flags & KEEPER_FLAG_STDIO) != 0) {
        o->stdio = &b->stdio_target;
        o->stdio_via = b->stdio_via;
    }
    b->started = true;
}

/* False: the message cannot be the next one. */
static bool take_first(struct beginning *b, struct keeper_message *message, int *fd)
{
    if (b->started != (message->kind != KEEPER_START))
        return false;
    if (message->kind == KEEPER_START)
        take_start(b, message, fd);
    else if (message->kind == KEEPER_SOCKET)
        given_sockets_add(&b->sockets, message, fd);
    else if (message->kind == KEEPER_CONFIG)
        b->config = config_restore_file(*fd);
    return message->kind != KEEPER_CONFIG || b->config != NULL;
}

/* Waits for all of it. False: it does not come. */
static bool wait_for_beginning(struct beginning *b)
{
    bool ok = true;

    while (ok && b->config == NULL) {
        struct buffer packet = {0};
        struct keeper_message message;
        int fd;
        ok = packet_wait(OWN_PROGRAM_FD, KEEPER_PACKET_MAX, &packet, &fd);
        if (ok) {
            struct span bytes = {buffer_data(&packet), buffer_length(&packet)};
            ok = keeper_message_parse(bytes, fd >= 0, false, &message) &&
                 take_first(b, &message, &fd);
            if (fd >= 0)
                close(fd);
        }
        buffer_clear(&packet);
    }
    return ok;
}

static void beginning_clear(struct beginning *b)
{
    given_sockets_clear(&b->sockets);
    string_list_clear(&b->options.try_upstreams);
    free(b->stdio_via);
    free(b->stdio_target.host);
    free(b->stdio_target.path);
}

/* What libraries load or open when they are first used, and could not any more. */
static void prepare_libraries(void)
{
    char room[1024];
    struct passwd entry, *found;

    OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL);
    /* (Modules of nsswitch.conf(5) are shared objects, and libssh asks who the user is.) */
    (void)getpwuid_r(getuid(), &entry, room, sizeof(room), &found);
    background_null();
    log_prepare();
}

/* Why this process reads private keys itself, as the start of a sentence; NULL: it does not. */
static const char *why_keys_are_read(const struct config *config)
{
    bool has_agent = ssh_agent_is_there();

    for (size_t i = 0; i < config->upstream_count; i++) {
        const struct config_upstream *upstream = &config->upstreams[i];
        if (upstream->libssh_config)
            return "libssh reads ssh_config";
        if (!has_agent && upstream->join_master == NULL && !upstream->by_openssh)
            return "ssh-agent and ssh-add of OpenSSH are not in PATH";
    }
    return NULL;
}

/* A locked process could not read them. False: that will not do. */
static bool check_keys(const char *why, enum config_sandbox wish)
{
    if (wish == CONFIG_SANDBOX_REQUIRE)
        log_error("sandbox = require: %s: the process that talks to the network would have to read "
                  "private keys itself; with sandbox = auto adit starts without the lock",
                  why);
    else
        log_warning("%s: the process that talks to the network reads private keys itself%s", why,
                    wish == CONFIG_SANDBOX_AUTO ? ", so it does not lock itself (sandbox)" : "");
    return wish != CONFIG_SANDBOX_REQUIRE;
}

/* Locks this process as its configuration says. False: it cannot, and that was said. */
static bool enter_sandbox(const struct config *config)
{
    enum config_sandbox wish = config->gateway.sandbox;
    const char *why = why_keys_are_read(config);
    char *lack;

    if (why != NULL)
        return check_keys(why, wish);
    if (wish == CONFIG_SANDBOX_OFF)
        return true;
    prepare_libraries();
    system_files_hold();
    lack = sandbox_enter();
    if (lack == NULL)
        return true;
    if (wish == CONFIG_SANDBOX_REQUIRE)
        log_error("sandbox = require: there is no %s; with sandbox = auto adit starts without it",
                  lack);
    else if (sandbox_is_left_out())
        log_debug("sandbox: there is no %s", lack);
    else
        log_info("sandbox: there is no %s; the gateway goes on without it", lack);
    free(lack);
    return wish != CONFIG_SANDBOX_REQUIRE;
}

/* Only trials dial, and those that need a jump host's session. */
static void dial_when_asked(struct config *config)
{
    for (size_t i = 0; i < config->upstream_count; i++)
        config->upstreams[i].sessions_min = 0;
}

/* NULL: that it cannot start was said, and `status` may be another one for the process. */
static struct gateway *start_gateway(struct beginning *b, int *status)
{
    gateway_apply_log(&b->options, b->config);
    if (b->options.tries)
        dial_when_asked(b->config);
    if (!enter_sandbox(b->config)) {
        config_unref(b->config);
        *status = EX_CONFIG;
        return NULL;
    }
    log_start();
    return gateway_new(b->config, &b->sockets, &b->options);
}

int gateway_process_run(const struct login_engine *engine, const struct login_engine *join_engine)
{
    struct beginning b = {.options = {.engine = engine, .join_engine = join_engine}};
    int status = EXIT_SSH;
    struct gateway *gateway;

    slow_copies_forget();
    prctl(PR_SET_NAME, "adit-gateway");
    signal(SIGPIPE, SIG_IGN);
    if (fcntl(OWN_PROGRAM_FD, F_SETFD, FD_CLOEXEC) != 0 || !wait_for_beginning(&b)) {
        fprintf(stderr, "adit: a gateway is started by adit itself\n");
        beginning_clear(&b);
        return EXIT_SSH;
    }
    /* (This descriptor stays open until the process has exited: its end tells the keeper so.) */
    b.options.link = fcntl(OWN_PROGRAM_FD, F_DUPFD_CLOEXEC, OWN_PROGRAM_FD + 1);
    gateway = start_gateway(&b, &status);
    if (gateway != NULL) {
        status = gateway_run(gateway);
        gateway_free(gateway);
    }
    log_stop();
    beginning_clear(&b);
    return status;
}
