/* Keys that no configuration in use has any more are forgotten by the keeper's agent: after a
 * reload, and once the last gateway and the last login of the configuration before have ended. */
#include "keeper/keeper_parts.h"

#include "base/mem.h"
#include "conf/identities.h"
#include "conf/types.h"

#include <stdlib.h>

struct key_review {
    struct message message; /* from the thread, when it has ended */
    struct keeper *keeper;
    uv_thread_t thread;
    struct string_list paths; /* of keys that stay */
    bool again;               /* another one is wanted after this */
};

static void review_discard(struct key_review *review)
{
    review->keeper->key_review = NULL;
    string_list_clear(&review->paths);
    free(review);
}

static void review_thread(void *arg)
{
    struct key_review *review = arg;

    key_agent_keep(review->keeper->keys, &review->paths);
    mailbox_post(review->keeper->mailbox, &review->message);
}

static void review_ended(struct message *message, void *owner)
{
    struct key_review *review = container_of(message, struct key_review, message);
    struct keeper *k = review->keeper;
    bool again = review->again;

    (void)owner;
    uv_thread_join(&review->thread);
    review_discard(review);
    if (again)
        kept_keys_review(k);
}

static void review_dropped(struct message *message)
{
    review_discard(container_of(message, struct key_review, message));
}

static void add_config(struct string_list *paths, const struct config *config)
{
    for (size_t i = 0; i < config->upstream_count; i++)
        identities_paths(&config->upstreams[i], paths);
}

static void add_child(struct string_list *paths, const struct gateway_child *child)
{
    if (child == NULL)
        return;
    add_config(paths, child->config);
    add_config(paths, child_config(child));
}

static void add_config_of_line(void *paths, const struct config *config)
{
    add_config(paths, config);
}

/* (Whoever may log in by a configuration may load a key of it again.) */
static void add_all(struct string_list *paths, const struct keeper *k)
{
    const struct gateway_child *child;

    add_config(paths, k->config);
    add_child(paths, k->current);
    add_child(paths, k->successor);
    LIST_FOREACH (child, &k->retired, link)
        add_child(paths, child);
    login_lines_each_config(k, add_config_of_line, paths);
}

void kept_keys_review(struct keeper *k)
{
    struct key_review *review = k->key_review;

    if (review != NULL) {
        review->again = true;
        return;
    }
    review = mem_zalloc(sizeof(*review));
    review->message = (struct message){.run = review_ended, .drop = review_dropped};
    review->keeper = k;
    k->key_review = review;
    add_all(&review->paths, k);
    if (uv_thread_create(&review->thread, review_thread, review) != 0)
        review_discard(review); /* (the next reload forgets them) */
}

void kept_keys_free(struct keeper *k)
{
    if (k->key_review != NULL)
        uv_thread_join(&k->key_review->thread); /* (its message is dropped with the mailbox) */
}
