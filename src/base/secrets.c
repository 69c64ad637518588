/* A short list of secrets, each in memory pages of its own. */
#include "base/secrets.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <unistd.h>

struct kept {
    SLIST_ENTRY(kept) link;
    char *key;
    char *secret; /* mapped */
    size_t size;
};

static SLIST_HEAD(, kept) all = SLIST_HEAD_INITIALIZER(all);
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t at_exit = PTHREAD_ONCE_INIT;

static struct kept *find_kept(const char *key)
{
    struct kept *kept;

    SLIST_FOREACH(kept, &all, link)
    if (strcmp(kept->key, key) == 0)
        return kept;
    return NULL;
}

static void forget_kept(struct kept *kept)
{
    SLIST_REMOVE(&all, kept, kept, link);
    explicit_bzero(kept->secret, kept->size);
    munmap(kept->secret, kept->size);
    free(kept->key);
    free(kept);
}

void secrets_forget(void)
{
    pthread_mutex_lock(&lock);
    while (!SLIST_EMPTY(&all))
        forget_kept(SLIST_FIRST(&all));
    pthread_mutex_unlock(&lock);
}

static void forget_at_exit(void)
{
    atexit(secrets_forget);
}

char *secrets_get(const char *key)
{
    const struct kept *kept;
    char *copy;

    pthread_mutex_lock(&lock);
    kept = find_kept(key);
    copy = kept != NULL ? mem_strdup(kept->secret) : NULL;
    pthread_mutex_unlock(&lock);
    return copy;
}

static struct kept *kept_new(const char *key, const char *secret)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = (strlen(secret) / page + 1) * page;
    void *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct kept *kept;

    if (mapped == MAP_FAILED)
        return NULL;
    mlock(mapped, size);
    madvise(mapped, size, MADV_DONTDUMP);
    kept = mem_zalloc(sizeof(*kept));
    *kept = (struct kept){.key = mem_strdup(key), .secret = mapped, .size = size};
    strcpy(kept->secret, secret);
    return kept;
}

void secrets_keep(const char *key, const char *secret)
{
    struct kept *fresh = kept_new(key, secret);
    struct kept *old;

    if (fresh == NULL)
        return; /* the secret is asked for again */
    pthread_once(&at_exit, forget_at_exit);
    pthread_mutex_lock(&lock);
    old = find_kept(key);
    if (old != NULL)
        forget_kept(old);
    SLIST_INSERT_HEAD(&all, fresh, link);
    pthread_mutex_unlock(&lock);
}

void secrets_drop(const char *key, const char *secret)
{
    struct kept *kept;

    pthread_mutex_lock(&lock);
    kept = find_kept(key);
    if (kept != NULL && strcmp(kept->secret, secret) == 0)
        forget_kept(kept);
    pthread_mutex_unlock(&lock);
}

void secret_free(char *secret)
{
    mem_free_secret(secret, secret != NULL ? strlen(secret) : 0);
}
