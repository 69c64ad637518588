/* Requests of a dial, each with its answer. */
#include "session_libssh/login_requests.h"

#include "base/mem.h"
#include "session_libssh/handshake.h"

#include <stdlib.h>

void login_requests_clear(struct login_requests *requests)
{
    login_line_close(&requests->line);
    free(requests->missing);
    requests->missing = NULL;
}

/* A request whose answer takes as long as files and memory do. */
static bool ask_at_once(struct handshake *h, const struct login_message *request,
                        struct login_packet *answer)
{
    return login_line_ask(&h->requests.line, request, -1, answer);
}

/* One that may wait for a person or a program. */
static bool ask_and_wait(struct handshake *h, const struct login_message *request,
                         struct login_packet *answer)
{
    return login_line_ask(&h->requests.line, request, h->requests.connection, answer);
}

/* The status of an answer, with the error. */
static enum dial_status answered_status(struct handshake *h, const struct login_packet *answer)
{
    static const enum dial_status statuses[LOGIN_RESULTS] = {
        [LOGIN_OK] = DIAL_OK,
        [LOGIN_TRANSPORT] = DIAL_TRANSPORT,
        [LOGIN_BAD_HOST_KEY] = DIAL_HOST_KEY,
        [LOGIN_AUTHENTICATION] = DIAL_AUTHENTICATION,
    };
    uint32_t result = answer->message.numbers[0];
    struct span text = answer->message.texts[0];

    if (result == LOGIN_OK)
        return DIAL_OK;
    return handshake_fail(h, result < LOGIN_RESULTS ? statuses[result] : DIAL_TRANSPORT, "%.*s",
                          (int)text.length, text.length > 0 ? (const char *)text.bytes : "");
}

/* There is no answer. */
static enum dial_status fail_unserved(struct handshake *h)
{
    return handshake_fail(
        h, DIAL_TRANSPORT, "%s",
        h->requests.line.end < 0
            ? "no descriptors are left for the login: raise the limit (ulimit -n, LimitNOFILE)"
            : "the keeper, adit's first process, does not serve the login: its log says why");
}

static enum dial_status answer_result(struct handshake *h, bool answered,
                                      struct login_packet *answer)
{
    enum dial_status status = answered ? answered_status(h, answer) : fail_unserved(h);

    login_packet_clear(answer);
    return status;
}

enum dial_status login_read_files(struct handshake *h, bool order)
{
    struct login_packet answer;
    bool answered = h->upstream->ssh_words.count == 0 ||
                    ask_and_wait(h, &(struct login_message){.kind = LOGIN_COMMANDS}, &answer);

    if (!answered)
        return fail_unserved(h);
    if (h->upstream->ssh_words.count > 0)
        login_packet_clear(&answer);
    answered =
        ask_and_wait(h, &(struct login_message){.kind = LOGIN_FILES, .numbers = {order}}, &answer);
    return answer_result(h, answered, &answer);
}

char *login_order(struct handshake *h, const char *algorithms)
{
    const struct login_message request = {.kind = LOGIN_ORDER, .texts = {login_span(algorithms)}};
    struct login_packet answer;
    char *ordered = NULL;

    if (ask_at_once(h, &request, &answer) && answer.message.texts[0].length > 0)
        ordered = login_text(answer.message.texts[0]);
    login_packet_clear(&answer);
    return ordered;
}

enum dial_status login_judge_host_key(struct handshake *h, const uint8_t *blob, size_t length)
{
    char address[IP_TEXT_MAX] = "";
    uint16_t port = 0;
    struct ip ip;
    struct login_packet answer;

    if (handshake_peer(h, &ip, &port))
        ip_format(&ip, address);
    bool answered = ask_and_wait(h,
                                 &(struct login_message){
                                     .kind = LOGIN_HOST_KEY,
                                     .numbers = {port},
                                     .texts = {{blob, length}, login_span(address)},
                                 },
                                 &answer);
    if (answered && answer.message.numbers[0] == LOGIN_OK && answer.message.texts[0].length > 0)
        snprintf(h->info.host_key_known, sizeof(h->info.host_key_known), "%.*s",
                 (int)answer.message.texts[0].length, (const char *)answer.message.texts[0].bytes);
    return answer_result(h, answered, &answer);
}

