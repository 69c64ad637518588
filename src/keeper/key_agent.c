/* Which files the agent has loaded, and loading them. */
#include "keeper/key_agent.h"

#include "base/log.h"
#include "base/mem.h"
#include "io/agent_connection.h"
#include "io/environment.h"
#include "io/private_file.h"
#include "io/subprocess.h"
#include "keeper/key_agent_parts.h"
#include "wire/agent_messages.h"
#include "wire/openssh_key.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What ssh-add(1) prints, and the words of key_askpass among it. */
#define ERRORS_MAX 1024
#define ASKED "adit: a passphrase was asked for"

int key_askpass(void)
{
    char *line = NULL;
    size_t size = 0;
    bool given;

    fputs(ASKED "\n", stderr);
    setvbuf(stdin, NULL, _IONBF, 0); /* (no copy of the passphrase in a stdio buffer) */
    given = getline(&line, &size, stdin) >= 0;
    if (given)
        given = write(STDOUT_FILENO, line, strlen(line)) >= 0;
    mem_free_secret(line, size);
    return given ? 0 : 1;
}

static bool is_same(struct span a, struct span b)
{
    return a.length == b.length && memcmp(a.bytes, b.bytes, a.length) == 0;
}

/* The agent. */

struct key_agent *key_agent_new(const char *askpass)
{
    struct key_agent *keys = mem_zalloc(sizeof(*keys));

    *keys = (struct key_agent){.askpass = mem_strdup(askpass),
                               .agent = {.agent = -1, .holder = -1, .hold = -1}};
    pthread_mutex_init(&keys->lock, NULL);
    LIST_INIT(&keys->loaded);
    return keys;
}

void loaded_key_forget(struct loaded_key *key)
{
    LIST_REMOVE(key, link);
    buffer_clear(&key->key);
    free(key->path);
    free(key);
}

static void forget_all(struct key_agent *keys)
{
    while (!LIST_EMPTY(&keys->loaded))
        loaded_key_forget(LIST_FIRST(&keys->loaded));
}

void key_agent_free(struct key_agent *keys)
{
    if (keys == NULL)
        return;
    ssh_agent_end(&keys->agent);
    forget_all(keys);
    pthread_mutex_destroy(&keys->lock);
    free(keys->askpass);
    free(keys);
}

/* A connection; -1: errno. */
static int connect_agent(const struct key_agent *keys)
{
    if (keys->agent.socket == NULL) {
        errno = ENOENT;
        return -1;
    }
    return unix_connect_wait(keys->agent.socket, DESCRIPTOR_GATEWAY, AGENT_MS);
}

int key_agent_connect(struct key_agent *keys)
{
    int fd;

    pthread_mutex_lock(&keys->lock);
    fd = connect_agent(keys);
    pthread_mutex_unlock(&keys->lock);
    return fd;
}

/* Sends a message to the agent, and receives its answer. False: there is no agent. */
static bool ask_agent(const struct key_agent *keys, struct span request, struct buffer *answer)
{
    struct wait_limit limit = wait_limit(-1, AGENT_MS);
    int fd = connect_agent(keys);
    bool ok;

    if (fd < 0)
        return false;
    ok = agent_send(fd, &limit, request) && agent_receive(fd, &limit, AGENT_MESSAGE_MAX, answer);
    close(fd);
    return ok;
}

/* Which keys the agent has. An agent that has ended is replaced by one without keys. NULL, or why
 * there is none. */
static char *list_keys(struct key_agent *keys, struct buffer *answer)
{
    static const uint8_t request = AGENT_REQUEST_IDENTITIES;
    const struct span asked = {&request, 1};
    char *problem;

    if (ask_agent(keys, asked, answer))
        return NULL;
    if (keys->agent.socket != NULL)
        log_warning("the agent with adit's keys (process %d) has ended: another one is started",
                    (int)keys->agent.agent);
    forget_all(keys);
    ssh_agent_end(&keys->agent);
    problem = ssh_agent_start(&keys->agent);
    if (problem == NULL && !ask_agent(keys, asked, answer))
        problem = mem_strdup("ssh-agent does not answer");
    return problem;
}

