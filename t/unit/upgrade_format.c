/* What UPGRADE_CHECK's number stands for: after an upgrade a keeper talks to a gateway of the
 * program from before, which drains. A change here needs another number in keeper/keeper.h, so that
 * an older program goes on instead of being misunderstood. */
#include "keeper/keeper.h"
#include "wire/keeper.h"
#include "wire/login_line.h"
#include "wire/service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static const enum keeper_message_kind keeper_kinds[] = {
    KEEPER_START,    KEEPER_SOCKET,    KEEPER_CONFIG,   KEEPER_SIGNAL,   KEEPER_LOG,
    KEEPER_DETACH,   KEEPER_LISTEN,    KEEPER_RETIRE,   KEEPER_FILE,     GATEWAY_READY,
    GATEWAY_UP,      GATEWAY_DETACHED, GATEWAY_CHANGE,  GATEWAY_CHANGED, GATEWAY_NOTIFY,
    GATEWAY_UPGRADE, GATEWAY_CLOSED,   GATEWAY_SERVICE, GATEWAY_LOGIN,   GATEWAY_EVENT};

static const enum service_kind service_kinds[] = {
    SERVICE_PASSWORD,     SERVICE_FORWARD,      SERVICE_AGENT,       SERVICE_MASTER,
    SERVICE_LISTEN,       SERVICE_COMMAND,      SERVICE_FORGET,      SERVICE_LEAVE,
    SERVICE_VERDICT,      SERVICE_CONNECTED,    SERVICE_LISTENING,   SERVICE_INPUT,
    SERVICE_OUTPUT,       SERVICE_FAILED,       SERVICE_EXITED,      SERVICE_RENEWED,
    SERVICE_START_MASTER, SERVICE_REACH_MASTER, SERVICE_MASTER_ASKS, SERVICE_MASTER_UP,
    SERVICE_MASTER_ENDED, SERVICE_ASK_CAUSE,    SERVICE_CAUSE};

static const enum login_message_kind login_kinds[] = {
    LOGIN_COMMANDS, LOGIN_FILES,    LOGIN_ORDER, LOGIN_HOST_KEY, LOGIN_SECRETS,  LOGIN_CAN_ASK,
    LOGIN_TURN,     LOGIN_TURN_END, LOGIN_ASK,   LOGIN_SHOW,     LOGIN_PASSWORD, LOGIN_REFUSED,
    LOGIN_ACCEPTED, LOGIN_KEYS,     LOGIN_AGENT, LOGIN_KEY,      LOGIN_WAITS,    LOGIN_ANSWER};

#define ASSERT_AS_THEY_WERE(kinds, count)                                                          \
    do {                                                                                           \
        assert_int_equal(sizeof(kinds) / sizeof(*kinds), count);                                   \
        for (unsigned i = 0; i < (count); i++)                                                     \
            assert_int_equal(kinds[i], i);                                                         \
    } while (0)

static void messages_have_the_numbers_of_format_2(void **state)
{
    (void)state;
    assert_string_equal(UPGRADE_CHECK, "--check-upgrade-2");
    ASSERT_AS_THEY_WERE(keeper_kinds, KEEPER_MESSAGE_KINDS);
    ASSERT_AS_THEY_WERE(service_kinds, SERVICE_KINDS);
    ASSERT_AS_THEY_WERE(login_kinds, LOGIN_MESSAGE_KINDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_have_the_numbers_of_format_2),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
