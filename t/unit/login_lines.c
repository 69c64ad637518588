/* Tests of keeper/login_lines, login_serve: what a gateway, also one that was taken over, gets over
 * a login line. */
#include "base/mem.h"
#include "base/secrets.h"
#include "conf/identities.h"
#include "io/login_line.h"
#include "io/memory_file.h"
#include "io/packets.h"
#include "keeper/keeper_parts.h"
#include "policy/public_key.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define ONE "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFpg300oPgIZsY1ZBLyC1NVObdodb+LvUDUmAOYARev4"
#define OTHER "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFpg300oPgIZsY1ZBLyC1NVObdodb+LvUDUmAOYARev5"

/* A keeper with a configuration, whose files are in a directory of the test's. */
struct stage {
    char directory[64];
    struct options options;
    struct keeper keeper;
    struct gateway_child child;
    atomic_bool waiting;
    atomic_uint prompts;
    struct login_line line;
};

static char *path_of(const struct stage *s, const char *name)
{
    return mem_printf("%s/%s", s->directory, name);
}

static void write_file(const struct stage *s, const char *name, const char *text, mode_t mode)
{
    char *path = path_of(s, name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    chmod(path, mode);
    free(path);
}

static char *read_file(const struct stage *s, const char *name)
{
    char *path = path_of(s, name);
    FILE *file = fopen(path, "r");
    char *text = mem_zalloc(4096);

    if (file != NULL) {
        text[fread(text, 1, 4095, file)] = '\0';
        fclose(file);
    }
    free(path);
    return text;
}

static void stage_begin(struct stage *s, const char *host_key)
{
    struct config_problems problems = {0};

    *s = (struct stage){.directory = "/tmp/adit-login-XXXXXX", .line = {.end = -1}};
    assert_non_null(mkdtemp(s->directory));
    write_file(s, "password", "the word\n", 0600);
    write_file(s, "askpass", "#!/bin/sh\necho \"$1\"\n", 0700);
    write_file(s, "slow", "#!/bin/sh\nexec sleep 600\n", 0700);
    char *text =
        mem_printf("[upstream a]\nhost = one.example, two.example:2222\nuser = joe\n"
                   "host_key = %s\nknown_hosts = %s/known\nssh_config = no\n"
                   "password_file = %s/password\naskpass = %s/askpass\n"
                   "[upstream b]\nhost = three.example\nuser = eve\nssh_config = no\n"
                   "host_key = strict\nknown_hosts = %s/b\naskpass = %s/slow\n"
                   "[upstream off]\nhost = four.example\nuser = eve\nssh_config = no\n"
                   "host_key = strict\nidentity = %s/askpass\npassword_file = %s/password\n"
                   "askpass = %s/askpass\npubkey_authentication = no\n"
                   "password_authentication = no\nkbd_interactive_authentication = no\n"
                   "[listen l]\naddress = 127.0.0.1:1080\nvia = a\n",
                   host_key, s->directory, s->directory, s->directory, s->directory, s->directory,
                   s->directory, s->directory, s->directory);
    s->keeper = (struct keeper){.options = &s->options, .loop = loop_new()};
    s->keeper.config = config_load_text("t.ini", text, strlen(text), &problems);
    for (size_t i = 0; i < problems.count; i++)
        print_message("%s\n", problems.lines[i]);
    assert_non_null(s->keeper.config);
    s->keeper.mailbox = mailbox_new(s->keeper.loop, &s->keeper);
    s->child = (struct gateway_child){.keeper = &s->keeper,
                                      .config = s->keeper.config,
                                      .quotas = {.logins = quota_new(9), .agents = quota_new(1)}};
    config_problems_clear(&problems);
    free(text);
}

static void stage_end(struct stage *s)
{
    static const char *const files[] = {"password", "askpass", "slow", "known", "b"};

    login_line_close(&s->line);
    login_lines_free(&s->keeper);
    mailbox_free(s->keeper.mailbox);
    loop_free(s->keeper.loop);
    quota_unref(s->child.quotas.logins);
    quota_unref(s->child.quotas.agents);
    config_unref(s->keeper.config);
    for (size_t i = 0; i < COUNT(files); i++) {
        char *path = path_of(s, files[i]);
        unlink(path);
        free(path);
    }
    assert_int_equal(rmdir(s->directory), 0);
    secrets_forget();
}

/* Asks for a line; false: the keeper does not serve it. */
static bool dial(struct stage *s, const char *upstream, const char *host)
{
    const char *const texts[] = {upstream, host};
    struct buffer packet = {0};
    struct keeper_message message;
    int ends[2];
    int theirs;

    login_line_close(&s->line);
    assert_true(packet_pair(ends));
    assert_true(keeper_message_write(&packet, GATEWAY_LOGIN, NULL, texts, 2));
    assert_true(keeper_message_parse((struct span){buffer_data(&packet), buffer_length(&packet)},
                                     true, true, &message));
    theirs = ends[1];
    login_lines_add(&s->child, &message, &theirs);
    buffer_clear(&packet);
    s->line = (struct login_line){ends[0], &s->waiting, &s->prompts};
    if (theirs >= 0)
        close(theirs);
    return theirs < 0;
}

/* Asks for something; -1: the line has ended; else the first number, and `*text`, if it is wanted,
 * is the answer's. */
static int64_t ask(struct stage *s, struct login_message request, char **text)
{
    struct login_packet answer;
    bool answered = login_line_ask(&s->line, &request, -1, &answer);
    int64_t number = answered ? (int64_t)answer.message.numbers[0] : -1;

    if (text != NULL)
        *text = login_text(answer.message.texts[0]);
    login_packet_clear(&answer);
    return number;
}

static int64_t offer_key(struct stage *s, const char *line, char **error)
{
    struct public_key key;

    assert_int_equal(public_key_read(line, strlen(line), &key), PUBLIC_KEY_OK);
    int64_t result =
        ask(s,
            (struct login_message){.kind = LOGIN_HOST_KEY,
                                   .numbers = {22},
                                   .texts = {{key.blob, key.length}, login_span("192.0.2.1")}},
            error);
    public_key_clear(&key);
    return result;
}

#define ASK(what) ask(&s, (struct login_message){.kind = what}, NULL)

static void assert_file(const struct stage *s, const char *name, const char *text)
{
    char *found = read_file(s, name);

    assert_string_equal(found, text);
    free(found);
}

static void a_new_key_is_written_for_the_host_of_the_line(void **state)
{
    struct stage s;
    char *error;

    (void)state;
    stage_begin(&s, "accept-new");
    assert_true(dial(&s, "a", "two.example:2222"));
    assert_int_equal(ASK(LOGIN_FILES), LOGIN_OK);
    assert_int_equal(offer_key(&s, ONE, NULL), LOGIN_OK);
    assert_file(&s, "known", "[two.example]:2222 " ONE "\n");
    assert_true(dial(&s, "a", "two.example:2222"));
    assert_int_equal(ASK(LOGIN_FILES), LOGIN_OK);
    assert_int_equal(offer_key(&s, OTHER, &error), LOGIN_BAD_HOST_KEY);
    assert_non_null(strstr(error, "has changed"));
    assert_file(&s, "known", "[two.example]:2222 " ONE "\n");
    free(error);
    stage_end(&s);
}

static void strict_and_a_no_write_nothing(void **state)
{
    static const char *const modes[] = {"strict", "ask"}; /* (askpass says something else) */

    (void)state;
    for (size_t i = 0; i < COUNT(modes); i++) {
        struct stage s;
        stage_begin(&s, modes[i]);
        assert_true(dial(&s, "a", "one.example"));
        assert_int_equal(ASK(LOGIN_FILES), LOGIN_OK);
        assert_int_equal(offer_key(&s, ONE, NULL), LOGIN_BAD_HOST_KEY);
        assert_int_equal(atomic_load(&s.prompts), i);
        assert_file(&s, "known", "");
        stage_end(&s);
    }
}

static void what_the_configuration_does_not_have_is_not_served(void **state)
{
    static const char *const wrong[][2] = {
        {"c", "one.example"},      {"a", "three.example"}, {"a", "one.example:22"}, {"", ""},
        {"a", "../../etc/passwd"}, {"b", "one.example"},
    };
    struct stage s;

    (void)state;
    stage_begin(&s, "accept-new");
    for (size_t i = 0; i < COUNT(wrong); i++) {
        assert_false(dial(&s, wrong[i][0], wrong[i][1]));
        assert_int_equal(ASK(LOGIN_FILES), -1);
    }
    assert_true(LIST_EMPTY(&s.keeper.lines));
    stage_end(&s);
}

/* Each ends the line, and only that. */
static void what_may_not_be_asked_for_now_ends_the_line(void **state)
{
    static const struct login_message wrong[][2] = {
        {{.kind = LOGIN_CAN_ASK}, {.kind = LOGIN_HOST_KEY}}, /* (before the files) */
        {{.kind = LOGIN_FILES}, {.kind = LOGIN_FILES}},
        {{.kind = LOGIN_CAN_ASK}, {.kind = LOGIN_ASK}}, /* (without the turn) */
        {{.kind = LOGIN_CAN_ASK}, {.kind = LOGIN_ANSWER}},
        {{.kind = LOGIN_CAN_ASK}, {.kind = LOGIN_WAITS}},
    };
    struct stage s;

    (void)state;
    stage_begin(&s, "accept-new");
    for (size_t i = 0; i < COUNT(wrong); i++) {
        assert_true(dial(&s, "a", "one.example"));
        assert_true(ask(&s, wrong[i][0], NULL) >= 0);
        assert_int_equal(ask(&s, wrong[i][1], NULL), -1);
    }
    assert_true(dial(&s, "a", "one.example"));
    assert_int_equal(ASK(LOGIN_FILES), LOGIN_OK);
    assert_int_equal(offer_key(&s, ONE, NULL), LOGIN_OK);
    assert_int_equal(offer_key(&s, OTHER, NULL), -1);
    assert_file(&s, "known", "one.example " ONE "\n");
    stage_end(&s);
}

static void garbage_ends_the_line(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
    } garbage[] = {{"\xff", 1}, {"\x01", 1}, {"x\0\0\0\0", 5}, {"\0more", 5}, {"\x01\0\0\0\7", 5}};
    struct stage s;

    (void)state;
    stage_begin(&s, "accept-new");
    for (size_t i = 0; i < COUNT(garbage); i++) {
        char byte;
        assert_true(dial(&s, "a", "one.example"));
        assert_true(packet_pass(
            s.line.end, (struct span){(const uint8_t *)garbage[i].bytes, garbage[i].length}, -1));
        assert_int_equal(recv(s.line.end, &byte, 1, 0), 0);
    }
    stage_end(&s);
}