/* The key in the agent's answer that is `key`, or, where that has no bytes, has the name. */
static bool find_in_agent(const struct buffer *answer, struct span key, const char *name,
                          struct buffer *found)
{
    struct agent_keys all = agent_keys_read(span_of_buffer(answer));
    struct span one, comment;

    while (agent_keys_next(&all, &one, &comment))
        if (key.length > 0 ? is_same(one, key)
                           : comment.length == strlen(name) &&
                                 memcmp(comment.bytes, name, comment.length) == 0) {
            buffer_append(found, one.bytes, one.length);
            return true;
        }
    return false;
}

/* Files. */

static struct loaded_key *find_loaded(const struct key_agent *keys, const char *path)
{
    struct loaded_key *key;

    LIST_FOREACH (key, &keys->loaded, link)
        if (strcmp(key->path, path) == 0)
            return key;
    return NULL;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

void key_agent_remove(const struct key_agent *keys, struct span key)
{
    static const uint8_t number = AGENT_REMOVE_IDENTITY;
    struct buffer request = {0}, answer = {0};
    const struct loaded_key *other;

    LIST_FOREACH (other, &keys->loaded, link)
        if (is_same(span_of_buffer(&other->key), key))
            return;
    buffer_append(&request, &number, 1);
    ssh_append_string(&request, key);
    ask_agent(keys, span_of_buffer(&request), &answer);
    buffer_clear(&request);
    buffer_clear(&answer);
}

static void note_loaded(struct key_agent *keys, const char *path, const struct stat *file,
                        struct span key)
{
    struct loaded_key *fresh = mem_zalloc(sizeof(*fresh));
    struct loaded_key *old = find_loaded(keys, path);

    *fresh = (struct loaded_key){.path = mem_strdup(path), .file = *file};
    buffer_append(&fresh->key, key.bytes, key.length);
    LIST_INSERT_HEAD(&keys->loaded, fresh, link);
    if (old != NULL)
        loaded_key_remove(keys, old);
}

static struct key_result failure(enum key_state state, char *problem)
{
    return (struct key_result){.state = state, .problem = problem};
}

/* What a text of a key shows without its passphrase: why the agent is not given it, or NULL and the
 * public half, no bytes where the format does not show it. */
static char *inspect_text(const struct buffer *bytes, const char *path, struct buffer *public)
{
    const char *text = (const char *)buffer_data(bytes);
    char name[OPENSSH_KEY_NAME_MAX];

    switch (openssh_key_inspect(text, strlen(text), name)) {
    case OPENSSH_KEY_TOKEN:
        return mem_printf("is of type %s, a key in a FIDO token, which adit does not load: your "
                          "agent can use it (ssh-add %s)",
                          name, path);
    case OPENSSH_KEY_DAMAGED:
        return mem_strdup("cannot be read: it is a damaged OpenSSH private key");
    case OPENSSH_KEY_CIPHER:
    case OPENSSH_KEY_KDF:
    case OPENSSH_KEY_NONE:
    case OPENSSH_KEY_OK: openssh_key_public(text, strlen(text), public); break;
    }
    return NULL;
}

/* Looks at a file before ssh-add(1) does, which waits for the writer of a FIFO and says less. The
 * state is KEY_LOADED if nothing is wrong; then the key is as inspect_text has it. */
static struct key_result inspect_file(const char *path, struct stat *file)
{
    struct key_result result = {.state = KEY_LOADED};
    struct buffer text = {0};
    const char *wrong = private_file_read(path, &text);

