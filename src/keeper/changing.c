/* The change under way: made on a thread, then offered to the gateway, whose answer decides whether
 * the sockets bound for it stay. */
#include "keeper/keeper_parts.h"

#include "base/log.h"
#include "base/mem.h"
#include "io/socket_calls.h"
#include "keeper/forward_sockets.h"

#include <stdlib.h>
#include <unistd.h>

/* A configuration that is being read from a file that does not answer is left behind after this
 * long; a program that is asked for it (ssh -G) is ended before. */
#define CHANGE_ENDS_MS 1500

struct keeper_change {
    struct message message; /* from the thread, when it has ended */
    struct keeper *keeper;
    uint32_t serial;
    struct change_request request;
    struct config *base;
    uv_thread_t thread;
    bool has_thread;
    bool offered;                /* the gateway has it, and will say what became of it */
    bool abandoned;              /* the thread still runs, and nobody wants what it makes */
    int connection;              /* shut down when the thread has to end; -1: none was to be had */
    int other_end;               /* of it, the main thread's */
    struct change_result result; /* the thread's while it runs */
    struct deadline patience;
};

static void changing_discard(struct keeper_change *change)
{
    struct keeper *k = change->keeper;

    if (change->connection >= 0) {
        close(change->connection);
        close(change->other_end);
    }
    deadline_cancel(&change->patience);
    change_request_clear(&change->request);
    config_unref(change->base);
    change_result_clear(&change->result);
    free(change);
    k->change = NULL;
}

static void changing_thread(void *arg)
{
    struct keeper_change *change = arg;

    change_make(&change->keeper->sources, change->base, &change->request, change->connection,
                &change->result);
    mailbox_post(change->keeper->mailbox, &change->message);
}

/* (Each is closed once it is sent.) */
static void send_system_files(struct gateway_child *child, struct change_result *result)
{
    for (uint32_t file = 0; file < SYSTEM_FILES; file++) {
        if (result->files[file] >= 0)
            child_send(child, KEEPER_FILE, &file, NULL, 0, result->files[file]);
        result->files[file] = -1;
    }
}

/* (The configuration is sent, also if some socket cannot be had: then without it.) */
static void changing_offer(struct keeper_change *change)
{
    struct keeper *k = change->keeper;
    struct change_result *result = &change->result;
    char error[BOUND_SOCKETS_ERROR_MAX];

    if (change->request.kind == CONFIG_ADD_FORWARDS && change->base != NULL)
        bound_sockets_need(k->sockets, change->base->forward_count);
    if (result->config != NULL &&
        !bound_sockets_prepare(k->sockets, result->config, &result->holder, error)) {
        bound_sockets_commit(k->sockets, false);
        snprintf(result->error, sizeof(result->error), "%s", error);
        config_unref(result->config);
        result->config = NULL;
    }
    if (result->config != NULL) {
        bound_sockets_remove_paths(k->sockets);
        child_send_sockets(k->current);
        send_system_files(k->current, result);
    }
    child_send_config(k->current, change->serial, result->config, result->error, &result->problems);
    change->offered = true;
}

static void changing_made(struct message *message, void *owner)
{
    struct keeper_change *change = container_of(message, struct keeper_change, message);
    struct keeper *k = change->keeper;

    (void)owner;
    if (change->has_thread)
        uv_thread_join(&change->thread);
    if (!change->abandoned) {
        changing_offer(change);
        return;
    }
    changing_discard(change);
    keeper_child_gone(k);
}

/* The mailbox is freed only when no change is under way. */
static void changing_dropped(struct message *message)
{
    (void)message;
}

bool changing_begin(struct keeper *k, struct keeper_message *message)
{
    struct keeper_change *change = mem_zalloc(sizeof(*change));
    int ends[2];

    change->message = (struct message){.run = changing_made, .drop = changing_dropped};
    change->keeper = k;
    change->result = (struct change_result){.files = {-1, -1}};
    change->serial = message->numbers[0];
    change->connection = -1;
    if (k->change != NULL || !change_request_read(message, &change->request)) {
        change_request_clear(&change->request);
        free(change);
        return false;
    }
    k->change = change;
    if (change->request.kind == CONFIG_RELOAD)
        keeper_reopen_log(k);
    if (k->upgrade != NULL && k->successor != NULL) {
        snprintf(change->result.error, sizeof(change->result.error), "an upgrade is under way");
        changing_offer(change);
        return true;
    }
    change->base = config_ref(k->config);
    if (socket_pair(true, ends)) {
        change->connection = ends[0];
        change->other_end = ends[1];
    }
    change->has_thread = uv_thread_create(&change->thread, changing_thread, change) == 0;
    if (!change->has_thread) {
        snprintf(change->result.error, sizeof(change->result.error),
                 "no thread can be had to make the change");
        mailbox_post(k->mailbox, &change->message);
    }
    return true;
}

/* The offer has come to its end. */
static void changing_settle(struct keeper_change *change, bool in_use)
{
    struct keeper *k = change->keeper;
    struct config *config = change->result.config;

    if (config != NULL)
        bound_sockets_commit(k->sockets, in_use);
    if (config != NULL && in_use) {
        config_unref(k->config);
        k->config = config_ref(config);
        if (k->current != NULL)
            child_use(k->current, config);
        forward_sockets_keep(k->forward_sockets, config);
        keeper_apply_log(k);
        kept_keys_review(k);
    }
    changing_discard(change);
}

bool changing_taken(struct keeper *k, uint32_t serial, bool in_use)
{
    struct keeper_change *change = k->change;

    if (change == NULL || !change->offered || change->serial != serial)
        return false;
    if (in_use && change->result.config == NULL)
        return false;
    changing_settle(change, in_use);
    return true;
}

struct config *changing_offered(const struct keeper *k)
{
    return k->change != NULL && k->change->offered ? k->change->result.config : NULL;
}

/* (What a gateway was offered that then died is what the next one begins with.) */
void changing_abandon(struct keeper *k)
{
    struct keeper_change *change = k->change;

    if (change == NULL || change->abandoned)
        return;
    if (change->offered) {
        changing_settle(change, true);
        return;
    }
    change->abandoned = true;
    if (change->connection >= 0)
        socket_shutdown(change->other_end);
}

static void changing_left_behind(struct deadline *deadline)
{
    const struct keeper *k = container_of(deadline, struct keeper_change, patience)->keeper;

    log_warning("the configuration is still being read: exiting without it");
    log_flush();
    _exit(k->status);
}

void changing_free(struct keeper *k)
{
    changing_abandon(k);
    if (k->change == NULL)
        return;
    deadline_arm(k->loop, &k->change->patience, CHANGE_ENDS_MS, changing_left_behind);
    while (k->change != NULL) /* (a signal may stop the loop, too) */
        loop_run(k->loop);
}