static void a_password_is_that_of_the_lines_upstream(void **state)
{
    struct stage s;
    char *text;

    (void)state;
    stage_begin(&s, "strict");
    const struct login_message wanted = {.kind = LOGIN_PASSWORD,
                                         .numbers = {LOGIN_PASSWORD_CONFIGURED, 1}};
    assert_true(dial(&s, "a", "one.example"));
    assert_int_equal(ask(&s, wanted, NULL), 0);
    assert_int_equal(ASK(LOGIN_SECRETS), LOGIN_OK);
    assert_int_equal(ask(&s, wanted, &text), 1);
    assert_string_equal(text, "the word");
    secret_free(text);
    assert_true(dial(&s, "b", "three.example"));
    assert_int_equal(ASK(LOGIN_SECRETS), LOGIN_OK);
    assert_int_equal(ask(&s, wanted, NULL), 0);
    stage_end(&s);
}

/* How many keys may be offered; -1: the gateway is to read them itself. */
static int64_t count_offered(struct stage *s)
{
    const struct login_message request = {.kind = LOGIN_KEYS};
    struct identities all = {0};
    struct login_packet answer;
    struct buffer list = {0};
    int64_t count = -1;

    assert_true(login_line_ask(&s->line, &request, -1, &answer));
    if (answer.message.numbers[0] != 0) {
        assert_true(memory_file_bytes(answer.descriptor, &list));
        assert_true(identities_read(span_of_buffer(&list), &all));
        count = (int64_t)all.count;
    }
    buffer_clear(&list);
    identities_clear(&all);
    login_packet_clear(&answer);
    return count;
}

