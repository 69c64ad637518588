/* Tests of wire/mux: each message whole, byte by byte and with bytes after it, from both sides. The
 * bytes of the first tests are those that OpenSSH 9.2 and 10.5 send. */
#include "parse.h"

#include "wire/mux.h"

static struct mux_request request;
static struct mux_answer answer;

static enum wire_status parse_request(const uint8_t *bytes, size_t length, size_t *used)
{
    return mux_request_parse(bytes, length, used, &request);
}

static enum wire_status parse_answer(const uint8_t *bytes, size_t length, size_t *used)
{
    return mux_answer_parse(bytes, length, used, &answer);
}

static struct span text(const char *string)
{
    return (struct span){(const uint8_t *)string, strlen(string)};
}

static void assert_text(struct span found, const char *expected)
{
    assert_int_equal(found.length, strlen(expected));
    assert_memory_equal(found.bytes, expected, found.length);
}

static void assert_same(struct span a, struct span b)
{
    assert_int_equal(a.length, b.length);
    if (a.length > 0)
        assert_memory_equal(a.bytes, b.bytes, a.length);
}

/* The client's messages as bytes. */

#define HELLO "\0\0\0\1\0\0\0\4"
#define INFO_EXTENSION                                                                             \
    "\0\0\0\4info\0\0\0\1"                                                                         \
    "0"

/* (The parsed spans lie in the caller's bytes.) */
static void parse_whole(const char *bytes, size_t length)
{
    size_t used;

    check_ok("a request", parse_request, bytes, length);
    assert_int_equal(parse_request((const uint8_t *)bytes, length, &used), WIRE_OK);
    assert_int_equal(used, length);
}

static void a_clients_hello(void **state)
{
    (void)state;
    parse_whole(BYTES("\0\0\0\x08" HELLO));
    assert_int_equal(request.type, MUX_HELLO);
    assert_false(request.info);
    parse_whole(BYTES("\0\0\0\x15" HELLO INFO_EXTENSION));
    assert_true(request.info);
    parse_whole(BYTES("\0\0\0\x16" HELLO "\0\0\0\4more\0\0\0\2\0\1"));
    assert_false(request.info);
}

static void requests_without_fields(void **state)
{
    (void)state;
    parse_whole(BYTES("\0\0\0\x08\x10\0\0\4\0\0\0\7"));
    assert_int_equal(request.type, MUX_ALIVE_CHECK);
    assert_int_equal(request.id, 7);
    parse_whole(BYTES("\0\0\0\x08\x10\0\0\5\0\0\0\7"));
    assert_int_equal(request.type, MUX_TERMINATE);
    parse_whole(BYTES("\0\0\0\x08\x10\0\0\x09\0\0\0\7"));
    assert_int_equal(request.type, MUX_STOP_LISTENING);
    parse_whole(BYTES("\0\0\0\x08\x10\0\0\x0f\0\0\0\7"));
    assert_int_equal(request.type, MUX_PROXY);
    assert_int_equal(mux_descriptors(&request), 0);
}

/* (ssh -S PATH -T -o SendEnv=LANG host id) */
#define SESSION                                                                                    \
    "\x10\0\0\2\0\0\0\1"                                                                           \
    "\0\0\0\0"                                                                                     \
    "\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\x7e"                                                   \
    "\0\0\0\5xterm\0\0\0\2id"

static void a_session_with_its_environment(void **state)
{
    struct ssh_reader environment;

    (void)state;
    parse_whole(BYTES("\0\0\0\x41" SESSION "\0\0\0\6LANG=C\0\0\0\4"
                      "A=b "));
    assert_int_equal(request.type, MUX_NEW_SESSION);
    assert_int_equal(request.id, 1);
    assert_true(request.session.tty);
    assert_false(request.session.x11);
    assert_true(request.session.agent);
    assert_false(request.session.subsystem);
    assert_int_equal(request.session.escape, '~');
    assert_text(request.session.term, "xterm");
    assert_text(request.session.command, "id");
    assert_int_equal(mux_descriptors(&request), 3);
    environment = (struct ssh_reader){.rest = request.session.environment};
    assert_text(ssh_take_string(&environment), "LANG=C");
    assert_text(ssh_take_string(&environment), "A=b ");
    assert_int_equal(environment.rest.length, 0);
    assert_false(environment.bad);
    parse_whole(BYTES("\0\0\0\x2f" SESSION));
    assert_int_equal(request.session.environment.length, 0);
}

