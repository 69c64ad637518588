/* Starting ssh(1) as the master of one session, and its end. */
#include "keeper/masters.h"

#include "base/log.h"
#include "base/mem.h"
#include "conf/master_words.h"
#include "conf/upstream_host.h"
#include "io/environment.h"
#include "io/own_program.h"
#include "io/socket_calls.h"
#include "io/spawn.h"
#include "io/unix_connect.h"
#include "keeper/master_askpass.h"
#include "keeper/master_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of what ssh has said at most so many times 4 KiB are taken in one turn of the loop, which is more
 * than a socket holds: a server may have it say as much as it likes. */
#define READS_MAX 64
#define READ_AGAIN_MS 1

/* As for the logins of the other engine. */
#define LOGIN_TIMEOUTS 2

/* Between its login and its socket ssh does little: it is looked for this often. */
#define LOOK_MS 10

/* Its end. */

static void master_unlisten(const struct keeper_master *m)
{
    unlink(m->socket); /* (ssh does so itself, unless it was killed) */
}

static void on_watch_ended(struct watch *watch)
{
    free(container_of(watch, struct keeper_master, watch));
}

void master_free(struct keeper_master *m)
{
    master_unlisten(m);
    master_questions_end(m);
    deadline_cancel(&m->patience);
    deadline_cancel(&m->look);
    deadline_cancel(&m->rest);
    LIST_REMOVE(m, link);
    quota_give(m->quota);
    config_unref(m->config);
    master_stderr_clear(&m->stderr_text);
    free(m->name);
    free(m->host);
    free(m->socket);
    if (m->errors >= 0) {
        watch_end(m->masters->keeper->loop, &m->watch, on_watch_ended);
        close(m->errors);
    } else {
        free(m);
    }
}

static void log_stderr_line(void *arg, const char *line)
{
    const struct keeper_master *m = arg;

    log_debug("%s: %s", m->name, line);
}

/* Reads what ssh has said, and takes the connections of its askpass programs. False: there may be
 * more. */
static bool read_errors(struct keeper_master *m)
{
    uint8_t bytes[4096];
    int fds[1];

    for (unsigned i = 0; m->errors >= 0 && i < READS_MAX; i++) {
        unsigned count = 0;
        ssize_t n = socket_receive_passed(m->errors, bytes, sizeof(bytes), fds, &count, 1);
        if (n <= 0)
            return true;
        master_stderr_take(&m->stderr_text, (struct span){bytes, (size_t)n}, log_stderr_line, m);
        if (count > 0)
            master_ask(m, fds[0]);
    }
    return m->errors < 0;
}

/* Why it has ended; the caller frees. */
static char *master_end_words(const struct keeper_master *m, int status, int number)
{
    char *why = master_stderr_why(&m->stderr_text);

    if (why != NULL)
        return why;
    if (number != 0)
        return mem_printf("it was killed by signal %d (%s)", number, strsignal(number));
    return mem_printf("it exited with status %d, and said nothing", status);
}

/* Tells the owner, and frees. */
static void master_fail(struct keeper_master *m, enum service_master_end kind, const char *why)
{
    const struct master_events *events = m->events;
    void *arg = m->arg;

    master_free(m);
    if (events != NULL)
        events->ended(arg, kind, why);
}

static void on_master_exited(void *arg, int status, int number)
{
    struct keeper_master *m = arg;
    char *why;

    m->process = NULL;
    read_errors(m);
    why = master_end_words(m, status, number);
    if (m->up && m->events != NULL)
        log_warning("%s has ended: %s", m->name, why);
    master_fail(m, m->stderr_text.kind, why);
    free(why);
}

void master_hang_up(struct keeper_master *m)
{
    char *why = NULL;

    if (m->up)
        read_errors(m);
    if (m->up && (why = master_stderr_why(&m->stderr_text)) != NULL)
        log_info("%s has ended: %s", m->name, why);
    free(why);
    proxy_command_hang_up(m->process);
    master_free(m);
}

void master_leave(struct keeper_master *m)
{
    if (m->up)
        m->events = NULL;
    else
        master_hang_up(m);
}

/* Its beginning. */

static void on_patience(struct deadline *patience)
{
    struct keeper_master *m = container_of(patience, struct keeper_master, patience);
    char *said = master_stderr_why(&m->stderr_text);
    char *why = mem_printf("timed out while logging in%s%s", said != NULL ? ": " : "",
                           said != NULL ? said : "");

    proxy_command_hang_up(m->process);
    master_fail(m, SERVICE_MASTER_LOST, why);
    free(why);
    free(said);
}