/* PubkeyAuthentication no, and the like. */
static void a_method_that_is_off_gives_nothing(void **state)
{
    const struct login_message wanted = {.kind = LOGIN_PASSWORD,
                                         .numbers = {LOGIN_PASSWORD_CONFIGURED, 1}};
    struct stage s;

    (void)state;
    stage_begin(&s, "strict");
    setenv("SSH_AUTH_SOCK", "/nowhere/agent", 1);
    assert_true(dial(&s, "a", "one.example"));
    assert_int_equal(ASK(LOGIN_AGENT), LOGIN_AGENT_FAILED);
    assert_true(dial(&s, "off", "four.example"));
    assert_int_equal(ASK(LOGIN_AGENT), LOGIN_AGENT_OFF);
    assert_int_equal(ASK(LOGIN_SECRETS), LOGIN_OK);
    assert_int_equal(ask(&s, wanted, NULL), 0);
    assert_int_equal(count_offered(&s), 0);
    assert_int_equal(ASK(LOGIN_KEY), -1);
    for (uint32_t what = 0; what < LOGIN_QUESTIONS; what++) {
        assert_true(dial(&s, "off", "four.example"));
        assert_int_equal(ASK(LOGIN_TURN), LOGIN_TURN_YES);
        assert_int_equal(
            ask(&s, (struct login_message){.kind = LOGIN_ASK, .numbers = {what}}, NULL), -1);
    }
    assert_int_equal(atomic_load(&s.prompts), 0);
    unsetenv("SSH_AUTH_SOCK");
    stage_end(&s);
}

