/* The queue of passwords, and the threads that hash them. */
#include "keeper/password_checks.h"

#include "base/mem.h"
#include "policy/guesses.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uthash.h>

/* Threads: as many as there are processors, but so many. Half of them may hash for one source. */
#define THREADS_MIN 2
#define THREADS_MAX 4
#define THREAD_NICE 10

/* Checks that may wait, of one source and of one gateway. */
#define SOURCE_WAITING_MAX 256
#define WAITING_MAX 8192

/* So many sources of a gateway that have nothing to check are remembered, with their turns. */
#define SOURCES_MAX 4096

/* Where guesses come from. */
struct guess_source {
    UT_hash_handle hh;
    TAILQ_ENTRY(guess_source) link;
    struct guess_queue *queue;
    uint64_t number;
    TAILQ_HEAD(, hash_check) waiting;
    unsigned waiting_count;
    unsigned under_way;
};

struct guess_queue {
    TAILQ_ENTRY(guess_queue) link;
    struct password_checks *checks;
    struct guess_source *sources;     /* by number */
    TAILQ_HEAD(, guess_source) turns; /* whose turn is the longest ago is the first */
    unsigned waiting_count;
    unsigned under_way;
    bool ended; /* it is freed once nothing is under way */
};

/* What the threads share with the main thread; the last one that leaves frees it. */
struct hash_threads {
    pthread_mutex_t lock;
    pthread_cond_t job_came;
    TAILQ_HEAD(, hash_check) jobs;
    struct mailbox *mailbox;
    unsigned count, idle;
    bool stopped;
};

struct password_checks {
    struct loop *loop;
    struct hash_threads *threads;
    unsigned threads_max;
    unsigned under_way;
    TAILQ_HEAD(, guess_queue) queues; /* likewise */
    struct guesses *guesses;
    struct deadline next; /* when a source has waited long enough */
};

struct hash_check {
    struct message message; /* from the thread */
    struct later refused;
    TAILQ_ENTRY(hash_check) link; /* of its source while it waits, then of the threads */
    struct password_checks *checks;
    struct guess_source *source; /* NULL: it is only refused */
    bool waits;
    bool forgotten;
    struct config *config;
    const struct users *users;
    password_checked_fn *checked;
    void *arg;
    bool right;
    char *user, *password;
};

static void start_checks(struct password_checks *all);

static void free_hash_check(struct hash_check *check)
{
    config_unref(check->config);
    mem_free_secret(check->password, strlen(check->password));
    free(check->user);
    free(check);
}

/* Sources. */

static bool source_is_idle(const struct guess_source *source)
{
    return source->waiting_count == 0 && source->under_way == 0;
}

static void forget_source(struct guess_source *source)
{
    struct guess_queue *queue = source->queue;

    HASH_DEL(queue->sources, source); /* NOLINT(clang-analyzer-unix.Malloc): not the tail yet */
    TAILQ_REMOVE(&queue->turns, source, link);
    free(source);
}

/* Forgets one that has nothing under way, if there are too many: of those the one whose turn is the
 * longest ago. (Those that have something are bounded by WAITING_MAX.) */
static void bound_sources(struct guess_queue *queue)
{
    struct guess_source *source;

    if (HASH_COUNT(queue->sources) < SOURCES_MAX)
        return;
    TAILQ_FOREACH (source, &queue->turns, link) {
        if (source_is_idle(source)) {
            forget_source(source);
            return;
        }
    }
}

/* (A new one has its turn first.) */
static struct guess_source *source_of(struct guess_queue *queue, uint64_t number)
{
    struct guess_source *source;

    HASH_FIND(hh, queue->sources, &number, sizeof(number), source);
    if (source != NULL)
        return source;
    bound_sources(queue);
    source = mem_zalloc(sizeof(*source));
    source->queue = queue;
    source->number = number;
    TAILQ_INIT(&source->waiting);
    HASH_ADD(hh, queue->sources, number, sizeof(source->number), source);
    TAILQ_INSERT_HEAD(&queue->turns, source, link);
    return source;
}

static void stop_waiting(struct hash_check *check)
{
    TAILQ_REMOVE(&check->source->waiting, check, link);
    check->source->waiting_count--;
    check->source->queue->waiting_count--;
    check->waits = false;
}

/* (What still waits is forgotten.) */
static void free_queue(struct guess_queue *queue)
{
    struct guess_source *source;

    while ((source = TAILQ_FIRST(&queue->turns)) != NULL) {
        while (!TAILQ_EMPTY(&source->waiting))
            password_check_forget(TAILQ_FIRST(&source->waiting));
        forget_source(source);
    }
    TAILQ_REMOVE(&queue->checks->queues, queue, link);
    free(queue);
}

struct guess_queue *guess_queue_new(struct password_checks *all)
{
    struct guess_queue *queue = mem_zalloc(sizeof(*queue));