static void forwards_and_places(void **state)
{
    (void)state;
    parse_whole(
        BYTES("\0\0\0\x20\x10\0\0\6\0\0\0\2\0\0\0\1\0\0\0\0\0\0\x1f\x90\0\0\0\4host\0\0\0\x50"));
    assert_int_equal(request.type, MUX_OPEN_FWD);
    assert_int_equal(request.forward.kind, MUX_FORWARD_LOCAL);
    assert_int_equal(request.forward.listen.length, 0);
    assert_int_equal(request.forward.port, 8080);
    assert_text(request.forward.connect, "host");
    assert_int_equal(request.forward.connect_port, 80);
    parse_whole(
        BYTES("\0\0\0\x21\x10\0\0\7\0\0\0\2\0\0\0\2\0\0\0\1*\0\0\0\0\0\0\0\4/s/k\xff\xff\xff\xfe"));
    assert_int_equal(request.type, MUX_CLOSE_FWD);
    assert_int_equal(request.forward.kind, MUX_FORWARD_REMOTE);
    assert_text(request.forward.listen, "*");
    assert_int_equal(request.forward.connect_port, MUX_PORT_UNIX);
    parse_whole(BYTES("\0\0\0\x18\x10\0\0\x08\0\0\0\2\0\0\0\0\0\0\0\4host\0\0\0\x16"));
    assert_int_equal(request.type, MUX_NEW_STDIO_FWD);
    assert_text(request.place.host, "host");
    assert_int_equal(request.place.port, 22);
    assert_int_equal(mux_descriptors(&request), 2);
}

static void what_the_newest_ssh_asks(void **state)
{
    (void)state;
    parse_whole(BYTES("\0\0\0\x16\x20\0\0\1\0\0\0\3\0\0\0\x0a"
                      "connection"));
    assert_int_equal(request.type, MUX_EXT_INFO);
    assert_text(request.name, "connection");
}

/* A request that nobody knows is read up to its number, for the answer. */
static void an_unknown_request_has_its_id(void **state)
{
    (void)state;
    parse_whole(BYTES("\0\0\0\x0b\x10\0\0\x33\0\0\0\x09"
                      "abc"));
    assert_int_equal(request.type, 0x10000033);
    assert_int_equal(request.id, 9);
}

/* Fields that a later version adds are not looked at. */
static void what_is_behind_the_fields_is_left_alone(void **state)
{
    (void)state;
    parse_whole(BYTES("\0\0\0\x0b\x10\0\0\4\0\0\0\7abc"));
    parse_whole(BYTES("\0\0\0\x1b\x10\0\0\x08\0\0\0\2\0\0\0\0\0\0\0\4host\0\0\0\x16"
                      "abc"));
}

struct bad_frame {
    const char *name;
    const char *bytes;
    size_t length;
    size_t seen; /* after so many bytes the frame can be told to be bad */
};

static const struct bad_frame bad_requests[] = {
    {"no type", BYTES("\0\0\0\0"), 4},
    {"half a type", BYTES("\0\0\0\3\x10\0\0"), 4},
    {"longer than any", BYTES("\0\4\0\1"), 4},
    {"the longest length", BYTES("\xff\xff\xff\xff"), 4},
    {"no id", BYTES("\0\0\0\4\x10\0\0\4"), 8},
    {"half an id", BYTES("\0\0\0\6\x10\0\0\4\0\0"), 10},
    {"an unknown request without an id", BYTES("\0\0\0\4\x10\0\0\x33"), 8},
    {"a hello without a version", BYTES("\0\0\0\4\0\0\0\1"), 8},
    {"another version", BYTES("\0\0\0\x08\0\0\0\1\0\0\0\3"), 12},
    {"an extension without a value", BYTES("\0\0\0\x10" HELLO "\0\0\0\4info"), 20},
    {"a session that ends early", BYTES("\0\0\0\x0c\x10\0\0\2\0\0\0\1\0\0\0\0"), 16},
    {"a variable that ends early", BYTES("\0\0\0\x36" SESSION "\0\0\0\6LAN"), 58},
    {"a string longer than its frame", BYTES("\0\0\0\x0c\x20\0\0\1\0\0\0\3\0\0\0\x05"), 16},
    {"a string of 4 GiB", BYTES("\0\0\0\x0c\x20\0\0\1\0\0\0\3\xff\xff\xff\xff"), 16},
    {"a NUL in a string",
     BYTES("\0\0\0\x0f\x20\0\0\1\0\0\0\3\0\0\0\3"
           "a\0b"),
     19},
    {"a port of 65536", BYTES("\0\0\0\x18\x10\0\0\x08\0\0\0\2\0\0\0\0\0\0\0\4host\0\1\0\0"), 28},
    {"a port that is no socket's mark",
     BYTES("\0\0\0\x18\x10\0\0\x08\0\0\0\2\0\0\0\0\0\0\0\4host\xff\xff\xff\xff"), 28},
    {"a forward without its end", BYTES("\0\0\0\x10\x10\0\0\6\0\0\0\2\0\0\0\1\0\0\0\0"), 20},
};