static void arm_master_patience(struct keeper_master *m);

static void look_at_patience(struct deadline *patience)
{
    struct keeper_master *m = container_of(patience, struct keeper_master, patience);

    if (m->asking > 0)
        arm_master_patience(m);
    else
        on_patience(patience);
}

static void arm_master_patience(struct keeper_master *m)
{
    deadline_arm(m->masters->keeper->loop, &m->patience,
                 LOGIN_TIMEOUTS * m->upstream->connect_timeout_ms, look_at_patience);
}

static void master_is_up(struct keeper_master *m, int fd)
{
    char *about, *said;

    read_errors(m); /* (all that it has printed before it listens) */
    master_keep_answers(m);
    said = master_stderr_about(&m->stderr_text);
    about = mem_printf("%s%s", said, m->asked_anew ? "asked yes\n" : "");
    free(said);
    m->up = true;
    deadline_cancel(&m->patience);
    master_questions_end(m);
    config_unref(m->config);
    m->config = NULL;
    m->upstream = NULL;
    master_stderr_begin(&m->stderr_text, proxy_command_process(m->process), true);
    log_debug("%s: logged in (process %d)", m->name, (int)proxy_command_process(m->process));
    m->events->up(m->arg, m->number, about, fd);
    free(about);
}

/* (The socket has its name once ssh listens there.) */
static void on_look(struct deadline *look)
{
    struct keeper_master *m = container_of(look, struct keeper_master, look);
    int fd = unix_connect(m->socket, DESCRIPTOR_GATEWAY);

    if (fd >= 0)
        master_is_up(m, fd);
    else
        deadline_arm(m->masters->keeper->loop, &m->look, LOOK_MS, on_look);
}

static void on_rest(struct deadline *rest);

static void take_errors(struct keeper_master *m)
{
    bool was_in = m->stderr_text.logged_in;

    if (!read_errors(m))
        deadline_arm(m->masters->keeper->loop, &m->rest, READ_AGAIN_MS, on_rest);
    if (m->stderr_text.logged_in && !was_in)
        deadline_arm(m->masters->keeper->loop, &m->look, 1, on_look);
}

static void on_rest(struct deadline *rest)
{
    take_errors(container_of(rest, struct keeper_master, rest));
}

static void on_errors(struct watch *watch, uint32_t events)
{
    (void)events;
    take_errors(container_of(watch, struct keeper_master, watch));
}

struct keeper_master *master_new(struct keeper_masters *all, struct gateway_child *child,
                                 uint32_t number, char *name)
{
    struct keeper_master *m = mem_zalloc(sizeof(*m));

    m->masters = all;
    m->child = child;
    m->number = number;
    m->name = name;
    m->socket = mem_printf("%s/%u", all->folder, number);
    m->errors = -1;
    if (quota_take(child->quotas.masters))
        m->quota = child->quotas.masters;
    LIST_INSERT_HEAD(&all->all, m, link);
    return m;
}

/* Watches the process and what it says, which is taken over. False: errno. */
bool master_watch(struct keeper_master *m, pid_t pid, int errors)
{
    struct keeper *k = m->masters->keeper;

    m->process = proxy_command_adopt(k->commands, pid, on_master_exited, m);
    master_stderr_begin(&m->stderr_text, pid, m->up);
    if (m->process == NULL) {
        close(errors);
        return false;
    }
    errno = watch_start(k->loop, &m->watch, errors, on_errors);
    if (errno == 0)
        m->errors = errors;
    else
        close(errors);
    return true;
}

/* ssh's own questions come to this keeper: the askpass program is adit (master_askpass).
 * MASTER_DOLLAR is what the words of conf/master_words refer to. */
static int spawn_ssh(const struct keeper_master *m, const char *const *arguments, int connection,
                     int errors, pid_t *pid)
{
    char *program = own_program_name_for_others();
    char *askpass = mem_printf("SSH_ASKPASS=%s", program);
    const char *const ours[] = {askpass, "SSH_ASKPASS_REQUIRE=force", MASTER_ASKPASS "=1",
                                MASTER_DOLLAR "=$"};
    const char **environment = environment_with(ours, sizeof(ours) / sizeof(ours[0]));
    int error = spawn_start(
        &(struct spawn_request){
            .arguments = arguments,
            .environment = (char *const *)environment,
            .fds = {connection, connection, errors},
            .own_session = true,
            .ends_with_us = true,
        },
        pid);

    (void)m;
    free(environment);
    free(askpass);
    free(program);
    return error;
}