bool login_check_password(struct handshake *h, bool *has, enum dial_status *status)
{
    struct login_packet answer;
    bool answered = ask_at_once(h, &(struct login_message){.kind = LOGIN_SECRETS}, &answer);
    enum dial_status found;

    *has = answered && answer.message.numbers[1] != 0;
    found = answer_result(h, answered, &answer);
    if (found != DIAL_OK)
        *status = found;
    return found == DIAL_OK;
}

/* Whether there is a password, and with `text` the password. */
static bool request_password(struct handshake *h, enum login_password which, char **text)
{
    const struct login_message request = {.kind = LOGIN_PASSWORD, .numbers = {which, text != NULL}};
    struct login_packet answer;
    bool has = ask_at_once(h, &request, &answer) && answer.message.numbers[0] != 0;

    if (has && text != NULL)
        *text = login_text(answer.message.texts[0]);
    login_packet_clear(&answer);
    return has;
}

bool login_has_password(struct handshake *h, enum login_password which)
{
    return request_password(h, which, NULL);
}

char *login_take_password(struct handshake *h, enum login_password which)
{
    char *text = NULL;

    request_password(h, which, &text);
    return text;
}

/* A request whose answer says nothing. */
static void tell(struct handshake *h, const struct login_message *request)
{
    struct login_packet answer;

    ask_at_once(h, request, &answer);
    login_packet_clear(&answer);
}

void login_refused(struct handshake *h, enum login_password which)
{
    tell(h, &(struct login_message){.kind = LOGIN_REFUSED, .numbers = {which}});
}

void login_accepted(struct handshake *h)
{
    tell(h, &(struct login_message){.kind = LOGIN_ACCEPTED});
}

/* Takes what an answer says of the turn. */
static bool take_turn(struct handshake *h, bool answered, struct login_packet *answer)
{
    bool can = answered && answer->message.numbers[0] == LOGIN_TURN_YES;

    free(h->requests.missing);
    h->requests.missing = answered && answer->message.numbers[0] == LOGIN_TURN_NONE
                              ? login_text(answer->message.texts[0])
                              : NULL;
    login_packet_clear(answer);
    return can;
}

bool login_can_ask(struct handshake *h)
{
    struct login_packet answer;
    bool answered = ask_at_once(h, &(struct login_message){.kind = LOGIN_CAN_ASK}, &answer);

    return take_turn(h, answered, &answer);
}

bool login_turn(struct handshake *h)
{
    struct login_packet answer;
    bool answered;

    if (h->requests.has_turn)
        return true;
    answered = ask_and_wait(h, &(struct login_message){.kind = LOGIN_TURN}, &answer);
    h->requests.has_turn = take_turn(h, answered, &answer);
    return h->requests.has_turn;
}

void login_turn_end(struct handshake *h)
{
    if (h->requests.has_turn)
        tell(h, &(struct login_message){.kind = LOGIN_TURN_END});
    h->requests.has_turn = false;
}

char *login_ask(struct handshake *h, const struct auth_question *question)
{
    const struct login_message request = {
        .kind = LOGIN_ASK,
        .numbers = {question->question, question->echo, question->may_keep},
        .texts = {login_span(question->about)},
    };
    struct login_packet answer;
    bool given = ask_and_wait(h, &request, &answer) && answer.message.numbers[0] != 0;
    char *text = given ? login_text(answer.message.texts[0]) : NULL;

    login_packet_clear(&answer);
    return text;
}

void login_show_lines(struct handshake *h, const char *lines)
{
    tell(h, &(struct login_message){.kind = LOGIN_SHOW, .texts = {login_span(lines)}});
}
