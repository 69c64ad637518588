/* The keeper's own agent, with a real ssh-agent(1), ssh-add(1) and ssh-keygen(1): what it loads,
 * what it says of what it does not, and what a gateway gets of it. This program is the askpass,
 * too. */
#include "base/mem.h"
#include "base/secrets.h"
#include "base/ssh_bytes.h"
#include "io/agent_connection.h"
#include "io/own_program.h"
#include "io/subprocess.h"
#include "keeper/agent_filter.h"
#include "keeper/key_agent.h"
#include "wire/agent_messages.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 60000

static char *folder;
static struct key_agent *keys;
static struct quota *quota;

/* Files. */

static void run(const char *const *arguments)
{
    static char output[4096];
    struct subprocess program = {.arguments = arguments,
                                 .output = {.text = output, .size = sizeof(output)},
                                 .errors_to_output = true,
                                 .limit = wait_limit(-1, WAIT_MS)};

    if (!subprocess_succeeded(subprocess_run(&program)))
        fail_msg("%s: %s", arguments[0], output);
}

static char *file_named(const char *name)
{
    return mem_printf("%s/%s", folder, name);
}

/* An OpenSSH private key; the caller frees its path. */
static char *make_key(const char *name, const char *passphrase)
{
    char *path = file_named(name);

    unlink(path);
    run((const char *const[]){"ssh-keygen", "-q", "-t", "ed25519", "-C", "a comment", "-N",
                              passphrase, "-f", path, NULL});
    return path;
}

static char *make_pem(const char *name, const char *cipher)
{
    char *path = file_named(name);

    run((const char *const[]){"openssl", "genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt",
                              "rsa_keygen_bits:2048", "-out", path, cipher, "-pass", "pass:pw",
                              NULL});
    chmod(path, 0600);
    return path;
}