/* 0 or an error of errno(3). */
static int master_run(struct keeper_master *m, const char *const *arguments, int connection)
{
    int ends[2];
    pid_t pid;
    int error;

    if (!socket_pair(true, ends))
        return errno;
    error = spawn_ssh(m, arguments, connection, ends[1], &pid);
    close(ends[1]);
    if (error != 0) {
        close(ends[0]);
        return error;
    }
    if (master_watch(m, pid, ends[0]))
        return 0;
    error = errno;
    kill(pid, SIGKILL); /* (nobody would wait for it) */
    waitpid(pid, NULL, 0);
    return error;
}

struct keeper_master *master_start(struct keeper_masters *all, const struct master_order *order,
                                   char **why)
{
    const struct config_upstream *upstream = order->upstream;
    const char *problem = masters_make_folder(all);
    const char **arguments;
    struct keeper_master *m;
    int error;

    if (problem != NULL) {
        *why = mem_printf("ssh cannot be started: %s", problem);
        return NULL;
    }
    m = master_new(all, order->child, ++all->last_number,
                   mem_printf("upstream %s: ssh to %s", upstream->name, order->entry));
    if (m->quota == NULL) {
        master_free(m);
        *why = mem_strdup("ssh cannot be started: this gateway has too many already");
        return NULL;
    }
    m->config = config_ref(order->config);
    m->upstream = upstream;
    m->host = mem_strdup(order->entry);
    m->events = order->events;
    m->arg = order->arg;
    arguments = master_words(upstream, order->host, m->socket, master_stderr_options);
    error = master_run(m, arguments, order->fd);
    master_words_free(arguments);
    if (error == 0) {
        arm_master_patience(m);
        return m;
    }
    master_free(m);
    *why = mem_printf("ssh cannot be started: %s", strerror(error));
    return NULL;
}

/* NULL: there is none that is up. */
static struct keeper_master *master_find(const struct keeper_masters *all,
                                         const struct gateway_child *child, uint32_t number)
{
    struct keeper_master *m;

    LIST_FOREACH (m, &all->all, link)
        if (m->number == number && m->child == child && m->up)
            return m;
    return NULL;
}

int master_reach(const struct keeper_masters *all, const struct gateway_child *child,
                 uint32_t number)
{
    const struct keeper_master *m = master_find(all, child, number);

    if (m != NULL)
        return unix_connect(m->socket, DESCRIPTOR_GATEWAY);
    errno = ENOENT;
    return -1;
}

/* (ssh has one thread, and prints the reason before it answers the gateway: what the gateway asks
 * for is in the socket by now.) */
const struct master_refusal *master_refused(struct keeper_masters *all,
                                            const struct gateway_child *child, uint32_t number,
                                            const char *host, uint32_t port)
{
    struct keeper_master *m = master_find(all, child, number);

    if (m == NULL)
        return NULL;
    take_errors(m);
    return master_refusals_find(&m->stderr_text.refusals, host, port);
}

/* All of them. */

struct keeper_masters *keeper_masters_new(struct keeper *keeper)
{
    struct keeper_masters *all = mem_zalloc(sizeof(*all));

    all->keeper = keeper;
    all->folder_lock = -1;
    LIST_INIT(&all->all);
    LIST_INIT(&all->questions);
    return all;
}

void masters_end_of(struct keeper_masters *all, const struct gateway_child *child)
{
    struct keeper_master *m, *next;

    for (m = LIST_FIRST(&all->all); m != NULL; m = next) {
        next = LIST_NEXT(m, link);
        if (m->child == child)
            master_hang_up(m);
    }
}

void masters_end_logins(struct keeper_masters *all)
{
    struct keeper_master *m, *next;

    for (m = LIST_FIRST(&all->all); m != NULL; m = next) {
        next = LIST_NEXT(m, link);
        if (m->up)
            continue;
        proxy_command_hang_up(m->process);
        master_fail(m, SERVICE_MASTER_LOST, "adit was upgraded meanwhile");
    }
    master_questions_join(all);
}

void keeper_masters_end(struct keeper_masters *all)
{
    while (!LIST_EMPTY(&all->all))
        master_hang_up(LIST_FIRST(&all->all));
    master_questions_join(all);
}

void keeper_masters_free(struct keeper_masters *all)
{
    masters_remove_folder(all);
    free(all);
}