/* What was accepted is kept for the same user and host, and for no other. */
static void an_answer_is_kept_for_its_server_alone(void **state)
{
    const struct login_message kept = {.kind = LOGIN_PASSWORD, .numbers = {LOGIN_PASSWORD_KEPT, 1}};
    struct stage s;
    char *text;

    (void)state;
    stage_begin(&s, "strict");
    assert_true(dial(&s, "a", "one.example"));
    assert_int_equal(ASK(LOGIN_TURN), LOGIN_TURN_YES);
    assert_int_equal(ask(&s,
                         (struct login_message){.kind = LOGIN_ASK,
                                                .numbers = {LOGIN_QUESTION_SERVER, 0, 1},
                                                .texts = {login_span("root\nIt\x07: ")}},
                         &text),
                     1);
    assert_string_equal(text, "(joe@one.example) It: "); /* (the keeper says who asks) */
    secret_free(text);
    assert_true(atomic_load(&s.waiting));
    ASK(LOGIN_TURN_END);
    assert_false(atomic_load(&s.waiting));
    assert_int_equal(ask(&s, kept, NULL), 0);
    ASK(LOGIN_ACCEPTED);
    assert_true(dial(&s, "a", "two.example:2222"));
    assert_int_equal(ask(&s, kept, NULL), 0);
    assert_true(dial(&s, "a", "one.example"));
    assert_int_equal(ask(&s, kept, &text), 1);
    assert_string_equal(text, "(joe@one.example) It: ");
    secret_free(text);
    ask(&s, (struct login_message){.kind = LOGIN_REFUSED, .numbers = {LOGIN_PASSWORD_KEPT}}, NULL);
    assert_int_equal(ask(&s, kept, NULL), 0);
    stage_end(&s);
}