static void malformed_requests(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad_requests) / sizeof(bad_requests[0]); i++) {
        const struct bad_frame *bad = &bad_requests[i];
        size_t seen = check_bad(bad->name, parse_request, bad->bytes, bad->length);
        if (seen != bad->seen)
            fail_msg("%s: seen after %zu bytes, not %zu", bad->name, seen, bad->seen);
    }
}

static const struct bad_frame bad_answers[] = {
    {"no type", BYTES("\0\0\0\0"), 4},
    {"longer than any", BYTES("\0\4\0\1"), 4},
    {"no id", BYTES("\0\0\0\4\x80\0\0\1"), 8},
    {"a hello without a version", BYTES("\0\0\0\4\0\0\0\1"), 8},
    {"another version", BYTES("\0\0\0\x08\0\0\0\1\0\0\0\5"), 12},
    {"a failure without a reason", BYTES("\0\0\0\x08\x80\0\0\3\0\0\0\1"), 12},
    {"an exit without a value", BYTES("\0\0\0\x0a\x80\0\0\4\0\0\0\1\0\0"), 14},
    {"information without words", BYTES("\0\0\0\x0c\x90\0\0\1\0\0\0\1\0\0\0\1"), 16},
    {"a NUL in a reason", BYTES("\0\0\0\x0d\x80\0\0\3\0\0\0\1\0\0\0\1\0"), 17},
};

static void malformed_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad_answers) / sizeof(bad_answers[0]); i++) {
        const struct bad_frame *bad = &bad_answers[i];
        size_t seen = check_bad(bad->name, parse_answer, bad->bytes, bad->length);
        if (seen != bad->seen)
            fail_msg("%s: seen after %zu bytes, not %zu", bad->name, seen, bad->seen);
    }
}

/* The master's messages as bytes. */

static void answers_as_bytes(void **state)
{
    size_t used;

    (void)state;
    check_ok("hello", parse_answer, BYTES("\0\0\0\x15" HELLO INFO_EXTENSION));
    assert_true(answer.info);
    check_ok("ok", parse_answer, BYTES("\0\0\0\x08\x80\0\0\1\0\0\0\2"));
    assert_int_equal(answer.type, MUX_OK);
    assert_int_equal(answer.id, 2);
    check_ok("alive", parse_answer, BYTES("\0\0\0\x0c\x80\0\0\5\0\0\0\1\0\0\4\xd2"));
    assert_int_equal(answer.type, MUX_ALIVE);
    assert_int_equal(answer.number, 1234);
    check_ok("exit", parse_answer, BYTES("\0\0\0\x0c\x80\0\0\4\0\0\0\1\0\0\0\xff"));
    assert_int_equal(answer.type, MUX_EXIT_MESSAGE);
    assert_int_equal(answer.number, 255);
    check_ok("no terminal", parse_answer, BYTES("\0\0\0\x08\x80\0\0\x08\0\0\0\1"));
    assert_int_equal(answer.type, MUX_TTY_ALLOC_FAIL);
    check_ok("an unknown one", parse_answer, BYTES("\0\0\0\x08\x80\0\1\0\0\0\0\1"));
    assert_int_equal(answer.id, 1);
    static const char failure[] = "\0\0\0\x0e\x80\0\0\3\0\0\0\1\0\0\0\2no";
    check_ok("failure", parse_answer, BYTES(failure));
    parse_answer((const uint8_t *)failure, sizeof(failure) - 1, &used);
    assert_text(answer.text, "no");
}