    queue->checks = all;
    TAILQ_INIT(&queue->turns);
    TAILQ_INSERT_HEAD(&all->queues, queue, link);
    return queue;
}

void guess_queue_free(struct guess_queue *queue)
{
    queue->ended = true;
    if (queue->under_way == 0)
        free_queue(queue);
}

/* Threads. */

static void hash_threads_leave(struct hash_threads *threads)
{
    bool last = --threads->count == 0;

    pthread_mutex_unlock(&threads->lock);
    if (!last)
        return;
    pthread_cond_destroy(&threads->job_came);
    pthread_mutex_destroy(&threads->lock);
    free(threads);
}

/* (The lock is held while the result is posted, as the mailbox lasts until `stopped` is set.) */
static void *hash_thread(void *arg)
{
    struct hash_threads *threads = arg;

    setpriority(PRIO_PROCESS, (id_t)gettid(), THREAD_NICE);
    pthread_mutex_lock(&threads->lock);
    while (!threads->stopped) {
        struct hash_check *check = TAILQ_FIRST(&threads->jobs);
        if (check == NULL) {
            threads->idle++;
            pthread_cond_wait(&threads->job_came, &threads->lock);
            threads->idle--;
            continue;
        }
        TAILQ_REMOVE(&threads->jobs, check, link);
        pthread_mutex_unlock(&threads->lock);
        check->right = users_verify(check->users, check->user, check->password);
        pthread_mutex_lock(&threads->lock);
        if (threads->stopped)
            free_hash_check(check);
        else
            mailbox_post(threads->mailbox, &check->message);
    }
    hash_threads_leave(threads);
    return NULL;
}

/* With the lock held. False: no thread can be had, and there is none. */
static bool have_thread(struct hash_threads *threads, unsigned max)
{
    pthread_t thread;

    if (threads->idle > 0 || threads->count > max)
        return true;
    if (pthread_create(&thread, NULL, hash_thread, threads) != 0)
        return threads->count > 1;
    pthread_detach(thread);
    threads->count++;
    return true;
}

/* (`count` has the main thread, too.) */
static bool give_job(struct password_checks *all, struct hash_check *check)
{
    struct hash_threads *threads = all->threads;
    bool ok;

    pthread_mutex_lock(&threads->lock);
    ok = have_thread(threads, all->threads_max);
    if (ok) {
        TAILQ_INSERT_TAIL(&threads->jobs, check, link);
        pthread_cond_signal(&threads->job_came);
    }
    pthread_mutex_unlock(&threads->lock);
    return ok;
}

/* Turns. */

/* The source's first check that may begin now; else `*soonest` is when one may, if that is before
 * what it was. */
static struct hash_check *ready_check(struct password_checks *all,
                                      const struct guess_source *source, uint64_t *soonest)
{
    struct hash_check *check;

    TAILQ_FOREACH (check, &source->waiting, link) {
        uint64_t at = guesses_wait_until(all->guesses, source->number, check->user);
        if (at <= loop_now(all->loop))
            return check;
        if (at < *soonest)
            *soonest = at;
    }
    return NULL;
}

/* Of a queue, that of the source whose turn is the longest ago. */
static struct hash_check *next_of_queue(struct password_checks *all,
                                        const struct guess_queue *queue, uint64_t *soonest)
{
    unsigned at_once = all->threads_max / 2;
    struct guess_source *source;

    TAILQ_FOREACH (source, &queue->turns, link) {
        struct hash_check *check =
            source->under_way < at_once ? ready_check(all, source, soonest) : NULL;
        if (check != NULL)
            return check;
    }
    return NULL;
}

/* The next check, of the queue whose turn is the longest ago. */
static struct hash_check *next_check(struct password_checks *all, uint64_t *soonest)
{
    struct guess_queue *queue;

    TAILQ_FOREACH (queue, &all->queues, link) {
        struct hash_check *check = next_of_queue(all, queue, soonest);
        if (check != NULL)
            return check;
    }
    return NULL;
}

static void on_checks_due(struct deadline *deadline)
{
    start_checks(container_of(deadline, struct password_checks, next));
}

static void refuse_later(struct hash_check *check);

static void begin_check(struct password_checks *all, struct hash_check *check)
{
    struct guess_source *source = check->source;
    struct guess_queue *queue = source->queue;

    stop_waiting(check);
    TAILQ_REMOVE(&queue->turns, source, link);
    TAILQ_INSERT_TAIL(&queue->turns, source, link);
    TAILQ_REMOVE(&all->queues, queue, link);
    TAILQ_INSERT_TAIL(&all->queues, queue, link);
    if (!give_job(all, check)) {
        refuse_later(check);
        return;
    }
    source->under_way++;
    queue->under_way++;
    all->under_way++;
}