static char *make_file(const char *name, const char *text)
{
    char *path = file_named(name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    chmod(path, 0600);
    return path;
}

/* Loading. */

/* Loads the file, and frees the path. */
static struct key_result load(char *path, const char *passphrase)
{
    struct key_result result = key_agent_load(keys, path, passphrase, -1);

    free(path);
    return result;
}

static void expect(char *path, const char *passphrase, enum key_state state, const char *words)
{
    struct key_result result = load(path, passphrase);

    if (result.state != state)
        fail_msg("state %d: %s", result.state, result.problem != NULL ? result.problem : "");
    if (words != NULL && (result.problem == NULL || strstr(result.problem, words) == NULL))
        fail_msg("%s is not in: %s", words, result.problem != NULL ? result.problem : "");
    if (state == KEY_LOADED)
        assert_int_not_equal(buffer_length(&result.key), 0);
    key_result_clear(&result);
}

/* What the agent itself says at a connection. */

static uint8_t ask(int fd, struct span request, struct buffer *answer)
{
    struct wait_limit limit = wait_limit(-1, WAIT_MS);

    assert_true(agent_send(fd, &limit, request));
    assert_true(agent_receive(fd, &limit, AGENT_MESSAGE_MAX, answer));
    return *buffer_data(answer);
}

static unsigned count_keys(int fd)
{
    static const uint8_t request = AGENT_REQUEST_IDENTITIES;
    struct buffer answer = {0};
    struct agent_keys all;
    struct span key, comment;
    unsigned count = 0;

    assert_int_equal(ask(fd, (struct span){&request, 1}, &answer), AGENT_IDENTITIES_ANSWER);
    all = agent_keys_read(span_of_buffer(&answer));
    while (agent_keys_next(&all, &key, &comment))
        count++;
    assert_false(all.reader.bad);
    buffer_clear(&answer);
    return count;
}

static unsigned agent_holds(void)
{
    int fd = key_agent_connect(keys);
    unsigned count;

    assert_true(fd >= 0);
    count = count_keys(fd);
    close(fd);
    return count;
}

/* A gateway's end. */

static void sign_request(struct buffer *out, struct span key, bool login)
{
    struct buffer data = {0};
    static const uint8_t number = AGENT_SIGN_REQUEST, request = 50, yes = 1, flags[4];
    struct span name = {(const uint8_t *)"ssh-ed25519", 11};

    ssh_append_string(&data, name); /* (the session's identifier) */
    buffer_append(&data, &request, 1);
    ssh_append_string(&data, name);
    ssh_append_string(&data, (struct span){(const uint8_t *)"ssh-connection", 14});
    ssh_append_string(
        &data, (struct span){(const uint8_t *)(login ? "publickey" : "password"), login ? 9 : 8});
    buffer_append(&data, &yes, 1);
    ssh_append_string(&data, name);
    ssh_append_string(&data, key);
    buffer_append(out, &number, 1);
    ssh_append_string(out, key);
    ssh_append_string(out, span_of_buffer(&data));
    buffer_append(out, flags, sizeof(flags));
    buffer_clear(&data);
}

static uint8_t sign(int fd, const struct buffer *key, bool login)
{
    struct buffer request = {0}, answer = {0};
    uint8_t said;

    sign_request(&request, span_of_buffer(key), login);
    said = ask(fd, span_of_buffer(&request), &answer);
    buffer_clear(&request);
    buffer_clear(&answer);
    return said;
}

/* The tests. */

static void files_of_each_format_are_loaded(void **state)
{
    (void)state;
    assert_true(key_agent_connect(keys) < 0); /* nothing is started before it is needed */
    expect(make_key("plain", ""), NULL, KEY_LOADED, NULL);
    expect(make_key("locked", "pw"), "pw", KEY_LOADED, NULL);
    expect(make_pem("pkcs8", "-aes256"), "pw", KEY_LOADED, NULL);
    expect(file_named("plain"), "not needed", KEY_LOADED, NULL);
    assert_int_equal(agent_holds(), 3);
}

static void a_passphrase_that_is_missing_or_wrong_is_told(void **state)
{
    (void)state;
    expect(make_key("locked", "pw"), NULL, KEY_ENCRYPTED, "encrypted");
    expect(file_named("locked"), "wrong", KEY_ENCRYPTED, "encrypted");
    expect(make_pem("pkcs8", "-aes256"), NULL, KEY_ENCRYPTED, "encrypted");
    expect(file_named("pkcs8"), "wrong", KEY_ENCRYPTED, "encrypted");
    expect(file_named("locked"), "pw", KEY_LOADED, NULL);
    /* Once the agent has it, none is needed. */
    expect(file_named("locked"), NULL, KEY_LOADED, NULL);
}

static void other_files_are_not_loaded(void **state)
{
    char *path;

    (void)state;
    expect(file_named("nowhere"), NULL, KEY_MISSING, "No such file or directory");
    expect(make_file("rubbish", "rubbish\n"), NULL, KEY_UNUSABLE,
           "is no private key that ssh-add knows (");
    expect(make_file("empty", ""), NULL, KEY_UNUSABLE, "The file is empty");
    expect(make_file("half", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1r\n"), NULL,
           KEY_UNUSABLE, "damaged OpenSSH private key");
    path = file_named("fifo");
    assert_int_equal(mkfifo(path, 0600), 0);
    expect(path, NULL, KEY_UNUSABLE, "Not a regular file");
    path = make_key("open", "");
    chmod(path, 0644);
    expect(path, NULL, KEY_UNUSABLE, "permissions 0644 are too open");
}

static void a_file_that_was_replaced_is_loaded_again(void **state)
{
    struct key_result first, second;
    char *path;

    (void)state;
    first = load(make_key("key", ""), NULL);
    second = load(make_key("key", ""), NULL);
    assert_int_equal(first.state, KEY_LOADED);
    assert_int_equal(second.state, KEY_LOADED);
    assert_memory_not_equal(buffer_data(&first.key), buffer_data(&second.key),
                            buffer_length(&first.key));
    assert_int_equal(agent_holds(), 1); /* the other one was removed */
    key_result_clear(&first);
    key_result_clear(&second);
    path = file_named("key");
    unlink(path);
    expect(path, NULL, KEY_MISSING, NULL);
    assert_int_equal(agent_holds(), 0);
}

static void keys_that_nobody_names_any_more_are_forgotten(void **state)
{
    char *kept[] = {file_named("kept"), file_named("nowhere")};
    const struct string_list paths = {kept, 2};
    const struct string_list nothing = {0};
    struct key_result key;
    char *name;
    int fd;

    (void)state;
    key_agent_keep(keys, &paths); /* (there is no agent yet) */
    expect(make_key("kept", ""), NULL, KEY_LOADED, NULL);
    key = load(make_key("left out", "pw"), "pw");
    name = mem_printf("passphrase of %s/left out", folder);
    secrets_keep(name, "pw");
    fd = agent_filter_start(key_agent_connect(keys), span_of_buffer(&key.key), quota);
    assert_int_equal(sign(fd, &key.key, true), AGENT_SIGN_RESPONSE);
    key_agent_keep(keys, &paths);
    assert_int_equal(agent_holds(), 1);
    assert_int_equal(sign(fd, &key.key, true), AGENT_FAILURE); /* also for who was given it */
    assert_null(secrets_get(name));
    expect(file_named("left out"), NULL, KEY_ENCRYPTED, NULL);
    expect(file_named("kept"), NULL, KEY_LOADED, NULL);
    key_agent_keep(keys, &nothing);
    assert_int_equal(agent_holds(), 0);
    close(fd);
    free(name);
    free(kept[0]);
    free(kept[1]);
    key_result_clear(&key);
}

/* Of two files with one key one is left out. */
static void a_key_stays_while_one_of_its_files_does(void **state)
{
    char *first = make_key("first", ""), *second = file_named("second");
    const struct string_list paths = {&second, 1};

    (void)state;
    run((const char *const[]){"cp", "-p", first, second, NULL});
    expect(mem_strdup(first), NULL, KEY_LOADED, NULL);
    expect(mem_strdup(second), NULL, KEY_LOADED, NULL);
    key_agent_keep(keys, &paths);
    assert_int_equal(agent_holds(), 1);
    free(first);
    free(second);
}

/* A copy of what is kept through an upgrade, in another struct. */
static void restore_into(struct key_agent *other, const struct buffer *lines)
{
    const char *at = (const char *)buffer_data(lines);
    const char *end = at + buffer_length(lines);

    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        struct word_reader words = {.at = at + strlen("key"), .end = line_end};
        assert_non_null(line_end);
        assert_true(key_agent_restore(other, &words));
        assert_true(words_ended(&words));
        at = line_end + 1;
    }
}

static void an_upgrade_keeps_agent_and_keys(void **state)
{
    struct buffer lines = {0};
    struct key_agent *other = key_agent_new("/nowhere"), *before = keys;

    (void)state;
    expect(make_key("locked", "pw"), "pw", KEY_LOADED, NULL);
    key_agent_save(keys, 0, &lines);
    restore_into(other, &lines);
    keys = other;
    expect(file_named("locked"), NULL, KEY_LOADED, NULL); /* and none is asked for it */
    assert_int_equal(agent_holds(), 1);
    keys = before;
    buffer_clear(&lines);
    struct pollfd connection = {key_agent_connect(keys), POLLIN, 0};
    key_agent_free(other); /* (it ends the agent of both) */
    assert_int_equal(poll(&connection, 1, WAIT_MS), 1);
    assert_true(key_agent_connect(keys) < 0);
    close(connection.fd);
}

/* The process of the agent, and the path of its socket. */
static pid_t agent_process(char socket[static 256])
{
    struct buffer lines = {0};
    long pid = 0;

    key_agent_save(keys, FD_CLOEXEC, &lines);
    buffer_append(&lines, "", 1);
    assert_int_equal(
        sscanf((const char *)buffer_data(&lines), "key \"%255[^\"]\" \"\" \"%ld\"", socket, &pid),
        2);
    buffer_clear(&lines);
    return (pid_t)pid;
}

static void an_agent_that_has_ended_is_replaced(void **state)
{
    char socket[256];
    pid_t agent;

    (void)state;
    expect(make_key("plain", ""), NULL, KEY_LOADED, NULL);
    agent = agent_process(socket);
    kill(agent, SIGKILL);
    expect(file_named("plain"), NULL, KEY_LOADED, NULL);
    assert_int_equal(agent_holds(), 1);
    assert_int_not_equal(agent_process(socket), agent);
}

static void the_socket_is_private_and_goes_with_the_agent(void **state)
{
    char socket[256];
    struct stat info;

    (void)state;
    expect(make_key("plain", ""), NULL, KEY_LOADED, NULL);
    agent_process(socket);
    assert_int_equal(stat(socket, &info), 0);
    *strrchr(socket, '/') = '\0';
    assert_int_equal(stat(socket, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    key_agent_free(keys);
    keys = NULL;
    for (int i = 0; i < WAIT_MS && stat(socket, &info) == 0; i++)
        usleep(1000);
    assert_int_not_equal(stat(socket, &info), 0);
}

static void a_gateway_gets_one_key_and_signatures_of_logins(void **state)
{
    struct key_result ours = load(make_key("ours", ""), NULL);
    struct key_result theirs = load(make_key("theirs", ""), NULL);
    int fd = agent_filter_start(key_agent_connect(keys), span_of_buffer(&ours.key), quota);
    struct buffer answer = {0};

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(count_keys(fd), 1);
    assert_int_equal(sign(fd, &ours.key, true), AGENT_SIGN_RESPONSE);
    assert_int_equal(sign(fd, &ours.key, false), AGENT_FAILURE);
    assert_int_equal(sign(fd, &theirs.key, true), AGENT_FAILURE);
    for (unsigned i = 0; i < 256; i++) {
        uint8_t request[9] = {(uint8_t)i, 0, 0, 0, 4, 'l', 'o', 'c', 'k'};
        if (i != AGENT_REQUEST_IDENTITIES)
            assert_int_equal(ask(fd, (struct span){request, 1}, &answer), AGENT_FAILURE);
        assert_int_equal(ask(fd, (struct span){request, sizeof(request)}, &answer), AGENT_FAILURE);
    }
    assert_int_equal(sign(fd, &ours.key, true), AGENT_SIGN_RESPONSE);
    assert_int_equal(agent_holds(), 2);
    close(fd);
    buffer_clear(&answer);
    key_result_clear(&ours);
    key_result_clear(&theirs);
}

static void no_key_is_not_all_keys(void **state)
{
    struct key_result ours = load(make_key("ours", ""), NULL);
    int none = agent_filter_start(key_agent_connect(keys), (struct span){0}, quota);
    int all = agent_filter_start_all(key_agent_connect(keys), quota);

    (void)state;
    assert_int_equal(count_keys(none), 0);
    assert_int_equal(sign(none, &ours.key, true), AGENT_FAILURE);
    assert_int_equal(count_keys(all), 1);
    assert_int_equal(sign(all, &ours.key, true), AGENT_SIGN_RESPONSE);
    close(none);
    close(all);
    key_result_clear(&ours);
}

/* A message that is too long, or a length without one, ends that connection alone. */
static void a_flood_ends_one_connection(void **state)
{
    struct key_result ours = load(make_key("ours", ""), NULL);
    static const uint8_t zeros[256 * 1024];
    struct wait_limit limit = wait_limit(-1, WAIT_MS);
    struct buffer answer = {0};

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        int fd = agent_filter_start(key_agent_connect(keys), span_of_buffer(&ours.key), quota);
        assert_true(fd >= 0);
        agent_send(fd, &limit, (struct span){zeros, sizeof(zeros)});
        assert_false(agent_receive(fd, &limit, AGENT_MESSAGE_MAX, &answer));
        close(fd);
    }
    assert_int_equal(agent_holds(), 1);
    buffer_clear(&answer);
    key_result_clear(&ours);
}

static int set_up(void **state)
{
    char *askpass = own_program_name_for_others();

    (void)state;
    keys = key_agent_new(askpass);
    quota = quota_new(16); /* (one is given back a moment after its connection has ended) */
    free(askpass);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    key_agent_free(keys);
    keys = NULL;
    quota_unref(quota);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_of_each_format_are_loaded),
        TEST(a_passphrase_that_is_missing_or_wrong_is_told),
        TEST(other_files_are_not_loaded),
        TEST(a_file_that_was_replaced_is_loaded_again),
        TEST(keys_that_nobody_names_any_more_are_forgotten),
        TEST(a_key_stays_while_one_of_its_files_does),
        TEST(an_upgrade_keeps_agent_and_keys),
        TEST(an_agent_that_has_ended_is_replaced),
        TEST(the_socket_is_private_and_goes_with_the_agent),
        TEST(a_gateway_gets_one_key_and_signatures_of_logins),
        TEST(no_key_is_not_all_keys),
        TEST(a_flood_ends_one_connection),
    };
    char name[] = "/tmp/adit-key-agent-XXXXXX";
    int failed;

    if (getenv(KEY_ASKPASS) != NULL)
        return key_askpass();
    folder = mkdtemp(name);
    assert_non_null(folder);
    setenv("TMPDIR", folder, 1);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    run((const char *const[]){"rm", "-rf", folder, NULL});
    return failed;
}