/* What is built is parsed as what it was built from. */

static void assert_request(const struct mux_request *built)
{
    struct buffer out = {0};
    size_t used;

    mux_request_append(&out, built);
    check_ok("a built request", parse_request, buffer_data(&out), buffer_length(&out));
    parse_request(buffer_data(&out), buffer_length(&out), &used);
    assert_int_equal(request.type, built->type);
    assert_int_equal(request.id, built->id);
    switch (built->type) {
    case MUX_HELLO: assert_int_equal(request.info, built->info); break;
    case MUX_NEW_SESSION:
        assert_int_equal(request.session.tty, built->session.tty);
        assert_int_equal(request.session.x11, built->session.x11);
        assert_int_equal(request.session.agent, built->session.agent);
        assert_int_equal(request.session.subsystem, built->session.subsystem);
        assert_int_equal(request.session.escape, built->session.escape);
        assert_same(request.session.term, built->session.term);
        assert_same(request.session.command, built->session.command);
        assert_same(request.session.environment, built->session.environment);
        break;
    case MUX_OPEN_FWD:
    case MUX_CLOSE_FWD:
        assert_int_equal(request.forward.kind, built->forward.kind);
        assert_same(request.forward.listen, built->forward.listen);
        assert_int_equal(request.forward.port, built->forward.port);
        assert_same(request.forward.connect, built->forward.connect);
        assert_int_equal(request.forward.connect_port, built->forward.connect_port);
        break;
    case MUX_NEW_STDIO_FWD:
        assert_same(request.place.host, built->place.host);
        assert_int_equal(request.place.port, built->place.port);
        break;
    case MUX_EXT_INFO: assert_same(request.name, built->name); break;
    }
    buffer_clear(&out);
}

static void built_requests_are_parsed(void **state)
{
    static const uint32_t plain[] = {MUX_ALIVE_CHECK, MUX_TERMINATE, MUX_STOP_LISTENING, MUX_PROXY};
    static const char variables[] = "\0\0\0\3A=b\0\0\0\2B=";

    (void)state;
    assert_request(&(struct mux_request){.type = MUX_HELLO});
    assert_request(&(struct mux_request){.type = MUX_HELLO, .info = true});
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
        assert_request(&(struct mux_request){.type = plain[i], .id = UINT32_MAX});
    for (unsigned flags = 0; flags < 16; flags++)
        assert_request(&(struct mux_request){
            .type = MUX_NEW_SESSION,
            .id = flags,
            .session = {.tty = flags & 1,
                        .x11 = flags & 2,
                        .agent = flags & 4,
                        .subsystem = flags & 8,
                        .escape = MUX_ESCAPE_NONE,
                        .term = text(flags & 1 ? "vt100" : ""),
                        .command = text(flags & 8 ? "sftp" : ""),
                        .environment = {(const uint8_t *)variables,
                                        flags & 2 ? sizeof(variables) - 1 : 0}}});
    for (uint32_t type = MUX_OPEN_FWD; type <= MUX_CLOSE_FWD; type++)
        for (uint32_t kind = MUX_FORWARD_LOCAL; kind <= MUX_FORWARD_DYNAMIC; kind++)
            assert_request(&(struct mux_request){.type = type,
                                                 .id = 3,
                                                 .forward = {.kind = kind,
                                                             .listen = text("/run/s"),
                                                             .port = MUX_PORT_UNIX,
                                                             .connect = text("::1"),
                                                             .connect_port = 65535}});
    assert_request(&(struct mux_request){
        .type = MUX_NEW_STDIO_FWD, .id = 4, .place = {.host = text("h"), .port = 1}});
    assert_request(&(struct mux_request){.type = MUX_EXT_INFO, .id = 5, .name = text("channels")});
}