static void start_checks(struct password_checks *all)
{
    while (all->under_way < all->threads_max) {
        uint64_t soonest = UINT64_MAX;
        struct hash_check *check = next_check(all, &soonest);
        if (check == NULL) {
            deadline_cancel(&all->next);
            if (soonest != UINT64_MAX)
                deadline_arm(all->loop, &all->next, soonest - loop_now(all->loop), on_checks_due);
            return;
        }
        begin_check(all, check);
    }
}

/* Answers. */

static void password_done(struct message *message, void *owner)
{
    struct hash_check *check = container_of(message, struct hash_check, message);
    struct password_checks *all = check->checks;
    struct guess_queue *queue = check->source->queue;
    const struct hash_check done = *check;

    (void)owner;
    check->source->under_way--;
    queue->under_way--;
    all->under_way--;
    if (check->right)
        guesses_add_right(all->guesses, check->source->number, check->user);
    else
        guesses_add_wrong(all->guesses, check->source->number, check->user, loop_now(all->loop));
    if (queue->ended && queue->under_way == 0)
        free_queue(queue);
    start_checks(all);
    free_hash_check(check);
    if (!done.forgotten)
        done.checked(done.arg, done.right ? SERVICE_RIGHT : SERVICE_WRONG);
}

static void password_dropped(struct message *message)
{
    free_hash_check(container_of(message, struct hash_check, message));
}

static void on_refused(struct later *later)
{
    struct hash_check *check = container_of(later, struct hash_check, refused);
    password_checked_fn *checked = check->checked;
    void *arg = check->arg;

    free_hash_check(check);
    checked(arg, SERVICE_UNCHECKED);
}

static void refuse_later(struct hash_check *check)
{
    check->source = NULL;
    later_post(check->checks->loop, &check->refused, on_refused);
}

/* Questions. */

struct hash_check *password_checks_ask(struct guess_queue *queue,
                                       const struct password_question *question)
{
    struct hash_check *check = mem_zalloc(sizeof(*check));

    *check = (struct hash_check){
        .message = {.run = password_done, .drop = password_dropped},
        .checks = queue->checks,
        .config = config_ref(question->config),
        .users = question->users,
        .checked = question->checked,
        .arg = question->arg,
        .user = mem_strndup((const char *)question->user.bytes, question->user.length),
        .password = mem_strndup((const char *)question->password.bytes, question->password.length),
    };
    if (question->users == NULL || queue->waiting_count >= WAITING_MAX) {
        refuse_later(check);
        return check;
    }
    check->source = source_of(queue, question->source);
    if (check->source->waiting_count >= SOURCE_WAITING_MAX) {
        refuse_later(check);
        return check;
    }
    TAILQ_INSERT_TAIL(&check->source->waiting, check, link);
    check->source->waiting_count++;
    queue->waiting_count++;
    check->waits = true;
    start_checks(queue->checks);
    return check;
}

void password_check_forget(struct hash_check *check)
{
    check->forgotten = true;
    if (check->source != NULL && !check->waits)
        return; /* (a thread has it) */
    if (check->waits)
        stop_waiting(check);
    else
        later_cancel(check->checks->loop, &check->refused);
    free_hash_check(check);
}

/* Life. */

static unsigned threads_wanted(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    return processors < THREADS_MIN   ? THREADS_MIN
           : processors > THREADS_MAX ? THREADS_MAX
                                      : (unsigned)processors;
}

struct password_checks *password_checks_new(struct loop *loop, struct mailbox *mailbox)
{
    struct password_checks *all = mem_zalloc(sizeof(*all));

    all->loop = loop;
    all->threads_max = threads_wanted();
    TAILQ_INIT(&all->queues);
    all->guesses = guesses_new();
    all->threads = mem_zalloc(sizeof(*all->threads));
    all->threads->mailbox = mailbox;
    all->threads->count = 1;
    TAILQ_INIT(&all->threads->jobs);
    pthread_mutex_init(&all->threads->lock, NULL);
    pthread_cond_init(&all->threads->job_came, NULL);
    return all;
}

static void stop_threads(struct hash_threads *threads)
{
    struct hash_check *check;

    pthread_mutex_lock(&threads->lock);
    threads->stopped = true;
    while ((check = TAILQ_FIRST(&threads->jobs)) != NULL) {
        TAILQ_REMOVE(&threads->jobs, check, link);
        free_hash_check(check);
    }
    pthread_cond_broadcast(&threads->job_came);
    hash_threads_leave(threads);
}

void password_checks_free(struct password_checks *all)
{
    struct guess_queue *queue;

    if (all == NULL)
        return;
    deadline_cancel(&all->next);
    stop_threads(all->threads);
    while ((queue = TAILQ_FIRST(&all->queues)) != NULL)
        free_queue(queue); /* (of a gateway that has ended, of which a thread had something) */
    guesses_free(all->guesses);
    free(all);
}