    if (wrong != NULL)
        result = failure(errno == ENOENT ? KEY_MISSING : KEY_UNUSABLE,
                         mem_printf("cannot be read: %s", wrong));
    else if (stat(path, file) != 0)
        result = failure(KEY_UNUSABLE, mem_printf("cannot be read: %s", strerror(errno)));
    else if ((result.problem = private_file_exposure(path)) != NULL ||
             (result.problem = inspect_text(&text, path, &result.key)) != NULL)
        result.state = KEY_UNUSABLE;
    buffer_wipe(&text);
    return result;
}

/* What ssh-add(1) says: the words behind the file's name. */
static char *problem_of(const char *errors)
{
    const char *at = strstr(errors, "\": ");

    at = at != NULL ? at + 3 : errors;
    return mem_printf("cannot be read: it is no private key that ssh-add knows (%.*s)",
                      (int)strcspn(at, "\r\n"), at);
}

/* Runs ssh-add(1). KEY_LOADED: it has added a key. */
static struct key_result add_file(const struct key_agent *keys, const char *path,
                                  const char *passphrase, int connection)
{
    const char *const arguments[] = {"ssh-add", "-q", "-k", "--", path, NULL};
    char *agent = mem_printf("SSH_AUTH_SOCK=%s", keys->agent.socket);
    char *askpass = mem_printf("SSH_ASKPASS=%s", keys->askpass);
    const char *const ours[] = {agent, askpass, "SSH_ASKPASS_REQUIRE=force", KEY_ASKPASS "=1"};
    const char **environment = environment_with(ours, sizeof(ours) / sizeof(ours[0]));
    char errors[ERRORS_MAX], how[SUBPROCESS_END_MAX];
    struct subprocess program = {
        .arguments = arguments,
        .environment = environment,
        .input = passphrase != NULL ? passphrase : "",
        .input_length = passphrase != NULL ? strlen(passphrase) : 0,
        .errors = {.text = errors, .size = sizeof(errors)},
        .own_group = true,
        .limit = wait_limit(connection, -1),
    };
    struct subprocess_end end = subprocess_run(&program);
    struct key_result result = {.state = KEY_LOADED};

    if (end.outcome != SUBPROCESS_EXITED)
        result = failure(KEY_NO_AGENT,
                         mem_printf("is not loaded: ssh-add %s", subprocess_describe(end, how)));
    else if (end.number != 0 && strstr(errors, ASKED) != NULL)
        result = failure(KEY_ENCRYPTED, mem_strdup("is encrypted"));
    else if (end.number != 0)
        result = failure(KEY_UNUSABLE, problem_of(errors));
    free(environment);
    free(askpass);
    free(agent);
    return result;
}

/* Adds a file that the agent does not have. */
static struct key_result load_file(struct key_agent *keys, const char *path, const char *passphrase,
                                   int connection, struct buffer *answer)
{
    struct stat file;
    struct key_result known = inspect_file(path, &file);
    struct loaded_key *gone = known.state == KEY_MISSING ? find_loaded(keys, path) : NULL;
    struct key_result result;
    char *problem;

    if (gone != NULL)
        loaded_key_remove(keys, gone);
    if (known.state != KEY_LOADED)
        return known;
    result = add_file(keys, path, passphrase, connection);
    if (result.state == KEY_LOADED) {
        problem = list_keys(keys, answer);
        if (problem != NULL)
            result = failure(KEY_NO_AGENT, problem);
        else if (find_in_agent(answer, span_of_buffer(&known.key), path, &result.key))
            note_loaded(keys, path, &file, span_of_buffer(&result.key));
        else
            result = failure(KEY_UNUSABLE, mem_strdup("was changed while ssh-add read it"));
    }
    buffer_clear(&known.key);
    return result;
}

/* Whether the agent has the key of the file as the file is now. */
static bool has_file(const struct key_agent *keys, const char *path, const struct buffer *answer,
                     struct buffer *found)
{
    const struct loaded_key *key = find_loaded(keys, path);
    struct stat file;

    return key != NULL && stat(path, &file) == 0 && is_same_file(&file, &key->file) &&
           find_in_agent(answer, span_of_buffer(&key->key), path, found);
}

struct key_result key_agent_load(struct key_agent *keys, const char *path, const char *passphrase,
                                 int connection)
{
    struct key_result result = {.state = KEY_LOADED};
    struct buffer answer = {0};
    char *problem;

    pthread_mutex_lock(&keys->lock);
    problem = list_keys(keys, &answer);
    if (problem != NULL)
        result = failure(KEY_NO_AGENT, problem);
    else if (!has_file(keys, path, &answer, &result.key))
        result = load_file(keys, path, passphrase, connection, &answer);
    pthread_mutex_unlock(&keys->lock);
    buffer_clear(&answer);
    return result;
}

void key_result_clear(struct key_result *result)
{
    buffer_clear(&result->key);
    free(result->problem);
    *result = (struct key_result){0};
}