static void assert_answer(const struct mux_answer *built)
{
    struct buffer out = {0};
    size_t used;

    mux_answer_append(&out, built);
    check_ok("a built answer", parse_answer, buffer_data(&out), buffer_length(&out));
    parse_answer(buffer_data(&out), buffer_length(&out), &used);
    assert_int_equal(answer.type, built->type);
    assert_int_equal(answer.id, built->id);
    switch (built->type) {
    case MUX_HELLO: assert_int_equal(answer.info, built->info); break;
    case MUX_PERMISSION_DENIED:
    case MUX_FAILURE: assert_same(answer.text, built->text); break;
    case MUX_EXIT_MESSAGE:
    case MUX_ALIVE:
    case MUX_SESSION_OPENED:
    case MUX_REMOTE_PORT: assert_int_equal(answer.number, built->number); break;
    case MUX_INFO:
        assert_int_equal(answer.answer.status, built->answer.status);
        assert_same(answer.answer.text, built->answer.text);
        break;
    }
    buffer_clear(&out);
}

static void built_answers_are_parsed(void **state)
{
    static const uint32_t plain[] = {MUX_OK, MUX_TTY_ALLOC_FAIL, MUX_PROXY_OK};
    static const uint32_t numbered[] = {MUX_EXIT_MESSAGE, MUX_ALIVE, MUX_SESSION_OPENED,
                                        MUX_REMOTE_PORT};

    (void)state;
    assert_answer(&(struct mux_answer){.type = MUX_HELLO});
    assert_answer(&(struct mux_answer){.type = MUX_HELLO, .info = true});
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
        assert_answer(&(struct mux_answer){.type = plain[i], .id = 6});
    for (size_t i = 0; i < sizeof(numbered) / sizeof(numbered[0]); i++)
        assert_answer(&(struct mux_answer){.type = numbered[i], .id = 7, .number = UINT32_MAX});
    assert_answer(&(struct mux_answer){.type = MUX_FAILURE, .id = 8, .text = text("why")});
    assert_answer(&(struct mux_answer){.type = MUX_PERMISSION_DENIED, .text = text("")});
    assert_answer(&(struct mux_answer){
        .type = MUX_INFO, .id = 9, .answer = {.status = 1, .text = text("two\nlines\n")}});
}

/* Frames that follow each other are built and parsed one by one. */
static void frames_in_a_row(void **state)
{
    struct buffer out = {0};
    size_t used;

    (void)state;
    mux_request_append(&out, &(struct mux_request){.type = MUX_HELLO});
    mux_request_append(&out, &(struct mux_request){.type = MUX_ALIVE_CHECK, .id = 1});
    assert_int_equal(parse_request(buffer_data(&out), buffer_length(&out), &used), WIRE_OK);
    buffer_consume(&out, used);
    assert_int_equal(request.type, MUX_HELLO);
    assert_int_equal(parse_request(buffer_data(&out), buffer_length(&out), &used), WIRE_OK);
    buffer_consume(&out, used);
    assert_int_equal(request.type, MUX_ALIVE_CHECK);
    assert_int_equal(buffer_length(&out), 0);
    buffer_clear(&out);
}

/* A frame of the longest length is read; see bad_requests for one byte more. */
static void the_longest_frame(void **state)
{
    struct buffer out = {0};
    char *name = calloc(1, MUX_FRAME_MAX);
    size_t used;

    (void)state;
    assert_non_null(name);
    memset(name, 'a', MUX_FRAME_MAX - 12);
    mux_request_append(&out,
                       &(struct mux_request){.type = MUX_EXT_INFO, .id = 1, .name = text(name)});
    assert_int_equal(buffer_length(&out), 4 + MUX_FRAME_MAX);
    assert_int_equal(parse_request(buffer_data(&out), buffer_length(&out), &used), WIRE_OK);
    assert_int_equal(used, 4 + MUX_FRAME_MAX);
    assert_int_equal(parse_request(buffer_data(&out), used - 1, &used), WIRE_MORE);
    buffer_clear(&out);
    free(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clients_hello),
        cmocka_unit_test(requests_without_fields),
        cmocka_unit_test(a_session_with_its_environment),
        cmocka_unit_test(forwards_and_places),
        cmocka_unit_test(what_the_newest_ssh_asks),
        cmocka_unit_test(an_unknown_request_has_its_id),
        cmocka_unit_test(what_is_behind_the_fields_is_left_alone),
        cmocka_unit_test(malformed_requests),
        cmocka_unit_test(malformed_answers),
        cmocka_unit_test(answers_as_bytes),
        cmocka_unit_test(built_requests_are_parsed),
        cmocka_unit_test(built_answers_are_parsed),
        cmocka_unit_test(frames_in_a_row),
        cmocka_unit_test(the_longest_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
