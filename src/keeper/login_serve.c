/* The requests of a login line, one after the other. */
#include "base/log.h"
#include "base/mem.h"
#include "base/secrets.h"
#include "conf/ssh_ask.h"
#include "conf/ssh_config.h"
#include "io/login_line.h"
#include "keeper/host_key_command.h"
#include "keeper/login.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void login_begin(struct login *l, const struct config_upstream *upstream,
                 const struct upstream_host *host, bool may_ask, int end)
{
    l->upstream = upstream;
    l->host = *host;
    l->asker = (struct asker){.upstream = upstream->name,
                              .host = l->host.name,
                              .askpass = upstream->askpass,
                              .batch_mode = upstream->batch_mode,
                              .may_ask = may_ask,
                              .line = end};
    l->known_as = upstream_host_known_as(upstream, host, &l->without_port);
}

void login_clear(struct login *l)
{
    ask_end(&l->asker);
    host_key_files_clear(&l->files);
    secret_free(l->password);
    secret_free(l->kept);
    secret_free(l->learnt);
    secret_free(l->passphrase);
    identities_clear(&l->identities);
    free(l->memory);
    free(l->known_as);
    free(l->without_port);
}

/* Match exec of ssh_config(5) may renew a certificate or unlock a key: it is run again before each
 * login, as a new ssh(1) would. What ssh says otherwise is for a reload. */
static void run_commands_again(struct login *l)
{
    const struct string_list *words = &l->upstream->ssh_words;
    struct ssh_reply reply;

    if (words->count == 0 || ssh_config_is_fresh())
        return;
    ask_note(&l->asker, true); /* the time of a login does not run */
    if (ssh_ask(&(struct ssh_question){(const char *const *)words->items, words->count - 1,
                                       words->items[words->count - 1], l->asker.line},
                &reply) == SSH_REFUSED)
        log_warning("%s: ssh_config: ssh -G before the login: %s", l->host.name, reply.said);
    ssh_reply_clear(&reply);
    ask_note(&l->asker, false);
}

/* Once: what is read counts for the whole login. */
static bool answer_files(struct login *l, bool order, struct login_reply *reply)
{
    enum login_result result = LOGIN_OK;

    if (l->asked_files)
        return false;
    l->asked_files = true;
    if (!host_key_files_read(&l->files, l->upstream, l->error, sizeof(l->error)))
        result = LOGIN_TRANSPORT;
    else if (order)
        result = host_key_command_run(l, "ORDER", NULL);
    l->has_files = result == LOGIN_OK;
    reply->numbers[0] = result;
    reply->text = mem_strdup(l->error);
    return true;
}

static void order_algorithms(const struct login *l, struct span names, struct login_reply *reply)
{
    struct known_hosts known = login_known_hosts(l);
    char *text = login_text(names);

    reply->text = known_hosts_order(&known, text);
    free(text);
}

static bool judge_host_key(struct login *l, const struct login_message *request,
                           struct login_reply *reply)
{
    char *address = login_text(request->texts[1]);

    l->has_address = ip_parse(address, &l->address);
    l->address_port = (uint16_t)request->numbers[0];
    free(address);
    if (!l->has_files)
        return false;
    l->has_files = false;
    l->error[0] = '\0';
    reply->numbers[0] = login_host_key(l, request->texts[0]);
    reply->text = mem_strdup(reply->numbers[0] == LOGIN_OK ? l->accepted : l->error);
    return true;
}

static void read_secrets(struct login *l, struct login_reply *reply)
{
    l->error[0] = '\0';
    reply->numbers[0] = login_read_password(l);
    reply->numbers[1] = l->password != NULL;
    reply->text = mem_strdup(l->error);
}

static void answer_turn(struct login *l, bool begins, struct login_reply *reply)
{
    bool can = begins ? ask_begin(&l->asker) : ask_can(&l->asker);

    reply->numbers[0] = can                        ? LOGIN_TURN_YES
                        : l->asker.missing != NULL ? LOGIN_TURN_NONE
                                                   : LOGIN_TURN_ENDED;
    reply->text = mem_strdup(can ? NULL : l->asker.missing);
}