/* The connection ends while a program is asked: there is no answer, and the turn is another's. */
static void a_question_ends_with_its_connection(void **state)
{
    const struct login_message question = {.kind = LOGIN_ASK,
                                           .texts = {{(const uint8_t *)"eve", 3}}};
    struct stage s;
    struct login_packet answer;
    int connection[2];

    (void)state;
    stage_begin(&s, "strict");
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, connection), 0);
    assert_true(dial(&s, "b", "three.example"));
    assert_int_equal(ASK(LOGIN_TURN), LOGIN_TURN_YES);
    shutdown(connection[1], SHUT_RDWR);
    assert_true(login_line_ask(&s.line, &question, connection[0], &answer));
    assert_int_equal(answer.message.numbers[0], 0);
    login_packet_clear(&answer);
    assert_int_equal(ASK(LOGIN_CAN_ASK), -1);
    assert_true(dial(&s, "a", "one.example"));
    assert_int_equal(ASK(LOGIN_TURN), LOGIN_TURN_YES);
    close(connection[0]);
    close(connection[1]);
    stage_end(&s);
}

static void it_may_close_at_each_point(void **state)
{
    struct stage s;

    (void)state;
    stage_begin(&s, "accept-new");
    for (int point = 0; point < 4; point++) {
        assert_true(dial(&s, "b", "three.example"));
        if (point > 0)
            ASK(LOGIN_FILES);
        if (point > 1)
            ASK(LOGIN_TURN);
        if (point > 2) /* (without waiting for the answer) */
            assert_true(
                login_line_send(s.line.end, &(struct login_message){.kind = LOGIN_ASK,
                                                                    .texts = {login_span("eve")}}));
        login_line_close(&s.line);
    }
    assert_true(login_lines_end(&s.keeper));
    stage_end(&s);
}

/* One end may be in the hands of another process, or of another line. */
static void it_ends_with_its_gateway(void **state)
{
    struct stage s;
    struct gateway_child other;

    (void)state;
    stage_begin(&s, "strict");
    other = (struct gateway_child){.keeper = &s.keeper, .config = s.keeper.config};
    assert_true(dial(&s, "a", "one.example"));
    assert_int_equal(ASK(LOGIN_COMMANDS), 0);
    login_lines_cut(&other);
    assert_int_equal(ASK(LOGIN_COMMANDS), 0);
    login_lines_cut(&s.child);
    assert_int_equal(ASK(LOGIN_COMMANDS), -1);
    stage_end(&s);
}

/* A successor has another configuration than the keeper until it is the current one. */
static void a_gateway_asks_by_its_own_configuration(void **state)
{
    static const char text[] = "[upstream new]\nhost = new.example\nssh_config = no\n"
                               "[listen l]\naddress = 127.0.0.1:1080\nvia = new\n";
    struct config_problems problems = {0};
    struct stage s;

    (void)state;
    stage_begin(&s, "strict");
    s.child.config = config_load_text("new.ini", text, strlen(text), &problems);
    assert_non_null(s.child.config);
    assert_false(dial(&s, "a", "one.example"));
    assert_true(dial(&s, "new", "new.example"));
    assert_int_equal(ASK(LOGIN_COMMANDS), 0);
    config_unref(s.child.config);
    stage_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_key_is_written_for_the_host_of_the_line),
        cmocka_unit_test(strict_and_a_no_write_nothing),
        cmocka_unit_test(what_the_configuration_does_not_have_is_not_served),
        cmocka_unit_test(what_may_not_be_asked_for_now_ends_the_line),
        cmocka_unit_test(garbage_ends_the_line),
        cmocka_unit_test(a_password_is_that_of_the_lines_upstream),
        cmocka_unit_test(a_method_that_is_off_gives_nothing),
        cmocka_unit_test(an_answer_is_kept_for_its_server_alone),
        cmocka_unit_test(a_question_ends_with_its_connection),
        cmocka_unit_test(it_may_close_at_each_point),
        cmocka_unit_test(it_ends_with_its_gateway),
        cmocka_unit_test(a_gateway_asks_by_its_own_configuration),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