/* Whether a method that is allowed asks such a question. */
static bool may_be_asked(const struct login *l, enum login_question question)
{
    switch (question) {
    case LOGIN_QUESTION_PASSWORD: return l->upstream->password_authentication;
    case LOGIN_QUESTION_SERVER: return l->upstream->kbd_interactive_authentication;
    case LOGIN_QUESTION_PASSPHRASE: /* (that of a key that the keeper loads is no gateway's) */
        return l->upstream->pubkey_authentication && !login_loads_keys(l);
    case LOGIN_QUESTIONS: break;
    }
    return false;
}

static bool answer_question(struct login *l, const struct login_message *request,
                            struct login_reply *reply)
{
    enum login_question question = (enum login_question)request->numbers[0];

    if (!l->asker.has_turn || !may_be_asked(l, question))
        return false;
    reply->text = login_question(l, question, request->numbers[1] != 0, request->numbers[2] != 0,
                                 request->texts[0]);
    reply->numbers[0] = reply->text != NULL;
    return true;
}

static void answer_password(struct login *l, const struct login_message *request,
                            struct login_reply *reply)
{
    const char *password = login_password(l, (enum login_password)request->numbers[0]);

    reply->numbers[0] = password != NULL;
    if (request->numbers[1] != 0)
        reply->text = mem_strdup(password);
}

/* Makes one answer. False: what was asked for may not be asked for now. */
static bool login_answer(struct login *l, const struct login_message *request,
                         struct login_reply *reply)
{
    *reply = (struct login_reply){.descriptor = -1};
    switch (request->kind) {
    case LOGIN_COMMANDS: run_commands_again(l); return true;
    case LOGIN_FILES: return answer_files(l, request->numbers[0] != 0, reply);
    case LOGIN_ORDER: order_algorithms(l, request->texts[0], reply); return true;
    case LOGIN_HOST_KEY: return judge_host_key(l, request, reply);
    case LOGIN_SECRETS: read_secrets(l, reply); return true;
    case LOGIN_CAN_ASK: answer_turn(l, false, reply); return true;
    case LOGIN_TURN: answer_turn(l, true, reply); return true;
    case LOGIN_TURN_END: ask_end(&l->asker); return true;
    case LOGIN_ASK: return answer_question(l, request, reply);
    case LOGIN_SHOW: login_show(l, request->texts[0]); return true;
    case LOGIN_PASSWORD: answer_password(l, request, reply); return true;
    case LOGIN_REFUSED:
        login_password_refused(l, (enum login_password)request->numbers[0]);
        return true;
    case LOGIN_ACCEPTED: login_password_accepted(l); return true;
    case LOGIN_KEYS: return login_list_keys(l, reply);
    case LOGIN_AGENT: login_open_agent(l, reply); return true;
    case LOGIN_KEY: return login_load_key(l, request->numbers[0], request->numbers[1] != 0, reply);
    case LOGIN_WAITS:
    case LOGIN_ANSWER:
    case LOGIN_MESSAGE_KINDS: break;
    }
    return false;
}

static bool serve_one(struct login *l, const struct login_message *request)
{
    struct login_reply reply;
    struct login_message answer = {.kind = LOGIN_ANSWER};
    bool good = login_answer(l, request, &reply);

    memcpy(answer.numbers, reply.numbers, sizeof(reply.numbers));
    answer.texts[0] = login_span(reply.text);
    if (!good)
        log_error("upstream %s: the gateway has asked for what it may not, in its login at %s",
                  l->upstream->name, l->host.name);
    good = good && login_line_pass(l->asker.line, &answer, reply.descriptor);
    if (reply.descriptor >= 0)
        close(reply.descriptor);
    secret_free(reply.text);
    return good;
}

void login_serve(struct login *l)
{
    struct login_packet packet = {0};
    bool good = true;

    while (good && login_line_receive(l->asker.line, true, &packet))
        if ((good = serve_one(l, &packet.message)) && packet.message.kind == LOGIN_FILES)
            login_prepare_keys(l);
    login_packet_clear(&packet);
}
